-- The visits in order, with how large their trees are.
--
-- Reads   roots, folders.
-- Columns those of `roots`, and rows: entries of the tree as far as it was walked, NULL if the graph lacks its root.
SELECT r.*, w.rows
FROM roots r
LEFT JOIN (SELECT root, max(rows)::BIGINT AS rows FROM folders GROUP BY root) w ON w.root = r.directory_id
ORDER BY r.number
