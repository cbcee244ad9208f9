-- The rows of `files` as of a release, a time, a commit's number or a snapshot id; NULL for now.
--
-- Reads   files at that point.
-- Columns those of `files`.
CREATE OR REPLACE MACRO files_at(release) AS TABLE
FROM query(_scan('files', release::VARCHAR));
