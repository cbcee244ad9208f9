"""Untrusted SQL on the real process: what gets an answer, and every way out that was thought of."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codelake.engine.errors import QueryError
from codelake.engine.parquet import partition_path
from codelake.engine.tables import DataFile, TableFiles
from codelake.engine.untrusted import Limits, Sandbox, _message, _table

SCHEMA = pa.schema([("path", pa.large_string()), ("size", pa.int64()), ("language", pa.large_string())])
SMALL = Limits(seconds=5, memory_bytes=300 << 20, spill_bytes=50 << 20)


def make_table(root):
    files = []
    for language in ("C++", "Python", None):
        folder = root / "secret-place" / partition_path(["language"], (language,))
        folder.mkdir(parents=True)
        path = folder / "part.parquet"
        pq.write_table(pa.table({"path": ["a", "b"], "size": [1, 2], "language": [language] * 2}, schema=SCHEMA), path)
        files.append(DataFile(path=str(path), rows=2, bytes=path.stat().st_size, partition={"language": language}))
    return TableFiles(name="files", snapshot=1, schema=SCHEMA, files=tuple(files))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return make_table(tmp_path_factory.mktemp("untrusted"))


@pytest.fixture(scope="module")
def sandbox(table):
    with Sandbox({"files": table}, limits=SMALL) as made:
        yield made


def refused(sandbox, text):
    with pytest.raises(QueryError) as caught:
        sandbox.sql(text)
    said = str(caught.value)
    assert "Traceback" not in said
    assert "secret-place" not in said
    return said


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT language, sum(size) AS size FROM files GROUP BY ALL ORDER BY language NULLS LAST", 3),
        ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) FROM t;", 5),
        ("DESCRIBE files", 3),
        ("SUMMARIZE files", 3),
        ("FROM range(3) AS r, files WHERE language = 'C++'", 6),
        ("SELECT unnest(['x', 'y'])", 2),
        ("PIVOT files ON language IN ('C++', 'Python') USING sum(size) GROUP BY path", 2),
        ("EXPLAIN SELECT * FROM files", 1),
        ("-- what\n EXPLAIN /* so */ ANALYZE SELECT * FROM files WHERE language = 'C++'", 1),
        ("SELECT 'it''s; a' AS text -- ; COPY", 1),
        ("VALUES (1), (2)", 2),
    ],
)
def test_questions_are_answered(sandbox, text, rows):
    answer = sandbox.sql(text)
    assert (answer.table.num_rows, answer.truncated) == (rows, None)


def test_every_type_comes_through(sandbox):
    query = """
        SELECT 1::UTINYINT AS a, 'x'::ENUM('x', 'y') AS b, {'k': [1, NULL]} AS c, MAP {'k': 1.5::DECIMAL(4, 1)} AS d,
            TIMESTAMP '2026-01-01 00:00:00' AS e, 'x'::BLOB AS f, NULL AS g, 170141183460469231731::HUGEINT AS h
        FROM range(3000)
    """
    assert sandbox.sql(query).table.num_rows == 3000


# The statement


@pytest.mark.parametrize(
    "text",
    [
        *("INSERT INTO files VALUES (1)", "DELETE FROM files", "UPDATE files SET size = 1", "TRUNCATE files"),
        *("CREATE TABLE t AS SELECT 1", "CREATE TEMP TABLE t AS SELECT 1", "CREATE MACRO m() AS 1", "DROP VIEW files"),
        *("COPY (SELECT 1) TO 'x.csv'", "COPY files TO '/tmp/x.parquet'", "EXPORT DATABASE 'x'", "IMPORT DATABASE 'x'"),
        *("ATTACH ':memory:' AS x", "DETACH memory", "USE memory", "INSTALL httpfs", "LOAD httpfs", "CHECKPOINT"),
        *("SET threads = 100", "RESET threads", "SET VARIABLE x = 1", "PRAGMA version", "PRAGMA database_size"),
        *("PRAGMA enable_profiling", "CALL pragma_version()", "PREPARE p AS SELECT 1", "EXECUTE p", "BEGIN", "VACUUM"),
        *("CREATE SECRET s (TYPE http)", "COMMENT ON VIEW files IS 'x'", "ALTER VIEW files RENAME TO x"),
        *("EXPLAIN COPY (SELECT 1) TO 'x.csv'", "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'"),
        *("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "EXPLAIN/**/ANALYZE/**/INSERT INTO files VALUES (1)"),
        *("EXPLAIN (ANALYZE) COPY (SELECT 1) TO 'x.csv'", "EXPLAIN EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'"),
    ],
)
def test_only_select_and_explain_of_one(sandbox, text):
    refused(sandbox, text)


def test_the_reason_says_what_is_taken(sandbox):
    assert "one SELECT" in refused(sandbox, "COPY (SELECT 1) TO 'x.csv'")
    assert "2 statements" in refused(sandbox, "SELECT 1; SELECT 2")
    assert "one SELECT" in refused(sandbox, "SELECT 1; COPY (SELECT 1) TO 'x.csv'")
    assert "0 statements" in refused(sandbox, "-- nothing")
    assert "LINE 1: SELECT 1 FRO files\n" in refused(sandbox, "SELECT 1 FRO files")
    assert "Nearest column: size" in refused(sandbox, "SELECT sice FROM files")
    assert "at most 100,000" in refused(sandbox, f"SELECT '{'x' * 100_000}'")


@pytest.mark.parametrize(
    "text",
    [
        *("FROM read_text('/etc/passwd')", "FROM main.read_blob('/etc/passwd')", "FROM system.main.glob('/etc/*')"),
        *("FROM read_csv('/etc/passwd')", "FROM sniff_csv('/etc/passwd')", "FROM read_json('/etc/passwd')"),
        *("FROM read_parquet('files/language=Python/1.parquet')", "FROM parquet_metadata('x')"),
        *("FROM query('SELECT 1')", "FROM query_table('files')", "FROM duckdb_secrets()", "FROM duckdb_logs()"),
        *("FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))", "FROM checkpoint()"),
        *("FROM enable_logging()", "FROM which_secret('s3://x', 's3')", "FROM arrow_scan(1, 2, 3)"),
        *(
            "SELECT * FROM files, LATERAL (FROM read_text(path))",
            "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        ),
        *("WITH x AS (FROM glob('*')) FROM x", "FROM range((SELECT count(*) FROM glob('*')))"),
        *("DESCRIBE FROM read_csv('/etc/passwd')", "EXPLAIN ANALYZE FROM read_text('/etc/passwd')"),
    ],
)
def test_table_functions_come_from_a_list(sandbox, text):
    assert "untrusted SQL may read from duckdb_columns, " in refused(sandbox, text)


@pytest.mark.parametrize("text", ["SELECT write_log('x')", "SELECT sleep_ms(10000)", "SELECT main.setseed(1)"])
def test_functions_that_change_something_or_sleep_are_refused(sandbox, text):
    assert "may not call it" in refused(sandbox, text)


# What DuckDB itself refuses


@pytest.mark.parametrize(
    "text",
    [
        *("FROM '/etc/passwd'", "FROM '/tmp/x.parquet'", "FROM 'https://example.org/x.parquet'", "FROM '*/*.parquet'"),
        *('FROM "/etc/passwd"', "FROM '../x.parquet'", "FROM 's3://bucket/x.parquet'", "FROM os", "FROM session"),
    ],
)
def test_a_file_is_no_table(sandbox, text):
    refused(sandbox, text)


# A module that the process loads, and that takes down some of its walls.
OPEN = """
import codelake.engine.duck as duck
import codelake.engine.untrusted as untrusted

