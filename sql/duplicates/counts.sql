-- What was found.
--
-- Reads   code, duplicates.
-- Columns files (looked at), clusters, duplicates (files another one stands for), duplicate_bytes (of those).
SELECT
    (SELECT count(*) FROM code),
    count(DISTINCT cluster_id),
    count(*) FILTER (blob_id <> representative),
    coalesce(sum(length_bytes) FILTER (blob_id <> representative), 0)
FROM duplicates
LEFT JOIN (SELECT blob_id, length_bytes FROM code) AS code USING (blob_id)
