-- Near-duplicates
-- How many contents are almost the same as another?
--
-- Section Files and copies
-- Reads   duplicates
-- Columns size        contents in a cluster
--         clusters    clusters of that size
--         contents    contents in them
--         similarity  mean Jaccard similarity to the one that is kept, 0 to 1
-- Plot    bar x=size y=clusters scale=symlog
-- Says    {clusters} clusters have {size} contents; the largest cluster has {last[size]}.
-- Empty   `duplicates` has no rows: nothing has looked for near-duplicates in this lake; `codelake duplicates` does.
--         Exact copies are found by `codelake curate` all the same.
SELECT
    size::VARCHAR AS size,
    count(*) AS clusters,
    sum(size)::BIGINT AS contents,
    round(avg(similarity), 3) AS similarity
FROM (
    SELECT cluster_id, count(*) AS size, avg(jaccard) AS similarity
    FROM duplicates
    GROUP BY cluster_id
) AS clusters
GROUP BY clusters.size
ORDER BY clusters.size
