-- Most copied contents
-- Which contents are in the most files?
--
-- Section Files and copies
-- Reads   code
-- Columns path         path of the copy that was kept
--         repo_name    its repository or package
--         language     language
--         license      licence of the copy that was kept, SPDX expression
--         occurrences  files with this content in the latest visits
--         bytes        bytes of one copy
-- Says    {path} of {repo_name} is there {occurrences} times.
-- Empty   No content of `code` occurs twice. It is filled by `codelake ingest SOURCE` and `codelake curate`.
SELECT
    path, repo_name, language, license, num_occurrences AS occurrences, length_bytes AS bytes
FROM code
WHERE num_occurrences > 1
ORDER BY num_occurrences DESC, length_bytes DESC, repo_name, path
LIMIT 20
