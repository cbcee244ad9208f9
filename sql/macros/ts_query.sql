-- Every capture of every match of a tree-sitter query in a content.
--
-- Reads   content as text, its language by Linguist's name. strict := false: NULL, not an error, for a
--         language without a grammar, and for one whose grammar lacks what the query names.
-- Gives   STRUCT(match, pattern, capture, type, start_byte, end_byte, start_line, end_line, text)[]; NULL for NULL,
--         and for a file beyond a limit.
-- A content without a literal that any match contains is not parsed.
CREATE OR REPLACE MACRO ts_query(content, language, query, strict := true) AS
    CASE
        WHEN content IS NULL OR language IS NULL OR query IS NULL THEN NULL
        WHEN
                contains(content, _literal('query', query, NULL, 1))
                AND contains(content, _literal('query', query, NULL, 2))
                AND (_alternatives('query', query, NULL) = '' OR regexp_matches(content, _alternatives('query', query, NULL)))
            THEN _ts_query(content, language, query, strict)
        ELSE []
    END;
