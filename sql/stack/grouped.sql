-- The files of The Stack, those of one revision of a repository one after the other.
--
-- Reads   stack_files (what sources/stack.py made of the rows).
-- Columns those of stack_files.
SELECT * FROM stack_files ORDER BY repo, revision, path, length, sha1
