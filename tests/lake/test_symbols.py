"""The stage that fills `symbols`, and what is asked of it: nothing parsed twice, nothing kept that no longer holds."""

import subprocess
import sys

import pytest

import codelake
from codelake.engine.errors import LakeError, QueryError
from codelake.engine.syntax.match import Limits
from codelake.lake import symbols as stage

GREET = """def greet(name):
    \"\"\"Grüße jemanden.\"\"\"
    return shout(f"hello {name}")
"""
CALLER = """import os.path as osp
from greet import greet as hello, shout


class Counter:
    def add(self):
        hello("x")
        self.add()
        return osp.join("a")


greet("top")
"""


def rows(lake, sql, *params):
    return lake.sql(sql, params=list(params) or None).fetchall()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    (root / "greet.py").write_text(GREET)
    (root / "caller.py").write_text(CALLER)
    (root / "main.rs").write_text("/// Doc.\nfn main() { greet(); }\n")
    (root / "query.sql").write_text("SELECT 1;\n")
    return root


@pytest.fixture
def curated(lake, folder):
    lake.ingest(folder)
    lake.curate()
    return lake


def everything(lake):
    return rows(lake, "SELECT * FROM symbols ORDER BY ALL")


def test_the_curated_files_are_parsed_once(curated):
    report = curated.symbols()
    assert (report["parsed_files"], report["other_languages_files"], report["unchanged_files"]) == (3, 1, 0)
    assert report["symbols"] == len(everything(curated)) - 3
    before, log = everything(curated), curated.log()
    again = curated.symbols()
    assert (again["parsed_files"], again["unchanged_files"]) == (0, 3)
    assert (everything(curated), curated.log()) == (before, log)


def test_the_file_row_holds_the_outcome_and_the_hash_of_the_text(lake, folder):
    (folder / "broken.py").write_text("def f(:\n")
    lake.ingest(folder)
    lake.curate()
    assert lake.symbols()["syntax_errors"] == 1
    found = rows(
        lake,
        "SELECT path, s.name, md5(content) = qualified_name, end_byte = strlen(content) FROM symbols AS s "
        "JOIN code USING (blob_id, language) WHERE kind = 'file' ORDER BY path",
    )
    assert found == [
        ("broken.py", "syntax-error", True, True),
        ("caller.py", "ok", True, True),
        ("greet.py", "ok", True, True),
        ("main.rs", "ok", True, True),
    ]


def test_the_views_give_definitions_imports_calls_and_docstrings(curated):
    curated.symbols()
    assert rows(
        curated, "SELECT path, kind, qualified_name, start_line, documented FROM definitions ORDER BY path, start_line"
    ) == [
        ("caller.py", "class", "Counter", 5, False),
        ("caller.py", "method", "Counter.add", 6, False),
        ("greet.py", "function", "greet", 1, True),
        ("main.rs", "function", "main", 2, True),
    ]
    assert rows(curated, "SELECT module, name, alias, line FROM imports ORDER BY line, start_byte") == [
        ("os.path", None, "osp", 1),
        ("greet", "greet", "hello", 2),
        ("greet", "shout", None, 2),
    ]
    assert rows(curated, "SELECT qualified_name, caller, line FROM calls WHERE path = 'caller.py' ORDER BY line") == [
        ("hello", "Counter.add", 7),
        ("self.add", "Counter.add", 8),
        ("osp.join", "Counter.add", 9),
        ("greet", None, 12),
    ]
    assert rows(curated, "SELECT path, name, docstring FROM docstrings ORDER BY path") == [
        ("greet.py", "greet", '"""Grüße jemanden."""'),
        ("main.rs", "main", "/// Doc."),
    ]


def test_callers_are_found_by_name_and_by_qualified_name(curated):
    curated.symbols()
    assert rows(curated, "SELECT path, line, caller FROM callers_of('greet') ORDER BY path") == [
        ("caller.py", 12, None),
        ("main.rs", 2, "main"),
    ]
    assert rows(curated, "SELECT callee FROM callers_of(name := 'osp.join')") == [("osp.join",)]
    assert rows(curated, "SELECT callee FROM callers_of(?)", "nobody") == []


def test_module_names_of_other_languages_are_no_aliases(lake, tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "a.pl").write_text("use List::Util;\n")
    (folder / "a.rs").write_text("use a::b::{self, C as D};\n")
    (folder / "a.js").write_text("import x, * as y from './z.js';\n")
    lake.ingest(folder)
    lake.curate()
    lake.symbols()
    assert rows(lake, "SELECT path, module, name, alias FROM imports ORDER BY path, start_byte") == [
        ("a.js", "./z.js", "default", "x"),
        ("a.js", "./z.js", None, "y"),
        ("a.pl", "List.Util", None, None),
        ("a.rs", "a.b", None, None),
        ("a.rs", "a.b", "C", "D"),
    ]


def test_the_past_keeps_its_symbols(curated, folder):
    curated.symbols()
    curated.release("1.0.0")
    (folder / "greet.py").write_text("def other(): pass\n")
    curated.ingest(folder)
    curated.curate()
    curated.symbols()
    assert rows(curated, "SELECT name FROM definitions WHERE path = 'greet.py'") == [("other",)]
    past = curated.at("1.0.0")
    assert rows(past, "SELECT name FROM definitions WHERE path = 'greet.py'") == [("greet",)]
    assert rows(past, "SELECT count(*) FROM callers_of('greet')") == [(2,)]
    with pytest.raises(LakeError, match="read-only"):
        past.symbols()


