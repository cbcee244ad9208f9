-- The directories below the roots, each once however often it is there; a cycle ends by itself.
--
-- Reads   edges, roots.
-- Columns of the table `reached`: directory_id.
CREATE TABLE reached AS
WITH RECURSIVE reach AS (
    SELECT DISTINCT directory_id FROM roots WHERE directory_id IS NOT NULL
    UNION
    SELECT e.target FROM reach r JOIN edges e ON e.directory_id = r.directory_id
)
SELECT directory_id FROM reach
