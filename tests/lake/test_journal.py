"""Lists of sources: read side by side, killed at any moment, gone on with, and equal in the end."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import codelake
from codelake.lake import journal
from codelake.lake.doctor import orphans

NOT_DATES = "SELECT COLUMNS(lambda c: c NOT IN ('visit_date', 'first_seen')) FROM {} ORDER BY ALL"


@pytest.fixture
def repositories(tmp_path, git):
    """40 small repositories with contents in common, some folders, and a list of them with mistakes in it."""
    lines = ["# repositories", ""]
    for number in range(40):
        root = tmp_path / f"r{number:02}"
        root.mkdir()
        for name in range(30):
            (root / f"f{name}.py").write_text(f"value = {name * (number % 5)}\n" * 40)
        if number % 4:
            git(root, "init", "-q", "-b", "main")
            git(root, "add", "-A")
            git(root, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "1")
            lines.append(f"git:{root}")
        else:
            lines.append(str(root))
    lines.insert(10, f"git:{tmp_path / 'nowhere'}")
    lines.insert(20, "gti+https://host/x")
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(lines) + "\n")
    return listed


def rows(lake):
    return {name: lake.sql(NOT_DATES.format(name)).fetchall() for name in ("repos", "files", "blobs", "drops")}


def test_a_list_is_read_and_ends_with_what_failed(lake, repositories):
    report = lake.ingest(listed=repositories)
    assert (report["visits"], report["files"]) == (40, 1200)
    assert [name.rsplit("/", 1)[-1] for name, _ in report.failures] == ["nowhere", "x"]
    assert not report.whole
    names = [name for (name,) in lake.sql("SELECT repo_name FROM repos").fetchall()]
    assert sorted(names) == [f"r{number:02}" for number in range(40)]
    assert lake.sql("SELECT count(*), count(DISTINCT blob_id) FROM blobs").fetchall()[0][0] == len(
        {(n * m) for n in range(30) for m in range(5)}
    )
    # Asked again after it came to its end, everything is visited anew.
    assert lake.ingest(listed=repositories)["visits"] == 40


def test_a_list_killed_at_any_moment_gives_the_rows_of_one_that_was_not(repositories, tmp_path):
    with codelake.open(tmp_path / "whole") as whole:
        whole.ingest(listed=repositories)
        expected = rows(whole)
    place = tmp_path / "killed"
    # Commits after every few visits, so that there is something to lose and something to keep.
    code = f"""
import codelake
from codelake.lake import ingest
ingest._COMMIT_FILES = 100
with codelake.open({str(place)!r}) as lake:
    print(lake.ingest(listed={str(repositories)!r}).counts)
"""
    chance = random.Random(3)
    killed = 0

    def commits():
        return len(list(place.glob("tables/repos/metadata/snap-*")))

    while True:
        before = commits()
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        # After its first commit, so that each run comes further than the one before; where in the next is chance.
        while process.poll() is None and commits() == before:
            time.sleep(0.005)
        time.sleep(chance.random() * 0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if not list((place / "ingests").iterdir()):
            break
        killed += 1
    assert killed > 0
    with codelake.open(place) as lake:
        orphans(lake.catalog, lake.place, remove=True)
        assert rows(lake) == expected


def test_ctrl_c_keeps_what_was_committed_and_the_same_call_goes_on(repositories, tmp_path):
    place = tmp_path / "lake"
    script = tmp_path / "go.py"
    script.write_text(
        "import sys\nfrom codelake.lake import ingest\ningest._COMMIT_FILES = 100\n"
        "from codelake.cli import main\nsys.argv[0] = 'codelake'\nmain()\n"
    )
    command = [sys.executable, str(script), "ingest", "--from", str(repositories), "--lake", str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(place.glob("tables/repos/metadata/snap-*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    with codelake.open(place) as lake:
        assert lake.sql("SELECT count(*), count(DISTINCT repo_url) FROM repos").fetchall() == [(40, 40)]


def test_the_command_says_what_failed(repositories, tmp_path):
    command = [sys.executable, "-m", "codelake.cli", "ingest", "--from", str(repositories), "--json"]
    done = subprocess.run([*command, "--lake", str(tmp_path / "lake")], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert len(found["failures"]) == 2
    assert len(found["arrivals"]) == 40
    assert found["arrivals"][0]["read_files"] == 30


def test_a_run_under_way_is_no_run_cut_off(lake):
    def find():
        return journal.find(lake.place, ["x"], lambda _: True)

    going_on, folder = find(), lake.place.local / "ingests"
    with going_on:
        another = find()
        assert another.started != going_on.started
        with pytest.raises(ZeroDivisionError), another:
            raise ZeroDivisionError
        # The one that failed is found again, the one that goes on is not.
        with find() as _:
            assert len(list(folder.iterdir())) == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("text", "said"), [(None, "cannot be read"), (b"\xff\xfe", "not UTF-8")])
def test_a_list_that_cannot_be_read_is_refused(lake, tmp_path, text, said):
    path = tmp_path / "list.txt"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(codelake.LakeError, match=said):
        lake.ingest(listed=path)


def test_an_empty_list_is_no_mistake(lake, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# nothing yet\n")
    assert lake.ingest(listed=path)["visits"] == 0
