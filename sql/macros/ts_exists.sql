-- Whether a tree-sitter query has a match in a content.
--
-- Reads   as ts_query.
-- Gives   BOOLEAN; NULL for NULL, and for a file beyond a limit.
-- An AND, so that in WHERE the literals are asked of the Parquet file as it is read.
CREATE OR REPLACE MACRO ts_exists(content, language, query, strict := true) AS (
        contains(content, _literal('query', query, NULL, 1))
        AND contains(content, _literal('query', query, NULL, 2))
        AND (_alternatives('query', query, NULL) = '' OR regexp_matches(content, _alternatives('query', query, NULL)))
        AND _ts_exists(content, language, query, strict)
);