def test_only_what_changed_is_parsed_and_what_is_gone_is_forgotten(curated, folder):
    curated.symbols()
    (folder / "greet.py").write_text("def other(): pass\n")
    (folder / "main.rs").unlink()
    curated.ingest(folder)
    curated.curate()
    report = curated.symbols()
    assert (report["parsed_files"], report["forgotten_files"], report["unchanged_files"]) == (1, 2, 1)
    assert rows(curated, "SELECT count(*) FROM symbols ANTI JOIN code USING (blob_id, language)") == [(0,)]
    assert rows(curated, "SELECT name FROM definitions ORDER BY 1") == [("Counter",), ("add",), ("other",)]


def test_a_text_that_changed_under_its_id_is_parsed_again(curated):
    import pyarrow as pa

    curated.symbols()
    code = curated.sql("SELECT * FROM code WHERE path = 'greet.py'").to_arrow_table()
    redacted = pa.array([GREET.replace("shout", "s")], pa.large_string())
    with curated.commit("redact") as commit:
        commit.append("code", code.set_column(code.column_names.index("content"), "content", redacted))
        commit.remove_files("code", [f.path for f in curated.tables()["code"].files if "language=Python" in f.path])
    report = curated.symbols()
    assert (report["parsed_files"], report["forgotten_files"]) == (1, 2)
    assert rows(curated, "SELECT name FROM calls WHERE language = 'Python'") == [("s",)]


def test_other_rules_find_everything_anew(curated, monkeypatch):
    curated.symbols()
    before = len(everything(curated))
    monkeypatch.setattr(stage, "VERSION", "another")
    report = curated.symbols()
    assert (report["parsed_files"], report["forgotten_files"]) == (3, 3)
    assert len(everything(curated)) == before
    assert len(rows(curated, "SELECT DISTINCT language, stage_hash FROM symbols")) == 2


def test_languages_can_be_chosen(curated):
    assert curated.symbols(["Rust"])["parsed_files"] == 1
    assert rows(curated, "SELECT DISTINCT language FROM symbols") == [("Rust",)]
    report = curated.symbols()
    assert (report["parsed_files"], report["unchanged_files"], report["forgotten_files"]) == (2, 1, 0)
    with pytest.raises(QueryError, match="'Pyton'; nearest: Python"):
        curated.symbols(["Pyton"])


def test_a_file_beyond_a_limit_has_its_row_and_is_not_tried_again(curated):
    def run(limits):
        return stage.symbols(curated.catalog, curated.place, limits=limits)

    report = run(Limits(max_bytes=len(CALLER) - 1))
    assert report.drops == {"too-large": 1}
    query = (
        "SELECT name, start_line, end_line FROM symbols JOIN code USING (blob_id, language) WHERE path = 'caller.py'"
    )
    assert rows(curated, query) == [("too-large", 1, 13)]
    assert run(Limits(max_bytes=len(CALLER) - 1))["parsed_files"] == 0
    # With other limits it is.
    assert run(Limits())["parsed_files"] == 3


def test_an_empty_lake_has_no_symbols(lake):
    assert lake.symbols()["parsed_files"] == 0
    assert rows(lake, "SELECT count(*) FROM definitions") == [(0,)]
    assert rows(lake, "FROM callers_of('x')") == []


KILLED = """
import os, signal, sys
import codelake
from codelake.lake import symbols as stage

stage.COMMIT_BYTES = stage._BATCH_BYTES = stage._BATCH_ROWS = 1

def progress(done, total, **_):
    if done == total:
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))

with codelake.open(sys.argv[1]) as lake:
    stage.symbols(lake.catalog, lake.place, progress=progress)
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_run_that_was_cut_off_is_gone_on_with(curated, tmp_path, how):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "lake"), how], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    files = rows(curated, "SELECT count(*) FROM symbols WHERE kind = 'file'")[0][0]
    assert files == 2
    report = curated.symbols()
    assert (report["parsed_files"], report["unchanged_files"]) == (1, 2)
    assert rows(curated, "SELECT count(*), count(DISTINCT blob_id) FROM symbols WHERE kind = 'file'") == [(3, 3)]
    assert len(rows(curated, "SELECT DISTINCT * FROM symbols")) == len(everything(curated))


def test_two_runs_at_once_leave_no_symbol_twice(curated, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "COMMIT_BYTES", 1)
    monkeypatch.setattr(stage, "_BATCH_BYTES", 1)
    monkeypatch.setattr(stage, "_BATCH_ROWS", 1)

    def progress(done, total, **_):
        with codelake.open(tmp_path / "lake", progress=False) as other:
            other.symbols()

    with pytest.raises(LakeError, match="another process changes this table"):
        stage.symbols(curated.catalog, curated.place, progress=progress)
    curated.symbols()
    assert rows(curated, "SELECT count(*), count(DISTINCT blob_id) FROM symbols WHERE kind = 'file'") == [(3, 3)]


def test_the_command_prints_what_was_done(curated, tmp_path):
    import json

    from click.testing import CliRunner

    from codelake.cli import main

    found = CliRunner().invoke(main, ["symbols", "--language", "Rust", "--lake", str(tmp_path / "lake"), "--json"])
    assert found.exit_code == 0
    assert json.loads(found.stdout)["counts"]["parsed_files"] == 1
    wrong = CliRunner().invoke(main, ["symbols", "--language", "Rst", "--lake", str(tmp_path / "lake")])
    assert wrong.exit_code == 1
    assert "nearest: Rust" in wrong.stderr
