"""Commits over several tables: all or nothing, also when processes race or die."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import polars
import pyarrow as pa
import pytest

import codelake
from codelake.lake.doctor import orphans

NOW = datetime(2026, 1, 2, 3, 4, 5)


def repo(name="a", **more):
    row = {
        "repo_name": name,
        "repo_url": name,
        "source": "s",
        "vcs": "folder",
        "visit_date": NOW,
        "num_files": 1,
        "length_bytes": 1,
    }
    return pa.Table.from_pylist([row | more])


def drop(stage, count=1):
    return pa.Table.from_pylist([{"stage": stage, "reason": "r", "path": str(n)} for n in range(count)])


def data_files(lake):
    return sorted(Path(lake.place.location, "tables").rglob("*.parquet"))


def test_all_tables_change_together(lake):
    with lake.commit("two tables") as commit:
        commit.append("repos", repo())
        commit.append("drops", drop("x"))
        assert lake.sql("SELECT count(*) FROM repos").fetchall() == [(0,)]
    assert lake.sql("SELECT (SELECT count(*) FROM repos), (SELECT count(*) FROM drops)").fetchall() == [(1, 1)]
    [entry] = lake.log()
    assert entry.message == "two tables"
    assert entry.added == {"repos": 1, "drops": 1}


def test_an_exception_leaves_nothing(lake):
    with pytest.raises(RuntimeError, match="mine"), lake.commit("broken") as commit:
        commit.append("repos", repo())
        raise RuntimeError("mine")
    assert lake.log() == []
    assert data_files(lake) == []


@pytest.mark.parametrize(
    ("table", "rows", "said"),
    [("repo", repo(), "no table repo"), ("repos", repo(colour="red"), "no column colour")],
)
def test_a_wrong_name_is_refused(lake, table, rows, said):
    with pytest.raises(codelake.LakeError, match=said), lake.commit("wrong") as commit:
        commit.append(table, rows)


def test_a_missing_required_value_is_refused_and_leaves_nothing(lake):
    rows = repo().drop_columns(["vcs"])
    with pytest.raises((ValueError, pa.ArrowInvalid)), lake.commit("null") as commit:
        commit.append("repos", rows)
    assert lake.log() == []


def test_a_commit_needs_a_message(lake):
    with pytest.raises(codelake.LakeError, match="message"):
        lake.commit("  ")


def test_files_are_replaced_in_one_snapshot(lake):
    with lake.commit("old") as commit:
        commit.append("drops", drop("a", 3))
        commit.append("drops", drop("b", 2))
    old = [file.path for file in lake.tables()["drops"].files if file.partition["stage"] == "a"]
    with lake.commit("new") as commit:
        commit.remove_files("drops", old)
        commit.append("drops", drop("a", 1))
    assert lake.sql("SELECT stage, count(*) FROM drops GROUP BY 1 ORDER BY 1").fetchall() == [("a", 1), ("b", 2)]
    assert lake.at(1).sql("SELECT count(*) FROM drops").fetchall() == [(5,)]
    newest = lake.log()[0]
    assert (newest.added["drops"], newest.removed["drops"]) == (1, 3)


def test_replacing_what_another_writer_replaced_is_refused(lake):
    with lake.commit("old") as commit:
        commit.append("drops", drop("a"))
    old = [file.path for file in lake.tables()["drops"].files]
    with lake.commit("first") as commit:
        commit.remove_files("drops", old)
    with pytest.raises(codelake.LakeError, match="another writer"), lake.commit("second") as commit:
        commit.remove_files("drops", old)


def test_workers_write_files_and_one_committer_registers_them(lake):
    with lake.commit("by workers") as commit:
        folder = Path(commit.folder("drops"), "stage=w")
        folder.mkdir(parents=True)
        path = str(folder / "worker.parquet")
        table = pa.table(
            {
                f.name: drop("w")[f.name] if f.name in drop("w").column_names else pa.nulls(1, f.type)
                for f in commit.schema("drops")
            }
        )
        pa.parquet.write_table(table.cast(commit.schema("drops")), path)
        commit.add_files("drops", [path])
    assert lake.sql("SELECT stage FROM drops").fetchall() == [("w",)]


COMMIT_OFTEN = """
import sys
from datetime import datetime
import pyarrow as pa
import codelake
url, name, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
row = {"repo_url": name, "source": "s", "vcs": "folder", "visit_date": datetime(2026, 1, 2)}
with codelake.open(url) as lake:
    for number in range(times):
        repo = row | {"repo_name": f"{name}-{number}", "num_files": 1, "length_bytes": 1}
        with lake.commit(f"{name} {number}") as commit:
            commit.append("repos", pa.Table.from_pylist([repo]))
            commit.append("drops", pa.Table.from_pylist([{"stage": name, "reason": "r"}]))
"""


def test_four_processes_commit_at_once_and_lose_nothing(lake):
    command = [sys.executable, "-c", COMMIT_OFTEN, lake.place.location]
    workers = [subprocess.Popen([*command, f"w{number}", "5"]) for number in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert lake.sql("SELECT count(*), count(DISTINCT repo_name) FROM repos").fetchall() == [(20, 20)]
    assert lake.sql("SELECT count(*) FROM drops").fetchall() == [(20,)]
    # Every commit has a number of its own, and at each one both tables hold as many rows.
    assert [entry.sequence for entry in lake.log()] == list(range(20, 0, -1))
    past = lake.at(11)
    assert (
        past.sql("SELECT count(*) FROM repos").fetchall()
        == past.sql("SELECT count(*) FROM drops").fetchall()
        == [(11,)]
    )


def test_a_killed_commit_leaves_the_lake_readable_and_doctor_finds_its_files(lake, tmp_path):
    ready = tmp_path / "ready"
    code = f"""
import time
from pathlib import Path
import pyarrow as pa
import codelake
rows = pa.table({{"stage": ["x"] * 9000, "reason": ["r"] * 9000}})
with codelake.open({lake.place.location!r}) as lake, lake.commit("killed") as commit:
    commit.append("drops", rows)
    commit.written("drops")
    Path({str(ready)!r}).touch()
    time.sleep(600)
"""
    with lake.commit("before") as commit:
        commit.append("drops", drop("y"))
    process = subprocess.Popen([sys.executable, "-c", code])
    while not ready.exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert lake.sql("SELECT count(*) FROM drops").fetchall() == [(1,)]
    found = orphans(lake.catalog, lake.place)
    assert len(found) == 1
    assert found[0][1] > 0
    assert orphans(lake.catalog, lake.place, remove=True) == found
    assert orphans(lake.catalog, lake.place) == []
    assert lake.sql("SELECT count(*) FROM drops").fetchall() == [(1,)]


def test_polars_reads_the_tables_without_codelake(lake, monkeypatch):
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    with lake.commit("rows") as commit:
        commit.append("drops", drop("a", 3))
        commit.append("drops", drop("b", 2))
    location = lake.catalog.locations()["drops"]
    by_iceberg = polars.scan_iceberg(location).group_by("stage").len().sort("stage").collect()
    assert by_iceberg.rows() == [("a", 3), ("b", 2)]
    by_files = polars.scan_parquet([file.path for file in lake.tables()["drops"].files])
    assert by_files.select(polars.len()).collect().item() == 5
