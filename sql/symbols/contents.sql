-- The texts to parse, with what their symbols are kept under.
--
-- Reads   code, todo.
-- Columns blob_id, language, stage_hash, text_md5, content; in the order of code.
SELECT blob_id, language, stage_hash, text_md5, content
FROM code
JOIN todo USING (blob_id, language)
