"""The command line as a person uses it: results on standard output, everything else on standard error."""

import csv
import io
import json
import subprocess
import sys

import polars
import pytest
from click.testing import CliRunner

import codelake
from codelake.cli import main


def run(*arguments, lake=None, code=0):
    """`codelake ARGUMENTS` in this process; returns (standard output, standard error)."""
    done = CliRunner(env={"CODELAKE_LAKE": str(lake)} if lake else None).invoke(main, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout, done.stderr


def process(*arguments, code=0):
    """The same as a process of its own."""
    command = [sys.executable, "-m", "codelake", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def place(tmp_path, checkout):
    """A curated lake."""
    with codelake.open(tmp_path / "lake") as lake:
        lake.ingest(checkout)
        lake.curate()
    return tmp_path / "lake"


def test_from_a_folder_to_an_answer(tmp_path, checkout):
    place = tmp_path / "new"
    out, _ = run("ingest", checkout, "--json", lake=place)
    assert json.loads(out)["counts"]["files"] == 8
    out, _ = run("curate", lake=place)
    assert "kept files" in out
    assert "dropped: exact-duplicate" in out
    out, err = run("sql", "SELECT language, count(*) AS files FROM code GROUP BY ALL ORDER BY 1", "--json", lake=place)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"language": "Python", "files": 1},
        {"language": "Rust", "files": 1},
        {"language": "Shell", "files": 1},
    ]
    assert err == ""


def test_sql_prints_a_table_csv_and_json(place):
    query = "SELECT path, num_lines, is_vendor FROM code ORDER BY path"
    out, _ = run("sql", query, lake=place)
    assert "src/main.rs" in out
    out, _ = run("sql", query, "--csv", lake=place)
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["path", "num_lines", "is_vendor"]
    assert rows[3] == ["src/main.rs", "3", "False"]
    out, _ = run(
        "sql", "SELECT content, visit_date FROM blobs JOIN repos USING (repo_name) LIMIT 1", "--json", lake=place
    )
    assert set(json.loads(out)) == {"content", "visit_date"}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_sql_writes_files(place, tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    run("sql", "SELECT path, length_bytes FROM code ORDER BY path", "--out", out, lake=place)
    if suffix == "parquet":
        found = polars.read_parquet(out)["path"].to_list()
    elif suffix == "csv":
        found = polars.read_csv(out)["path"].to_list()
    else:
        found = [json.loads(line)["path"] for line in out.read_text().splitlines()]
    assert found == ["run", "src/copy.py", "src/main.rs"]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_parameters_and_points_in_time(place):
    out, _ = run("sql", "SELECT count(*) AS n FROM code WHERE language = ?", "-p", "Rust", "--json", lake=place)
    assert json.loads(out) == {"n": 1}
    out, _ = run("sql", "SELECT count(*) AS n FROM code", "--at", "1", "--json", lake=place)
    assert json.loads(out) == {"n": 0}
    run("release", "1.0.0", "--notes", "the first", lake=place)
    out, _ = run("sql", "SELECT count(*) AS n FROM code", "--at", "1.0.0", "--json", lake=place)
    assert json.loads(out) == {"n": 3}
    out, _ = run("release", "--json", lake=place)
    assert json.loads(out)["notes"] == "the first"
    out, _ = run("log", "--json", lake=place)
    assert [json.loads(line)["sequence"] for line in out.splitlines()] == [2, 1]
    out, _ = run("log", lake=place)
    assert "curate" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sql", "SELECT langage FROM code"), "Nearest column: language"),
        (("sql", "SELECT * FROM cod"), "Nearest table: code"),
        (("sql", "SELECT 1/0::INT; SELEC"), "syntax error"),
        (("sql", "SELECT CAST(path AS INT) FROM code"), "Conversion"),
        (("sql", "SELECT 1", "--out", "x.docx"), "ends in one of .parquet"),
        (("sql", "SELECT 1", "--out", "/no/such/folder/x.csv"), "no folder"),
        (("sql", "SELECT 1", "--at", "9.9.9"), "no release"),
        (("ingest", "/no/such/place"), "there is no folder"),
        (("release", "one"), "not a version"),
        (("train", "nanoo"), "nano"),
        (("train", "nano", "--set", "stepz=1"), "steps"),
        (("search", "x"), "no search index yet"),
        (("index",), "no trained model yet"),
    ],
)
def test_a_mistake_is_one_message_and_no_traceback(place, arguments, said):
    out, err = run(*arguments, lake=place, code=1)
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def test_a_process_writes_results_to_one_stream_and_mistakes_to_the_other(place):
    out, err = process("sql", "SELECT count(*) AS n FROM code", "--json", "--lake", place)
    assert (out, err) == ('{"n": 3}\n', "")
    out, err = process("sql", "SELECT langage FROM code", "--lake", place, code=1)
    assert out == ""
    assert err.startswith("Error: Binder Error")
    assert "Traceback" not in err


def test_wrong_usage_shows_how(place):
    _, err = run("sql", lake=place, code=2)
    assert "QUERY" in err
    _, err = run("sql", "SELECT 1", "--json", "--csv", lake=place, code=2)
    assert "exclude" in err
    _, err = run("train", "nano", "--set", "steps", lake=place, code=2)
    assert "KEY=VALUE" in err


