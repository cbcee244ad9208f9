"""Subversion: repositories made by its own programs, its dumps with and without deltas, whole and broken ones."""

import contextlib
import gzip
import io
import os
import shutil
import socket
import subprocess
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import codelake
from codelake.lake.sources import Request, visits
from codelake.lake.sources.programs import Spool, read_text
from codelake.lake.sources.svndump import DeltaError, File, Folder, apply_window, read_dump

MISSING = [name for name in ("svn", "svnadmin", "svnrdump", "svnserve") if shutil.which(name) is None]
needs_svn = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} missing: apt-get install subversion")
CAFE = "caf\u00e9.py"


class Repository:
    """A repository and a checkout of its trunk."""

    def __init__(self, root):
        self.root = root / "project"
        self.work = root / "work"
        self.url = self.root.as_uri()
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        self("svnadmin", "create", str(self.root), cwd=root)
        (self.root / "hooks" / "pre-revprop-change").write_text("#!/bin/sh\n")
        (self.root / "hooks" / "pre-revprop-change").chmod(0o755)
        self(
            "svn", "mkdir", "-q", "-m", "1", *(f"{self.url}/{name}" for name in ("trunk", "tags", "branches")), cwd=root
        )
        self("svn", "checkout", "-q", f"{self.url}/trunk", str(self.work), cwd=root)

    def __call__(self, *command, cwd=None):
        done = subprocess.run(
            command,
            cwd=cwd or self.work,
            capture_output=True,
            check=True,
            env=self.environment,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout

    def write(self, path, text):
        place = self.work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def commit(self, date):
        self("svn", "add", "-q", "--force", ".")
        self("svn", "commit", "-q", "-m", "change", "--username", "jörg", "--no-auth-cache")
        self("svn", "update", "-q", "--ignore-externals")
        return self.dated(date)

    def dated(self, date):
        number = self("svn", "info", "--show-item", "revision", self.url).decode().strip()
        self("svn", "propset", "-q", "--revprop", "-r", number, "svn:date", f"{date}T12:00:00.000000Z", self.url)
        return number

    def copy(self, source, target, date):
        self("svn", "copy", "-q", "-m", "copy", f"{self.url}/{source}", f"{self.url}/{target}")
        return self.dated(date)

    def dump(self, *options):
        return self("svnadmin", "dump", "-q", *options, str(self.root))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Years of a small project; also its dumps, so that the parser is tested on what Subversion writes."""
    if MISSING:
        pytest.skip(f"{MISSING} missing: apt-get install subversion")
    made = Repository(tmp_path_factory.mktemp("svn"))
    made.dated("2020-01-01")
    made.write("src/a.py", "a = 1\n" * 50)
    made.write("src/b.py", "b = 1\n")
    made.write("run", "#!/bin/sh\n")
    (made.work / "run").chmod(0o755)
    (made.work / "link").symlink_to("src/a.py")
    made.write(CAFE, "coffee = 1\n")
    made.write("src.txt", "sorts before src/ in git\n")
    made.write("data.bin", "\0binary")
    made.write("empty.py", "")
    made.write("big.txt", "".join(f"line {number}\n" for number in range(150_000)))
    made.commit("2021-03-01")
    made.copy("trunk", "tags/v1", "2021-03-02")
    made.copy("trunk", "branches/feature", "2021-04-01")
    made("svn", "switch", "-q", f"{made.url}/branches/feature", "--ignore-ancestry")
    made.write("feature.py", "f = 1\n")
    made.write("src/a.py", "a = 1\n" * 50 + "more = 1\n")
    made.commit("2021-05-01")
    made("svn", "switch", "-q", f"{made.url}/trunk")
    made("svn", "move", "-q", "src/b.py", "src/c.py")
    made("svn", "copy", "-q", "src", "lib")
    made.write("lib/a.py", "a = 3\n")
    made.commit("2022-06-01")
    made("svn", "merge", "-q", "--accept", "theirs-full", "^/branches/feature")
    made.commit("2022-07-01")
    made.copy("trunk", "tags/v2", "2022-07-02")
    made.write("big.txt", "".join(f"line {number}\n" for number in range(0, 150_000, 7)) + "end\n")
    made("svn", "propdel", "-q", "svn:executable", "run")
    made("svn", "propset", "-q", "svn:executable", "yes", "src.txt")
    made(
        "svn",
        "propset",
        "-q",
        "svn:externals",
        "old http://svn.example.org/y\n-r5 https://svn.example.org/x@9 vendor/x",
        ".",
    )
    made("svn", "remove", "-q", "lib/c.py")
    made.commit("2023-05-05")
    return made


@pytest.fixture
def repository(built, tmp_path):
    """A copy of it that a test may change."""
    shutil.copytree(built.root, tmp_path / "copy")
    made = object.__new__(Repository)
    made.root, made.work, made.environment = tmp_path / "copy", tmp_path / "work", built.environment
    made.url = made.root.as_uri()
    made("svn", "checkout", "-q", "--ignore-externals", f"{made.url}/trunk", str(made.work), cwd=tmp_path)
    return made


def tree(git, repository, path, tmp_path, revision="HEAD"):
    """The directory id git gives to what Subversion itself exports."""
    out = tmp_path / f"out-{path.replace('/', '-')}-{revision}"
    repository("svn", "export", "-q", "--ignore-externals", "-r", revision, f"{repository.url}/{path}", str(out))
    git(out, "init", "-q")
    git(out, "add", "-A", "-f")
    return git(out, "write-tree")


def rows(lake, *, dates=True, last=False, origin=True):
    """All that a lake says of its visits or the last of them, without what depends on when and where it was asked."""
    date = "visit_date" if dates else "NULL"
    which = "visit_date = (SELECT max(visit_date) FROM repos)" if last else "true"
    left = "visit_date" if origin else "visit_date, repo_url, repo_name"
    found = {
        name: lake.sql(f"SELECT * EXCLUDE ({left}), {date} FROM {name} WHERE {which} ORDER BY ALL").fetchall()
        for name in ("files", "drops")
    }
    found["repos"] = lake.sql(
        f"SELECT * EXCLUDE ({left}, source), {date} FROM repos WHERE {which} ORDER BY ALL"
    ).fetchall()
    found["blobs"] = lake.sql(
        "SELECT blob_id, sha1, sha256, length_bytes, content, is_binary FROM blobs "
        f"WHERE blob_id IN (SELECT blob_id FROM files WHERE {which}) ORDER BY blob_id"
    ).fetchall()
    return found


@needs_svn
def test_the_present_is_the_trunk_as_svn_exports_it(lake, built, git, tmp_path):
    assert lake.ingest(f"svn:{built.root}").failures == ()
    [row] = lake.sql(
        "SELECT repo_name, repo_url, vcs, branch_name, revision_id, directory_id, committer, parents, "
        "strftime(revision_date, '%Y-%m-%d %H') FROM repos"
    ).fetchall()
    assert row == (
        "project", built.url, "svn", "trunk", "9", tree(git, built, "trunk", tmp_path), None, ["8"], "2023-05-05 12"
    )  # fmt: skip
    modes = dict(lake.sql("SELECT path, mode FROM files WHERE mode <> '100644'").fetchall())
    assert modes == {"link": "120000", "src.txt": "100755"}
    assert lake.sql("SELECT path, reason, value FROM drops ORDER BY path").fetchall() == [
        ("data.bin", "binary", None),
        ("old", "submodule", "http://svn.example.org/y"),
        ("vendor/x", "submodule", "-r5 https://svn.example.org/x@9"),
    ]


@needs_svn
def test_every_way_to_the_history_gives_the_same_rows(built, git, tmp_path):
    """A repository, its dump, the dump of deltas, the packed dump, svnrdump's own dump: the same visits of each tag."""
    (tmp_path / "project.dump").write_bytes(built.dump())
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "project.dump").write_bytes(built.dump("--deltas"))
    (tmp_path / "project.dump.gz").write_bytes(gzip.compress(built.dump()))
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "project.dump").write_bytes(built("svnrdump", "dump", "-q", built.url))
    found = []
    for number, source in enumerate(
        (built.root, tmp_path / "project.dump", tmp_path / "d" / "project.dump", tmp_path / "project.dump.gz",
         tmp_path / "r" / "project.dump")
    ):  # fmt: skip
        with codelake.open(tmp_path / f"lake{number}") as lake:
            report = lake.ingest(f"svn:{source}", all_tags=True, at=["feature", "2022-06-15", "9"])
            assert report.failures == ()
            found.append(rows(lake, origin=False))
            if number == 0:
                # v1 is whole; of the others only what is not as before, back and forth.
                assert [arrival.read_files for arrival in report.arrivals] == [9, 2, 4, 2, 3]
                ids = lake.sql("SELECT branch_name, directory_id FROM repos ORDER BY visit_date").fetchall()
                assert ids == [
                    ("tags/v1", tree(git, built, "tags/v1", tmp_path)),
                    ("branches/feature", tree(git, built, "branches/feature", tmp_path)),
                    ("trunk", tree(git, built, "trunk", tmp_path, "6")),
                    ("tags/v2", tree(git, built, "tags/v2", tmp_path)),
                    ("trunk", tree(git, built, "trunk", tmp_path)),
                ]
    for other in found[1:]:
        assert other == found[0]


