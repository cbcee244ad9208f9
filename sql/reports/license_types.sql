-- Classes of licences
-- What may be used freely, what under conditions, and what not?
--
-- Section Licences
-- Reads   code
-- Columns license_type  class of licence; none: no licence was found, unknown: one that is not recognised
--         files         files
--         megabytes     MB of original content
--         share         % of all bytes
--         repositories  repositories
-- Plot    bar x=megabytes y=license_type color=license_type
-- Says    {share} % of the bytes are {license_type}.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    license_type,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes,
    round(100 * sum(length_bytes) / sum(sum(length_bytes)) OVER (), 1) AS share,
    count(DISTINCT repo_url) AS repositories
FROM code
GROUP BY license_type
ORDER BY sum(length_bytes) DESC, license_type
