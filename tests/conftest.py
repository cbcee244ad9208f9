"""Fixtures that several floors of the house use: small folders of code and lakes made of them."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import codelake

# Machines are shared and noisy: how long one example takes says nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

PYTHON = """def greet(name):
    \"\"\"Say hello to somebody.\"\"\"
    return f"hello {name}"


class Counter:
    def __init__(self):
        self.count = 0

    def add(self, amount=1):
        self.count += amount
        return self.count
"""


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Mirrors and downloads of the tests go away with them."""
    os.environ["CODELAKE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small folder with several languages, a duplicate, an empty file and a binary one."""
    root = tmp_path / "checkout"
    (root / "src").mkdir(parents=True)
    (root / "src" / "greet.py").write_text(PYTHON)
    (root / "src" / "copy.py").write_text(PYTHON)
    (root / "src" / "main.rs").write_text('fn main() {\n    println!("hello");\n}\n')
    (root / "run").write_text("#!/usr/bin/env bash\necho hello\n")
    (root / "run").chmod(0o755)
    (root / "empty.py").write_text("")
    (root / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (root / "jumbled.py").write_bytes(b"# caf\xe9\x01\n")  # text in no encoding
    (root / "notes.unknownsuffix").write_text("nothing known\n")
    return root


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[codelake.Lake]:
    """An empty lake."""
    with codelake.open(tmp_path / "lake") as opened:
        yield opened


@pytest.fixture(scope="session")
def git() -> Callable[..., str]:
    """git as an oracle, free of the user's own configuration: `git(folder, "write-tree")` gives what it prints."""

    def run(root: Path, *arguments: str, data: bytes | None = None) -> str:
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=root, input=data, capture_output=True, check=True, env=environment
        )
        return done.stdout.decode("utf-8", "backslashreplace").strip()

    return run