@needs_svn
def test_a_second_visit_reads_what_changed_and_equals_a_fresh_one(lake, repository, tmp_path):
    source = f"svn:{repository.root}"
    lake.ingest(source)
    repository.write("src/a.py", "a = 9\n")
    repository.write("new/deep.py", "n = 1\n")
    repository("svn", "remove", "-q", "link")
    repository("svn", "propset", "-q", "svn:externals", "https://svn.example.org/x vendor/x", ".")
    repository("svn", "move", "-q", "run", "ran")
    repository.commit("2023-07-01")
    report = lake.ingest(source)
    assert (report["read_files"], report["new_blobs"]) == (3, 2)
    with codelake.open(tmp_path / "fresh") as fresh:
        fresh.ingest(source)
        assert rows(lake, dates=False, last=True) == rows(fresh, dates=False, last=True)
    # Nothing new: a visit that reads nothing.
    assert lake.ingest(source)["read_files"] == 0


@needs_svn
def test_a_copy_from_before_the_last_visit_is_followed(lake, repository, git, tmp_path):
    """What comes back from a revision that the lake has not seen is not in a dump of the newer ones."""
    source = f"svn:{repository.root}"
    lake.ingest(source)
    repository.copy("trunk/src@2", "trunk/old", "2023-08-01")
    repository("svn", "rm", "-q", "-m", "gone", f"{repository.url}/tags/v1")
    assert lake.ingest(source, f"{source}@v2").failures == ()
    found = lake.sql("SELECT directory_id FROM repos WHERE branch_name = 'trunk' ORDER BY visit_date DESC LIMIT 1")
    assert found.fetchall() == [(tree(git, repository, "trunk", tmp_path),)]


