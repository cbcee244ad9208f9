"""Mercurial repositories made by hg itself: every revision comes in as it is, costs what is new, and trusts nobody."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import codelake
from codelake.lake.sources import Failure, Request, visits
from codelake.lake.sources.programs import at_revision

HG = os.environ.get("CODELAKE_HG") or shutil.which("hg") or shutil.which("hg", path=Path(sys.executable).parent)
pytestmark = pytest.mark.skipif(HG is None, reason="hg is missing: pip install mercurial or apt-get install mercurial")

CAFE = os.fsdecode(b"caf\xe9.py")


class Repository:
    """A repository and hg to work on it, without anybody's settings."""

    def __init__(self, root):
        self.root = root
        root.mkdir()
        self.hg("init")

    def hg(self, *arguments):
        environment = {**os.environ, "HGRCPATH": "", "HGPLAIN": "1", "HGENCODING": "UTF-8"}
        done = subprocess.run([HG, *arguments], cwd=self.root, capture_output=True, check=True, env=environment)
        return done.stdout.decode()

    def write(self, path, text):
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def commit(self, date, user="Jörg Groß <j@example.org>"):
        self.hg("addremove", "-q")
        self.hg("commit", "-q", "-m", "change", "-u", user, "-d", f"{date} 00:00 +0200")
        return self.hg("log", "-r", ".", "-T", "{node}")


@pytest.fixture
def repository(tmp_path):
    """Three years of a small project: a rename, a copy, a branch merged, a link, an executable, an odd name, tags."""
    made = Repository(tmp_path / "project")
    made.write("src/a.py", "a = 1\n")
    made.write("src/b.py", "b = 1\n")
    made.write("run", "#!/bin/sh\n")
    (made.root / "run").chmod(0o755)
    (made.root / "link").symlink_to("src/a.py")
    made.write(CAFE, "coffee = 1\n")
    made.write("src.txt", "sorts before src/ in git\n")
    made.write("data.bin", "\0binary")
    made.first = made.commit("2021-03-01")
    made.hg("tag", "v1", "-u", "x", "-d", "2021-03-02 00:00 +0000")
    made.hg("branch", "-q", "feature")
    made.write("feature.py", "f = 1\n")
    made.side = made.commit("2022-01-01")
    made.hg("update", "-q", "default")
    made.hg("mv", "src/b.py", "src/c.py")
    made.hg("cp", "src/a.py", "src/d.py")
    made.second = made.commit("2022-06-01")
    made.hg("merge", "-q", "feature")
    made.hg("commit", "-q", "-m", "merge", "-u", "m", "-d", "2022-07-01 00:00 +0000")
    made.hg("tag", "v2", "-u", "x", "-d", "2022-07-02 00:00 +0000")
    made.write("src/a.py", "a = 2\n")
    (made.root / "run").chmod(0o644)
    made.head = made.commit("2023-05-05")
    return made


def tree(git, repository, revision, tmp_path):
    """The directory id git gives to what hg itself checks out."""
    out = tmp_path / f"out-{revision[:8]}"
    repository.hg("archive", "-r", revision, "-t", "files", "--config", "ui.archivemeta=False", str(out))
    git(out, "init", "-q")
    git(out, "add", "-A", "-f")
    return git(out, "write-tree")


def rows(lake, *, dates=True, last=False):
    """All that a lake says of its visits or the last of them, without what depends on when it was asked."""
    date = "visit_date" if dates else "NULL"
    which = "visit_date = (SELECT max(visit_date) FROM repos)" if last else "true"
    found = {
        name: lake.sql(f"SELECT * EXCLUDE (visit_date), {date} FROM {name} WHERE {which} ORDER BY ALL").fetchall()
        for name in ("files", "drops")
    }
    found["repos"] = lake.sql(f"SELECT * EXCLUDE (visit_date, source), {date} FROM repos WHERE {which} ORDER BY ALL")
    found["repos"] = found["repos"].fetchall()
    columns = "blob_id, sha1, sha256, length_bytes, content, language, is_binary, num_lines"
    found["blobs"] = lake.sql(
        f"SELECT {columns} FROM blobs WHERE blob_id IN (SELECT blob_id FROM files WHERE {which}) ORDER BY blob_id"
    ).fetchall()
    return found