def test_asking_where_no_lake_is_makes_none(tmp_path):
    _, err = run("sql", "SELECT 1", lake=tmp_path / "none", code=1)
    assert "nothing is there" in err
    assert not (tmp_path / "none").exists()


def test_every_command_has_help_with_an_example():
    out, _ = run("--help")
    commands = [line.split()[0] for line in out.split("Commands:")[1].splitlines() if line.strip()]
    assert len(commands) >= 12
    for command in commands:
        out, _ = run(command, "--help")
        assert "Usage: " in out
        assert "codelake " in out.split("Options:")[0].split("\n", 1)[1] or command in {
            "log",
            "doctor",
            "demo",
            "tokenizer",
        }


def test_the_report_is_a_page_or_a_table(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("report", lake=place)[0] == "report.html\n"
    assert "exact-duplicate" in (tmp_path / "report.html").read_text()
    out, _ = run("report", "languages", "--html", tmp_path / "one.html", "--png", "plots", lake=place)
    assert "Rust" in out
    assert "languages in all: 3" in out
    assert out.splitlines()[-2:] == [str(tmp_path / "one.html"), "plots/languages.png"]
    assert "exact-duplicate" not in (tmp_path / "one.html").read_text()
    out, _ = run("report", "drops", "secrets", "--json", lake=place)
    drops, secrets = map(json.loads, out.splitlines())
    assert {"stage": "exact-duplicate", "reason": "exact-duplicate", "files": 1, "repositories": 1} in drops["rows"]
    assert secrets["rows"] == []
    assert "nothing has looked" in secrets["answer"]
    out, _ = run("report", "--list", "--json", lake=place)
    assert "languages" in {json.loads(line)["report"] for line in out.splitlines()}


def test_export_writes_a_folder_and_says_what_is_in_it(place, tmp_path):
    out, _ = run("export", tmp_path / "out", "SELECT path, content FROM code", "-f", "jsonl", "--json", lake=place)
    assert {k: json.loads(out)[k] for k in ("format", "rows", "shards", "kept")} == {
        "format": "jsonl", "rows": 3, "shards": 1, "kept": 0,
    }  # fmt: skip
    out, _ = run("export", tmp_path / "out", "SELECT path, content FROM code", "-f", "jsonl", lake=place)
    assert [item.name for item in (tmp_path / "out" / "data").iterdir()] == ["part-00000.jsonl.zst"]
    _, err = run("export", tmp_path / "out", "SELECT path FROM code", lake=place, code=1)
    assert "holds another export" in err


def test_a_pipe_that_closes_is_no_error(place):
    command = f"{sys.executable} -m codelake sql 'SELECT * FROM range(1000000)' --csv -l {place} | head -2"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == "range\n0\n"
    assert done.stderr == ""


def test_doctor_finds_what_a_killed_writer_left(place):
    left = place / "tables" / "drops" / "data" / "stage=x"
    left.mkdir(parents=True)
    (left / "orphan.parquet").write_bytes(b"12345")
    out, _ = run("doctor", "--json", lake=place)
    assert json.loads(out) == {"path": str(left / "orphan.parquet"), "bytes": 5, "removed": False}
    run("doctor", "--remove", lake=place)
    assert not (left / "orphan.parquet").exists()
    assert run("sql", "SELECT count(*) AS n FROM code", "--json", lake=place)[0] == '{"n": 3}\n'


def test_the_recipe_is_shown_with_its_settings():
    out, _ = run("train", "nano", "--set", "steps=7", "--show-recipe")
    assert json.loads(out)["train"]["steps"] == 7


def test_a_query_is_explained(place):
    query = "SELECT path FROM code WHERE language = 'Rust'"
    out, _ = run("sql", query, "--explain", lake=place)
    assert out.startswith("code: 1 of 3 files, 1 of 1 row groups, ")
    assert "(language = 'Rust')" in out
    out, _ = run("sql", query, "--analyze", "--json", lake=place)
    assert json.loads(out)["scans"][0]["rows"] == 1


def test_untrusted_sql_is_answered_or_refused(place, tmp_path):
    query = "SELECT count(*) AS n FROM code"
    assert run("sql", query, "--untrusted", "--json", lake=place)[0] == '{"n": 3}\n'
    assert run("sql", query, "--untrusted", "--csv", "--at", "1", lake=place)[0] == "n\n0\n"
    out, err = run("sql", "SELECT range AS n FROM range(20000)", "--untrusted", "--csv", lake=place)
    assert len(out.splitlines()) == 10_001
    assert err == "only the first 10,000 rows: the limit is 10,000 rows\n"
    out, err = run("sql", f"COPY code TO '{tmp_path / 'x.csv'}'", "--untrusted", lake=place, code=1)
    assert "one SELECT" in err
    assert not (tmp_path / "x.csv").exists()
    _, err = run("sql", "SELECT ?", "-p", "1", "--untrusted", lake=place, code=1)
    assert "no parameters" in err
