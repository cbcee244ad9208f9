"""How Parquet is computed on: DuckDB sessions, token streams, Parquet writing. Knows files, SQL and Arrow only."""

from importlib.metadata import version

VERSION = version("codelake")
