-- The rows of `repos` as of a release, a time, a commit's number or a snapshot id; NULL for now.
--
-- Reads   repos at that point.
-- Columns those of `repos`.
CREATE OR REPLACE MACRO repos_at(release) AS TABLE
FROM query(_scan('repos', release::VARCHAR));
