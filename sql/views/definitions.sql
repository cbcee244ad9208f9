-- What is defined: functions, methods, classes, types, modules, constants, macros …, with the file each stands in.
--
-- Reads   symbols, code.
-- Columns blob_id, language, kind, name, qualified_name, parent, start_line, end_line, start_byte, end_byte,
--         documented, repo_name, path, license_type. Bytes are of the text as UTF-8: encode(content)[start_byte + 1 :
--         end_byte].
CREATE OR REPLACE VIEW definitions AS
SELECT
    s.blob_id, s.language, s.kind, s.name, s.qualified_name, s.parent, s.start_line, s.end_line, s.start_byte, s.end_byte,
    s.docstring_start_byte IS NOT NULL AS documented,
    code.repo_name, code.path, code.license_type
FROM symbols AS s
JOIN code USING (blob_id, language)
WHERE s.kind NOT IN ('file', 'import', 'call', 'declaration')
