-- Every match of a search in the files of `code`, one row a capture.
--
-- query: what to search for. kind: 'ts' (a tree-sitter query), 'ast_grep' (code with $A and $$$ARGS), 'regex' (of
-- Python's re, ^ and $ at lines) or 'text'. language: by Linguist's name or an alias; NULL for every language in which
-- the query makes sense.
--
-- Reads   code. The languages and the literals any match contains are known before the scan begins, so that it opens
--         the files of those languages only and parses what holds the literals.
-- Columns blob_id, repo_name, path, language, license, license_type; match (numbered in each file), pattern, capture,
--         type, start_line, end_line, start_byte, end_byte, text.
CREATE OR REPLACE MACRO code_search(query, language := NULL, kind := 'ts') AS TABLE
WITH chosen AS (
    -- Unqualified, `language` is the parameter.
    SELECT blob_id, repo_name, path, code.language AS tongue, license, license_type, content FROM code
),
found AS (
    SELECT * EXCLUDE (content), unnest(_search(content, tongue, query, kind)) AS m
    FROM chosen
    WHERE
        coalesce(list_contains(_search_languages(query, language, kind), tongue), true)
        AND contains(content, _literal(kind, query, _search_languages(query, language, kind), 1))
        AND contains(content, _literal(kind, query, _search_languages(query, language, kind), 2))
        AND (
            _alternatives(kind, query, _search_languages(query, language, kind)) = ''
            OR regexp_matches(content, _alternatives(kind, query, _search_languages(query, language, kind)))
        )
)
SELECT
    blob_id, repo_name, path, tongue AS language, license, license_type,
    m."match", m.pattern, m.capture, m.type, m.start_line, m.end_line, m.start_byte, m.end_byte, m.text
FROM found;
