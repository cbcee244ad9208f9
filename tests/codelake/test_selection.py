"""Picking rows step by step: what is built, what it finds, what it refuses."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import codelake
from codelake.engine.errors import QueryError
from codelake.selection import _literal


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    root = tmp_path_factory.mktemp("selection")
    (root / "checkout").mkdir()
    for name, text in (
        ("a.py", "a = 1\n"),
        ("b.py", "b = 1\nc = 2\n"),
        ("c.rs", "fn main() {}\n"),
        ("d.unknown", "?\n"),
    ):
        (root / "checkout" / name).write_text(text)
    with codelake.open(root / "lake") as lake:
        lake.ingest(root / "checkout")
        lake.curate()
        lake.release("1.0.0")
        yield lake


def paths(selection):
    return sorted(row[0] for row in selection.select("path").fetchall())


def test_values_lists_and_null(filled):
    assert paths(filled.where(language="Python")) == ["a.py", "b.py"]
    assert paths(filled.where(language=["Rust", "Go"])) == ["c.rs"]
    assert paths(filled.where(language=("Rust", "Python"), num_lines=1)) == ["a.py", "c.rs"]
    assert paths(filled.table("files").where(language=None)) == ["d.unknown"]
    assert paths(filled.table("files").where(language=["Rust", None])) == ["c.rs", "d.unknown"]
    assert paths(filled.where(language=[])) == []
    assert paths(filled.where(is_vendor=False, is_test=True)) == []
    assert paths(filled.where(visit_date=filled.sql("SELECT max(visit_date) FROM code").fetchall()[0][0])) != []
    assert paths(filled.where(visit_date=date(1999, 1, 1))) == []
    assert filled.table("blobs").where(content=b"a = 1\n").count() == 1


def test_a_column_of_lists_is_asked_whether_it_contains(filled):
    assert filled.table("repos").where(parents="0" * 40).count() == 0
    selection = filled.where(detected_licenses=["MIT", "ISC"])
    assert 'list_has_any("detected_licenses", [' in str(selection)
    assert selection.count() == 0


def test_every_step_leaves_the_one_before_as_it_was(filled):
    python = filled.where(language="Python")
    long = python.where_sql("num_lines > 1")
    assert (python.count(), long.count(), python.limit(1).count(), python.count()) == (2, 1, 1, 2)
    assert str(python) == """SELECT * FROM "code" WHERE "language" = 'Python'"""
    assert repr(python.select("path").limit(3)).endswith(
        """SELECT "path" FROM "code" WHERE "language" = 'Python' LIMIT 3>"""
    )


def test_conditions_in_sql_are_held_together(filled):
    either = filled.where(language="Python").where_sql("num_lines = 2 OR language = 'Rust' -- note")
    assert paths(either) == ["b.py"]


def test_a_selection_is_read_in_every_shape_and_within_sql(filled):
    selection = filled.where(language="Python").select("path", "num_lines")
    assert selection.pl().shape == selection.df().shape == (2, 2)
    assert selection.arrow().read_all().num_rows == 2
    assert selection.sql("WITH x AS (FROM selection) SELECT sum(num_lines) FROM x").fetchall() == [(3,)]
    assert filled.sql(f"SELECT count(*) FROM ({selection})").fetchall() == [(2,)]
    assert selection.relation().columns == ["path", "num_lines"]


def test_the_past_can_be_selected_from(filled):
    with filled.at(1) as before, filled.at("1.0.0") as released:
        assert before.where(language="Python").count() == 0
        assert released.where(language="Python").count() == 2


def test_a_selection_can_be_streamed(filled):
    from codelake.engine.scan import classify

    scan = classify(str(filled.where(language=["Python", "Rust"], license=None).select("content")), filled.tables())
    assert scan.table == "code"
    assert dict(scan.equalities)["language"] == {"Python", "Rust"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda lake: lake.where(langage="x"), "Nearest column: language"),
        (lambda lake: lake.where(zzzz="x"), "Columns: blob_id"),
        (lambda lake: lake.table("cod"), "nearest: code"),
        (lambda lake: lake.where().select("pat"), "path"),
        (lambda lake: lake.where(language={"a": 1}.items()), "language: a condition on a tuple"),
        (lambda lake: lake.where(path="\ud800"), "no Unicode text"),
        (lambda lake: lake.where().limit(-1), "0 or more"),
        (lambda lake: lake.where().where_sql("num_lines > "), "syntax error"),
        (lambda lake: lake.where().where_sql("num_line > 1"), "Nearest column: num_lines"),
        (lambda lake: lake.where().where_sql("true) OR (true"), "syntax error"),
        (lambda lake: lake.where().where_sql("true LIMIT 1"), "syntax error"),
        (lambda lake: lake.where().select("path").sql("SELECT size FROM selection"), '"size" not found'),
    ],
)
def test_a_mistake_is_explained(filled, wrong, said):
    with pytest.raises(QueryError) as caught:
        wrong(filled)
    assert said in str(caught.value)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=50)
def test_any_text_is_a_value_and_never_sql(filled, text):
    assert filled.sql(f"SELECT {_literal('x', text)}").fetchall() == [(text,)]
    assert filled.where(path=text).count() == 0


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, 0, -(2**63), 2**63 - 1, 0.1, 1e300, b"\x00\xff'", date(2026, 2, 28)),
        datetime(2026, 2, 28, 23, 59, 59, 999999),
        Decimal("12.50"),
    ],
)
def test_a_literal_is_the_value(filled, value):
    assert filled.sql(f"SELECT {_literal('x', value)}").fetchall() == [(value,)]


def test_a_time_with_a_zone_is_compared_in_utc():
    there = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert _literal("x", there) == _literal("x", there.astimezone(UTC)) == "TIMESTAMP '2025-12-31 23:00:00'"
