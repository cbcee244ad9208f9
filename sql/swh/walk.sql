-- Every folder below every root, with its path: all trees in one recursion, folders only.
--
-- `rows` is how many entries the folders of a root have, down to this depth. A root that passes the limit is not
-- followed further, so a tree made to explode (a directory many times in another, and so on) costs one level.
--
-- Reads   roots, entries, breadth. Parameters: most rows of a root, deepest folder.
-- Columns of the table `folders`: root, directory_id, prefix (its path with / at the end), depth, rows.
CREATE TABLE folders AS
WITH RECURSIVE walk AS (
    SELECT b.directory_id AS root, b.directory_id, ''::BLOB AS prefix, 0 AS depth, b.rows::HUGEINT AS rows
    FROM breadth b
    SEMI JOIN roots r ON r.directory_id = b.directory_id
    UNION ALL
    SELECT
        w.root, e.target, w.prefix || e.name || '/'::BLOB, w.depth + 1,
        w.rows + sum(b.rows) OVER (PARTITION BY w.root)
    FROM walk w
    JOIN entries e ON e.directory_id = w.directory_id AND e.type = 'dir'
    JOIN breadth b ON b.directory_id = e.target
    WHERE w.rows <= $1 AND w.depth < $2
)
SELECT root, directory_id, prefix, depth, rows FROM walk
