-- Languages of the curated code.
-- Columns language, files, megabytes, share of bytes (percent), permissive share of files (percent), repositories.
SELECT
    language,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 2) AS megabytes,
    round(100 * sum(length_bytes) / sum(sum(length_bytes)) OVER (), 1) AS share,
    round(100 * avg((license_type = 'permissive')::INT), 1) AS permissive,
    count(DISTINCT repo_url) AS repositories
FROM code
GROUP BY language
ORDER BY sum(length_bytes) DESC, language
