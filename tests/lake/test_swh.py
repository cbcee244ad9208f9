"""Software Heritage as a source: an archive made here from real git repositories, in the tables that SWH publishes."""

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

import codelake
from codelake.lake import sources
from codelake.lake.sources import Entry, Failure, Lost, Request, swh
from codelake.lake.sources.objects import Objects
from codelake.lake.swhid import content_id, directory_id, revision_id, snapshot_id

# Every table and column in the order of swh/export/relational.py of swh.export 1.12.0 (GPL-3, not installed here); the
# types are those of its exporters/orc.py and exporters/parquet.py.
SCHEMA = {
    "origin": "id:string url:string",
    "origin_visit": "origin:string visit:bigint date:visit_timestamp type:string",
    "origin_visit_status": (
        "origin:string visit:bigint date:visit_timestamp status:string snapshot:string type:string"
    ),
    "snapshot": "id:string",
    "snapshot_branch": "snapshot_id:string name:binary target:string target_type:string",
    "release": (
        "id:string name:binary message:binary target:string target_type:string author:binary date:timestamp "
        "date_offset:smallint date_raw_offset_bytes:binary raw_manifest:binary"
    ),
    "revision": (
        "id:string message:binary author:binary date:timestamp date_offset:smallint date_raw_offset_bytes:binary "
        "committer:binary committer_date:timestamp committer_offset:smallint committer_date_raw_offset_bytes:binary "
        "directory:string type:string raw_manifest:binary"
    ),
    "revision_history": "id:string parent_id:string parent_rank:int",
    "revision_extra_headers": "id:string key:binary value:binary",
    "directory": "id:string raw_manifest:binary",
    "directory_entry": "directory_id:string name:binary type:string target:string perms:int",
    "content": ("sha1:string sha1_git:string sha256:string blake2s256:string length:bigint status:string data:binary"),
    "skipped_content": (
        "sha1:string sha1_git:string sha256:string blake2s256:string length:bigint status:string reason:string"
    ),
}
COMMON = {
    "string": pa.string(), "binary": pa.binary(), "bigint": pa.int64(), "int": pa.int32(), "smallint": pa.int16(),
}  # fmt: skip
ARROW = {
    "orc": {**COMMON, "visit_timestamp": pa.timestamp("ns"), "timestamp": pa.timestamp("ns")},
    "parquet": {
        **COMMON,
        "visit_timestamp": pa.timestamp("us"),
        "timestamp": pa.struct(
            [pa.field("seconds", pa.int64(), nullable=False), pa.field("microseconds", pa.uint32(), nullable=False)]
        ),
    },
}
DAY = 86_400


def git(root, *arguments, data=None, **environment):
    """What git prints, byte for byte."""
    fixed = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for who in ("AUTHOR", "COMMITTER"):
        fixed |= {f"GIT_{who}_NAME": "Ann", f"GIT_{who}_EMAIL": "ann@x", f"GIT_{who}_DATE": "1600000000 +0200"}
    return subprocess.run(
        ["git", *arguments], cwd=root, input=data, capture_output=True, check=True,
        env={**os.environ, **fixed, **environment},
    ).stdout  # fmt: skip


def text(*arguments, **more):
    return git(*arguments, **more).decode().strip()