def statement(scan):
    untrusted.permitted = lambda session, text: text
    return []

def statement_and_settings(scan):
    duck.Session.lock = lambda *args, **kwargs: None
    return statement(scan)
"""


@pytest.fixture
def opened(tmp_path, monkeypatch, table):
    (tmp_path / "openwalls.py").write_text(OPEN)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(which):
        return Sandbox({"files": table}, functions=f"openwalls:{which}", limits=SMALL)

    return make


@pytest.mark.parametrize(
    "text",
    [
        *("FROM read_text('/etc/passwd')", "FROM glob('/etc/*')", "FROM read_csv('/etc/passwd')"),
        *("COPY (SELECT 1) TO 'x.csv'", "COPY (SELECT 1) TO 'files/language=Python/1.parquet'", "SET threads = 3"),
        *("ATTACH 'x.db'", "INSTALL httpfs", "LOAD httpfs", "EXPORT DATABASE 'x'", "SET enable_external_access = true"),
        *("SET allowed_paths = ['/etc/passwd']", "PRAGMA profiling_output = 'x'", "CALL enable_logging()"),
    ],
)
def test_without_the_gate_duckdb_still_refuses(opened, text):
    with opened("statement") as sandbox:
        refused(sandbox, text)


@pytest.mark.parametrize(
    "text",
    [
        *("FROM read_text('/etc/passwd')", "FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO 'x.csv'"),
        *("COPY (SELECT 1) TO 'files/language=C++/0.parquet'", "COPY (SELECT 1) TO '{file}'", "ATTACH 'x.db'"),
        *("COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)", "EXPORT DATABASE '/tmp/x'", "INSTALL httpfs"),
    ],
)
def test_without_duckdb_the_kernel_still_refuses(opened, table, text):
    before = [Path(file.path).read_bytes() for file in table.files]
    with opened("statement_and_settings") as sandbox:
        assert sandbox.sql("SELECT count(*) FROM files").table.num_rows == 1
        with pytest.raises(QueryError, match=r"(?i)permission|IO Error|denied|permitted|Cannot"):
            sandbox.sql(text.format(file=table.files[0].path))
    assert [Path(file.path).read_bytes() for file in table.files] == before


# What can be seen


def test_nothing_of_the_machine_can_be_seen(sandbox, table):
    seen = "".join(
        str(sandbox.sql(query).table.to_pylist())
        for query in (
            "SELECT sql FROM duckdb_views()",
            "SELECT * FROM information_schema.tables, duckdb_databases()",
            "SELECT filename FROM 'files/language=Python/1.parquet', (SELECT current_user, version())",
            "EXPLAIN ANALYZE SELECT sum(size) FROM files",
        )
    )
    assert "language=Python" in seen
    for hidden in ("secret-place", str(Path.home()), str(Path(__file__).parent), sys.prefix, os.uname().nodename):
        assert hidden not in seen


@pytest.mark.parametrize("linked", ["hard", "symbolic"])
def test_settings_and_variables_cannot_be_read(tmp_path, monkeypatch, linked):
    def another_disk(*_):
        raise OSError("another disk")

    if linked == "symbolic":
        monkeypatch.setattr(Path, "hardlink_to", another_disk)
    with Sandbox({"files": make_table(tmp_path)}, limits=SMALL) as sandbox:
        for text in (
            "SELECT current_setting('allowed_paths')",
            "SELECT system.main.current_setting(name) FROM (SELECT 'allowed_paths' AS name)",
            "FROM duckdb_settings()",
            "FROM duckdb_settings",
            "SELECT setting FROM pg_catalog.pg_settings",
            "SHOW allowed_paths",
            "FROM (SHOW 'allowed_paths')",
            "SELECT getenv('PATH')",
        ):
            refused(sandbox, text)
        for text in ("SHOW ALL", "SHOW files", "SHOW variables", "SELECT filename FROM files"):
            with contextlib.suppress(QueryError):
                assert "secret-place" not in str(sandbox.sql(text).table.to_pylist())


# What takes too much


@pytest.mark.parametrize(
    "text",
    [
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000) c WHERE a.range * b.range % 7 = c.range",
        "SELECT sum(hash(range)) FROM range(1000000000000)",
        "SELECT count(*) FROM range(100000) WHERE regexp_matches(repeat('a', 100000 + range), '(a?){900}a{900}b')",
    ],
)
def test_a_query_without_end_is_ended(sandbox, text):
    started = time.monotonic()
    assert "took longer than 5 s" in refused(sandbox, text)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "text",
    [
        "SELECT repeat('x', 4_000_000_000)",
        "SELECT length(repeat('x', 4_000_000_000))",
        "SELECT range(4_000_000_000)",
        "SELECT max(list_sum(range(1000000 + r.range))) FROM range(1000000) AS r",
        "SELECT list_transform(range(100_000_000), lambda x: repeat('y', 100))",
        "SELECT string_agg(repeat('x', 1_000_000), ',') FROM range(100_000)",
        "SELECT range AS n, repeat('x', 1000) AS x FROM range(10_000_000) ORDER BY hash(n)",
        "SELECT count(*) FROM (SELECT DISTINCT range, repeat('x', 100) || range FROM range(1_000_000_000))",
        "WITH RECURSIVE t(x) AS (SELECT 'xx' UNION ALL SELECT x || x FROM t) SELECT length(x) FROM t",
    ],
)
def test_a_query_that_wants_too_much_memory_is_refused(sandbox, text):
    said = refused(sandbox, text)
    assert any(word in said for word in ("memory", "took longer", "disk space", "temp_directory", "Out of Range")), said


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
        "SELECT " + "[" * 100_000 + "]" * 100_000,
        "SELECT " + "NOT " * 100_000 + "true",
        "SELECT 1" + " + 1" * 100_000,
        "SELECT " + "CASE WHEN true THEN " * 20_000 + "1" + " END" * 20_000,
        "SELECT * FROM " + "(SELECT * FROM " * 100_000 + "files" + ")" * 100_000,
        "WITH t0 AS (SELECT 1), "
        + ", ".join(f"t{n} AS (SELECT * FROM t{n - 1} a, t{n - 1} b)" for n in range(1, 60))
        + " SELECT count(*) FROM t59",
    ],
    ids=["parentheses", "lists", "not", "sum", "case", "subqueries", "ctes"],
)
def test_deep_and_huge_texts_are_refused(table, text):
    with Sandbox({"files": table}, limits=replace(SMALL, sql_bytes=10_000_000)) as wide:
        refused(wide, text)


def test_results_are_cut_where_the_limits_say(table):
    with Sandbox({"files": table}, limits=replace(SMALL, rows=1000, bytes=100_000)) as tight:
        many = tight.sql("SELECT range FROM range(1_000_000_000)")
        assert (many.table.num_rows, many.truncated) == (1000, "only the first 1,000 rows: the limit is 1,000 rows")
        assert many.table.column(0).to_pylist() == list(range(1000))
        wide = tight.sql("SELECT repeat('x', 1000) AS x FROM range(500)")
        assert 80 < wide.table.num_rows < 100
        assert wide.truncated == f"only the first {wide.table.num_rows} rows: the limit is 0.1 MB"
        exact = tight.sql("SELECT range FROM range(1000)")
        assert (exact.table.num_rows, exact.truncated) == (1000, None)
        one = tight.sql("SELECT repeat('x', 1_000_000) AS x")
        assert (one.table.num_rows, one.truncated) == (0, "only the first 0 rows: the limit is 0.1 MB")


def test_what_does_not_fit_in_memory_goes_to_disk_and_is_removed(table):
    with Sandbox({"files": table}, limits=replace(SMALL, seconds=60, memory_bytes=100 << 20, spill_bytes=2 << 30)) as s:
        rows = "SELECT range AS n, repeat(range::VARCHAR, 10) AS x FROM range(3_000_000) ORDER BY x"
        assert s.sql(f"SELECT n FROM (SELECT n, x FROM ({rows}) OFFSET 2_999_999)").table.to_pylist() == [{"n": 999999}]
        assert list(s._folder.glob("spill-*")) == []
        folder = s._folder
    assert not folder.exists()


# The process


STUCK = """
import time
import pyarrow as pa
from codelake.engine.functions import Function

