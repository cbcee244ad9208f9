"""Syntax in SQL: the functions, the search, and that no gate before the parser loses a match."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import codelake
from codelake.engine.duck import Session
from codelake.engine.errors import QueryError
from codelake.engine.syntax.functions import Syntax
from codelake.engine.syntax.match import Limits
from codelake.engine.syntax.pool import Job
from codelake.sql import load

NAMES = "(function_definition name: (identifier) @name)"
EVAL = '((call function: (identifier) @f) (#eq? @f "eval"))'
MACROS = [
    *("ts_query", "ts_count", "ts_exists", "ts_parse_ok", "ts_errors", "ast_grep"),
    *("code_search", "codelake_stats", "codelake_languages"),
]
FILES = {
    "a.py": "def f(x):\n    return eval(x)\n\nclass A:\n    def g(self): pass\n",
    "b.js": "function f(x) { return eval(x) }\n",
    "c.rs": 'fn main() { println!("é"); }\n',
    "d.md": "# Title\n\neval(x) and more text\n",
    "e.json": '{"a": [1,2]}\n',
    "f.py": "evaluate(1)\nmodel.eval()\n",
}


@pytest.fixture
def code(tmp_path):
    """A lake of a few languages, in each of which `eval` means something else."""
    source = tmp_path / "source"
    source.mkdir()
    for name, text in FILES.items():
        (source / name).write_text(text)
    with codelake.open(tmp_path / "lake") as lake:
        lake.ingest(source)
        lake.curate()
        yield lake


def found(lake, sql, params=None):
    return sorted(lake.sql(sql, params=params).fetchall())


def fails(lake, sql, params=None):
    # While a relation is read, DuckDB raises; the command line and the console show it as `friendly` words it.
    with pytest.raises((QueryError, duckdb.Error)) as caught:
        lake.sql(sql, params=params).fetchall()
    return str(caught.value)


def test_captures_counts_and_answers(code):
    python = "FROM code WHERE language = 'Python'"
    captures = (
        f"SELECT path, c.text, c.start_line FROM (SELECT path, unnest(ts_query(content, language, ?)) AS c {python})"
    )
    assert found(code, captures, [NAMES]) == [("a.py", "f", 1), ("a.py", "g", 5)]
    assert found(code, f"SELECT path, ts_count(content, language, ?) {python}", [NAMES]) == [("a.py", 2), ("f.py", 0)]
    assert found(code, f"SELECT path, ts_query(content, language, ?) {python}", [EVAL])[1] == ("f.py", [])
    assert found(code, f"SELECT path {python} AND ts_exists(content, language, ?)", [EVAL]) == [("a.py",)]
    assert found(code, f"SELECT path, ts_exists(content, language, '{EVAL}') {python}") == [
        ("a.py", True),
        ("f.py", False),
    ]
    assert found(code, "SELECT path, len(ast_grep(content, language, 'eval($X)', strict := false)) FROM code") == [
        ("a.py", 2),
        ("b.js", 2),
        ("c.rs", 0),
        ("d.md", 0),
        ("e.json", 0),
        ("f.py", 0),
    ]


def test_what_parses_and_what_does_not(code):
    assert found(code, "SELECT DISTINCT ts_parse_ok(content, language), ts_errors(content, language) FROM code") == [
        (True, [])
    ]
    query = "SELECT e.capture, e.start_line FROM (SELECT unnest(ts_errors(?, 'Python')) AS e)"
    assert ("missing", 1) in found(code, query, ["def f(:\n  pass"])
    assert code.sql("SELECT ts_parse_ok('f(', 'Python'), ts_parse_ok('f(', 'Roff', strict := false)").fetchall() == [
        (False, None)
    ]


def test_contents_as_bytes(code):
    where = "starts_with(decode(content), 'def f')"
    counts = f"SELECT ts_count(decode(content), 'Python', '(call) @c') FROM blobs WHERE {where}"
    assert found(code, counts) == [(1,)]
    with pytest.raises(QueryError, match="BLOB"):
        code.sql("SELECT ts_count(content, 'Python', '(call) @c') FROM blobs").fetchall()


def test_null_gives_null(code):
    for name, arguments in {
        "ts_query": ["'x'", "'Python'", f"'{NAMES}'"],
        "ts_count": ["'x'", "'Python'", f"'{NAMES}'"],
        "ts_exists": ["'def x(): 1'", "'Python'", f"'{NAMES}'"],
        "ast_grep": ["'x'", "'Python'", "'f($A)'"],
        "ts_parse_ok": ["'x'", "'Python'"],
        "ts_errors": ["'x'", "'Python'"],
    }.items():
        assert code.sql(f"SELECT {name}({', '.join(arguments)})").fetchall() != [(None,)]
        for place in range(len(arguments)):
            given = [*arguments[:place], "NULL", *arguments[place + 1 :]]
            assert code.sql(f"SELECT {name}({', '.join(given)})").fetchall() == [(None,)], given


def test_a_language_without_a_grammar_or_without_the_node(code):
    assert "near: Python" in fails(code, "SELECT ts_count('x', 'pyton', '(identifier) @a')")
    assert "JSON grammar has no node function_definition" in fails(
        code, f"SELECT ts_count(content, language, '{NAMES.replace('name:', '')}') FROM code"
    )
    assert found(code, "SELECT path, ts_count(content, language, '(call) @c', strict := false) FROM code") == [
        ("a.py", 1),
        ("b.js", None),
        ("c.rs", None),
        ("d.md", None),
        ("e.json", None),
        ("f.py", 2),
    ]
    assert code.sql("SELECT ts_count('x', 'Text', '(_) @c', strict := false)").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT ts_count(content, language, '(_') FROM code WHERE language = 'Markdown'", "line 1: (_"),
        ("SELECT ts_query(content, 'Python', '(cal) @c') FROM code", "near: call"),
        ("SELECT ts_query(content, 'Python', '') FROM code", "the query is empty"),
        ("SELECT ast_grep(content, 'Python', '') FROM code", "the pattern is empty"),
        ("SELECT ast_grep('SELECT 1', 'SQL', 'SELECT 1') FROM code", "ast-grep has no grammar for SQL"),
        ("FROM code_search('(call_expresion) @c')", "the JavaScript grammar has no node call_expresion"),
        (
            "FROM code_search('(call_expression) @c', language := 'py')",
            "the Python grammar has no node call_expression",
        ),
        ("FROM code_search('x', language := 'pyton', kind := 'ast_grep')", "near: Python"),
        ("FROM code_search('(e(val)', kind := 'regex')", "line 1: (e(val)"),
        ("FROM code_search('', kind := 'text')", "empty"),
        ("FROM code_search('x', kind := 'grep')", "kinds: ts, ast_grep, regex, text; did you mean 'ast_grep'?"),
        ("FROM code_search(NULL)", "NULL"),
    ],
)
def test_a_mistake_is_explained(code, sql, said):
    assert said in fails(code, sql)


def search(lake, query, columns="path, text", **named):
    given = "".join(f", {name} := '{value}'" for name, value in named.items())
    return found(lake, f"SELECT {columns} FROM code_search(?{given})", [query])


def test_a_search_of_every_kind(code):
    calls = [("a.py", "eval(x)"), ("b.js", "eval(x)")]
    assert search(code, "eval($X)", "path, text, capture", kind="ast_grep") == [
        ("a.py", "eval(x)", "match"),
        ("a.py", "x", "X"),
        ("b.js", "eval(x)", "match"),
        ("b.js", "x", "X"),
    ]
    assert search(code, "(call_expression) @c") == [("b.js", "eval(x)")]  # of JavaScript and Rust; not of Python
    assert search(code, r"ev[a]l\(x\)", kind="regex") == [*calls, ("d.md", "eval(x)")]
    assert search(code, "eval(x)", kind="text") == [*calls, ("d.md", "eval(x)")]
    assert search(code, "nowhere", kind="text") == []


def test_a_search_in_one_language_by_any_of_its_names(code):
    for name in ("Python", "python", "py"):
        assert search(code, "eval($X)", "DISTINCT path", kind="ast_grep", language=name) == [("a.py",)]
        assert search(code, "eval", "DISTINCT path, language", kind="text", language=name) == [
            ("a.py", "Python"),
            ("f.py", "Python"),
        ]
    assert search(code, "eval", kind="text", language="Roff") == []


def test_the_columns_of_a_search(code):
    assert code.sql(f"FROM code_search('{NAMES}')").columns == [
        *("blob_id", "repo_name", "path", "language", "license", "license_type"),
        *("match", "pattern", "capture", "type", "start_line", "end_line", "start_byte", "end_byte", "text"),
    ]


def test_a_search_from_python(code):
    relation = code.search_code("eval($$$A)", language="python", kind="ast_grep")
    assert [row[2] for row in relation.filter("capture = 'match'").fetchall()] == ["a.py"]
    with pytest.raises(QueryError, match="cut off"):
        code.search_code("(call", language="Python")


def test_a_search_reads_only_its_languages_and_asks_the_scan_for_its_literals(code):
    for text, params in [
        ("FROM code_search('eval($X)', language := 'py', kind := 'ast_grep')", None),
        ("FROM code_search(?, language := ?, kind := ?)", ["eval($X)", "Python", "ast_grep"]),
    ]:
        [scan] = code.explain(text, params=params).scans
        assert (scan.files, scan.all_files) == (1, len({Path(name).suffix for name in FILES}))
        assert any("contains(content, 'eval')" in one for one in scan.filters)
    [scan] = code.explain(f"SELECT path FROM code WHERE ts_exists(content, language, '{EVAL}', strict := false)").scans
    assert any("contains(content, 'eval')" in one for one in scan.filters)


def test_what_lacks_the_literals_is_not_parsed(code):
    def parsed():
        return dict(code.sql("FROM codelake_stats()").fetchall())["parsed_files"]

    before = parsed()
    assert search(code, EVAL, "path", language="Python") == [("a.py",)]
    assert search(code, "eval($X)", "DISTINCT path", language="Python", kind="ast_grep") == [("a.py",)]
    assert parsed() - before == 1 + 2  # f.py holds the word, but no call of that name alone


def test_the_languages_are_listed(code):
    listed = dict(code.sql("FROM codelake_languages()").fetchall())
    assert (listed["Python"], listed["SQL"]) == (True, False)
    assert len(listed) > 170


def test_questions_may_differ_from_row_to_row(code):
    query = """
        SELECT ts_count(c, l, q) FROM (VALUES
            ('f(1)', 'Python', '(call) @c'), ('f(1)', 'Go', '(call_expression) @c'), (NULL, 'Go', '(_) @c'),
            ('f(g(1))', 'Python', '(call) @c'), ('x', 'Python', '(integer) @i'), ('x', NULL, '(integer) @i')
        ) AS t(c, l, q)
    """
    assert code.sql(query).fetchall() == [(1,), (1,), (None,), (2,), (0,), (None,)]


def test_limits_are_those_the_lake_was_opened_with(tmp_path):
    with codelake.open(tmp_path / "lake", limits=Limits(max_bytes=10, max_elements=2)) as lake:
        counts = "SELECT ts_count('x = 1', 'Python', '(_) @a'), ts_count('x = 1 + 2 + 3', 'Python', '(_) @a')"
        assert lake.sql(counts).fetchall() == [(4, None)]
        assert len(lake.sql("SELECT ts_query('x = 1', 'Python', '(_) @a')").fetchall()[0][0]) == 2
        stats = dict(lake.sql("FROM codelake_stats()").fetchall())
        assert (stats["too_large"], stats["cut"]) == (1, 1)


# Queries and patterns of every sort of plan: one literal, several, alternatives, none.
ASKED = [
    ("query", NAMES),
    ("query", EVAL),
    ("query", '((identifier) @a (#any-of? @a "lru_cache" "namedtuple"))'),
    ("query", '((string) @s (#match? @s "utf-?8"))'),
    ("query", "[(with_statement) (async_statement)] @w".replace(" (async_statement)", "")),
    ("query", '(call function: (attribute attribute: (identifier) @m) (#eq? @m "append"))'),
    ("ast_grep", "isinstance($A, $B)"),
    ("ast_grep", "os.path.join($$$A)"),
    ("ast_grep", "$A.append($B)"),
    ("ast_grep", "open($$$A)"),
    ("ast_grep", "print($A)"),
    ("ast_grep", "raise $E from None"),
    ("ast_grep", "with $A as $B: $$$C"),
    ("ast_grep", "eval($$$A)"),
    ("regex", r"def (\w+)_(\w+)\("),
    ("regex", "(?i)todo|fixme"),
    ("text", "    return self._"),
]


@pytest.fixture(scope="module")
def real():
    """A session over real Python files, whole and broken, as a view `code`."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts = [path.read_text(errors="replace") for path in sorted(folder.glob("*.py"))[::4]]
    broken = [text[len(text) // 3 :][:20_000] for text in texts[::3]] + [
        text.replace("(", "", 3) for text in texts[::5]
    ]
    texts = [text for text in texts + broken if len(text) < 60_000]
    session, syntax = Session(), Syntax(lambda: ["Python"])
    session.register(syntax.functions())
    table = pa.table({"n": range(len(texts)), "content": texts, "language": ["Python"] * len(texts)})
    session.store("stored", table)
    session.run(
        "CREATE VIEW code AS SELECT '' AS blob_id, '' AS repo_name, s.n AS path, s.language, '' AS license,"
        " '' AS license_type, s.content FROM stored AS s"
    )
    session.create(load(f"macros/{name}") for name in MACROS)
    yield session, syntax, table
    syntax.close()
    session.close()


@pytest.mark.parametrize(("kind", "text"), ASKED)
def test_no_gate_loses_a_match(real, kind, text):
    session, syntax, table = real
    every = syntax.pool.run(Job(kind, text), table["content"].combine_chunks(), table["language"].combine_chunks())
    expected = [
        (n, row["start_byte"], row["capture"]) for n, rows in enumerate(every.to_pylist()) for row in rows or []
    ]
    name = {"query": "ts", "ast_grep": "ast_grep", "regex": "regex", "text": "text"}[kind]
    searched = "SELECT path, start_byte, capture FROM code_search(?, language := 'Python', kind := ?)"
    assert sorted(session.sql(searched, [text, name]).fetchall()) == sorted(expected)
    if name in {"ts", "ast_grep"}:
        function = {"ts": "ts_query", "ast_grep": "ast_grep"}[name]
        rows = f"SELECT path, unnest({function}(content, language, ?)) AS m FROM code"
        asked = f"SELECT path, m.start_byte, m.capture FROM ({rows})"
        assert sorted(session.sql(asked, [text]).fetchall()) == sorted(expected)
    assert expected or "eval" in text


QUIET = """
import codelake, sys
lake = codelake.open(sys.argv[1])
query = "SELECT ts_count(repeat('f(1)' || chr(10), 99) || range, 'Python', '(call) @c') FROM range(300)"
print(len(lake.sql(query).fetchall()))
open_at_exit = lake.sql(query.replace("range(300)", "range(100000)")).to_arrow_reader(10)
print(open_at_exit.read_next_batch().num_rows)
"""

# DuckDB 2.0 looks for Ctrl-C only while the main thread is in a function of ours, as it always is with one thread.
INTERRUPTED = """
import os, signal, sys, threading
import codelake
lake = codelake.open(sys.argv[1], threads=int(sys.argv[2]))
query = "SELECT sum(ts_count(repeat('f(1)' || chr(10), 99) || range, 'Python', '(call) @c')) FROM range(300)"
print(lake.sql(query).fetchall())
if sys.argv[2] == "1":
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    ask = lake.sql
else:
    cursor = lake.session()._connection.cursor()
    threading.Timer(0.5, cursor.interrupt).start()
    ask = cursor.sql
try:
    ask(query.replace("range(300)", "range(1000000)")).fetchall()
except (KeyboardInterrupt, Exception):
    print("interrupted")
print(lake.sql(query).fetchall())
lake.close()
"""


def run(script, *arguments):
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_process_that_never_closes_the_lake_ends_quietly(tmp_path):
    assert run(QUIET, tmp_path / "lake") == ["300", "10"]


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_query_that_is_interrupted_leaves_the_lake_usable(tmp_path, threads):
    assert run(INTERRUPTED, tmp_path / "lake", threads) == ["[(29700,)]", "interrupted", "[(29700,)]"]


def test_the_front_door_does_not_load_a_grammar(tmp_path):
    script = (
        "import sys, codelake\n"
        "codelake.open(sys.argv[1]).sql('SELECT 1').fetchall()\n"
        "print('tree_sitter' in sys.modules)"
    )
    assert run(script, tmp_path / "lake") == ["False"]
