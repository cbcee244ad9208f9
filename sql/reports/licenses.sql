-- Licences of the curated code.
-- Columns license_type, license (SPDX expression), repositories, files, megabytes.
SELECT
    license_type,
    license,
    count(DISTINCT repo_url) AS repositories,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 2) AS megabytes
FROM code
GROUP BY license_type, license
ORDER BY sum(length_bytes) DESC, license_type, license
