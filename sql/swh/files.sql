-- Every file of every visit in order, and the folders and submodules that were not followed.
--
-- Reads   roots, folders, entries, breadth, contents, skipped. Parameters: most rows of a root, deepest folder.
-- Columns number (of the visit), path, type, target, perms, sha1, length, status, reason (why the archive skipped it).
SELECT r.number, f.prefix || e.name AS path, e.type, e.target, e.perms, c.sha1, c.length, c.status, s.reason
FROM roots r
JOIN folders f ON f.root = r.directory_id
JOIN entries e ON e.directory_id = f.directory_id
LEFT JOIN contents c ON e.type = 'file' AND c.sha1_git = e.target
LEFT JOIN skipped s ON e.type = 'file' AND s.sha1_git = e.target
WHERE NOT EXISTS (SELECT 1 FROM folders o WHERE o.root = f.root AND o.rows > $1)
  AND (e.type <> 'dir' OR f.depth = $2
       -- git's empty tree has no entries and is no loss
       OR (e.target NOT IN (SELECT directory_id FROM breadth) AND e.target <> '4b825dc642cb6eb9a060e54bf8d69288fbee4904'))
ORDER BY r.number, path
