-- Whether a content parses without an error in its language.
--
-- Reads   content as text, its language by Linguist's name. strict := false: NULL, not an error, for a
--         language without a grammar.
-- Gives   BOOLEAN; NULL for NULL, and for a file beyond a limit.
CREATE OR REPLACE MACRO ts_parse_ok(content, language, strict := true) AS _ts_parse_ok(content, language, '', strict);