def functions(scan):
    def stuck(values):
        time.sleep(1000)
    return [Function(name="stuck", parameters={"v": "BIGINT"}, returns="BIGINT", call=stuck, doc="")]

def broken(scan):
    raise ValueError("no such thing")
"""


def test_a_process_that_does_not_listen_is_killed(tmp_path, monkeypatch, table):
    (tmp_path / "stuckmodule.py").write_text(STUCK)
    monkeypatch.syspath_prepend(str(tmp_path))
    with Sandbox({"files": table}, functions="stuckmodule:functions", limits=replace(SMALL, seconds=1)) as sandbox:
        assert "took longer than 1 s" in refused(sandbox, "SELECT stuck(size) FROM files")
        assert children() == []
    with Sandbox({"files": table}, functions="stuckmodule:broken") as sandbox:
        assert "no such thing" in refused(sandbox, "SELECT 1")
    with Sandbox({"files": table}, functions="nosuchmodule:broken") as sandbox:
        assert "nosuchmodule" in refused(sandbox, "SELECT 1")


def children(parent=None):
    """Process ids of the sandboxes that a process started."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            started_by = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            mine = started_by == (parent or os.getpid())
            if mine and b"untrusted import serve" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


PARENT = """
import sys, pickle
from codelake.engine.untrusted import Sandbox, Limits
tables = pickle.loads(bytes.fromhex(sys.argv[1]))
Sandbox(tables, limits=Limits(seconds=1000)).sql("SELECT sum(hash(range)) FROM range(1000000000000)")
"""


def test_the_process_ends_with_its_parent(table):
    import pickle

    parent = subprocess.Popen([sys.executable, "-c", PARENT, pickle.dumps({"files": table}).hex()])
    while not (there := children(parent.pid)):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(1000):
        if not runs(there[0]):
            break
        time.sleep(0.05)
    assert not runs(there[0])


def test_several_threads_ask_at_once(sandbox):
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(sandbox.sql(f"SELECT {n} AS n").table.to_pylist()[0]["n"]))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2, 3]


@pytest.mark.parametrize("frame", [b"", b"x" * 100, b"\xff\xff\xff\xff\x10\x00\x00\x00" + bytes(100)])
def test_what_a_process_sends_is_not_believed(frame):
    with pytest.raises(QueryError, match="no Arrow data"):
        _table(frame)
    with pytest.raises(QueryError, match="no message"):
        _message(b"E{" + frame)
    assert _message(b"E" + json.dumps([1]).encode()) == {}


def test_files_elsewhere_are_named(table):
    remote = replace(table, files=(replace(table.files[0], path="s3://bucket/x.parquet"),))
    with pytest.raises(QueryError, match=r"s3://bucket/x\.parquet is not on one"):
        Sandbox({"files": remote})
