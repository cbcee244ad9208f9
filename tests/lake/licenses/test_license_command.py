"""`codelake license …`."""

import json
from pathlib import Path

from click.testing import CliRunner

from codelake.cli import main


def run(*arguments: str):
    return CliRunner().invoke(main, ["license", *arguments], catch_exceptions=False)


def test_check_answers_and_exits() -> None:
    assert run("check", "MIT OR GPL-3.0-only", "--into", "Apache-2.0").exit_code == 0
    found = run("check", "GPL-3.0-only", "--into", "Apache-2.0", "--json")
    assert found.exit_code == 1
    answer = json.loads(found.output)
    assert answer["answer"] == "incompatible"
    assert answer["reasons"][0]["outbound"] == "Apache-2.0"


def test_detect_prints_findings(tmp_path: Path) -> None:
    path = tmp_path / "package.json"
    path.write_text('{"license": "MIT"}')
    wide = tmp_path / "LICENSE"
    wide.write_bytes("Licensed under the Apache License, Version 2.0".encode("utf-16"))
    found = run("detect", str(path), str(wide), "--json")
    assert [json.loads(line)["spdx"] for line in found.output.splitlines()] == ["MIT", "Apache-2.0"]
    assert "MIT" in run("detect", str(path)).output


def test_detect_says_what_it_cannot_read(tmp_path: Path) -> None:
    from codelake.engine.errors import SourceError

    path = tmp_path / "LICENSE"
    for content in (None, b"\0\1\2\xff"):
        if content is not None:
            path.write_bytes(content)
        result = CliRunner().invoke(main, ["license", "detect", str(path)])
        assert result.exit_code != 0
        assert isinstance(result.exception, SourceError | SystemExit)
