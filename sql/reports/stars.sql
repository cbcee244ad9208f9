-- Stars by language
-- How popular are the repositories that the code of each language is in?
--
-- Section Repositories
-- Reads   code
-- Columns language      language
--         stars         median stars of its repositories
--         most_stars    stars of the most popular
--         repositories  repositories with known stars
--         files         files in them
--         megabytes     MB of original content
-- Plot    bar x=stars y=language top=20
-- Says    {language} is in the most popular repositories: half of the {repositories} have {stars} stars or more.
-- Empty   No repository of `code` has a number of stars: git, packages and folders tell none, The Stack (`codelake
--         ingest stack:PATH`) and GitHub Archive (`gharchive:FILE`) do where they have it.
SELECT
    language,
    median(stars) AS stars,
    max(stars) AS most_stars,
    count(*) AS repositories,
    sum(files)::BIGINT AS files,
    round(sum(bytes) / 1e6, 6) AS megabytes
FROM (
    SELECT language, repo_url, max(stars) AS stars, count(*) AS files, sum(length_bytes) AS bytes
    FROM code
    WHERE stars IS NOT NULL
    GROUP BY language, repo_url
)
GROUP BY language
ORDER BY stars DESC, most_stars DESC, language
