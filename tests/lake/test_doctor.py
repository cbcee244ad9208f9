"""Files that no table knows, whatever state the tables are in."""

from pathlib import Path

from codelake.lake.doctor import orphans


def test_a_lake_with_nothing_in_it_is_looked_through(lake, tmp_path):
    assert orphans(lake.catalog, lake.place) == []
    # Tables that have snapshots without a single file.
    (tmp_path / "empty").mkdir()
    lake.ingest(tmp_path / "empty")
    lake.curate()
    assert orphans(lake.catalog, lake.place) == []


def test_what_no_table_knows_is_found_and_removed_and_nothing_else(lake, checkout):
    lake.ingest(checkout)
    lake.curate()
    lake.ingest(checkout)
    lake.curate()
    stray = Path(lake.place.location, "tables", "files", "data", "left.parquet")
    stray.write_bytes(b"left by a killed process")
    assert orphans(lake.catalog, lake.place, remove=True) == [(str(stray), 24)]
    assert not stray.exists()
    assert orphans(lake.catalog, lake.place) == []
    # Earlier snapshots are still whole.
    assert lake.at(1).sql("SELECT count(*) FROM files").fetchall() == [(8,)]
