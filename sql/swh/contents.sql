-- The contents those directories name, each sha1_git once (exports repeat rows).
--
-- Reads   content (a stream), entries.
-- Columns of the table `contents`: sha1_git, sha1, length, status.
CREATE TABLE contents AS
SELECT sha1_git, min(sha1) AS sha1, arg_min(length, sha1) AS length, arg_min(status, sha1) AS status
FROM content
SEMI JOIN (SELECT DISTINCT target FROM entries WHERE type = 'file') ON target = content.sha1_git
GROUP BY sha1_git