@needs_svn
def test_a_served_repository_and_a_silent_one(lake, built, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["svnserve", "-d", "--foreground", "-r", str(built.root.parent), "--listen-host", "127.0.0.1",
         "--listen-port", str(port)],
    )  # fmt: skip
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        other = f"svn://127.0.0.1:{silent.getsockname()[1]}/x"
        report = lake.ingest(f"svn://127.0.0.1:{port}/project@v2", other, timeout=5)
        [(name, message)] = report.failures
        assert name == other
        assert "said nothing for 5 s" in message
        found = lake.sql("SELECT repo_url, host, branch_name, num_files FROM repos").fetchall()
        assert found == [(f"svn://127.0.0.1:{port}/project", "127.0.0.1", "tags/v2", 12)]
        # A folder of a repository is a place of its own.
        lake.ingest(f"svn://127.0.0.1:{port}/project/trunk/src")
        assert lake.sql("SELECT path FROM files WHERE repo_url LIKE '%/src' ORDER BY ALL").fetchall() == [
            ("a.py",), ("c.py",),
        ]  # fmt: skip
    finally:
        silent.close()
        server.terminate()
        server.wait()


@needs_svn
def test_a_dump_that_is_cut_off_gives_the_revisions_before(lake, built, tmp_path):
    whole = built.dump()
    cut = whole.rindex(b"Node-path: trunk/big.txt") + 500
    (tmp_path / "cut.dump").write_bytes(whole[:cut])
    report = lake.ingest(f"svn:{tmp_path / 'cut.dump'}")
    assert report.failures == ((f"svn:{tmp_path / 'cut.dump'}", "it is cut off in revision 9"),)
    assert lake.sql("SELECT revision_id, num_files FROM repos").fetchall() == [("7", 12)]


@needs_svn
def test_a_damaged_content_is_lost_and_the_rest_goes_on(lake, built, tmp_path):
    (tmp_path / "bad.dump").write_bytes(built.dump().replace(b"coffee = 1\n", b"coffin = 1\n"))
    report = lake.ingest(f"svn:{tmp_path / 'bad.dump'}")
    assert report.failures == ()
    [(path, reason, value)] = lake.sql("SELECT path, reason, value FROM drops WHERE path LIKE 'caf%'").fetchall()
    assert (path, reason) == (CAFE, "wrong-checksum")
    assert value.startswith("md5 is ")
    assert lake.sql("SELECT num_files, directory_id FROM repos").fetchall() == [(10, None)]


def record(**headers):
    body = headers.pop("body", b"")
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return lines.encode() + b"\n" + body + b"\n"


