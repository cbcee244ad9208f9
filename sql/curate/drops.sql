-- Why each occurrence that is not in `code` was left out.
--
-- Reads   occurrences (curate/occurrences.sql).
-- Columns those of the `drops` table.
SELECT blob_id, path, repo_name, stage, reason, value, threshold, repo_url, visit_date
FROM occurrences
WHERE reason IS NOT NULL
ORDER BY stage, repo_name, path, visit_date
