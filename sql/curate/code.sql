-- The curated rows: one canonical occurrence of each kept content, with everything known of it.
--
-- Reads   occurrences (curate/occurrences.sql), blobs.
-- Columns those of the `code` table; ordered by its partitions, then by its sort order.
SELECT
    blob_id, o.repo_name, o.path, decode(blobs.content) AS content, o.language, language_type, license_type, license,
    extension, is_vendor, is_generated, is_documentation, is_test, o.length_bytes, o.src_encoding,
    o.num_lines, o.avg_line_length, o.max_line_length, o.alphanum_fraction, o.alpha_fraction, num_occurrences,
    repo_url, host, owner, vcs, fork_of, stars, forks, branch_name, visit_date, snapshot_id, revision_id, directory_id,
    revision_date, committer_date
FROM blobs
JOIN occurrences AS o USING (blob_id)
WHERE o.reason IS NULL
ORDER BY o.language, license_type, o.repo_name, o.path, repo_url