def test_the_present_is_what_hg_checks_out(lake, repository, git, tmp_path):
    report = lake.ingest(f"hg:{repository.root}")
    assert report.failures == ()
    [row] = lake.sql(
        "SELECT repo_name, repo_url, vcs, branch_name, revision_id, directory_id, author, committer, parents, "
        "strftime(revision_date, '%x %X') AS at FROM repos"
    ).fetchall()
    parent = repository.hg("log", "-r", f"p1({repository.head})", "-T", "{node}")
    expected = tree(git, repository, repository.head, tmp_path)
    assert row == (
        "project", repository.root.as_uri(), "hg", "default", repository.head, expected, "Jörg Groß <j@example.org>",
        None, [parent], "2023-05-04 22:00:00",
    )  # fmt: skip
    modes = dict(lake.sql("SELECT path, mode FROM files").fetchall())
    assert modes == {
        ".hgtags": "100644", "caf\\xe9.py": "100644", "data.bin": "100644", "feature.py": "100644", "link": "120000",
        "run": "100644", "src.txt": "100644", "src/a.py": "100644", "src/c.py": "100644", "src/d.py": "100644",
    }  # fmt: skip
    assert lake.sql("SELECT path, reason FROM drops").fetchall() == [("data.bin", "binary")]
    [content] = lake.sql("SELECT content FROM blobs JOIN files USING (blob_id) WHERE files.path = 'link'").fetchall()
    assert content == (b"src/a.py",)


def test_every_tag_is_a_visit_that_costs_what_is_new(lake, repository, git, tmp_path):
    report = lake.ingest(f"hg:{repository.root}", all_tags=True)
    assert [arrival.read_files for arrival in report.arrivals] == [7, 4]
    ids = lake.sql("SELECT revision_id, directory_id FROM repos ORDER BY visit_date").fetchall()
    nodes = [repository.hg("log", "-r", tag, "-T", "{node}") for tag in ("v1", "v2")]
    assert ids == [(node, tree(git, repository, node, tmp_path)) for node in nodes]
    assert lake.sql("SELECT mode FROM files WHERE path = 'run' LIMIT 1").fetchall() == [("100755",)]
    parents = lake.sql("SELECT len(parents) FROM repos ORDER BY visit_date").fetchall()
    assert parents == [(0,), (2,)]


def test_points_in_time_follow_the_first_parents(lake, repository):
    report = lake.ingest(f"hg:{repository.root}", at=["2021", "2022-02-01", "feature", repository.first[:12], "v9"])
    assert len(report.failures) == 2
    assert "nothing is there yet on 2021" in report.failures[0][1]
    assert "no tag, branch or revision v9" in report.failures[1][1]
    found = lake.sql("SELECT revision_id FROM repos ORDER BY visit_date").fetchall()
    on = repository.hg("log", "-r", "children(v1) and branch(default)", "-T", "{node}")
    assert found == [(repository.first,), (repository.side,), (on,)]


def test_years_of_a_branch(lake, repository):
    lake.ingest(f"hg:{repository.root}@feature", every="year", until="2023-06")
    found = lake.sql("SELECT strftime(visit_date, '%Y-%m-%d'), branch_name, revision_id FROM repos ORDER BY visit_date")
    # The branch began two hours east of Greenwich, so just before the year 2022.
    assert found.fetchall() == [
        ("2022-01-01", "feature", repository.side), ("2023-01-01", "feature", repository.side),
    ]  # fmt: skip


