"""Ingest: everything is recorded, contents are stored once, bad files are named, and a kill loses nothing."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import codelake
from codelake.lake import ingest as module
from codelake.lake.doctor import orphans


def one(lake, sql, *params):
    return lake.sql(sql, params=params or None).fetchall()[0]


def drops(lake):
    return dict(lake.sql("SELECT path, reason FROM drops").fetchall())


def test_a_folder_is_one_visit_with_every_file(lake, checkout):
    report = lake.ingest(checkout)
    assert (report["visits"], report["files"], report["new_blobs"]) == (1, 8, 7)
    assert report.drops == {"binary": 1}
    rows = {row[0]: row[1:] for row in lake.sql("SELECT path, language, mode, extension FROM files").fetchall()}
    assert rows["src/greet.py"] == ("Python", "100644", "py")
    assert rows["src/main.rs"] == ("Rust", "100644", "rs")
    assert rows["run"] == ("Shell", "100755", "")
    assert rows["logo.png"][0] is None
    name, vcs, files, size = one(lake, "SELECT repo_name, vcs, num_files, length_bytes FROM repos")
    assert (name, vcs, files) == ("checkout", "folder", 8)
    assert size == sum(path.stat().st_size for path in checkout.rglob("*") if path.is_file())


def test_bytes_come_back_exactly(lake, checkout):
    lake.ingest(checkout)
    stored = lake.sql("SELECT f.path, b.content FROM files f JOIN blobs b USING (blob_id)").fetchall()
    for path, content in stored:
        assert content == (None if path == "logo.png" else (checkout / path).read_bytes())
    assert len(stored) == 8


def test_identifiers_are_gits(lake, checkout, git):
    lake.ingest(checkout)
    git(checkout, "init", "-q")
    git(checkout, "add", "-A")
    assert one(lake, "SELECT directory_id FROM repos") == (git(checkout, "write-tree"),)
    listed = {line.split("\t")[1]: line.split()[1] for line in git(checkout, "ls-files", "-s").splitlines()}
    assert dict(lake.sql("SELECT path, blob_id FROM files").fetchall()) == listed


def test_ingesting_twice_adds_a_visit_but_no_blob(lake, checkout):
    first = lake.ingest(checkout)
    second = lake.ingest(checkout)
    assert (first["new_blobs"], second["new_blobs"], second["files"]) == (7, 0, 8)
    assert one(lake, "SELECT count(*), count(DISTINCT visit_date) FROM repos") == (2, 2)
    assert one(lake, "SELECT count(*), count(DISTINCT blob_id) FROM blobs") == (7, 7)
    assert one(lake, "SELECT count(*) FROM files") == (16,)


def test_only_new_contents_are_stored(lake, checkout):
    lake.ingest(checkout)
    (checkout / "new.py").write_text("x = 1\n")
    assert lake.ingest(checkout)["new_blobs"] == 1


def test_bad_files_are_named_and_the_rest_goes_on(lake, checkout, tmp_path):
    (checkout / "large.bin").write_bytes(b"\0" * 3_000_000)
    (checkout / "large.py").write_text("x = 1\n" * 500_000)
    (checkout / "loop").symlink_to("loop")
    (checkout / "up").symlink_to("..")
    (checkout / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(checkout / "pipe")
    os.symlink(b"target\xff", os.fsencode(checkout) + b"/odd\xff.py")  # noqa: PTH211
    (checkout / "after.py").write_text("y = 2\n")
    report = lake.ingest(checkout, max_bytes=1_000_000)
    assert drops(lake) == {
        "large.bin": "too-large",
        "large.py": "too-large",
        "pipe": "special-file",
        "logo.png": "binary",
    }
    assert report.drops == {"too-large": 2, "special-file": 1, "binary": 1}
    # Links are entries with their target as content; nothing is followed.
    links = lake.sql("SELECT f.path, content FROM files f JOIN blobs USING (blob_id) WHERE mode = '120000'").fetchall()
    assert dict(links) == {
        "loop": b"loop",
        "up": b"..",
        "dangling": os.fsencode(tmp_path / "nowhere"),
        "odd\\xff.py": b"target\xff",
    }
    assert one(lake, "SELECT count(*) FROM files WHERE path = 'after.py'") == (1,)
    value, threshold = one(lake, "SELECT value, threshold FROM drops WHERE path = 'large.py'")
    assert (value, threshold) == ("3000000", "1000000")
    assert one(lake, "SELECT content, is_binary FROM blobs WHERE path = 'large.py'") == (None, False)


def test_a_large_file_is_hashed_without_being_held(lake, tmp_path, git):
    root = tmp_path / "big"
    root.mkdir()
    with (root / "big.txt").open("wb") as sink:
        for _ in range(200):
            sink.write(b"0123456789abcdef" * 65536)
    code = f"""
