-- The texts of one language, in the order of code.
--
-- Reads   code, the language in the parameter.
-- Columns blob_id, content.
SELECT blob_id, content
FROM code
WHERE language = ?
