-- Definitions, imports and calls
-- What is defined, imported and called in each language?
--
-- Section Left out and found
-- Reads   symbols
-- Columns language  language, the one with most symbols first
--         kind      function, class, method, import, call …
--         symbols   symbols
--         contents  contents with at least one
-- Plot    bar x=symbols y=language color=kind top=20
-- Says    {language} has the most: {symbols} of the kind {kind} in {contents} contents.
-- Empty   `symbols` has no rows: nothing has read the definitions and calls of this lake's code yet.
SELECT language, kind, count(*) AS symbols, count(DISTINCT blob_id) AS contents
FROM symbols
GROUP BY language, kind
ORDER BY sum(count(*)) OVER (PARTITION BY language) DESC, language, symbols DESC, kind
