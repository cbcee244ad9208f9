-- The languages that ts_query reads.
--
-- Columns language, by Linguist's name; ast_grep: whether the function ast_grep reads it too.
CREATE OR REPLACE MACRO codelake_languages() AS TABLE
SELECT g.language, g.ast_grep FROM (SELECT unnest(_grammars(true)) AS g);
