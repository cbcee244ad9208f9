-- Contents whose symbols are not in the table yet.
--
-- Reads   live, symbols.
-- Columns those of live.
CREATE OR REPLACE TABLE todo AS
FROM live
ANTI JOIN (
    SELECT blob_id, language, stage_hash, qualified_name AS text_md5 FROM symbols WHERE kind = 'file'
) AS done USING (blob_id, language, stage_hash, text_md5)
