-- Text encodings
-- In which encodings were the files written? Their text in `code` is decoded.
--
-- Section Languages
-- Reads   code
-- Columns encoding   encoding the bytes were decoded from
--         files      files
--         megabytes  MB of original content
-- Plot    bar x=files y=encoding scale=symlog
-- Says    {files} of the files are {encoding}; encodings in all: {rows}.
-- Empty   `code` has no rows: `codelake ingest SOURCE` reads code into the lake, `codelake curate` fills `code`.
SELECT src_encoding AS encoding, count(*) AS files, round(sum(length_bytes) / 1e6, 6) AS megabytes
FROM code
GROUP BY src_encoding
ORDER BY files DESC, encoding
