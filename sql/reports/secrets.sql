-- Personal data and secrets
-- Which kinds of personal data and secrets are in the contents?
--
-- Section Left out and found
-- Reads   findings
-- Columns kind      e-mail address, key, password …
--         findings  spans found
--         contents  contents with at least one
--         redacted  spans that have a replacement
--         score     mean confidence, 0 to 1
-- Plot    bar x=findings y=kind
-- Says    The most common kind is {kind}: {findings} in {contents} contents; kinds in all: {rows}.
-- Empty   `findings` has no rows: nothing has looked for personal data or secrets in this lake, or nothing was found.
--         A detector of your own can add rows with `lake.commit` (docs/guide.md).
SELECT
    kind,
    count(*) AS findings,
    count(DISTINCT blob_id) AS contents,
    count(replacement) AS redacted,
    round(avg(score), 3) AS score
FROM findings
GROUP BY kind
ORDER BY findings DESC, kind
