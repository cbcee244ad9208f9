"""What a scan will read is what DuckDB does read, and nothing that holds a match is left out."""

import json
import operator
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.engine.duck import Session
from codelake.engine.parquet import partition_path
from codelake.engine.pruning import reading
from codelake.engine.tables import DataFile, TableFiles

ROWS, GROUP = 4000, 500
SCHEMA = pa.schema(
    [
        *(("number", pa.int64()), ("word", pa.large_string()), ("cycle", pa.int64()), ("sparse", pa.int64())),
        *(("moment", pa.timestamp("us")), ("odd", pa.bool_()), ("share", pa.float64())),
        *(("names", pa.large_list(pa.large_string())), ("language", pa.large_string())),
    ]
)


def rows(language, start):
    numbers = range(start, start + ROWS)
    columns = {
        "number": numbers,
        "word": [f"it's {n:06d}" for n in numbers],
        "cycle": [n % 7 for n in numbers],
        "sparse": [None if n - start < ROWS // 2 else n for n in numbers],
        "moment": [datetime(2026, 1, 1) + timedelta(hours=n) for n in numbers],
        "odd": [(n - start) // GROUP % 2 == 1 for n in numbers],
        "share": [n / 10 for n in numbers],
        "names": [[str(n)] for n in numbers],
        "language": [language] * ROWS,
    }
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA})


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp("pruning")
    files = []
    for number, language in enumerate(("C++", "Python", None)):
        folder = root / partition_path(["language"], (language,))
        folder.mkdir()
        path = folder / "part.parquet"
        pq.write_table(rows(language, number * ROWS), path, row_group_size=GROUP, compression="zstd")
        files.append(DataFile(path=str(path), rows=ROWS, bytes=path.stat().st_size, partition={"language": language}))
    return TableFiles(name="things", snapshot=1, schema=SCHEMA, files=tuple(files))


@pytest.fixture(scope="module")
def session(table):
    with Session() as opened:
        opened.define([table])
        yield opened


def scanned(session, condition):
    """(files, row groups) that DuckDB read."""
    query = f"EXPLAIN (ANALYZE, FORMAT json) SELECT max(number), max(word) FROM things WHERE {condition}"
    waiting = json.loads(session.sql(query).fetchall()[0][1])["operator"]
    while waiting:
        node = waiting.pop()
        if node["type"] == "TABLE_SCAN":
            return int(node["extra_info"]["Total Files Read"]), node["row_groups_scanned"]
        waiting += node.get("children", [])
    return 0, 0


@pytest.mark.parametrize(
    ("condition", "row_groups"),
    [
        ("number > 11000", 2),
        ("number >= 0", 24),
        ("number = 5", 1),
        ("5 = number", 1),
        ("number IN (5, 11999)", 2),
        ("number BETWEEN 499 AND 500", 2),
        ("number < 3 OR number > 11990", 2),
        ("number < 3 AND cycle = 1", 1),
        ("number + 1 > 11000", 24),
        ("number <> 5", 24),
        ("word >= 'it''s 011500'", 1),
        ("word = 'it''s 000000'", 1),
        ("contains(word, '011999')", 24),
        ("cycle = 3", 24),
        ("sparse IS NULL", 12),
        ("sparse IS NOT NULL", 12),
        ("sparse > 0", 12),
        ("odd", 12),
        ("NOT odd", 24),
        ("share > 1150.0", 1),
        ("moment > '2027-05-01'::TIMESTAMP", 1),
        ("names = ['5']", 24),
        ("number > ", 24),
        ("optional: (number IN (5, 11999))", 2),
    ],
)
def test_row_groups_are_left_out_by_their_footers(table, condition, row_groups):
    found = reading(table, [condition], ["word"])
    assert (found.files, found.row_groups, found.all_row_groups) == (3, row_groups, 24)


@pytest.mark.parametrize(
    ("condition", "files"),
    [
        ("language = 'C++'", 1),
        ("language <> 'C++'", 1),
        ("language IS NULL", 1),
        ("language IN ('Python', 'C++')", 2),
        ("starts_with(language, 'P')", 1),
        ("language = 'Rust'", 0),
        ("language = 'Python' OR number = 0", 3),
    ],
)
def test_files_are_left_out_by_their_partition(table, condition, files):
    assert reading(table, [condition], ["word"]).files == files


@pytest.mark.parametrize(
    "condition",
    [
        *("number > 11000", "number = 5", "number IN (5, 11999)", "number < 3 OR number > 11990", "number = 99999"),
        *("word >= 'it''s 011500'", "contains(word, '011999')", "cycle = 3", "sparse IS NULL", "sparse > 0"),
        *("language = 'Python' AND number < 4100", "language IS NULL", "share > 1150.0", "sparse IS NOT NULL"),
        *("moment > '2027-05-01'::TIMESTAMP", "number BETWEEN 499 AND 500 AND language = 'C++'", "language = 'Rust'"),
    ],
)
def test_duckdb_reads_as_many_files_and_row_groups_as_was_said(table, session, condition):
    found = reading(table, condition.split(" AND language") if "BETWEEN" not in condition else [condition], ["word"])
    files, groups = scanned(session, condition)
    assert groups == found.row_groups
    # What no row group is left of, DuckDB does not open.
    assert files in {found.files, 0} if not groups else files <= found.files


def test_bytes_are_those_of_the_columns_that_are_needed(table):
    both = reading(table, ["number >= 0"], ["word"]).bytes
    assert both == reading(table, [], ["word", "number"]).bytes
    assert 0 < reading(table, [], ["word"]).bytes < both < sum(file.bytes for file in table.files)
    assert reading(table, [], []).bytes == 0
    assert reading(table, [], ["names"]).bytes > 0


COMPARISONS = {
    "<": operator.lt, "<=": operator.le, "=": operator.eq, "<>": operator.ne, ">=": operator.ge, ">": operator.gt
}  # fmt: skip
comparison = st.tuples(
    st.sampled_from(["number", "cycle", "sparse"]), st.sampled_from(sorted(COMPARISONS)), st.integers(-1, 12001)
)
tree = st.recursive(comparison, lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), inner, inner), max_leaves=6)


def as_sql(node):
    if node[0] in {"AND", "OR"}:
        return f"({as_sql(node[1])} {node[0]} {as_sql(node[2])})"
    return f"({node[0]} {node[1]} {node[2]})"


def matches(node, row):
    if node[0] == "AND":
        return matches(node[1], row) and matches(node[2], row)
    if node[0] == "OR":
        return matches(node[1], row) or matches(node[2], row)
    return row[node[0]] is not None and COMPARISONS[node[1]](row[node[0]], node[2])


@given(node=tree)
def test_a_row_group_that_holds_a_match_is_read(table, node):
    held = set()
    for number in range(3 * ROWS):
        row = {"number": number, "cycle": number % 7, "sparse": number if number % ROWS >= ROWS // 2 else None}
        if matches(node, row):
            held.add(number // GROUP)
    assert len(held) <= reading(table, [as_sql(node)], []).row_groups
