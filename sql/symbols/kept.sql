-- The symbols in some data files that still hold.
--
-- Reads   the Parquet files in the parameter, a list; stale.
-- Columns those of symbols.
FROM read_parquet(?, hive_partitioning = false)
ANTI JOIN stale USING (blob_id, language)
