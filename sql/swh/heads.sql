-- The main branch of each snapshot as The Stack v2 chose it: HEAD, else refs/heads/master, else refs/heads/main.
--
-- An alias is followed to the branch it names, ten times at most. swh.export writes that name as hex digits.
--
-- Reads   branches.
-- Columns of the table `heads`: snapshot_id, name (of the branch the alias led to), target, target_type.
CREATE TABLE heads AS
WITH RECURSIVE resolved AS (
    SELECT b.snapshot_id, c.rank, b.name, b.target, b.target_type, 0 AS hops
    FROM branches b
    JOIN (VALUES (1, 'HEAD'), (2, 'refs/heads/master'), (3, 'refs/heads/main')) AS c(rank, name)
        ON b.name = encode(c.name)
    UNION ALL
    SELECT b.snapshot_id, r.rank, b.name, b.target, b.target_type, r.hops + 1
    FROM resolved r
    JOIN branches b ON b.snapshot_id = r.snapshot_id AND b.name = coalesce(TRY(unhex(r.target)), encode(r.target))
    WHERE r.target_type = 'alias' AND r.hops < 10
)
SELECT snapshot_id, name, target, target_type
FROM resolved
WHERE target_type IN ('revision', 'release', 'directory')
QUALIFY row_number() OVER (PARTITION BY snapshot_id ORDER BY rank, hops, target) = 1
