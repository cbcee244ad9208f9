-- The rows of `code` that are wanted as they are.
--
-- Reads   wanted (curate/wanted.sql), code.
-- Columns blob_id.
CREATE OR REPLACE TABLE same AS
SELECT blob_id
FROM (
    SELECT * FROM wanted
    INTERSECT
    SELECT * EXCLUDE (content) FROM code
)
