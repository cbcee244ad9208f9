-- Left out, and why
-- Which files are not in `code`, and for what reason?
--
-- Section Left out and found
-- Reads   drops
-- Columns stage         stage that left them out
--         reason        why
--         files         files, in all visits
--         repositories  repositories they are of
-- Plot    bar x=files y=reason color=stage scale=symlog
-- Says    The most common reason is {reason}: {files} files; reasons in all: {rows}.
-- Empty   `drops` has no rows: nothing was left out.
SELECT stage, reason, count(*) AS files, count(DISTINCT repo_name) AS repositories
FROM drops
GROUP BY stage, reason
ORDER BY files DESC, stage, reason
