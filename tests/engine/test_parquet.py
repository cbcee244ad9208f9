"""The partitioned writer: nothing lost, order kept, row groups and files within their limits."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codelake.engine import parquet
from codelake.engine.parquet import PartitionedWriter, partition_path, row_group_slices

SCHEMA = pa.schema([("n", pa.int64()), ("language", pa.large_string()), ("content", pa.large_string())])


def rows(numbers, languages, contents):
    return pa.table({"n": numbers, "language": languages, "content": contents}, schema=SCHEMA)


def write(root: Path, parts, partitions=(("language", "language"),), **options):
    writer = PartitionedWriter(SCHEMA, str(root), partitions, LocalFileSystem(), **options)
    for part in parts:
        writer.write(part)
    return writer.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([None, "C", "C++", "a/b", "x=y", "%"]), st.text(max_size=5)), max_size=9),
        max_size=5,
    )
)
def test_every_row_is_written_once_in_order_below_its_partition(tmp_path_factory, parts):
    root = tmp_path_factory.mktemp("out")
    number = iter(range(1000))
    tables = [rows([next(number) for _ in part], [p[0] for p in part], [p[1] for p in part]) for part in parts]
    paths = write(root, tables)
    wanted = pa.concat_tables([SCHEMA.empty_table(), *tables]).to_pylist()
    found = [(path, row) for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
    assert sorted((r for _, r in found), key=lambda r: r["n"]) == wanted
    for path in paths:
        inside = [row for p, row in found if p == path]
        assert [r["n"] for r in inside] == sorted(r["n"] for r in inside)
        assert {partition_path(["language"], (r["language"],)) for r in inside} == {Path(path).parent.name}


def test_row_groups_hold_about_16_mib_and_at_most_8192_rows(tmp_path):
    many = rows(range(20_000), ["C"] * 20_000, ["x"] * 20_000)
    large = rows(range(40), ["C"] * 40, ["y" * (1 << 20)] * 40)
    [path] = write(tmp_path, [many, large])
    groups = [pq.ParquetFile(path).metadata.row_group(i) for i in range(pq.ParquetFile(path).num_row_groups)]
    assert max(g.num_rows for g in groups) <= 8192
    # The limit, plus the one row that crosses it, plus what the other columns take.
    assert max(g.total_byte_size for g in groups) < (18 << 20)
    assert sum(g.num_rows for g in groups) == 20_040


def test_a_row_larger_than_a_group_begins_a_group(tmp_path):
    table = rows([1, 2, 3], ["C"] * 3, ["a", "b" * (40 << 20), "c"])
    assert row_group_slices(table) == [(0, 1), (1, 2)]
    [path] = write(tmp_path, [table])
    assert pq.ParquetFile(path).read()["content"].to_pylist() == table["content"].to_pylist()


def test_a_file_is_closed_at_its_limit(tmp_path, monkeypatch):
    import random

    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 256 << 10)
    random.seed(1)
    texts = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=1 << 17)) for _ in range(64)]
    paths = write(tmp_path, [rows(range(64), ["C"] * 64, texts)], file_bytes=1 << 20)
    assert len(paths) > 3
    assert all(Path(path).stat().st_size < 2 << 20 for path in paths)
    assert sum(pq.ParquetFile(path).metadata.num_rows for path in paths) == 64


def test_memory_is_bounded_by_writing_the_largest_partition(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BUFFER_BYTES", 1 << 16)
    writer = PartitionedWriter(SCHEMA, str(tmp_path), (("language", "language"),), LocalFileSystem())
    for number in range(60):
        writer.write(rows([number], [f"L{number % 6}"], ["z" * 8000]))
        assert writer._buffered <= 1 << 16
    assert len(writer.close()) == 6


def test_abort_leaves_nothing(tmp_path):
    writer = PartitionedWriter(SCHEMA, str(tmp_path), (("language", "language"),), LocalFileSystem())
    writer.write(rows(range(9000), ["C"] * 9000, ["x"] * 9000))
    writer.abort()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_column_of_another_type_is_refused(tmp_path):
    writer = PartitionedWriter(SCHEMA, str(tmp_path), (), LocalFileSystem())
    with pytest.raises(pa.ArrowInvalid):
        writer.write(pa.table({"n": ["not a number"], "language": ["C"], "content": ["x"]}))
    writer.abort()


def test_months_partition_a_time(tmp_path):
    from datetime import datetime

    schema = pa.schema([("at", pa.timestamp("us"))])
    writer = PartitionedWriter(schema, str(tmp_path), (("month", "at"),), LocalFileSystem())
    writer.write(pa.table({"at": [datetime(2024, 1, 31), datetime(2024, 2, 1), datetime(2024, 1, 1)]}, schema=schema))
    assert sorted(Path(path).parent.name for path in writer.close()) == ["month=2024-01", "month=2024-02"]
