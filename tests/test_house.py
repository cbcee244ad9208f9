"""The house itself: imports point one way, the front door is quick, the SQL and the docs are where they should be."""

import ast
import statistics
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

import codelake
from codelake import sql

# A floor may import itself and what stands to its right.
FLOORS = ("codelake", "model", "lake", "engine", "sql")


def package_folder(floor: str) -> Path:
    name = "codelake" if floor == "codelake" else f"codelake.{floor}"
    module = __import__(name, fromlist=["__path__"])
    return Path(next(iter(module.__path__)))


def imported(path: Path, module: str, *, is_package: bool) -> list[str]:
    """Absolute names of everything of ours that a file imports, lazily or not."""
    found = []
    base = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            name = resolve_name("." * node.level + (node.module or ""), base) if node.level else node.module or ""
            found += [f"{name}.{alias.name}" for alias in node.names]
    return [name for name in found if name.split(".")[0] == "codelake"]


def floor_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS[1:] else "codelake"


def arrows() -> set[tuple[str, str, str]]:
    found = set()
    for floor in FLOORS:
        root = package_folder(floor)
        for path in sorted(root.rglob("*.py")):
            inner = path.relative_to(root).with_suffix("").parts
            if "data" in inner:
                continue
            is_package = inner[-1] == "__init__"
            names = [*([] if floor == "codelake" else [floor]), *(inner[:-1] if is_package else inner)]
            module = ".".join(["codelake", *names])
            for name in imported(path, module, is_package=is_package):
                found.add((floor, floor_of(name), f"{module} imports {name}"))
    return found


def test_imports_point_one_way():
    found = arrows()
    assert {(a, b) for a, b, _ in found} >= {
        ("codelake", "lake"),
        ("lake", "engine"),
        ("lake", "sql"),
        ("model", "engine"),
    }
    back = [text for a, b, text in found if FLOORS.index(b) < FLOORS.index(a)]
    assert back == []


def test_the_walk_sees_a_backward_arrow(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    from ..lake import ingest\n")
    assert imported(path, "codelake.engine.bad", is_package=False) == ["codelake.lake.ingest"]
    assert floor_of("codelake.lake.ingest") == "lake"


def test_import_codelake_is_quick():
    code = "import time; t = time.perf_counter(); import codelake; print(time.perf_counter() - t)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert statistics.median(seconds) < 0.3


@pytest.mark.parametrize("name", codelake.__all__)
def test_every_public_name_is_there(name):
    assert getattr(codelake, name) is not None


def test_sql_files_begin_with_what_they_read_and_give():
    root = package_folder("sql")
    files = sorted(root.rglob("*.sql"))
    assert files
    for path in files:
        text = sql.load(path.relative_to(root).with_suffix("").as_posix())
        assert text.startswith("-- "), path
        assert "Columns" in text or "Gives" in text, path
