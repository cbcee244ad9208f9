-- One row for each occurrence (repository, path, blob), with the verdict on it.
--
-- Reads   repos, files, blobs; declared(declared_license, spdx, license_type), one row a distinct declared licence;
--         license_types(license_type, rank), the most permissive first.
-- Columns what `code` needs of the occurrence and its visit; num_occurrences of its content in the latest visits;
--         stage, reason, value, threshold: why it is left out, all NULL if it is kept.
--
-- Only the latest visit of an origin counts; what was in earlier ones and is no longer there is superseded. Where and
-- when a content was found are those of the first visit that had it at this path, so that another visit changes no row
-- of what stayed the same; licence and stars are those of the latest. Contents that ingest did not keep have their row in
-- drops already and are not judged again.
CREATE OR REPLACE TABLE occurrences AS
WITH visits AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY repo_url ORDER BY visit_date DESC) AS age,
        min(visit_date) OVER (PARTITION BY repo_url) AS first_visit,
        max_by(coalesce(revision_id, directory_id), visit_date) OVER (PARTITION BY repo_url) AS latest_revision
    FROM repos
),
last_seen AS (
    SELECT *, min(visit_date) OVER occurrence AS first_seen
    FROM files
    WINDOW occurrence AS (PARTITION BY repo_url, path, blob_id)
    -- The same path with the same content in several visits is one occurrence.
    QUALIFY row_number() OVER (occurrence ORDER BY visit_date DESC) = 1
),
seen AS (
    SELECT
        last_seen.* EXCLUDE (revision_id, visit_date, first_seen),
        visits.* EXCLUDE (
            repo_name, repo_url, visit_date, length_bytes, num_files, source, branch_name, snapshot_id, revision_id,
            directory_id, revision_date, committer_date
        ),
        earliest.visit_date, earliest.branch_name, earliest.snapshot_id, earliest.revision_id, earliest.directory_id,
        earliest.revision_date, earliest.committer_date,
        declared.spdx AS license,
        coalesce(declared.license_type, 'none') AS license_type
    FROM last_seen
    JOIN visits USING (repo_url, visit_date)
    JOIN repos AS earliest ON earliest.repo_url = last_seen.repo_url AND earliest.visit_date = last_seen.first_seen
    LEFT JOIN declared ON declared.declared_license = visits.declared_license
),
judged AS (
    SELECT
        seen.*,
        blobs.src_encoding, blobs.num_lines, blobs.avg_line_length, blobs.max_line_length,
        blobs.alphanum_fraction, blobs.alpha_fraction,
        CASE
            WHEN age > 1 THEN {'stage': 'latest-visit', 'reason': 'superseded', 'value': latest_revision}
            WHEN mode = '120000' THEN {'stage': 'content', 'reason': 'symbolic-link', 'value': NULL::VARCHAR}
            WHEN seen.length_bytes = 0 THEN {'stage': 'content', 'reason': 'empty', 'value': NULL::VARCHAR}
            WHEN src_encoding IS NULL THEN {'stage': 'content', 'reason': 'unknown-encoding', 'value': NULL::VARCHAR}
            WHEN seen.language IS NULL THEN {'stage': 'language', 'reason': 'no-language', 'value': extension}
        END AS verdict
    FROM seen
    JOIN blobs USING (blob_id)
    WHERE NOT (blobs.is_binary OR blobs.content IS NULL)
)
SELECT
    judged.* EXCLUDE (verdict),
    count(*) FILTER (age = 1) OVER (PARTITION BY blob_id) AS num_occurrences,
    coalesce(verdict.stage, CASE WHEN elected.copy > 1 THEN 'exact-duplicate' END) AS stage,
    coalesce(verdict.reason, CASE WHEN elected.copy > 1 THEN 'exact-duplicate' END) AS reason,
    coalesce(verdict.value, CASE WHEN elected.copy > 1 THEN elected.canonical END) AS value,
    CASE WHEN elected.copy > 1 THEN '1 copy' END AS threshold
FROM judged
LEFT JOIN (
    -- The canonical copy: best licence, most stars, earliest seen origin, then by name.
    SELECT
        repo_url, path, blob_id,
        row_number() OVER election AS copy,
        first_value(judged.repo_name || ':' || path) OVER election AS canonical
    FROM judged
    JOIN license_types USING (license_type)
    WHERE verdict IS NULL
    WINDOW election AS (
        PARTITION BY blob_id
        ORDER BY rank, coalesce(stars, 0) DESC, first_visit, judged.repo_name, path, repo_url
    )
) AS elected USING (repo_url, path, blob_id);
