"""What a query reads, before and after it ran."""

import pytest

from codelake.engine.errors import QueryError


@pytest.fixture
def curated(lake, checkout):
    lake.ingest(checkout)
    lake.curate()
    lake.release("1.0.0")
    return lake


def test_a_filter_on_the_partition_reads_its_files_alone(curated):
    query = "SELECT path FROM code WHERE language = 'Rust' AND length_bytes > 1"
    [planned] = curated.explain(query).scans
    [ran] = curated.explain(query, analyze=True).scans
    assert (planned.table, planned.files, planned.all_files) == (ran.table, ran.files, ran.all_files) == ("code", 1, 3)
    assert (planned.row_groups, planned.all_row_groups) == (ran.row_groups, ran.all_row_groups) == (1, 1)
    assert set(planned.filters) == set(ran.filters) == {"(language = 'Rust')", "(length_bytes > 1)"}
    assert (planned.rows, ran.rows) == (None, 1)
    assert 0 < planned.bytes < planned.all_bytes


def test_tables_are_told_apart_whatever_they_are_called(curated):
    query = """
        WITH x AS (FROM files AS code) SELECT count(*)
        FROM x JOIN blobs AS y USING (blob_id) WHERE y.language = 'Python' AND x.path > 'r'
    """
    assert [(scan.table, scan.files) for scan in curated.explain(query).scans] == [("files", 1), ("blobs", 1)]


def test_a_row_group_without_a_match_is_not_read(curated):
    query = "SELECT count(path) FROM code WHERE length_bytes > 100_000"
    [planned] = curated.explain(query).scans
    assert (planned.row_groups, planned.all_row_groups, planned.bytes) == (0, 3, 0)
    [ran] = curated.explain(query, analyze=True).scans
    assert (ran.row_groups, ran.all_row_groups, ran.rows) == (0, 3, 0)


def test_the_past_is_explained_as_the_past(curated, checkout):
    (checkout / "more.go").write_text("package main\n")
    curated.ingest(checkout)
    now, then = (curated.explain(f"SELECT path FROM files{at}").scans[0] for at in ("", "_at('1.0.0')"))
    assert (now.table, now.files, then.table, then.files) == ("files", 2, "files at 1.0.0", 1)
    tables = {scan.table for scan in curated.explain("FROM files_changed(?)", params=["1.0.0"]).scans}
    assert tables == {"files", "repos", "files at 1.0.0", "repos at 1.0.0"}
    with curated.at(1) as old:
        assert old.explain("SELECT path FROM files").scans[0].files == 1
        assert str(old.explain("SELECT path FROM code")).startswith("code: 0 of 0 files")


def test_it_reads_well(curated):
    text = str(curated.explain("SELECT path FROM code WHERE language = ?", params=["Rust"]))
    assert text.startswith("code: 1 of 3 files, 1 of 1 row groups, 0.")
    assert "    (language = 'Rust')\n" in text
    assert "Scanning Files: 1/3" in text
    assert str(curated.explain("SELECT 1")).startswith("no table is read")
    ran = curated.explain("SELECT count(path) FROM code", analyze=True)
    assert "3 rows" in str(ran)
    assert ran.bytes_read > 0
    assert set(ran.to_dict()) == {"scans", "bytes_read", "plan"}


def test_functions_do_not_hide_what_is_pushed_down(curated):
    [scan] = curated.explain("FROM code WHERE is_vendored(path) AND contains(content, 'fn main')").scans
    assert scan.filters == ("contains(content, 'fn main')",)


def test_a_mistake_is_explained(curated):
    for analyze in (False, True):
        with pytest.raises(QueryError, match="Nearest column: language"):
            curated.explain("SELECT langage FROM code", analyze=analyze)
