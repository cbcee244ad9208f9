-- The curated rows: one canonical occurrence of each kept content, with everything known of it.
--
-- Reads   occurrences (curate/occurrences.sql), blobs.
-- Columns those of the `code` table, and encoded: the bytes of a content that is not in plain UTF-8, whose content is
--         NULL; ordered by the partitions of the table, then by its sort order.
SELECT
    blob_id, o.repo_name, o.path, CASE WHEN plain THEN decode(blobs.content) END AS content, o.language, language_type, license_type, license,
    extension, is_vendor, is_generated, is_documentation, is_test, o.length_bytes, o.src_encoding,
    o.num_lines, o.avg_line_length, o.max_line_length, o.alphanum_fraction, o.alpha_fraction, num_occurrences,
    repo_url, host, owner, vcs, fork_of, stars, forks, branch_name, visit_date, snapshot_id, revision_id, directory_id,
    revision_date, committer_date, CASE WHEN NOT plain THEN blobs.content END AS encoded
FROM (
    -- Plain: UTF-8 without a byte order mark.
    SELECT *, src_encoding = 'UTF-8' AND NOT starts_with(hex(content[:3]), 'EFBBBF') AS plain FROM blobs
) AS blobs
JOIN occurrences AS o USING (blob_id)
WHERE o.reason IS NULL
ORDER BY o.language, license_type, o.repo_name, o.path, repo_url
