-- The contents those directories name that the archive does not have, and why.
--
-- Reads   skipped_content (a stream), entries.
-- Columns of the table `skipped`: sha1_git, reason.
CREATE TABLE skipped AS
SELECT sha1_git, coalesce(min(reason), 'no reason given') AS reason
FROM skipped_content
SEMI JOIN (SELECT DISTINCT target FROM entries WHERE type = 'file') ON target = skipped_content.sha1_git
GROUP BY sha1_git
