-- How many matches a tree-sitter query has in a content.
--
-- Reads   as ts_query.
-- Gives   BIGINT; NULL for NULL, and for a file beyond a limit.
CREATE OR REPLACE MACRO ts_count(content, language, query, strict := true) AS
    CASE
        WHEN content IS NULL OR language IS NULL OR query IS NULL THEN NULL
        WHEN
                contains(content, _literal('query', query, NULL, 1))
                AND contains(content, _literal('query', query, NULL, 2))
                AND (_alternatives('query', query, NULL) = '' OR regexp_matches(content, _alternatives('query', query, NULL)))
            THEN _ts_count(content, language, query, strict)
        ELSE 0
    END;
