-- The parents of those revisions, in order.
--
-- Reads   revision_history (a stream), revisions.
-- Columns of the table `parents`: id, parents (a list of ids).
CREATE TABLE parents AS
SELECT id, list(parent_id ORDER BY parent_rank) AS parents
FROM (SELECT DISTINCT id, parent_id, parent_rank FROM revision_history)
SEMI JOIN revisions USING (id)
GROUP BY id
