-- Visits by month
-- When were the repositories read, or which point of their history was read?
--
-- Section Repositories
-- Reads   repos
-- Columns month         month of the visit
--         vcs           git, hg, svn, archive, package, forge or folder
--         visits        visits
--         repositories  repositories visited
--         files         files seen, the same file again in each visit
-- Plot    bar x=month y=visits color=vcs
-- Says    From {month:%B %Y} to {last[month]:%B %Y}; the month with most visits is {top[month]:%B %Y} with {top[visits]} ({top[vcs]}).
-- Empty   `repos` has no rows: `codelake ingest SOURCE` makes visits.
SELECT
    date_trunc('month', visit_date)::DATE AS month,
    vcs,
    count(*) AS visits,
    count(DISTINCT repo_url) AS repositories,
    sum(num_files)::BIGINT AS files
FROM repos
GROUP BY month, vcs
ORDER BY month, vcs
