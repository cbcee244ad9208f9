-- What changed in each repository between two points of the lake's past (NULL for now), path by path.
--
-- Reads   repos and files at both points. A repository stands there as its latest visit saw it, so one that was not
--         visited in between has no changes, and one whose first visit lies in between has all its files added.
-- Columns repo_name, path; change: added, removed or changed; language, blob_before, blob_after, bytes_before,
--         bytes_after, revision_before, revision_after, repo_url.
CREATE OR REPLACE MACRO files_changed(a, b := NULL) AS TABLE
WITH visited_before AS (
    SELECT repo_url, max(visit_date) AS visit_date FROM repos_at(a) GROUP BY ALL
),
visited_after AS (
    SELECT repo_url, max(visit_date) AS visit_date FROM repos_at(b) GROUP BY ALL
),
before AS (
    FROM files_at(a) SEMI JOIN visited_before USING (repo_url, visit_date)
),
after AS (
    FROM files_at(b) SEMI JOIN visited_after USING (repo_url, visit_date)
)
SELECT
    coalesce(after.repo_name, before.repo_name) AS repo_name,
    path,
    CASE WHEN before.blob_id IS NULL THEN 'added' WHEN after.blob_id IS NULL THEN 'removed' ELSE 'changed' END AS change,
    coalesce(after.language, before.language) AS language,
    before.blob_id AS blob_before,
    after.blob_id AS blob_after,
    before.length_bytes AS bytes_before,
    after.length_bytes AS bytes_after,
    before.revision_id AS revision_before,
    after.revision_id AS revision_after,
    repo_url
FROM before FULL JOIN after USING (repo_url, path)
WHERE before.blob_id IS DISTINCT FROM after.blob_id;
