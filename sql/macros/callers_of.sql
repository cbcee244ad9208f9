-- Who calls something: each call of `name`, which may be qualified (os.path.join).
--
-- Reads   calls.
-- Columns repo_name, path, line; caller: qualified name of the definition the call stands in, NULL at the top of the
--         file; callee: what is called, as written where that is only names; language, blob_id, start_byte, end_byte.
CREATE OR REPLACE MACRO callers_of(name) AS TABLE
SELECT
    repo_name, path, line, caller, coalesce(calls.qualified_name, calls.name) AS callee, language, blob_id, start_byte,
    end_byte
-- DuckDB 2.0 refuses a parameter named like a column of a file that is read, unless it is a column itself.
FROM (VALUES (name)) AS asked(wanted)
JOIN calls ON calls.name = wanted OR calls.qualified_name = wanted
