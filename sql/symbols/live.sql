-- What the curated files are now: each content to be parsed, and a hash of its text as it stands in `code`.
--
-- Reads   code, languages (language, stage_hash).
-- Columns blob_id, language, stage_hash, text_md5, size (bytes of the text).
CREATE OR REPLACE TABLE live AS
SELECT DISTINCT blob_id, language, stage_hash, md5(content) AS text_md5, strlen(content) AS size
FROM code
JOIN languages USING (language)
