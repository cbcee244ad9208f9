-- Exact copies
-- How often does the same content occur? `code` keeps one of each.
--
-- Section Files and copies
-- Reads   code
-- Columns occurrences  files with that content in the latest visits, up to the next step
--         contents     distinct contents with so many
--         copies       copies left out
--         saved        MB of those copies
-- Plot    bar x=occurrences y=contents scale=symlog
-- Says    Contents by the number of their occurrences: {contents} have {occurrences}, {last[contents]} have {last[occurrences]}.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    CASE
        WHEN num_occurrences <= 3 THEN num_occurrences::VARCHAR
        WHEN num_occurrences < 10 THEN '4 to 9'
        WHEN num_occurrences < 100 THEN '10 to 99'
        ELSE '100 and more'
    END AS occurrences,
    count(*) AS contents,
    sum(num_occurrences - 1)::BIGINT AS copies,
    round(sum((num_occurrences - 1) * length_bytes) / 1e6, 6) AS saved
FROM code
GROUP BY occurrences
ORDER BY min(num_occurrences)