class Archive:
    """What Software Heritage would hold of the repositories it is given."""

    def __init__(self):
        self.rows = {table: [] for table in SCHEMA}
        self.objects = {}
        self.visits = 0

    def visit(self, root, url, date, *, status="full", branches=None, kind="git"):
        """Take in every object of a repository, and a snapshot of its branches (or of those given)."""
        for line in text(root, "cat-file", "--batch-all-objects", "--batch-check").splitlines():
            identifier, object_kind, _ = line.split()
            getattr(self, object_kind)(root, identifier, git(root, "cat-file", object_kind, identifier))
        if branches is None:
            branches = {b"HEAD": ("alias", text(root, "symbolic-ref", "HEAD").encode())}
            for line in text(root, "for-each-ref", "--format=%(objecttype) %(objectname) %(refname)").splitlines():
                what, identifier, name = line.split(" ", 2)
                branches[name.encode()] = ({"commit": "revision", "tag": "release"}[what], identifier)
        snapshot = snapshot_id((name, what, target) for name, (what, target) in branches.items())
        self.add("snapshot", snapshot)
        for name, (what, target) in branches.items():
            # swh.export writes hash_to_hex(target), for the name an alias stands for as well.
            self.add("snapshot_branch", snapshot, name, target.hex() if what == "alias" else target, what)
        self.visits += 1
        moment = datetime.fromisoformat(date)
        self.add("origin", hashlib.sha1(url.encode()).hexdigest(), url)
        self.add("origin_visit", url, self.visits, moment, kind)
        self.add("origin_visit_status", url, self.visits, moment, "created", None, None)
        self.add("origin_visit_status", url, self.visits, moment, status, snapshot, kind)
        return snapshot

    def add(self, table, *values):
        names = [column.split(":")[0] for column in SCHEMA[table].split()]
        row = dict(zip(names, values, strict=True))
        if row not in self.rows[table]:
            self.rows[table].append(row)

    def blob(self, _root, identifier, body):
        sha1 = hashlib.sha1(body).hexdigest()
        self.objects[sha1] = gzip.compress(body)
        blake = hashlib.blake2s(body).hexdigest()
        self.add("content", sha1, identifier, hashlib.sha256(body).hexdigest(), blake, len(body), "visible", None)

    def tree(self, root, identifier, _body):
        self.add("directory", identifier, None)
        for item in git(root, "ls-tree", "-z", identifier).split(b"\0")[:-1]:
            head, _, name = item.partition(b"\t")
            mode, kind, target = head.decode().split()
            kind = {"blob": "file", "tree": "dir", "commit": "rev"}[kind]
            self.add("directory_entry", identifier, name, kind, target, int(mode, 8))

    def commit(self, _root, identifier, body):
        head, _, message = body.partition(b"\n\n")
        lines = [line.split(b" ", 1) for line in head.split(b"\n")]
        named = dict(lines)
        people = []
        for key in (b"author", b"committer"):
            who, seconds, offset = named[key].rsplit(b" ", 2)
            minutes = int(offset[1:3]) * 60 + int(offset[3:])
            # The names in a public export are hashes.
            people += [
                hashlib.sha256(who).digest(),
                (int(seconds), 0),
                -minutes if offset[:1] == b"-" else minutes,
                offset,
            ]
        self.add("revision", identifier, message, *people, named[b"tree"].decode(), "git", None)
        for rank, parent in enumerate(value for key, value in lines if key == b"parent"):
            self.add("revision_history", identifier, parent.decode(), rank)

    def tag(self, _root, identifier, body):
        named = dict(line.split(b" ", 1) for line in body.partition(b"\n\n")[0].split(b"\n"))
        kind = {b"commit": "revision", b"tree": "directory", b"tag": "release"}[named[b"type"]]
        target = named[b"object"].decode()
        self.add("release", identifier, named[b"tag"], b"", target, kind, None, None, None, None, None)

    def write(self, folder, kind):
        """The tables as swh.export lays them out, in two files each; returns the folder as text."""
        for table, columns in SCHEMA.items():
            schema = pa.schema([(name, ARROW[kind][what]) for name, what in (c.split(":") for c in columns.split())])
            place = folder / kind / table
            place.mkdir(parents=True)
            middle = len(self.rows[table]) // 2
            for number, rows in enumerate((self.rows[table][:middle], self.rows[table][middle:])):
                arrays = [pa.array([_cell(row[f.name], f.type) for row in rows], f.type) for f in schema]
                data = pa.table(arrays, schema=schema)
                path = place / f"{table}-{number}.{kind}"
                if kind == "orc":
                    pyarrow.orc.write_table(data, str(path), compression="zstd")
                else:
                    pq.write_table(data, path, compression="zstd")
        return str(folder)

    def store(self, folder):
        """The contents, one gzip object each; returns the folder as text."""
        folder.mkdir()
        for sha1, body in self.objects.items():
            (folder / sha1).write_bytes(body)
        return str(folder)


def _cell(value, kind):
    if isinstance(value, tuple) and pa.types.is_struct(kind):
        return {"seconds": value[0], "microseconds": value[1]}
    if isinstance(value, tuple):
        return value[0] * 1_000_000_000 + value[1] * 1000
    return value


@pytest.fixture
def project(tmp_path):
    """A repository with what a tree may hold: links, an executable, a submodule, a name that is not UTF-8."""
    root = tmp_path / "project"
    (root / "src" / "deep" / "er").mkdir(parents=True)
    git(root, "init", "-q", "-b", "trunk")
    (root / "README.md").write_text("# one\n")
    (root / "src" / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "src" / "run.sh").chmod(0o755)
    (root / "src" / "deep" / "er" / "same.py").write_text("print('same')\n")
    (root / "src" / "same.py").write_text("print('same')\n")
    (root / "empty.py").write_text("")
    (root / "logo.png").write_bytes(b"\x89PNG\0\0")
    Path(os.fsdecode(bytes(root) + b"/caf\xe9.py")).write_text("x = 1\n")
    (root / "link").symlink_to("src/run.sh")
    git(root, "add", "-A")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendored")
    git(root, "commit", "-q", "-m", "one")
    return root


