"""The prompt of `codelake sql`: typed at by a pipe, and by a terminal of its own for Ctrl-C."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import codelake
from codelake.console import Console, Names, _goes_on, history_file, prompt, script, split


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    root = tmp_path_factory.mktemp("console")
    (root / "checkout").mkdir()
    texts = {"a.py": "a = 1\n", "b.py": "b = 1\n", "c.rs": "fn main() {}\n", "d.cpp": "int x;\n"}
    for name, text in texts.items():
        (root / "checkout" / name).write_text(text)
    with codelake.open(root / "lake") as lake:
        lake.ingest(root / "checkout")
        lake.curate()
        lake.release("1.0.0")
        yield lake


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "codelake" / "history"


def typed(lake, text):
    """What the prompt does with these keys."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text(text)
        prompt(lake)


# Statements


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1; SELECT 2;\n", ["SELECT 1", "SELECT 2"], "\n"),
        ("SELECT ';'; x", ["SELECT ';'"], " x"),
        ("SELECT 'it''s; ' || \";\";", ["SELECT 'it''s; ' || \";\""], ""),
        ("SELECT E'\\';'; y", ["SELECT E'\\';'"], " y"),
        ("SELECT $$;$$, $a$;$$;$a$;", ["SELECT $$;$$, $a$;$$;$a$"], ""),
        ("-- no; end\nSELECT 1;", ["-- no; end\nSELECT 1"], ""),
        ("/* ; */ SELECT 1;", ["/* ; */ SELECT 1"], ""),
        ("SELECT 'open; ", [], "SELECT 'open; "),
        ("SELECT 1; SELECT $$ open;", ["SELECT 1"], " SELECT $$ open;"),
        ("SELECT 1 /* open;", [], "SELECT 1 /* open;"),
        (";;", [], ""),
        ("", [], ""),
    ],
)
def test_statements_end_where_they_end(text, statements, rest):
    assert split(text) == (statements, rest)


@given(st.text(alphabet="aE'\"$;-/*\n\\ ", max_size=40))
def test_splitting_loses_nothing(text):
    statements, rest = split(text)
    assert text.endswith(rest)
    kept = re.sub(r"[\s;]", "", text)
    assert re.sub(r"[\s;]", "", "".join([*statements, rest])) == kept


def test_enter_begins_a_line_inside_a_statement():
    for text in ("SELECT 1", "SELECT 1;\nSELECT", "SELECT ';", "-- words"):
        assert _goes_on(text), text
    for text in ("", "  ", "SELECT 1;", ".tables", "SELECT 1; -- done", "SELECT 1;\n\n"):
        assert not _goes_on(text), text


# What is typed


def test_answers_errors_and_commands(filled, state, capsys):
    typed(
        filled,
        ".mode json\nSELECT count(*) AS n\nFROM code;\nSELECT langage FROM code;\n.nosuch\n"
        ".timer on\nSELECT 2 AS n; SELECT 3 AS n;\n.quit\n",
    )
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [{"n": 4}, {"n": 2}, {"n": 3}]
    assert "LINE 1: SELECT langage FROM code\n" in err
    assert "Nearest column: language" in err
    assert ".nosuch: no such command" in err
    assert len(re.findall(r"^\d\.\d{3} s$", err, re.MULTILINE)) == 2
    assert "Traceback" not in err


def test_what_was_typed_is_remembered(filled, state, capsys):
    typed(filled, "SELECT 41\n+ 1 AS n;\n\x04")
    assert capsys.readouterr().out.count("42") == 1
    assert history_file() == state
    assert list(FileHistory(str(state)).load_history_strings()) == ["SELECT 41\n+ 1 AS n;"]


def test_the_past_is_asked_with_at(filled, state, capsys):
    typed(
        filled,
        ".mode csv\n.at 1\nSELECT count(*) FROM code;\n.at now\nSELECT count(*) FROM code;\n.at 9.9\n.at\n.quit\n",
    )
    out, err = capsys.readouterr()
    assert out.splitlines() == ["count_star()", "0", "count_star()", "4"]
    assert "9.9: no release and no time" in err
    assert ".at now for the present" in err


def test_tables_and_their_columns_are_shown(filled, state, capsys):
    typed(filled, ".mode csv\n.tables\n.schema repos\n.schema repoz\n.schema\n.help\n.quit\n")
    out, err = capsys.readouterr()
    assert '\ncode,"blob_id, repo_name, path' in out
    assert "\nrepo_name,VARCHAR," in out
    assert "\nfiles,mode,VARCHAR\n" in out
    assert ".read FILE" in out
    assert "no table 'repoz'; nearest: repos" in err


def test_ctrl_c_drops_the_line_and_ctrl_d_leaves(filled, state, capsys):
    typed(filled, ".mode csv\nSELECT 1\n\x03SELECT 2 AS n;\n\x04")
    assert capsys.readouterr().out == "n\n2\n"


