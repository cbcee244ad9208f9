-- What `code` is to hold, without its contents: one canonical occurrence of each kept content.
--
-- Reads   occurrences (curate/occurrences.sql).
-- Columns those of `code` but content, in its order.
CREATE OR REPLACE TABLE wanted AS
SELECT
    blob_id, repo_name, path, language, language_type, license_type, license, NULL::VARCHAR[] AS detected_licenses,
    extension, is_vendor, is_generated, is_documentation, is_test, length_bytes, src_encoding, num_lines,
    avg_line_length, max_line_length, alphanum_fraction, alpha_fraction, num_occurrences, repo_url, host, owner, vcs,
    fork_of, stars, forks, branch_name, visit_date, snapshot_id, revision_id, directory_id, revision_date,
    committer_date
FROM occurrences
WHERE reason IS NULL
