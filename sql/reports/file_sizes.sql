-- Sizes of files
-- How long are the files?
--
-- Section Languages
-- Reads   code
-- Columns size         from this length up to twice it
--         files        files of that length
--         megabytes    MB in them
--         files_up_to  % of all files that are no longer
-- Plot    bar x=size y=files
-- Says    Most files, {top[files]} of them, have between {top[size]} and twice that.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    CASE
        WHEN step < 10 THEN (1 << step) || ' B'
        WHEN step < 20 THEN (1 << (step - 10)) || ' KiB'
        ELSE (1 << (step - 20)) || ' MiB'
    END AS size,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes,
    round(100 * sum(count(*)) OVER (ORDER BY step) / sum(count(*)) OVER (), 1) AS files_up_to
FROM (SELECT length_bytes, length(bin(length_bytes)) - 1 AS step FROM code WHERE length_bytes > 0)
GROUP BY step
ORDER BY step
