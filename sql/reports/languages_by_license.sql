-- Languages by licence
-- Under which class of licence does the code of each language stand?
--
-- Section Licences
-- Reads   code
-- Columns language      language, the one with most bytes first
--         license_type  class of licence
--         files         files
--         megabytes     MB of original content
--         share         % of the bytes of its language
-- Plot    bar x=megabytes y=language color=license_type top=15
-- Says    Of {language}, the language with most bytes, {share} % are {license_type}.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    language,
    license_type,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes,
    round(100 * sum(length_bytes) / sum(sum(length_bytes)) OVER (PARTITION BY language), 1) AS share
FROM code
GROUP BY language, license_type
ORDER BY sum(sum(length_bytes)) OVER (PARTITION BY language) DESC, language, sum(length_bytes) DESC, license_type
