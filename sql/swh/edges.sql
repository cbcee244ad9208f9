-- Which directory is in which.
--
-- Reads   directory_entry (a stream).
-- Columns of the table `edges`: directory_id, target.
CREATE TABLE edges AS
SELECT DISTINCT directory_id, target
FROM directory_entry
WHERE type = 'dir'
