"""Fixtures that several floors of the house use: small folders of code and lakes made of them."""

from collections.abc import Iterator
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
    (root / "latin1.py").write_bytes("# caf\xe9\n".encode("latin-1"))
    (root / "notes.unknownsuffix").write_text("nothing known\n")
    return root


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[codelake.Lake]:
    """An empty lake."""
    with codelake.open(tmp_path / "lake") as opened:
        yield opened
