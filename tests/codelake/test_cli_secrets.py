"""`codelake secrets …` as a person or a pipeline uses it: lines on one stream, the rest on the other, exit statuses."""

import json

import pytest
from click.testing import CliRunner

from codelake.cli import main

MAIL = "kelori.vandul@tofinmir.org"


def run(*arguments, code=0, env=None):
    """`codelake secrets ARGUMENTS` in this process; returns (standard output, standard error)."""
    done = CliRunner(env=env).invoke(main, ["secrets", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def settings_file(tmp_path):
    path = tmp_path / "settings.py"
    path.write_text(f'admin = "{MAIL}"\npassword = "Tr0ub4dor&3"\n')
    return path


def test_scan_says_where_and_not_what(settings_file):
    out, err = run("scan", settings_file, code=1)
    assert out.splitlines() == [
        f"{settings_file}:1:10: email kelo… (26 characters)",
        f"{settings_file}:2:13: password Tr0u… (11 characters)",
    ]
    assert err == "2 found in 1 texts\n"
    out, err = run("scan", settings_file, "--json", code=1)
    assert MAIL not in out
    assert [(json.loads(line)["kind"], json.loads(line)["line"]) for line in out.splitlines()] == [
        ("email", 1),
        ("password", 2),
    ]
    assert err == ""


def test_the_exit_status_says_what_became_of_it(settings_file, tmp_path):
    clean = tmp_path / "clean.py"
    clean.write_text("x = 1\n")
    assert run("scan", clean) == ("", "0 found in 1 texts\n")
    assert run("scan", settings_file, "--allow", r".*@tofinmir\.org", "--allow", "Tr0ub.*") == (
        "",
        "0 found in 1 texts\n",
    )
    _, err = run("scan", tmp_path / "none", clean, code=3)
    assert f"skipped {tmp_path / 'none'}: No such file" in err
    run("scan", tmp_path / "none", settings_file, code=1)
    run("scan", code=2)
    run("scan", clean, "--level", "all", code=2)
    _, err = run("scan", clean, "--allow", "(", code=2)
    assert "not a regular expression" in err
    picture = tmp_path / "x.png"
    picture.write_bytes(b"\x89PNG\0")
    assert run("scan", picture)[1] == f"skipped {picture}: binary\n0 found in 0 texts\n"
    assert json.loads(run("scan", picture, "--json")[0]) == {"path": str(picture), "skipped": "binary"}


def test_levels(tmp_path):
    path = tmp_path / "x"
    path.write_text(MAIL + " AKIA2Q7JHRMV5ZKTPW3D")
    found = {level: run("scan", path, "--level", level, code=1)[0].count("\n") for level in ("low", "default", "high")}
    assert found == {"low": 2, "default": 2, "high": 2}
    path.write_text('password = "Tr0ub4dor&3"')
    run("scan", path, "--level", "low")
    run("scan", path, code=1)


def test_redact_shows_writes_and_scans_again(settings_file, tmp_path):
    before = settings_file.read_text()
    out, err = run("redact", settings_file, code=1)
    assert f"{settings_file}:1:10: email kelo… (26 characters) -> <EMAIL>" in out
    assert "2 to replace in 1 texts" in err
    assert settings_file.read_text() == before
    _, err = run("redact", settings_file, "--out", tmp_path / "out")
    assert err == "2 replaced in 1 texts, 0 still found in what came of it\n"
    assert (tmp_path / "out" / "settings.py").read_text() == 'admin = "<EMAIL>"\npassword = "<PASSWORD>"\n'
    _, err = run("redact", settings_file, "--out", tmp_path / "out", code=3)
    assert "exists already" in err
    assert settings_file.read_text() == before
    run("scan", tmp_path / "out")


def test_redact_in_place_with_fakes(settings_file, tmp_path):
    copy = tmp_path / "copy.py"
    copy.write_bytes(settings_file.read_bytes())
    out, _ = run("redact", settings_file, "--in-place", "--fakes", "one", "--json")
    found = json.loads(out)
    assert found["written"] == str(settings_file)
    assert [f["kind"] for f in found["replaced"]] == ["email", "password"]
    assert found["left"] == []
    run("redact", copy, "--in-place", env={"CODELAKE_FAKES": "one"})
    assert settings_file.read_text() == copy.read_text()
    assert "@example.com" in copy.read_text()


def test_wrong_usage_of_redact_writes_nothing(settings_file, tmp_path):
    before = settings_file.read_text()
    _, err = run("redact", settings_file, "--out", tmp_path / "out", "--in-place", code=2)
    assert "exclude" in err
    _, err = run("redact", tmp_path, "--out", tmp_path / "out", code=2)
    assert "outside" in err
    assert settings_file.read_text() == before
    assert not (tmp_path / "out").exists()


def test_names_and_values_cannot_act_on_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[31m\n.py"
    path.write_text(MAIL)
    out, _ = run("scan", path, code=1)
    assert out.count("\n") == 1
    assert "\x1b" not in out


@pytest.mark.parametrize("command", ["scan", "redact"])
def test_every_command_has_help_with_an_example(command):
    out, _ = run(command, "--help")
    assert f"codelake secrets {command} ./checkout" in out.split("Options:")[0]
