-- What is in those directories.
--
-- Reads   directory_entry (a stream), reached.
-- Columns of the table `entries`: directory_id, name, type, target, perms.
CREATE TABLE entries AS
SELECT DISTINCT directory_id, name, type, target, perms
FROM directory_entry
SEMI JOIN reached USING (directory_id)
