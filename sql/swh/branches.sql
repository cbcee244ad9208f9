-- The branches of the snapshots that were chosen.
--
-- Reads   snapshot_branch (a stream), chosen.
-- Columns of the table `branches`: snapshot_id, name, target, target_type.
CREATE TABLE branches AS
SELECT DISTINCT snapshot_id, name, target, target_type
FROM snapshot_branch
SEMI JOIN chosen ON chosen.snapshot = snapshot_branch.snapshot_id
