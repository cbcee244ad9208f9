"""SQL sessions over Parquet files: views, parameters, pruning, and errors in words."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codelake.engine.duck import Session
from codelake.engine.errors import QueryError
from codelake.engine.functions import Function
from codelake.engine.parquet import partition_path
from codelake.engine.tables import DataFile, TableFiles

SCHEMA = pa.schema([("path", pa.large_string()), ("language", pa.large_string()), ("size", pa.int64())])


@pytest.fixture
def table(tmp_path):
    files = []
    for language in ("C++", "Python", None):
        folder = tmp_path / partition_path(["language"], (language,))
        folder.mkdir()
        path = folder / "part.parquet"
        pq.write_table(pa.table({"path": ["a", "b"], "language": [language] * 2, "size": [1, 2]}, schema=SCHEMA), path)
        files.append(DataFile(path=str(path), rows=2, bytes=path.stat().st_size, partition={"language": language}))
    return TableFiles(name="files", snapshot=1, schema=SCHEMA, files=tuple(files))


@pytest.fixture
def session(table):
    with Session() as opened:
        opened.define([table, TableFiles(name="empty", snapshot=None, schema=SCHEMA, files=())])
        yield opened


def test_a_view_reads_all_files_and_parameters_bind(session):
    assert session.sql("SELECT sum(size) FROM files").fetchall() == [(9,)]
    assert session.sql("SELECT count(*) FROM files WHERE language = ?", ["C++"]).fetchall() == [(2,)]
    assert session.sql("SELECT count(*) FROM files WHERE language IS NULL").fetchall() == [(2,)]


def test_a_parameter_is_never_sql(session):
    hostile = "x' OR 1=1 --"
    assert session.sql("SELECT count(*) FROM files WHERE path = ?", [hostile]).fetchall() == [(0,)]


def test_an_empty_table_has_its_columns(session):
    relation = session.sql("SELECT * FROM empty")
    assert relation.columns == SCHEMA.names
    assert relation.fetchall() == []


def test_a_filter_on_the_partition_opens_only_its_files(session):
    plan = session.sql("EXPLAIN ANALYZE SELECT sum(size) FROM files WHERE language = 'Python'").fetchall()[0][1]
    assert "Scanning Files: 1/3" in plan


def test_files_laid_out_differently_are_still_read_right(session, table, tmp_path):
    path = tmp_path / "elsewhere.parquet"
    pq.write_table(pa.table({"path": ["z"], "language": ["Rust"], "size": [7]}, schema=SCHEMA), path)
    other = DataFile(path=str(path), rows=1, bytes=path.stat().st_size, partition={"language": "Rust"})
    session.define([TableFiles(name="files", snapshot=2, schema=SCHEMA, files=(*table.files, other))])
    assert session.sql("SELECT count(*) FROM files WHERE language = 'Rust'").fetchall() == [(1,)]
    assert session.sql("SELECT count(*) FROM files WHERE language = 'C++'").fetchall() == [(2,)]


def test_results_of_several_queries_are_open_at_once(session):
    first = session.sql("SELECT path FROM files").to_arrow_reader(1)
    second = session.sql("SELECT count(*) FROM files").fetchall()
    assert second == [(6,)]
    assert first.read_all().num_rows == 6


def test_a_reader_that_outlives_its_relation_is_not_disturbed(session):
    readers = [session.sql("SELECT path FROM files").to_arrow_reader(1) for _ in range(3)]
    for _ in range(3):
        assert session.sql("SELECT count(*) FROM files").fetchall() == [(6,)]
    assert [reader.read_all().num_rows for reader in readers] == [6, 6, 6]


def test_a_relation_gives_every_shape(session):
    relation = session.sql("SELECT path, size FROM files")
    assert relation.pl().shape == (6, 2)
    assert relation.df().shape == (6, 2)
    assert relation.arrow().read_all().num_rows == 6
    assert len(relation.fetchall()) == 6


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT langage FROM files", "language (in files, empty)"),
        ("SELECT files.siz FROM files", "size"),
        ("SELECT * FROM fils", "Nearest table: files"),
        ("SELECT * FROM qqqqqq", "Tables: empty, files"),
        ("SELEC 1", "syntax error"),
        ("SELECT path FROM files WHERE size = ?", "parameters"),
        ("-- nothing", "no statement"),
    ],
)
def test_a_mistake_is_explained(session, query, said):
    with pytest.raises(QueryError) as caught:
        session.sql(query)
    assert said in str(caught.value)


def test_settings_duckdb_refuses_are_named():
    with pytest.raises(QueryError, match="memory_limit"):
        Session(memory_limit="lots")


def doubled(values):
    return pa.array([None if v is None else 2 * v for v in values.to_pylist()], pa.int64())


def test_a_python_function_is_called_from_sql(session):
    session.register(
        [Function(name="doubled", parameters={"n": "BIGINT"}, returns="BIGINT", call=doubled, doc="Twice n.")]
    )
    assert session.sql("SELECT sum(doubled(size)) FROM files").fetchall() == [(18,)]
    assert session.sql("SELECT doubled(NULL)").fetchall() == [(None,)]
    with pytest.raises(QueryError, match="doubled"):
        session.sql("SELECT doubled()")


def test_macros_and_views_are_made_in_the_order_they_need(session):
    session.create(
        [
            "CREATE OR REPLACE VIEW a AS FROM b WHERE size = one()",
            "CREATE OR REPLACE VIEW b AS SELECT size, path FROM files",
            "CREATE OR REPLACE MACRO one() AS 1",
            "CREATE OR REPLACE MACRO sized(n) AS TABLE FROM b WHERE size = n",
        ]
    )
    assert session.sql("SELECT count(*) FROM a").fetchall() == [(3,)]
    assert session.sql("SELECT count(*) FROM sized(n := 2)").fetchall() == [(3,)]
    with pytest.raises(QueryError, match="nowhere"):
        session.create(["CREATE OR REPLACE VIEW c AS FROM nowhere"])
    with pytest.raises(QueryError, match="syntax error"):
        session.create(["CREATE OR REPLACE VIEW c AS FRO files"])


SCRIPT = """
import subprocess
import sys

import pyarrow as pa
from codelake.engine.duck import Session
from codelake.engine.functions import Function

def session():
    made = Session()
    captured = object()
    same = lambda values: captured and values.combine_chunks()
    made.register([Function(name="same", parameters={"v": "VARCHAR"}, returns="VARCHAR", call=same, doc="v")])
    return made

def relation():
    return session().sql("SELECT same('x' || range) FROM range(300000)")  # the session is dropped at once

print(len(relation().fetchall()))
closed = session()
reader = closed.sql("SELECT same('x' || range) FROM range(300000)").to_arrow_reader(10)
reader.read_next_batch()
closed.close()
try:
    print(sum(batch.num_rows for batch in reader))
except Exception as error:
    print(error)
open_at_exit = session().sql("SELECT same('x' || range) FROM range(300000)").to_arrow_reader(10)
print(open_at_exit.read_next_batch().num_rows)
"""


def test_a_process_ends_quietly_whatever_was_dropped_closed_or_left_open():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    first, *said, last = done.stdout.splitlines()
    assert (first, last) == ("300000", "10")
    assert "the lake was closed while" in "".join(said)