def test_files_are_read(filled, state, tmp_path, capsys):
    path = tmp_path / "a file.sql"
    path.write_text("-- first\nSELECT 1 AS n;\n.mode json\nSELECT 2\n  AS n;\nSELECT 3 AS n")
    loop = tmp_path / "loop.sql"
    loop.write_text(f".read {loop}\n")
    assert script(filled, f".mode csv\n.read {path}\n")
    assert capsys.readouterr().out == 'n\n1\n{"n": 2}\n{"n": 3}\n'
    assert not script(filled, f".read {loop}\n")
    assert "20 deep" in capsys.readouterr().err
    assert not script(filled, ".read /no/such/file\n")
    path.write_text("SELECT nosuch; SELECT 2;")
    assert not script(filled, f".read {path}\nSELECT 3;")
    assert capsys.readouterr().out == ""


def test_a_script_ends_at_the_first_mistake(filled, capsys):
    assert not script(filled, "SELECT 1 AS n; SELECT nosuch; SELECT 2 AS n;", "csv")
    out, err = capsys.readouterr()
    assert out == "n\n1\n"
    assert 'Referenced column "nosuch"' in err
    assert script(filled, "SELECT 1 AS n;\n.quit\nSELECT 2 AS n;", "csv", "1.0.0")


# Completion


def completions(lake, text):
    with Console(lake) as console:
        return [found.text for found in Names(console).get_completions(Document(text), CompleteEvent())]


def test_tab_completes_names_values_and_commands(filled):
    assert {"code", "code_at", "code_search"} <= set(completions(filled, "SELECT * FROM cod"))
    assert "contains" not in completions(filled, "SELECT * FROM cod")
    assert "language" in completions(filled, "SELECT lang")
    assert "SELECT" in completions(filled, "sel")
    assert "ts_query" in completions(filled, "SELECT ts_")
    assert "is_vendored" in completions(filled, "SELECT * FROM code WHERE is_v")
    assert completions(filled, "SELECT * FROM code WHERE language = 'P") == ["Python"]
    assert completions(filled, "SELECT * FROM code WHERE language IN ('Rust', '") == ["C++", "Python", "Rust"]
    assert completions(filled, "SELECT * FROM code WHERE license_type='") == ["none"]
    assert completions(filled, "SELECT ts_query(content, 'R") == ["Rust"]
    assert completions(filled, "SELECT 'done'; SELECT * FROM code WHERE language = 'C") == ["C++"]
    assert completions(filled, "SELECT 'it''s") == []
    assert completions(filled, ".mo") == [".mode"]
    assert completions(filled, ".mode ") == ["table", "json", "csv"]
    assert completions(filled, ".schema fil") == ["files"]
    assert completions(filled, ".at ") == ["now", "1.0.0"]
    assert completions(filled, "") == completions(filled, "SELECT 1;") == []
    assert not [name for name in completions(filled, "SELECT _") if name.startswith("_ts")]


# A terminal


ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"


def busy(process):
    """Wait until a process has computed for longer than it takes to start."""
    while True:
        spent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        if sum(map(int, spent)) / os.sysconf("SC_CLK_TCK") > 5:
            return
        time.sleep(0.1)


class Terminal:
    """`codelake sql` on a terminal of its own."""

    def __init__(self, place, home):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "XDG_STATE_HOME": str(home), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
            os.execve(sys.executable, [sys.executable, "-m", "codelake", "sql", "-l", str(place)], environment)
        self.seen = ""

    def until(self, text, seconds=120):
        """Read until the screen shows `text` after what was read before."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.screen], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} did not come; there is {self.seen!r}"
            self.seen += os.read(self.screen, 65536).decode(errors="replace")
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text):
        os.write(self.screen, text.encode())

    def end(self):
        for _ in range(1200):
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                os.close(self.screen)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("the console did not end")


def test_ctrl_c_on_a_terminal_ends_the_query_and_not_the_console(filled, tmp_path):
    terminal = Terminal(filled.place.location, tmp_path)
    terminal.until("codelake>")
    terminal.type(f"{ENDLESS};\r")
    busy(terminal.pid)
    terminal.type("\x03")
    terminal.until("interrupted")
    terminal.until("codelake>")
    terminal.type("SELECT 41 + 1 AS answer;\r")
    terminal.until("42")
    terminal.until("codelake>")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.seen


def test_ctrl_c_ends_a_query_of_the_command_line(filled):
    for more in ([], ["--json"]):
        command = [sys.executable, "-m", "codelake", "sql", ENDLESS, "-l", filled.place.location, *more]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        busy(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130
        assert out == ""
        assert "Traceback" not in err


def test_statements_come_from_standard_input(filled):
    def asked(text, *more):
        command = [sys.executable, "-m", "codelake", "sql", "-l", filled.place.location, *more]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    done = asked("SELECT count(*) AS n FROM code; -- the end\n", "--csv", "--at", "1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "n\n0\n", "")
    done = asked("SELECT nosuch;", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    done = asked("")
    assert done.returncode == 2
    assert "QUERY" in done.stderr
