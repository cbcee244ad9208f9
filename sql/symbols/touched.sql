-- Which of some data files hold symbols that no longer hold.
--
-- Reads   the Parquet files in the parameter, a list; stale.
-- Columns filename.
SELECT DISTINCT filename
FROM read_parquet(?, hive_partitioning = false, filename = true)
SEMI JOIN stale USING (blob_id, language)
ORDER BY filename
