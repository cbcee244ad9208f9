-- The Stack v2's policy: the licence that a repository declares decides for all of its files; without one, as v3.
--
-- Reads   code; license_policies(license, listed, …), one row for each expression (lake/licenses/policies.py);
--         declared_licenses(repo_url, license), the expression that a repository declares.
-- Columns those of `code`.
SELECT code.*
FROM code
LEFT JOIN declared_licenses AS declared USING (repo_url)
LEFT JOIN license_policies AS own ON own.license = code.license
LEFT JOIN license_policies AS whole ON whole.license = declared.license
WHERE CASE WHEN declared.license IS NOT NULL THEN whole.listed ELSE code.license IS NULL OR own.listed END
