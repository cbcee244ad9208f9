-- The default policy: files under permissive licences or in the public domain.
--
-- Reads   code.
-- Columns those of `code`.
SELECT * FROM code WHERE license_type IN ('permissive', 'public-domain')
