-- What was left out, and why.
-- Columns stage, reason, files.
SELECT stage, reason, count(*) AS files
FROM drops
GROUP BY stage, reason
ORDER BY files DESC, stage, reason
