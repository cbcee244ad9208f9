-- What files take in: a row for each module, or for each name taken of one.
--
-- Reads   symbols, code.
-- Columns blob_id, language, module; name: what is taken of it, * for all, NULL for the module itself; alias: what the
--         file calls it instead; line, start_byte, end_byte, repo_name, path, license_type.
CREATE OR REPLACE VIEW imports AS
SELECT
    s.blob_id, s.language,
    coalesce(s.parent, s.qualified_name) AS module,
    CASE WHEN s.parent IS NOT NULL THEN ltrim(s.qualified_name[length(s.parent) + 1 :], '.') END AS name,
    CASE
        WHEN s.qualified_name <> replace(s.name, '::', '.') AND NOT ends_with(s.qualified_name, '.' || s.name) THEN s.name
    END AS alias,
    s.start_line AS line, s.start_byte, s.end_byte,
    code.repo_name, code.path, code.license_type
FROM symbols AS s
JOIN code USING (blob_id, language)
WHERE s.kind = 'import'
