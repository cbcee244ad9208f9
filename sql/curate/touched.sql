-- Which data files of `code` hold rows that are no longer wanted as they are.
--
-- Reads   the Parquet files in the parameter, a list; same (curate/same.sql).
-- Columns filename.
SELECT DISTINCT filename
FROM read_parquet(?, hive_partitioning = false, filename = true)
ANTI JOIN same USING (blob_id)