URL = "https://github.com/ann/project"


def change(root):
    (root / "src" / "new.py").write_text("new = 1\n")
    (root / "empty.py").unlink()
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "two")


def drops(lake):
    return dict(lake.sql("SELECT path, reason FROM drops").fetchall())


def columns(lake, names, table="repos"):
    return lake.sql(f"SELECT {names} FROM {table} ORDER BY ALL").fetchall()


@pytest.mark.parametrize("kind", ["orc", "parquet"])
def test_a_repository_from_the_archive_is_the_one_in_git(lake, project, tmp_path, kind):
    archive = Archive()
    snapshot = archive.visit(project, f"{URL}.git", "2023-09-06T12:00:00")
    graph, store = archive.write(tmp_path / "graph", kind), archive.store(tmp_path / "content")
    report = lake.ingest(f"swh:{graph}?content={store}&origin={URL}.git")
    assert (report["visits"], report["files"], report.failures) == (1, 8, ())
    listed = {}
    for item in git(project, "ls-tree", "-r", "-z", "HEAD").split(b"\0")[:-1]:
        head, _, path = item.partition(b"\t")
        mode, what, identifier = head.decode().split()
        if what == "blob":
            listed[path.decode("utf-8", "backslashreplace")] = (mode, identifier)
    found = lake.sql("SELECT path, mode, blob_id FROM files").fetchall()
    assert {path: (mode, blob) for path, mode, blob in found} == listed
    assert drops(lake) == {"vendored": "submodule", "logo.png": "binary"}
    head = text(project, "rev-parse", "HEAD")
    assert columns(lake, "repo_name, repo_url, host, owner, vcs, branch_name, visit_date") == [
        ("ann/project", URL, "github.com", "ann", "git", "trunk", datetime(2023, 9, 6, 12))
    ]
    assert columns(lake, "snapshot_id, revision_id, directory_id, parents") == [
        (snapshot, head, text(project, "rev-parse", "HEAD^{tree}"), [])
    ]
    [(author, revised, committed)] = columns(lake, "author, revision_date, committer_date")
    assert author == hashlib.sha256(b"Ann <ann@x>").hexdigest()
    assert revised == committed == datetime.fromtimestamp(1_600_000_000, UTC).replace(tzinfo=None)
    content = dict(lake.sql("SELECT f.path, content FROM files f JOIN blobs USING (blob_id)").fetchall())
    assert content["src/run.sh"] == b"#!/bin/sh\necho hello\n"
    assert content["link"] == b"src/run.sh"


@pytest.fixture
def dated(project, tmp_path):
    """An archive with three full visits of one origin and one that failed; returns the source without origin."""
    # An earlier visit is built on only where its paths are all UTF-8.
    git(project, "rm", "-q", b"caf\xe9.py")
    git(project, "commit", "-q", "--amend", "-m", "one")
    archive = Archive()
    archive.visit(project, URL, "2021-05-01T00:00:00")
    archive.visit(project, URL, "2022-05-01T00:00:00")
    change(project)
    archive.visit(project, URL, "2023-05-01T00:00:00")
    archive.visit(project, URL, "2023-06-01T00:00:00", status="partial")
    return f"swh:{archive.write(tmp_path / 'graph', 'parquet')}?content={archive.store(tmp_path / 'content')}"


@pytest.mark.parametrize(
    ("query", "asked", "years"),
    [
        ("", {}, [2023]),
        ("&visit=latest", {}, [2023]),
        ("&visit=2022-12-31", {}, [2022]),
        ("", {"at": "2022-05-01"}, [2022]),
        ("", {"at": ["2021-06", "2023"]}, [2021, 2022]),
        ("", {"every": "year", "since": "2021-01-01", "until": "2024-01-01"}, [2021, 2022, 2023]),
    ],
)
def test_the_visit_is_the_last_full_one_not_after_the_date(lake, dated, query, asked, years):
    lake.ingest(f"{dated}&origin={URL}{query}", **asked)
    assert [row[0].year for row in columns(lake, "visit_date")] == years


