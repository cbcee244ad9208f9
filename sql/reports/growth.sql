-- Growth by month
-- How does the lake grow with the months it has visits of? Only contents that are new cost anything.
--
-- Section Repositories
-- Reads   blobs
-- Columns month          month of the visit that first had them
--         new_contents   distinct contents that were new
--         new_megabytes  MB of them
--         contents       distinct contents so far
--         megabytes      MB of distinct contents so far
-- Plot    line x=month y=megabytes
-- Says    From {megabytes} MB in {month:%B %Y} to {last[megabytes]} MB in {last[month]:%B %Y}, {last[contents]} distinct contents.
-- Empty   `blobs` has no rows: `codelake ingest SOURCE` reads code into the lake.
SELECT
    month,
    count(*) AS new_contents,
    round(sum(length_bytes) / 1e6, 6) AS new_megabytes,
    sum(count(*)) OVER (ORDER BY month)::BIGINT AS contents,
    round(sum(sum(length_bytes)) OVER (ORDER BY month) / 1e6, 6) AS megabytes
FROM (SELECT date_trunc('month', first_seen)::DATE AS month, length_bytes FROM blobs)
GROUP BY month
ORDER BY month
