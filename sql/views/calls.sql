-- What is called: a row for each call of something by its name.
--
-- Reads   symbols, code.
-- Columns blob_id, language, name; qualified_name: the callee as written with dots (os.path.join), NULL where the
--         receiver is an expression; caller: qualified name of the definition the call stands in, NULL at the top of
--         the file; line, start_byte, end_byte, repo_name, path, license_type.
CREATE OR REPLACE VIEW calls AS
SELECT
    s.blob_id, s.language, s.name, s.qualified_name, s.parent AS caller, s.start_line AS line, s.start_byte, s.end_byte,
    code.repo_name, code.path, code.license_type
FROM symbols AS s
JOIN code USING (blob_id, language)
WHERE s.kind = 'call'
