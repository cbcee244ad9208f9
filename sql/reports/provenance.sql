-- Own, test, vendored and generated code
-- How much of each language did its repositories write themselves?
--
-- Section Languages
-- Reads   code
-- Columns language   language, the one with most bytes first
--         kind       own, test, documentation, vendored (third-party path) or generated; the last that holds
--         files      files
--         megabytes  MB of original content
--         share      % of the bytes of its language
-- Plot    bar x=share y=language color=kind top=15
-- Says    Of {language}, the language with most bytes, {share} % of the bytes are of the kind “{kind}”.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    language,
    CASE
        WHEN is_generated THEN 'generated'
        WHEN is_vendor THEN 'vendored'
        WHEN is_documentation THEN 'documentation'
        WHEN is_test THEN 'test'
        ELSE 'own'
    END AS kind,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes,
    round(100 * sum(length_bytes) / sum(sum(length_bytes)) OVER (PARTITION BY language), 1) AS share
FROM code
GROUP BY language, kind
ORDER BY sum(sum(length_bytes)) OVER (PARTITION BY language) DESC, language, sum(length_bytes) DESC, kind
