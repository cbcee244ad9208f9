-- Every match of a pattern written as code, $A for any node and $$$ARGS for any number of them.
--
-- Reads   as ts_query, the pattern as https://ast-grep.github.io/guide/pattern-syntax.html says.
-- Gives   as ts_query: capture is match (all of it), or the name of a meta-variable, one element a named node.
CREATE OR REPLACE MACRO ast_grep(content, language, query, strict := true) AS
    CASE
        WHEN content IS NULL OR language IS NULL OR query IS NULL THEN NULL
        WHEN
                contains(content, _literal('ast_grep', query, [language], 1))
                AND contains(content, _literal('ast_grep', query, [language], 2))
                AND (_alternatives('ast_grep', query, [language]) = '' OR regexp_matches(content, _alternatives('ast_grep', query, [language])))
            THEN _ast_grep(content, language, query, strict)
        ELSE []
    END;
