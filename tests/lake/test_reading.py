"""What is worked out of contents where they are read: rows of notebooks, pointers, and what workers share."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import pytest

import codelake
from codelake.lake import workers
from codelake.lake.doctor import orphans
from codelake.lake.swhid import content_id

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"language": "python", "name": "python3", "display_name": "Python 3"}},
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "words"]},
        {
            "cell_type": "code",
            "metadata": {},
            "execution_count": 3,
            "source": "x = 1\nprint(x)",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "SECRET OUTPUT"}],
        },
    ],
}


def test_a_notebook_is_kept_and_becomes_a_script_and_a_text(lake, tmp_path, git):
    root = tmp_path / "book"
    root.mkdir()
    (root / "a.ipynb").write_text(json.dumps(NOTEBOOK))
    (root / "bad.ipynb").write_text("{}")
    report = lake.ingest(root)
    rows = lake.sql("SELECT path, language, derived_from FROM files ORDER BY path").fetchall()
    raw = content_id((root / "a.ipynb").read_bytes())
    assert rows == [
        ("a.ipynb", "Jupyter Notebook", None),
        ("a.ipynb/script.py", "Python", raw),
        ("a.ipynb/structured.txt", "Jupyter Notebook", raw),
        ("bad.ipynb", "Jupyter Notebook", None),
    ]
    texts = dict(lake.sql("SELECT path, content FROM blobs WHERE path LIKE '%/%'").fetchall())
    assert b"x = 1" in texts["a.ipynb/script.py"]
    assert all(b"SECRET" not in text and b"# Title" in text for text in texts.values())
    assert report.drops == {"not-a-notebook": 1}
    # What was made from a file is no part of the tree.
    git(root, "init", "-q")
    git(root, "add", "-A")
    assert lake.sql("SELECT directory_id, num_files FROM repos").fetchall() == [(git(root, "write-tree"), 4)]
    lake.curate()
    kept = {path for (path,) in lake.sql("SELECT path FROM code").fetchall()}
    assert {"a.ipynb/script.py", "a.ipynb/structured.txt"} <= kept


def test_texts_of_a_notebook_go_with_it(lake, tmp_path, git):
    root = tmp_path / "book"
    root.mkdir()
    (root / "a.ipynb").write_text(json.dumps(NOTEBOOK))
    (root / "b.ipynb").write_text(json.dumps(NOTEBOOK | {"nbformat_minor": 4}))
    git(root, "init", "-q")
    identity = ("-c", "user.name=x", "-c", "user.email=x@x")
    git(root, "add", "-A")
    git(root, *identity, "commit", "-qm", "1")
    lake.ingest(f"git:{root}")
    (root / "a.ipynb").unlink()
    git(root, *identity, "commit", "-qam", "2")
    lake.ingest(f"git:{root}")
    latest = "visit_date = (SELECT max(visit_date) FROM repos)"
    paths = [path for (path,) in lake.sql(f"SELECT path FROM files WHERE {latest} ORDER BY 1").fetchall()]
    assert paths == ["b.ipynb", "b.ipynb/script.py", "b.ipynb/structured.txt"]


@pytest.fixture
def many(tmp_path):
    """Enough files to be read by processes, every third content three times."""
    root = tmp_path / "many"
    root.mkdir()
    for number in range(3000):
        folder = root / f"d{number % 7}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}.py").write_text(f"value = {number // 3}\n" * 20)
    return root


def test_processes_give_the_rows_that_one_gives(lake, many, tmp_path):
    lake.ingest(many, workers=3)
    with codelake.open(tmp_path / "alone") as alone:
        alone.ingest(many, workers=0)
        for table in ("files", "blobs", "drops", "repos"):
            sql = f"SELECT COLUMNS(lambda c: c NOT IN ('visit_date', 'first_seen')) FROM {table} ORDER BY ALL"
            assert lake.sql(sql).fetchall() == alone.sql(sql).fetchall()
    assert lake.sql("SELECT count(*), count(DISTINCT blob_id) FROM blobs").fetchall() == [(1000, 1000)]


def test_a_process_that_dies_ends_the_ingest_and_keeps_the_lake_whole(lake, many, monkeypatch):
    started = []
    original = workers._There.__init__

    def start(self, *arguments):
        original(self, *arguments)
        started.append(self.process)
        os.kill(started[0].pid, signal.SIGKILL)

    monkeypatch.setattr(workers._There, "__init__", start)
    with pytest.raises(codelake.LakeError, match="ended by signal SIGKILL"):
        lake.ingest(many)
    assert lake.log() == []
    monkeypatch.undo()
    assert lake.ingest(many)["files"] == 3000
    assert all(process.poll() is not None for process in started)


def test_a_process_that_dies_at_work_ends_the_ingest(lake, many, monkeypatch):
    expect, run = workers.Pool.expect, workers._There.run

    def expect_and_wait(self, files, size):
        expect(self, files, size)
        wait(self._started)

    def run_and_die(self, task, decide):
        self.process.kill()
        return run(self, task, decide)

    monkeypatch.setattr(workers.Pool, "expect", expect_and_wait)
    monkeypatch.setattr(workers._There, "run", run_and_die)
    with pytest.raises(codelake.LakeError, match="ended by signal SIGKILL"):
        lake.ingest(many, workers=2)
    assert lake.log() == []


def test_a_script_without_a_main_guard_can_ingest(many, tmp_path):
    script = tmp_path / "script.py"
    place = str(tmp_path / "l")
    script.write_text(f"import codelake\nprint(codelake.open({place!r}).ingest({str(many)!r})['files'])\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "3000\n"


def test_no_process_outlives_a_killed_ingest(many, tmp_path):
    code = f"import codelake; codelake.open({str(tmp_path / 'l')!r}).ingest({str(many)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])

    def children():
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []

    found: list[int] = []
    while process.poll() is None and not found:
        found = children()
        time.sleep(0.005)
    process.kill()
    process.wait()
    for _ in range(200):
        if not any(Path(f"/proc/{pid}").exists() for pid in found):
            break
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)
    with codelake.open(tmp_path / "l") as lake:
        orphans(lake.catalog, lake.place, remove=True)
        assert lake.ingest(many)["files"] == 3000
