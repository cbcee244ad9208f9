-- The documentation of what is defined or declared, and of modules (kind file), as it is written.
--
-- Reads   symbols, code.
-- Columns blob_id, language, kind, name, qualified_name, docstring, start_line, end_line (of what is documented),
--         start_byte, end_byte (the same), repo_name, path, license_type.
CREATE OR REPLACE VIEW docstrings AS
SELECT
    s.blob_id, s.language, s.kind,
    CASE WHEN s.kind <> 'file' THEN s.name END AS name,
    CASE WHEN s.kind <> 'file' THEN s.qualified_name END AS qualified_name,
    -- Spans count bytes, and characters of a text are not bytes.
    decode(encode(code.content)[s.docstring_start_byte + 1 : s.docstring_end_byte]) AS docstring,
    s.start_line, s.end_line, s.start_byte, s.end_byte,
    code.repo_name, code.path, code.license_type
FROM symbols AS s
JOIN code USING (blob_id, language)
WHERE s.docstring_start_byte IS NOT NULL
