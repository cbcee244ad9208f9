-- Bytes of each language by licence class.
-- Columns language, license_type, megabytes.
SELECT language, license_type, sum(length_bytes) / 1e6 AS megabytes
FROM code
GROUP BY language, license_type
ORDER BY language, license_type
