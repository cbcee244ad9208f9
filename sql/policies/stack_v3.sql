-- The Stack v3's policy: files with only listed licences, and files without any.
--
-- Reads   code; license_policies(license, listed, …), one row for each expression (lake/licenses/policies.py).
-- Columns those of `code`.
SELECT code.* FROM code LEFT JOIN license_policies USING (license) WHERE license IS NULL OR listed
