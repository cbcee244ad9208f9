-- Age of the code
-- From which year is the revision that each file was read at?
--
-- Section Repositories
-- Reads   code
-- Columns year          year of the revision
--         repositories  repositories
--         files         files
--         megabytes     MB of original content
-- Plot    bar x=year y=megabytes
-- Says    The oldest revision is of {year}, the newest of {last[year]}; most bytes are of {top[year]}:
--         {top[megabytes]} MB.
-- Empty   No file of `code` has the date of its revision: packages and folders have none, git, Mercurial and
--         Subversion repositories have.
SELECT
    year(revision_date)::VARCHAR AS year,
    count(DISTINCT repo_url) AS repositories,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes
FROM code
WHERE revision_date IS NOT NULL
GROUP BY year
ORDER BY year