def test_visits_of_one_run_build_on_each_other(lake, dated):
    report = lake.ingest(f"{dated}&origin={URL}", every="year", since="2021-01-01", until="2024-01-01")
    assert report.arrivals[0].read_files == 7
    assert sum(arrival.read_files for arrival in report.arrivals[1:]) < 5
    for arrival in report.arrivals:
        with codelake.open(f"{lake.place.location}-{arrival.visit_date:%Y}") as alone:
            alone.ingest(f"{dated}&origin={URL}", at=arrival.visit_date.isoformat())
            ours = f"FROM files WHERE visit_date = '{arrival.visit_date}' ORDER BY ALL"
            rows = f"SELECT path, mode, blob_id {ours}"
            assert (
                lake.sql(rows).fetchall() == alone.sql("SELECT path, mode, blob_id FROM files ORDER BY ALL").fetchall()
            )


def test_before_the_first_visit_there_is_nothing(lake, dated):
    report = lake.ingest(f"{dated}&origin={URL}&visit=2020")
    [(name, message)] = report.failures
    assert name == URL
    assert "nothing is there yet on 2020" in message


def test_a_later_visit_reads_only_what_is_new(lake, dated):
    first = lake.ingest(f"{dated}&origin={URL}", at="2021-06")
    later = lake.ingest(f"{dated}&origin={URL}", at="2023-06")
    assert (first["read_files"], later["read_files"], later["files"]) == (7, 1, 7)
    with codelake.open(f"{lake.place.location}-whole") as whole:
        whole.ingest(f"{dated}&origin={URL}", at="2023-06")
        latest = "path, mode, blob_id FROM files WHERE year(visit_date) = 2023 ORDER BY ALL"
        assert lake.sql(f"SELECT {latest}").fetchall() == whole.sql(f"SELECT {latest}").fetchall()
        what = "path, reason FROM drops WHERE year(visit_date) = 2023 ORDER BY ALL"
        assert lake.sql(f"SELECT {what}").fetchall() == whole.sql(f"SELECT {what}").fetchall()


def test_origins_are_named_by_pattern_or_list(lake, project, tmp_path):
    archive = Archive()
    for name in ("github.com/ann/a_b", "github.com/ann/axb", "gitlab.com/ann/c"):
        archive.visit(project, f"https://{name}", "2023-01-01T00:00:00")
    source = f"swh:{archive.write(tmp_path / 'g', 'orc')}?content={archive.store(tmp_path / 'c')}"

    def urls(query):
        found = sources.visits(Request(source=source + query, rest="", scratch=tmp_path))
        return [item.repo_url for item in found if not isinstance(item, Failure)]

    assert urls("&origin=https://github.com/%") == ["https://github.com/ann/a_b", "https://github.com/ann/axb"]
    # In a pattern _ is itself.
    assert urls("&origin=https://github.com/ann/a_%") == ["https://github.com/ann/a_b"]
    assert len(urls("")) == 3
    (tmp_path / "list").write_text("# mine\nhttps://gitlab.com/ann/c\n\nhttps://nowhere/x\n")
    report = lake.ingest(f"{source}&origin=@{tmp_path / 'list'}")
    assert columns(lake, "repo_url") == [("https://gitlab.com/ann/c",)]
    assert [name for name, _ in report.failures] == ["https://nowhere/x"]


@pytest.mark.parametrize(
    ("branches", "chosen"),
    [
        (["HEAD>refs/heads/dev", "refs/heads/dev", "refs/heads/master"], "refs/heads/dev"),
        (["HEAD>refs/heads/gone", "refs/heads/main", "refs/heads/master"], "refs/heads/master"),
        (["refs/heads/main", "refs/heads/a"], "refs/heads/main"),
        (["HEAD", "refs/heads/master"], "HEAD"),
        (["HEAD>one", "one>two", "two"], "two"),
        (["HEAD>one", "one>HEAD", "refs/heads/main"], "refs/heads/main"),
        (["refs/heads/a"], None),
        ([], None),
    ],
)
def test_the_main_branch_is_head_else_master_else_main(project, tmp_path, branches, chosen):
    head = text(project, "rev-parse", "HEAD")
    pairs = [name.partition(">") for name in branches]
    made = {n.encode(): ("alias", to.encode()) if to else ("revision", head) for n, _, to in pairs}
    archive = Archive()
    archive.visit(project, URL, "2023-01-01T00:00:00", branches=made)
    source = f"swh:{archive.write(tmp_path / 'g', 'parquet')}?content={archive.store(tmp_path / 'c')}"
    [visit] = sources.visits(Request(source=source, rest="", scratch=tmp_path))
    if chosen is None:
        assert isinstance(visit, Failure)
        assert "no branch HEAD" in visit.message
    else:
        assert (visit.branch_name, visit.revision_id) == (chosen.removeprefix("refs/heads/"), head)


