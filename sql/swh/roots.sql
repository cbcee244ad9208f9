-- Each chosen visit with its main branch and what that leads to; NULLs from where the graph has no more.
--
-- Reads   chosen, heads, releases, revisions, parents.
-- Columns of the table `roots`: number, origin, date, snapshot, type, branch, release_id, revision_id, directory_id,
--         author, revision_date, committer, committer_date, parents.
CREATE TABLE roots AS
SELECT
    c.number, c.origin, c.date, c.snapshot, c.type, h.name AS branch,
    CASE WHEN h.target_type = 'release' THEN h.target END AS release_id,
    CASE h.target_type
        WHEN 'revision' THEN h.target
        WHEN 'release' THEN CASE WHEN r.target_type = 'revision' THEN r.target END
    END AS revision_id,
    CASE
        WHEN h.target_type = 'directory' THEN h.target
        WHEN r.target_type = 'directory' THEN r.target
        ELSE v.directory
    END AS directory_id,
    v.author, v.date AS revision_date, v.committer, v.committer_date, p.parents
FROM chosen c
LEFT JOIN heads h ON h.snapshot_id = c.snapshot
LEFT JOIN releases r ON h.target_type = 'release' AND r.id = h.target
LEFT JOIN revisions v ON v.id = CASE WHEN h.target_type = 'release' THEN r.target ELSE h.target END
LEFT JOIN parents p ON p.id = v.id