import codelake, resource
with codelake.open({lake.place.location!r}) as lake:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lake.ingest({str(root)!r})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert grown < 120_000  # KiB: far from the file's 200 MiB
    blob = git(tmp_path, "hash-object", str(root / "big.txt"))
    assert one(lake, "SELECT blob_id, length_bytes FROM blobs") == (blob, 200 << 20)


def test_a_file_that_cannot_be_read_is_named():
    """As a user without rights: root may read everything, so a child gives its rights up first."""
    code = """
import os, sys
import codelake
# Import everything by using it once: the interpreter itself may be out of reach without rights.
with codelake.open(sys.argv[3]) as lake:
    lake.ingest(sys.argv[4])
    lake.sql("FROM drops").fetchall()
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with codelake.open(sys.argv[2]) as lake:
    report = lake.ingest(sys.argv[1])
    print(report["files"], sorted(lake.sql("SELECT path, reason, value FROM drops").fetchall()))
    print(lake.sql("SELECT directory_id FROM repos").fetchall())
"""
    with tempfile.TemporaryDirectory() as name:
        root, place = Path(name, "root"), Path(name, "place")
        (root / "closed").mkdir(parents=True)
        (root / "closed" / "inside.py").write_text("x = 1\n")
        (root / "open.py").write_text("x = 1\n")
        (root / "secret.py").write_text("x = 1\n")
        place.mkdir()
        Path(name).chmod(0o755)
        place.chmod(0o777)
        (root / "secret.py").chmod(0)
        (root / "closed").chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", code, str(root), str(place / "lake"), f"{name}/other", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        (root / "closed").chmod(0o755)
    assert done.stdout.splitlines() == [
        "1 [('closed', 'unreadable', 'Permission denied'), ('secret.py', 'unreadable', 'Permission denied')]",
        "[(None,)]",
    ], done.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/no/such/folder", "no folder"),
        ("gti+https://x", "nearest|no source"),
        ("pyenv:/tmp", "not a Python environment"),
    ],
)
def test_a_wrong_source_is_refused_before_anything_is_read(lake, checkout, source, said):
    with pytest.raises(codelake.SourceError, match=said):
        lake.ingest(checkout, source)
    assert lake.log() == []


def test_a_file_as_source_is_refused(lake, checkout):
    with pytest.raises(codelake.SourceError, match="is a file"):
        lake.ingest(checkout / "run")


def test_no_source_is_refused(lake):
    with pytest.raises(codelake.LakeError, match="at least one source"):
        lake.ingest()


def test_an_empty_folder_is_a_visit(lake, tmp_path):
    (tmp_path / "nothing").mkdir()
    assert lake.ingest(tmp_path / "nothing")["visits"] == 1
    assert one(lake, "SELECT num_files, directory_id FROM repos") == (0, "4b825dc642cb6eb9a060e54bf8d69288fbee4904")


