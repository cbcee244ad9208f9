-- Licences
-- Under which licences does the code stand?
--
-- Section Licences
-- Reads   code
-- Columns license_type  class of licence, from permissive to none
--         license       SPDX expression, – where there is none
--         repositories  repositories
--         files         files
--         megabytes     MB of original content
-- Plot    bar x=megabytes y=license color=license_type top=20
-- Says    {license} ({license_type}) has the most: {megabytes} MB in {repositories} repositories; expressions in all:
--         {rows}.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    license_type,
    license,
    count(DISTINCT repo_url) AS repositories,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes
FROM code
GROUP BY license_type, license
ORDER BY sum(length_bytes) DESC, license_type, license
