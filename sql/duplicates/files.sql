-- The files of one language, and which of two near-duplicates is kept: the one with the lower place.
--
-- Reads   code, license_types (license_type, rank), the language in the parameter.
-- Columns blob_id, place: from 0 by licence (most permissive first), stars (most first), visit (earliest first), blob_id;
--         ordered by blob_id.
SELECT
    blob_id,
    row_number() OVER (ORDER BY rank NULLS LAST, stars DESC NULLS LAST, visit_date, blob_id) - 1 AS place
FROM code
LEFT JOIN license_types USING (license_type)
WHERE language = ?
ORDER BY blob_id
