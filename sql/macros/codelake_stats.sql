-- What the syntax functions did since the lake was opened.
--
-- Columns name, value. rows: asked of the functions; without_literals: of these, not parsed for want of a literal that
--         any match holds; calls: of the pool; files: in them; duplicates: parsed once with another; parsed_files,
--         parsed_bytes, parse_seconds; too_large, timeouts, crashes: files that gave NULL; given_up: files not tried
--         after too many of these; restarts: of processes; match_limit, cut: files whose answer may lack something.
CREATE OR REPLACE MACRO codelake_stats() AS TABLE
SELECT s.name, s.value FROM (SELECT unnest(_stats(true)) AS s);
