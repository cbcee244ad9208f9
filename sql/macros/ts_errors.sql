-- The places where a content does not parse: capture is error (what is out of place) or missing (what is not there).
--
-- Reads   as ts_parse_ok.
-- Gives   as ts_query.
CREATE OR REPLACE MACRO ts_errors(content, language, strict := true) AS _ts_errors(content, language, '', strict);
