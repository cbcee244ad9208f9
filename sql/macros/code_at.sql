-- The rows of `code` as of a release, a time, a commit's number or a snapshot id; NULL for now.
--
-- Reads   code at that point.
-- Columns those of `code`.
CREATE OR REPLACE MACRO code_at(release) AS TABLE
FROM query(_scan('code', release::VARCHAR));
