-- Languages
-- Which languages is the curated code written in, and how much of each may be used freely?
--
-- Section Languages
-- Reads   code
-- Columns language      language by Linguist's rules
--         files         files kept, one of each content
--         megabytes     MB of original content
--         share         % of all bytes
--         permissive    % of its files under a permissive licence
--         repositories  repositories it is in
-- Plot    bar x=megabytes y=language top=20
-- Says    {language} has the most, {share} % of the bytes, and {permissive} % of its files are permissive; languages
--         in all: {rows}.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    language,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes,
    round(100 * sum(length_bytes) / sum(sum(length_bytes)) OVER (), 1) AS share,
    round(100 * avg((license_type = 'permissive')::INT), 1) AS permissive,
    count(DISTINCT repo_url) AS repositories
FROM code
GROUP BY language
ORDER BY sum(length_bytes) DESC, language