def test_a_second_visit_reads_what_changed_and_equals_a_fresh_one(lake, repository, tmp_path):
    source = f"hg:{repository.root}"
    with codelake.open(tmp_path / "fresh") as fresh:
        (repository.root / CAFE).unlink()
        repository.commit("2023-06-01")
        lake.ingest(source)
        repository.write("src/a.py", "a = 3\n")
        repository.write("new/deep.py", "n = 1\n")
        repository.write("more.bin", "\0more")
        (repository.root / "link").unlink()
        (repository.root / "src.txt").chmod(0o755)
        repository.commit("2023-07-01")
        report = lake.ingest(source)
        assert (report["read_files"], report["new_blobs"]) == (4, 3)
        fresh.ingest(source)
        assert rows(lake, dates=False, last=True) == rows(fresh, dates=False, last=True)
        assert lake.sql("SELECT path, count(*) FROM drops GROUP BY ALL ORDER BY ALL").fetchall() == [
            ("data.bin", 2), ("more.bin", 1),
        ]  # fmt: skip


def test_history_in_one_run_equals_each_revision_alone(lake, repository, tmp_path):
    lake.ingest(f"hg:{repository.root}", all_tags=True, at=["2023-06"])
    with codelake.open(tmp_path / "single") as single:
        for point in ("v2", "2023-06", "v1"):
            single.ingest(f"hg:{repository.root}", at=point)
        assert rows(lake) == rows(single)