def test_a_branch_may_lead_through_a_release_or_to_a_directory(lake, project, tmp_path):
    git(project, "tag", "-a", "-m", "x", "v1")
    tag, tree = text(project, "rev-parse", "v1"), text(project, "rev-parse", "HEAD^{tree}")
    archive = Archive()
    first = {b"HEAD": ("alias", b"releases/1"), b"releases/1": ("release", tag)}
    archive.visit(project, "https://pypi.org/project/one/", "2023-01-01T00:00:00", branches=first, kind="pypi")
    second = {b"HEAD": ("directory", tree)}
    archive.visit(project, "https://example.org/two.tar.gz", "2023-01-01T00:00:00", branches=second, kind="content")
    lake.ingest(f"swh:{archive.write(tmp_path / 'g', 'orc')}?content={archive.store(tmp_path / 'c')}")
    assert columns(lake, "vcs, branch_name, release_id, revision_id, directory_id") == [
        ("archive", "HEAD", None, None, tree),
        ("package", "releases/1", tag, text(project, "rev-parse", "HEAD"), tree),
    ]


def test_what_the_store_lacks_or_damaged_is_dropped_with_its_reason(lake, tmp_path):
    root = tmp_path / "r"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    names = (
        "good",
        "missing",
        "cut",
        "garbage",
        "other",
        "bomb",
        "nothing",
        "unknown",
        "skipped",
        "hidden",
        "folder/in",
    )
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"{name} " * 500)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")
    archive = Archive()
    archive.visit(root, URL, "2023-01-01T00:00:00")
    blobs = {name: text(root, "rev-parse", f"HEAD:{name}") for name in names}
    sha1 = {row["sha1_git"]: row["sha1"] for row in archive.rows["content"]}
    key = {name: sha1[blob] for name, blob in blobs.items()}
    del archive.objects[key["missing"]]
    archive.objects[key["cut"]] = archive.objects[key["cut"]][:-12]
    archive.objects[key["garbage"]] = b"no gzip at all"
    archive.objects[key["other"]] = gzip.compress(b"other " * 499 + b"OTHER ")
    archive.objects[key["bomb"]] = gzip.compress(bytes(50 << 20))
    archive.objects[key["nothing"]] = b""
    kept = [r for r in archive.rows["content"] if r["sha1_git"] not in (blobs["unknown"], blobs["skipped"])]
    archive.rows["content"] = kept
    next(row for row in kept if row["sha1_git"] == blobs["hidden"])["status"] = "hidden"
    archive.add("skipped_content", None, blobs["skipped"], None, None, 9, "absent", "Content too large")
    folder = text(root, "rev-parse", "HEAD:folder")
    archive.rows["directory_entry"] = [r for r in archive.rows["directory_entry"] if r["directory_id"] != folder]
    report = lake.ingest(f"swh:{archive.write(tmp_path / 'g', 'orc')}?content={archive.store(tmp_path / 'c')}")
    assert columns(lake, "path", "files") == [("good",)]
    assert drops(lake) == {
        "missing": "missing",
        "cut": "truncated",
        "garbage": "corrupt",
        "other": "wrong-checksum",
        "bomb": "wrong-checksum",
        "nothing": "truncated",
        "unknown": "absent",
        "skipped": "absent",
        "hidden": "hidden",
        "folder": "absent",
    }
    assert report.unexpected == 10
    values = dict(lake.sql("SELECT path, value FROM drops").fetchall())
    assert values["skipped"] == "Content too large"
    assert "more than 2500 bytes" in values["bomb"]


def made(tmp_path, entries, root):
    """An archive with one origin whose root directory is `root`, and these directory entries; its ids are made up."""
    archive = Archive()
    archive.add("origin_visit_status", URL, 1, datetime(2023, 1, 1), "full", "5" * 40, "git")
    archive.add("snapshot_branch", "5" * 40, b"HEAD", "6" * 40, "revision")
    person = (b"x", (0, 0), 0, b"+0000")
    archive.add("revision", "6" * 40, b"", *person, *person, root, "git", None)
    for entry in entries:
        archive.rows["directory_entry"].append(
            dict(zip(("directory_id", "name", "type", "target", "perms"), entry, strict=True))
        )
    archive.add("content", "a" * 40, "b" * 40, None, None, 1, "visible", None)
    return f"swh:{archive.write(tmp_path / 'g', 'parquet')}?content={archive.store(tmp_path / 'c')}"


