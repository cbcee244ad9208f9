"""What SQL can ask beside DuckDB's own functions: of paths and licences, and of the lake's past."""

import gc

import pytest

import codelake
from codelake.engine.errors import LakeError, QueryError


@pytest.fixture
def past(lake, checkout):
    """Commits 1 and 2 and release 1.0.0 (a checkout), then 3 (one file added, one removed, one changed)."""
    lake.ingest(checkout)
    lake.curate()
    lake.release("1.0.0")
    (checkout / "src" / "copy.py").unlink()
    (checkout / "src" / "main.rs").write_text("fn main() {}\n")
    (checkout / "src" / "new.go").write_text("package main\n")
    lake.ingest(checkout)
    return lake


def changes(lake, arguments, params=None):
    query = f"SELECT path, change, language FROM files_changed({arguments}) ORDER BY path"
    return lake.sql(query, params=params).fetchall()


CHANGED = [("src/copy.py", "removed", "Python"), ("src/main.rs", "changed", "Rust"), ("src/new.go", "added", "Go")]


def test_attributes_of_a_path_and_of_a_licence(lake):
    query = """
        SELECT
            detect_language('run', '#!/bin/bash' || chr(10)), detect_language('x.nosuch', 'y'),
            is_vendored('node_modules/a/b.js'), is_vendored('src/b.js'),
            is_generated('package-lock.json', '{}'), is_generated('src/b.js', 'x'),
            spdx_normalize('Apache License, Version 2.0'), spdx_normalize('ask my lawyer'),
            license_family('MIT'), license_family('GPL-3.0-only AND MIT'), license_family(NULL)
    """
    assert lake.sql(query).fetchall() == [
        ("Shell", None, True, False, True, False, "Apache-2.0", None, "permissive", "copyleft", None)
    ]


def test_functions_say_of_the_code_what_curation_said(past):
    query = """
        SELECT count(*) FROM code
        WHERE detect_language(path, content) <> language OR is_vendored(path) <> is_vendor
    """
    assert past.sql(query).fetchall() == [(0,)]


def test_a_function_wants_text_and_says_so(past):
    with pytest.raises(QueryError, match="is_generated"):
        past.sql("SELECT is_generated(path, content) FROM blobs")
    assert past.sql("SELECT bool_or(is_generated(path, decode(content))) FROM blobs WHERE src_encoding = 'utf-8'")


def test_rows_as_of_a_release_a_commit_and_a_snapshot(past):
    snapshot = past.at(1).tables()["files"].snapshot
    for when in ("'1.0.0'", "1", "'1'", str(snapshot), "release := '1.0.0'"):
        assert past.sql(f"SELECT count(*) FROM files_at({when})").fetchall() == [(8,)], when
    assert past.sql("SELECT count(*) FROM files_at(?)", params=["1.0.0"]).fetchall() == [(8,)]
    assert (
        past.sql("SELECT count(*) FROM files_at(NULL)").fetchall() == past.sql("SELECT count(*) FROM files").fetchall()
    )
    assert past.sql("SELECT count(*) FROM code_at('1.0.0') WHERE language = 'Rust'").fetchall() == [(1,)]
    assert past.sql("SELECT count(*) FROM code_at(1)").fetchall() == [(0,)]
    assert past.sql("DESCRIBE FROM code_at(1)").fetchall() == past.sql("DESCRIBE code").fetchall()


def test_what_changed_between_two_points(past):
    assert changes(past, "'1.0.0', 3") == CHANGED
    assert changes(past, "'1.0.0'") == CHANGED
    assert changes(past, "a := 1, b := NULL") == CHANGED
    assert changes(past, "?, ?", ["1.0.0", "3"]) == CHANGED
    back = {"added": "removed", "removed": "added", "changed": "changed"}
    assert changes(past, "3, 1") == [(path, back[change], language) for path, change, language in CHANGED]
    assert changes(past, "1, 2") == []


def test_a_repository_seen_again_unchanged_has_no_changes_and_a_new_one_has_all_its_files(past, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.py").write_text("a = 1\n")
    past.ingest(tmp_path / "checkout", tmp_path / "other")
    found = past.sql("SELECT repo_name, path, change FROM files_changed(3)").fetchall()
    assert found == [("other", "a.py", "added")]


def test_a_repository_that_lost_all_its_files_has_them_removed(lake, checkout):
    lake.ingest(checkout)
    for path in checkout.rglob("*"):
        if path.is_file():
            path.unlink()
    (checkout / "left.txt").write_text("left\n")
    lake.ingest(checkout)
    found = lake.sql("SELECT change, count(*) FROM files_changed(1, 2) GROUP BY ALL ORDER BY ALL").fetchall()
    assert found == [("added", 1), ("removed", 8)]


def test_the_past_has_the_same_functions_and_its_own_present(past):
    with past.at("1.0.0") as old:
        assert changes(old, "1, 3") == CHANGED
        assert changes(old, "1") == []
        assert old.sql("SELECT count(*) FROM files_at(NULL)").fetchall() == [(8,)]
        assert old.sql("SELECT is_vendored('vendor/a.c')").fetchall() == [(True,)]


def test_what_is_added_later_is_seen_by_the_same_macro(past, checkout):
    assert changes(past, "3") == []
    (checkout / "later.py").write_text("x = 1\n")
    past.ingest(checkout)
    assert changes(past, "3") == [("later.py", "added", "Python")]


@pytest.mark.parametrize("query", ["FROM files_at('1.0.1')", "FROM files_changed('1.0.1', NULL)"])
def test_a_release_that_is_not_there_is_named_with_the_nearest(past, query):
    with pytest.raises(QueryError) as caught:
        past.sql(query)
    assert str(caught.value).startswith("1.0.1: no release and no time; nearest: 1.0.0")


def test_a_point_outside_the_past_says_what_there_is(past):
    with pytest.raises(QueryError, match="its commits are 1 to 3"):
        past.sql("FROM files_at(99)")
    with pytest.raises(LakeError, match="its commits are 1 to 3"):
        past.at(99)


def test_a_lake_that_nobody_holds_still_answers(past):
    relation = codelake.open(past.place.location).sql("SELECT count(*) FROM files_at(1) WHERE NOT is_vendored(path)")
    gc.collect()
    assert relation.fetchall() == [(8,)]
