-- Parsed contents whose symbols no longer hold: gone from `code`, with another text there, or found by older rules.
--
-- Reads   symbols, live, languages (language, stage_hash).
-- Columns blob_id, language.
CREATE OR REPLACE TABLE stale AS
SELECT blob_id, language
FROM symbols
SEMI JOIN languages USING (language)
ANTI JOIN live
    ON live.blob_id = symbols.blob_id
    AND live.language = symbols.language
    AND live.stage_hash = symbols.stage_hash
    AND live.text_md5 = symbols.qualified_name
WHERE kind = 'file'