def test_a_tree_made_to_explode_is_not_followed(lake, tmp_path):
    """Ten folders in ten folders, twelve deep: a million million files in 120 rows."""
    levels = [f"{number:040x}" for number in range(13)]
    entries = [(level, b"%d" % n, "dir", below, 0o40000) for level, below in pairwise(levels) for n in range(10)]
    entries += [(levels[-1], b"%d" % n, "file", "b" * 40, 0o100644) for n in range(10)]
    lake.ingest(made(tmp_path, entries, levels[0]))
    assert columns(lake, "num_files") == [(0,)]
    assert lake.sql("SELECT reason, threshold FROM drops").fetchall() == [("too-many-files", str(swh.MOST_ROWS))]


def test_a_directory_in_itself_ends(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(swh, "DEEPEST", 5)
    root = "1" * 40
    lake.ingest(made(tmp_path, [(root, b"again", "dir", root, 0o40000)], root))
    [(path, reason, threshold)] = lake.sql("SELECT path, reason, threshold FROM drops").fetchall()
    assert (path, reason, threshold) == ("/".join(["again"] * 6), "too-deep", "5")


def test_rows_written_twice_and_odd_modes_are_read_once(tmp_path):
    root = "1" * 40
    entries = [(root, b"a", "file", "b" * 40, 0o100664), (root, b"b", "file", "b" * 40, 0o100775)] * 2
    source = made(tmp_path, [*entries, (root, b"c", "file", "b" * 40, 0o120777)], root)
    [visit] = sources.visits(Request(source=source, rest="", scratch=tmp_path))
    assert [(e.path, e.mode) for e in visit.entries] == [(b"a", "100644"), (b"b", "100755"), (b"c", "120000")]


def test_an_empty_tree_is_a_visit_without_files(lake, tmp_path):
    report = lake.ingest(made(tmp_path, [], directory_id([])))
    assert (report["visits"], report["files"], report.failures) == (1, 0, ())


def test_a_root_that_is_not_in_the_graph_is_a_failure(lake, tmp_path):
    report = lake.ingest(made(tmp_path, [], "9" * 40))
    assert "does not have directory 999" in report.failures[0][1]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("swh:", "name the folder"),
        ("swh:{tmp}/nowhere", "no graph export"),
        ("swh:{tmp}", "no graph export"),
        ("swh:{tmp}/part", r"there is no orc/revision/\*.orc$"),
        ("swh:{tmp}/g?colour=red", "the parameters are"),
        ("swh:{tmp}/g?origin=", "the parameters are"),
        ("swh:{tmp}/g?visit=tomorrow", "no date"),
        ("swh:{tmp}/g?visit=2020&visit=2021", "once"),
        ("swh:{tmp}/g?origin=@{tmp}/no-list", "cannot be read"),
        ("swh:{tmp}/g?content={tmp}/no-store", "no folder of contents"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(lake, tmp_path, source, said):
    Archive().write(tmp_path / "g", "orc")
    Archive().write(tmp_path / "part", "orc")
    (tmp_path / "part" / "orc" / "revision").rename(tmp_path / "revision")
    with pytest.raises(codelake.SourceError, match=said):
        lake.ingest(source.format(tmp=tmp_path))


def test_tags_are_not_dates(lake, dated):
    for asked, said in (({"all_tags": True}, "chosen by date"), ({"at": "v1.0"}, "no date")):
        with pytest.raises(codelake.SourceError, match=said):
            lake.ingest(dated, **asked)
    with pytest.raises(codelake.SourceError, match="not both"):
        lake.ingest(f"{dated}&visit=2020", at="2021")


@pytest.mark.parametrize("kind", ["orc", "parquet"])
def test_a_broken_table_is_named(lake, project, tmp_path, kind):
    archive = Archive()
    archive.visit(project, URL, "2023-01-01T00:00:00")
    graph = archive.write(tmp_path / "g", kind)
    path = tmp_path / "g" / kind / "directory_entry" / f"directory_entry-1.{kind}"
    path.write_bytes(path.read_bytes()[:-20])
    report = lake.ingest(f"swh:{graph}?content={archive.store(tmp_path / 'c')}")
    assert report.failures[0][1].startswith(f"{path} cannot be read: ")
    assert "Traceback" not in report.failures[0][1]
    assert columns(lake, "repo_name") == []


def test_a_date_that_no_calendar_has_costs_only_itself(tmp_path, project):
    pyorc = pytest.importorskip("pyorc", reason="pyorc is absent: pip install pyorc")
    archive = Archive()
    archive.visit(project, URL, "2023-01-01T00:00:00")
    graph = archive.write(tmp_path / "g", "orc")
    [revision] = archive.rows["revision"]
    for file in (tmp_path / "g" / "orc" / "revision").iterdir():
        file.unlink()

    class Converter:
        from_orc = to_orc = staticmethod(lambda value, *_: value)

    kinds = {
        "string": pyorc.String, "binary": pyorc.Binary, "timestamp": pyorc.Timestamp, "smallint": pyorc.SmallInt,
    }  # fmt: skip
    struct = pyorc.Struct(**{n: kinds[k]() for n, k in (c.split(":") for c in SCHEMA["revision"].split())})
    with (tmp_path / "g" / "orc" / "revision" / "r.orc").open("wb") as stream:
        writer = pyorc.Writer(stream, struct, converters={pyorc.TypeKind.TIMESTAMP: Converter})
        wild = revision | {"id": "7" * 40, "date": (1 << 50, 0)}
        writer.write(tuple(wild.values()))
        writer.write(tuple((revision | {"committer_date": (99_999_999_999, 5000)}).values()))
        writer.close()
    source = f"swh:{graph}?content={archive.store(tmp_path / 'c')}"
    [visit] = sources.visits(Request(source=source, rest="", scratch=tmp_path))
    assert visit.revision_date == datetime.fromtimestamp(1_600_000_000, UTC).replace(tzinfo=None)
    assert visit.committer_date == datetime.fromtimestamp(99_999_999_999, UTC).replace(tzinfo=None, microsecond=5)


# --- over the network -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch):
    """The URL of a real S3 server with the buckets of Software Heritage, read without an account."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # What it holds outlives a server: it is kept for the whole process.
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )
    client.create_bucket(Bucket="softwareheritage", ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def upload(archive, folder, kind="orc"):
        archive.write(folder, kind)
        for path in (p for p in folder.rglob("*") if p.is_file()):
            key = f"graph/2023-09-06/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket="softwareheritage", Key=key, Body=path.read_bytes(), ACL="public-read")
        for sha1, body in archive.objects.items():
            client.put_object(Bucket="softwareheritage", Key=f"content/{sha1}", Body=body, ACL="public-read")
        return "swh:s3://softwareheritage/graph/2023-09-06"

    upload.url = url
    yield upload
    server.stop()


class Faulty(ThreadingHTTPServer):
    """A proxy before an S3 server that fails the first requests for every object, each in its turn another way."""

    daemon_threads = True

    def __init__(self, url, *, faults=("500", "503", "cut"), delay=0.0, among="/content/"):
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.url, self.faults, self.delay, self.among = url, faults, delay, among
        self.seen, self.served = {}, []
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        count = self.server.seen[self.path] = self.server.seen.get(self.path, 0) + 1
        content = self.server.among in self.path
        fault = self.server.faults[count - 1] if content and count <= len(self.server.faults) else None
        if content:
            time.sleep(self.server.delay)
        if fault in ("500", "503"):
            code = {"500": "InternalError", "503": "SlowDown"}[fault]
            return self._send(int(fault), {}, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        sent = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.server.url + self.path, headers=sent)) as answer:
                status, headers, body = answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            status, headers, body = error.code, dict(error.headers), error.read()
        if fault is None and content and status < 300:
            self.server.served.append(self.headers.get("Range"))
        return self._send(status, headers, body, cut=fault == "cut")

    do_HEAD = do_GET

    def _send(self, status, headers, body, *, cut=False):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body if self.command == "GET" else b"")
        self.close_connection = cut

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("kind", ["orc", "parquet"])
def test_the_public_bucket_is_read_without_an_account(lake, project, tmp_path, server, kind):
    archive = Archive()
    archive.visit(project, URL, "2023-09-06T12:00:00")
    source = server(archive, tmp_path / "graph", kind)
    # Where contents are is known.
    report = lake.ingest(f"{source}?origin={URL}")
    assert (report["files"], report.drops) == (8, {"submodule": 1, "binary": 1})
    assert columns(lake, "directory_id") == [(text(project, "rev-parse", "HEAD^{tree}"),)]


def test_a_server_that_fails_now_and_then_is_asked_again(lake, project, tmp_path, server, monkeypatch):
    archive = Archive()
    archive.visit(project, URL, "2023-09-06T12:00:00")
    source = server(archive, tmp_path / "graph")
    proxy = Faulty(server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    report = lake.ingest(f"{source}?origin={URL}")
    proxy.stop()
    assert report.failures == ()
    assert report.drops == {"submodule": 1, "binary": 1}
    contents = {path: count for path, count in proxy.seen.items() if path.startswith("/softwareheritage/content/")}
    assert len(contents) == len(archive.objects)
    assert min(contents.values()) == 4


def test_a_server_that_never_answers_well_costs_only_the_content(lake, project, tmp_path, server, monkeypatch):
    archive = Archive()
    archive.visit(project, URL, "2023-09-06T12:00:00")
    source = server(archive, tmp_path / "graph")
    monkeypatch.setattr("codelake.lake.sources.objects._TRIES", 2)
    proxy = Faulty(server.url, faults=["500"] * 9, among="/softwareheritage/content/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    report = lake.ingest(f"{source}?origin={URL}")
    proxy.stop()
    assert report.drops == {"submodule": 1, "unreadable": 8}
    assert report["visits"] == 1


def test_a_long_transfer_goes_on_where_it_broke(tmp_path, server, monkeypatch):
    monkeypatch.setattr("codelake.lake.sources.objects._PART", 1000)
    data = os.urandom(3500)
    sha1 = hashlib.sha1(data).hexdigest()
    archive = Archive()
    archive.objects[sha1] = packed = gzip.compress(data)
    server(archive, tmp_path / "g")
    proxy = Faulty(server.url, faults=["cut"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    contents = Objects("s3://softwareheritage/content", 10).open()
    [found] = (item.stream.read() for item in contents.read([Entry(b"x", "100644", sha1, 3500, content_id(data))]))
    contents.close()
    proxy.stop()
    assert found == data
    assert proxy.served == [f"bytes={start}-{start + 999}" for start in range(0, len(packed), 1000)]


def test_contents_come_in_order_and_bounded(tmp_path):
    bodies = [bytes([n]) * (n * 300_000) for n in range(40)]
    entries = []
    for body in bodies:
        sha1 = hashlib.sha1(body).hexdigest()
        (tmp_path / sha1).write_bytes(gzip.compress(body))
        entries.append(Entry(b"x", "100644", sha1, len(body), content_id(body)))
    entries.insert(3, Entry(b"y", "100644", "0" * 40, 10**12, "0" * 40))
    contents = Objects(str(tmp_path), 10).open()
    found = [item if isinstance(item, Lost) else item.stream.read() for item in contents.read(entries)]
    contents.close()
    assert found.pop(3).reason == "missing"
    assert found == bodies


def test_a_killed_ingest_goes_on_to_the_same_rows(lake, project, tmp_path, server, monkeypatch):
    archive = Archive()
    for number in range(6):
        (project / f"{number}.py").write_text(f"n = {number}\n")
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", "more")
        archive.visit(project, f"https://github.com/ann/p{number}", "2023-09-06T12:00:00")
    source = f"{server(archive, tmp_path / 'graph')}?origin=https://github.com/ann/%25"
    proxy = Faulty(server.url, faults=(), delay=0.5, among="/softwareheritage/content/")
    code = f"""
import codelake
from codelake.lake import ingest
ingest._COMMIT_FILES = 0
with codelake.open({lake.place.location!r}) as lake:
    lake.ingest({source!r})
"""
    environment = {**os.environ, "AWS_ENDPOINT_URL": proxy.endpoint}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    # The second visit's rows are being written: the first is in the lake.
    while process.poll() is None and len(list(Path(lake.place.location).glob("tables/repos/**/*.parquet"))) < 2:
        time.sleep(0.01)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    proxy.stop()
    before = len(columns(lake, "repo_url"))
    assert 0 < before < 6
    report = lake.ingest(source)
    assert (report["visits"], report["skipped_visits"]) == (6 - before, before)
    with codelake.open(tmp_path / "whole") as whole:
        whole.ingest(source)
        for table, names in (
            ("repos", "repo_url, visit_date, revision_id, directory_id, num_files"),
            ("files", "repo_url, path, mode, blob_id"),
            ("blobs", "blob_id, content"),
            ("drops", "repo_url, path, reason"),
        ):
            assert columns(lake, names, table) == columns(whole, names, table)


def test_the_ids_in_the_archive_are_those_of_their_model(project):
    """The archive that these tests make is one that Software Heritage could have made."""
    model = pytest.importorskip("swh.model.model", reason="swh.model is absent: pip install swh.model")
    archive = Archive()
    snapshot = archive.visit(project, URL, "2023-01-01T00:00:00")
    branches = {
        row["name"]: model.SnapshotBranch(
            target=bytes.fromhex(row["target"]), target_type=model.SnapshotTargetType(row["target_type"])
        )
        for row in archive.rows["snapshot_branch"]
    }
    assert model.Snapshot(branches=branches).id.hex() == snapshot
    head = text(project, "rev-parse", "HEAD")
    assert revision_id(git(project, "cat-file", "commit", head)) == head
