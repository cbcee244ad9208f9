-- Largest repositories
-- Which repositories does most of the curated code come from?
--
-- Section Repositories
-- Reads   code
-- Columns repo_name     repository or package
--         revision_id   its revision or version
--         license_type  class of its licence
--         license       its licence, SPDX expression
--         files         files kept
--         megabytes     MB of original content
--         share         % of all bytes
-- Plot    bar x=megabytes y=repo_name color=license_type
-- Says    {repo_name} is the largest with {megabytes} MB, {share} % of all bytes.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT
    repo_name,
    revision_id,
    license_type,
    license,
    count(*) AS files,
    round(sum(length_bytes) / 1e6, 6) AS megabytes,
    round(100 * sum(length_bytes) / sum(sum(length_bytes)) OVER (), 1) AS share
FROM code
GROUP BY repo_name, repo_url, revision_id, license_type, license
ORDER BY sum(length_bytes) DESC, repo_name, repo_url
LIMIT 20
