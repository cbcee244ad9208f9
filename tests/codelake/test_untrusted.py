"""Untrusted SQL over a lake: its tables, functions and releases, and nothing of where it is."""

import pytest

from codelake.engine.errors import LakeError, QueryError
from codelake.engine.untrusted import Limits


@pytest.fixture
def released(lake, checkout):
    lake.ingest(checkout)
    lake.curate()
    lake.release("1.0.0")
    (checkout / "later.go").write_text("package main\n")
    lake.ingest(checkout)
    return lake


def test_tables_functions_and_releases_are_there(released):
    with released.untrusted() as sandbox:
        query = (
            "SELECT count(*) AS n FROM code WHERE NOT is_vendored(path) AND detect_language(path, content) = language"
        )
        assert sandbox.sql(query).table.to_pylist() == [{"n": 3}]
        changed = sandbox.sql("SELECT path, change FROM files_changed('1.0.0')").table.to_pylist()
        assert changed == [{"path": "later.go", "change": "added"}]
        assert sandbox.sql("SELECT spdx_normalize('MIT License') AS l").table.to_pylist() == [{"l": "MIT"}]
        with pytest.raises(QueryError, match=r"1: untrusted SQL can look back to releases only: 1\.0\.0"):
            sandbox.sql("FROM files_at(1)")


def test_syntax_can_be_asked(released):
    with released.untrusted(Limits(seconds=60)) as sandbox:
        query = "SELECT unnest(ts_query(content, language, '(function_definition name: (identifier) @n)')).text AS text"
        found = sandbox.sql(f"{query} FROM code WHERE language = 'Python' ORDER BY 1")
        assert [row["text"] for row in found.table.to_pylist()] == ["__init__", "add", "greet"]
        found = sandbox.sql("FROM code_search('println!($$$A)', language := 'Rust', kind := 'ast_grep')")
        assert found.table.column("capture").to_pylist() == ["match", "A"]
        with pytest.raises(QueryError, match="nosuchnode"):
            sandbox.sql("SELECT ts_count(content, language, '(nosuchnode)') FROM code WHERE language = 'Python'")


@pytest.mark.parametrize("regex", ["(x+x+)+y", "(x|xx)+$"])
def test_a_pattern_without_end_is_ended(released, regex):
    content = f"""'s = "{"x" * 50}z"'"""
    pattern = f"""'((string_content) @s (#match? @s "{regex}"))'"""
    with released.untrusted(Limits(seconds=2)) as sandbox:
        try:
            answer = sandbox.sql(f"SELECT ts_count({content}, 'Python', {pattern}) AS n")
            assert answer.table.to_pylist() in ([{"n": 0}], [{"n": None}])
        except QueryError as error:
            assert "took longer than 2 s" in str(error)


def test_the_past_can_be_asked(released):
    with released.at("1.0.0") as old, old.untrusted() as sandbox:
        assert sandbox.sql("SELECT count(*) AS n FROM files").table.to_pylist() == [{"n": 8}]


def test_the_place_of_the_lake_cannot_be_seen(released, tmp_path):
    with released.untrusted() as sandbox:
        for query in (
            "FROM duckdb_views()",
            "EXPLAIN FROM code",
            "SELECT _scan('code', NULL)",
            "FROM 'nosuch.parquet'",
        ):
            try:
                seen = str(sandbox.sql(query).table.to_pylist())
            except QueryError as error:
                seen = str(error)
            assert str(tmp_path) not in seen


def test_a_lake_in_object_storage_is_refused_by_name(released, monkeypatch):
    monkeypatch.setattr(type(released.place), "local", None)
    with pytest.raises(LakeError, match="on a local disk only"):
        released.untrusted()
