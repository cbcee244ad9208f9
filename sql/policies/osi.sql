-- Files that can be used under licences approved by the Open Source Initiative.
--
-- Reads   code; license_policies(license, osi, …), one row for each expression (lake/licenses/policies.py).
-- Columns those of `code`.
SELECT code.* FROM code JOIN license_policies USING (license) WHERE osi