HEAD = record(SVN_fs_dump_format_version=2) + record(Revision_number=1, Prop_content_length=10, Content_length=10,
                                                    body=b"PROPS-END\n")  # fmt: skip


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (record(Node_path="a", Node_action="eat"), "unknown action"),
        (record(Node_path="a", Node_action="change"), "is not there"),
        (record(Node_path="a", Node_action="delete"), "is not there"),
        (record(Node_path="a", Node_action="add", Node_kind="pipe"), "unknown kind"),
        (record(Node_path="a/b", Node_action="add", Node_kind="file"), "no folder to be in"),
        (record(Node_path="../b", Node_action="add", Node_kind="file"), "is no path"),
        (record(Node_path="a", Node_action="add", Node_kind="dir") * 2, "there already"),
        (record(Node_path="a", Node_action="add", Node_kind="file", Text_content_length="x"), "is no number"),
        (record(Node_path="a", Node_action="add", Text_content_length=3, Content_length=9, body=b"abc"), "are not 9"),
        (record(Node_path="a", Node_action="add", Node_copyfrom_path="z", Node_copyfrom_rev=1), "older"),
        (record(Revision_number=2) + record(Node_path="a", Node_action="add", Node_copyfrom_path="z",
                                            Node_copyfrom_rev=1), "copied from revision 1"),
        (record(Revision_number=1), "comes after"),
        (b"nonsense\n", "is no header"),
        (record(Node_path="a", Node_action="add", Node_kind="file", Prop_content_length=10, body=b"K 3\nab\nPR"),
         "length is wrong"),
    ],
)  # fmt: skip
def test_a_broken_dump_says_what_is_broken(lake, tmp_path, tail, said):
    (tmp_path / "broken.dump").write_bytes(HEAD + tail)
    [(_, message)] = lake.ingest(f"svn:{tmp_path / 'broken.dump'}").failures
    assert said in message


def test_a_place_that_is_no_repository_says_so(tmp_path, monkeypatch):
    (tmp_path / "work" / ".svn").mkdir(parents=True)
    for place, said in (
        (tmp_path, "no Subversion repository"), (tmp_path / "x", "not there"), (tmp_path / "work", "working copy"),
    ):  # fmt: skip
        with pytest.raises(codelake.SourceError, match=said):
            visits(Request(source=f"svn:{place}", rest=""))
    monkeypatch.setenv("CODELAKE_SVN", "no-such-svn")
    with pytest.raises(codelake.SourceError, match="apt-get install subversion"):
        visits(Request(source="svn+https://svn.example.org/x", rest=""))


@needs_svn
def test_what_is_not_there_is_a_failure(lake, built, tmp_path):
    empty = tmp_path / "empty"
    subprocess.run(["svnadmin", "create", str(empty)], check=True)
    (tmp_path / "empty.dump").write_bytes(built("svnadmin", "dump", "-q", str(empty)))
    source = f"svn:{built.root}"
    report = lake.ingest(f"svn:{empty}", f"svn:{tmp_path / 'empty.dump'}", f"{source}@nope", f"{source}@99")
    assert [message for _, message in report.failures] == [
        "there is no tag, branch or revision nope", "there is no tag, branch or revision 99",
    ]  # fmt: skip
    assert lake.sql("SELECT DISTINCT repo_name, revision_id, num_files FROM repos").fetchall() == [("empty", None, 0)]


def read(data, folder):
    spool = Spool(folder)
    try:
        found = read_dump(io.BytesIO(data), spool)
        spool.flush()
        for revision in found.revisions.values():
            for file in files(revision.root):
                if not isinstance(file.text, str):
                    assert len(read_text(file.text)) == file.text.size
    finally:
        spool.release()
    return found


def files(folder):
    for child in folder.children.values():
        if isinstance(child, Folder):
            yield from files(child)
        else:
            assert isinstance(child, File)
            yield child


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path, tail):
    assert read(tail, tmp_path).error is not None or not tail
    read(HEAD + tail, tmp_path)


@needs_svn
@pytest.mark.parametrize("options", [(), ("--deltas",)])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_a_mutated_dump_is_read_or_refused(built, tmp_path, options, data):
    whole = bytearray(built.dump("-r", "0:5", *options).replace(b"line", b"l"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    read(bytes(whole), tmp_path)


@given(st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=30), st.integers(0, 200))
def test_any_window_makes_its_size_or_is_refused(source, code, new, size):
    with contextlib.suppress(DeltaError):
        assert len(apply_window(source, code, new, size)) == size


def test_a_copy_of_the_target_may_overlap():
    # New data "ab", then six bytes of the target from its beginning: a pattern repeated (notes/svndiff).
    assert apply_window(b"", bytes([0x82, 0x46, 0]), b"ab", 8) == b"abababab"
