-- The rows to write into `code`: what is new or changed, and what stays of the data files that are written anew.
--
-- Reads   wanted, same (curate/wanted.sql, curate/same.sql), blobs; kept, the rows of `code` in the files to write
--         anew.
-- Columns those of the `code` table, and encoded: the bytes of a content that is not in plain UTF-8, whose content is
--         NULL; ordered by the partitions of the table, then by its sort order.
SELECT
    * EXCLUDE (plain, bytes),
    CASE WHEN plain THEN decode(bytes) END AS content,
    CASE WHEN NOT plain THEN bytes END AS encoded
FROM (
    -- Plain: UTF-8 without a byte order mark.
    SELECT
        wanted.*, blobs.content AS bytes,
        wanted.src_encoding = 'UTF-8' AND NOT starts_with(hex(blobs.content[:3]), 'EFBBBF') AS plain
    FROM wanted
    ANTI JOIN same USING (blob_id)
    JOIN blobs USING (blob_id)
)
UNION ALL BY NAME
SELECT wanted.*, kept.content, NULL::BLOB AS encoded
FROM kept
SEMI JOIN same USING (blob_id)
JOIN wanted USING (blob_id)
ORDER BY language, license_type, repo_name, path, repo_url