def test_a_remote_repository_is_cloned_once_and_pulled(lake, repository, tmp_path, monkeypatch):
    """Over HTTP from hg's own server; the mirror stays in the cache, and what is new arrives."""
    monkeypatch.setenv("CODELAKE_CACHE", str(tmp_path / "cache"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HGRCPATH": "", "HGENCODING": "UTF-8"}
    server = subprocess.Popen(
        [HG, "serve", "-R", repository.root, "-a", "127.0.0.1", "-p", str(port)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        source = f"hg+http://127.0.0.1:{port}/"
        assert lake.ingest(source).failures == ()
        repository.write("src/a.py", "a = 4\n")
        head = repository.commit("2024-01-01")
        # As if a pull had been killed before: its journal is still there.
        [mirror] = (tmp_path / "cache" / "hg").iterdir()
        (mirror / ".hg" / "store" / "journal").touch()
        report = lake.ingest(source)
        # The odd name has no exact bytes in the lake, so the second visit is a whole one.
        assert (report["visits"], report["new_blobs"]) == (1, 1)
        found = lake.sql("SELECT revision_id, repo_url, host FROM repos ORDER BY visit_date DESC LIMIT 1").fetchall()
        assert found == [(head, f"http://127.0.0.1:{port}", "127.0.0.1")]
    finally:
        server.terminate()
        server.wait()
    report = lake.ingest(source)
    assert "hg failed" in report.failures[0][1]


def test_a_silent_remote_is_given_up(lake, checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("CODELAKE_CACHE", str(tmp_path / "cache"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = []
        threading.Thread(target=lambda: taken.append(server.accept()), daemon=True).start()
        port = server.getsockname()[1]
        report = lake.ingest(f"hg+http://127.0.0.1:{port}/x/y", checkout, timeout=1)
    [(name, message)] = report.failures
    assert name.endswith("/x/y")
    assert "said nothing for 1 s" in message
    assert report["visits"] == 1
    for connection, _ in taken:
        connection.close()


def test_nothing_a_repository_says_is_run(lake, repository, tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (repository.root / ".hg" / "hgrc").write_text(f"[extensions]\ntrap = {trap}\n[hooks]\npre-log = touch ran\n")
    assert lake.ingest(f"hg:{repository.root}").failures == ()
    assert not (tmp_path / "ran").exists()
    repository.hg("log", "-l", "1")
    assert (tmp_path / "ran").exists()


def test_subrepositories_are_named_with_their_revision(lake, tmp_path):
    made = Repository(tmp_path / "outer")
    inner = Repository(made.root / "vendor")
    inner.write("x.py", "x = 1\n")
    revision = inner.commit("2020-01-01")
    made.write(".hgsub", "vendor = https://hg.example.org/vendor\n")
    made.commit("2020-01-02")
    source = f"hg:{made.root}"
    lake.ingest(source)
    made.write("y.py", "y = 1\n")
    made.commit("2020-01-03")
    lake.ingest(source)
    expected = ("vendor", "submodule", f"https://hg.example.org/vendor {revision}")
    assert lake.sql("SELECT path, reason, value FROM drops").fetchall() == [expected, expected]
    made.hg("rm", ".hgsub")
    made.commit("2020-01-04")
    lake.ingest(source)
    assert lake.sql("SELECT count(*) FROM drops").fetchall() == [(2,)]


def test_a_damaged_file_is_lost_and_the_rest_goes_on(lake, repository):
    store = repository.root / ".hg" / "store" / "data" / "src" / "c.py.i"
    damaged = bytearray(store.read_bytes())
    damaged[-3] ^= 0xFF
    store.write_bytes(damaged)
    report = lake.ingest(f"hg:{repository.root}")
    assert report.failures == ()
    assert lake.sql("SELECT path, reason FROM drops ORDER BY path").fetchall() == [
        ("data.bin", "binary"), ("src/c.py", "unreadable"),
    ]  # fmt: skip
    assert lake.sql("SELECT num_files, directory_id FROM repos").fetchall() == [(9, None)]


def test_an_empty_repository_and_an_unknown_revision_are_failures(lake, repository, tmp_path):
    Repository(tmp_path / "empty")
    report = lake.ingest(f"hg:{tmp_path / 'empty'}", f"hg:{repository.root}@nope", f"hg:{repository.root}@all()")
    assert [message for _, message in report.failures] == [
        "there is no tag, branch or revision nope",
        "there is no tag, branch or revision all()",
    ]
    assert lake.sql("SELECT repo_name, revision_id, num_files FROM repos").fetchall() == [("empty", None, 0)]


def test_large_file_standins_are_recorded_as_they_are(lake, tmp_path):
    made = Repository(tmp_path / "large")
    made.write(".hglf/big.bin", "0" * 40 + "\n")
    made.commit("2020-01-01")
    lake.ingest(f"hg:{made.root}")
    assert lake.sql("SELECT path, length_bytes FROM files").fetchall() == [(".hglf/big.bin", 41)]


def test_a_place_that_is_no_repository_says_so(tmp_path, monkeypatch):
    for place, said in ((tmp_path, "no Mercurial repository"), (tmp_path / "x", "there is no")):
        with pytest.raises(codelake.SourceError, match=said):
            visits(Request(source=f"hg:{place}", rest=""))
    monkeypatch.setenv("CODELAKE_HG", "no-such-hg")
    with pytest.raises(codelake.SourceError, match="pip install mercurial"):
        visits(Request(source=f"hg:{tmp_path}", rest=""))


def test_a_bundle_is_a_repository(lake, repository, tmp_path):
    repository.hg("bundle", "-q", "-a", str(tmp_path / "all.hg"))
    lake.ingest(f"hg:{tmp_path / 'all.hg'}")
    assert lake.sql("SELECT revision_id, num_files FROM repos").fetchall() == [(repository.head, 10)]


def test_contents_are_removed_when_they_were_read(repository, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for visit in visits(Request(source=f"hg:{repository.root}", rest="", scratch=scratch)):
        assert not isinstance(visit, Failure)
        visit.release()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("https://user@host/a/b", ("https://user@host/a/b", None)),
        ("https://user@host/a/b@v1", ("https://user@host/a/b", "v1")),
        ("https://host/a/b@feature/x", ("https://host/a/b", "feature/x")),
        ("https://host/@user/b", ("https://host/@user/b", None)),
        ("file:///a/b@c", ("file:///a/b", "c")),
        ("a/b@c", ("a/b", "c")),
        ("a/b", ("a/b", None)),
    ],
)
def test_where_a_revision_is_named(rest, expected):
    assert at_revision(rest) == expected


@given(st.text(max_size=30))
def test_any_text_has_a_place(rest):
    place, revision = at_revision(rest)
    assert rest in {place, f"{place}@{revision}", f"{place}@"}


def test_a_folder_with_an_at_is_a_place(tmp_path):
    (tmp_path / "a@b").mkdir()
    assert at_revision(str(tmp_path / "a@b")) == (str(tmp_path / "a@b"), None)
    assert at_revision(f"{tmp_path}/a@b@v1") == (f"{tmp_path}/a@b", "v1")
    assert Path(at_revision(f"{tmp_path}/a@b")[0]).is_dir()
