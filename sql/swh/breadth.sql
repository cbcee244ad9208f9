-- How many entries each directory has.
--
-- Reads   entries.
-- Columns of the table `breadth`: directory_id, rows.
CREATE TABLE breadth AS
SELECT directory_id, count(*) AS rows
FROM entries
GROUP BY directory_id
