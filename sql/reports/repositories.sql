-- The largest repositories of the curated code.
-- Columns repo_name, revision_id, license, files, megabytes.
SELECT repo_name, revision_id, license, count(*) AS files, round(sum(length_bytes) / 1e6, 2) AS megabytes
FROM code
GROUP BY repo_name, repo_url, revision_id, license
ORDER BY sum(length_bytes) DESC, repo_name
LIMIT 20