def test_processes_that_ingest_at_once_store_each_content_once(lake, tmp_path):
    root = tmp_path / "many"
    root.mkdir()
    for number in range(300):
        (root / f"f{number}.py").write_text(f"x = {number}\n")
    code = "import codelake, sys; codelake.open(sys.argv[1]).ingest(sys.argv[2])"
    command = [sys.executable, "-c", code, lake.place.location, str(root)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0] * 3
    assert one(lake, "SELECT count(*), count(DISTINCT blob_id) FROM blobs") == (300, 300)
    assert one(lake, "SELECT count(*) FROM repos") == (3,)
    assert orphans(lake.catalog, lake.place) == []


def test_another_writer_between_reading_and_publishing_costs_no_blob(lake, checkout, monkeypatch):
    """The race on purpose: somebody else commits the same contents while ours are being read."""
    original = module._Run._close
    calls = []

    def close(self, opened, commit):
        original(self, opened, commit)
        if not calls:
            calls.append(1)
            with codelake.open(lake.place.location) as other:
                other.ingest(checkout)
            (checkout / "late.py").write_text("late = 1\n")

    monkeypatch.setattr(module._Run, "_close", close)
    (checkout / "mine.py").write_text("mine = 1\n")
    report = lake.ingest(checkout)
    assert report["new_blobs"] == 0
    assert one(lake, "SELECT count(*), count(DISTINCT blob_id) FROM blobs") == (8, 8)
    assert one(lake, "SELECT count(*) FROM repos") == (2,)
    assert orphans(lake.catalog, lake.place) == []


def test_a_killed_ingest_is_gone_and_the_next_one_is_whole(lake, tmp_path):
    root = tmp_path / "many"
    root.mkdir()
    for number in range(3000):
        (root / f"f{number}.py").write_text(f"x = {number}\n" * 50)
    code = f"import codelake\nwith codelake.open({lake.place.location!r}) as lake: lake.ingest({str(root)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    # While data files are being written, before the commit.
    while process.poll() is None and not list(Path(lake.place.location).rglob("*.parquet")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if not lake.log():
        assert one(lake, "SELECT count(*) FROM files") == (0,)
    before = one(lake, "SELECT count(*) FROM repos")[0]
    lake.ingest(root)
    assert one(lake, "SELECT count(*), count(DISTINCT blob_id) FROM blobs") == (3000, 3000)
    assert one(lake, "SELECT count(*) FROM repos") == (before + 1,)
    orphans(lake.catalog, lake.place, remove=True)
    assert one(lake, "SELECT count(*) FROM blobs WHERE content IS NOT NULL") == (3000,)


def test_a_full_disk_is_an_error_and_nothing_is_lost(lake, checkout, tmp_path):
    """A real small filesystem: a tmpfs of 4 MB in a mount namespace of its own."""
    can = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if can.returncode:
        pytest.skip("needs unshare(1) with user namespaces (util-linux; kernel.unprivileged_userns_clone=1)")
    big = tmp_path / "big"
    big.mkdir()
    for number in range(8):
        (big / f"{number}.txt").write_bytes(os.urandom(1 << 20).hex().encode())
    mount = tmp_path / "mount"
    mount.mkdir()
    code = f"""
import codelake
with codelake.open({str(mount / "lake")!r}) as lake:
    lake.ingest({str(checkout)!r})
    try:
        lake.ingest({str(big)!r})
    except codelake.LakeError as error:
        print(error)
    print(lake.sql("SELECT count(*) FROM blobs").fetchall(), len(lake.log()))
    with lake.commit("small") as commit:
        import pyarrow
        commit.append("drops", pyarrow.table({{"stage": ["x"], "reason": ["y"]}}))
    print(lake.sql("SELECT count(*) FROM drops WHERE stage = 'x'").fetchall())
"""
    script = tmp_path / "fill.py"
    script.write_text(code)
    command = f"mount -t tmpfs -o size=4m none {mount} && exec {sys.executable} {script}"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", command], capture_output=True, text=True, check=False)
    assert "No space left on device" in done.stdout, done.stderr
    assert "lake is as before" in done.stdout
    assert "[(7,)] 1" in done.stdout
    assert done.stdout.strip().endswith("[(1,)]")
