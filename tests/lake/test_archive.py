"""Archives: every format gives git's own tree, and what is hostile or damaged is named while the rest goes on."""

import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import struct
import subprocess
import tarfile
import zipfile
import zlib

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import codelake
from codelake.lake import sources
from codelake.lake.sources import Failure, Lost, Request, archive, tar
from codelake.lake.swhid import content_id, directory_id

PACKERS = {
    "tar": lambda data: data,
    "tar.gz": gzip.compress,
    "crate": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    # As the zstd program does.
    "tar.zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def read(scratch):
    """`read(path or bytes)` gives the one Visit or Failure of an archive."""

    def read(what, **asked):
        if isinstance(what, bytes):
            path = scratch.parent / "given"
            path.write_bytes(what)
            what = path
        [found] = sources.visits(Request(source=f"archive:{what}", rest="", scratch=scratch, **asked))
        return found

    return read


@pytest.fixture
def repository(tmp_path, git):
    """A git repository with an executable, links, odd names, an empty file and deep folders."""
    root = tmp_path / "repository"
    (root / "src" / "deep" / "er").mkdir(parents=True)
    (root / "src" / "a.py").write_text("print(1)\n")
    (root / "src" / "deep" / "er" / "b.c").write_text("int x;\n" * 5000)
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "empty").write_text("")
    (root / "with space and \u00e9").write_text("x")
    (root / ("n" * 150)).write_text("a long name")
    (root / ("p" * 120)).mkdir()
    (root / ("p" * 120) / ("q" * 120)).write_text("a long path")
    (root / "link").symlink_to("src/a.py")
    (root / "src" / "up").symlink_to("../run")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", "first")
    return root


def tar_of(*members, form=tarfile.PAX_FORMAT):
    """A tar of (name, content or TarInfo fields) pairs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, dict):
                for key, value in content.items():
                    setattr(info, key, value)
                made.addfile(info)
            else:
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(*members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    return out.getvalue()


def contents(visit):
    """path -> content, or the Lost that reading gave."""
    opened = visit.reader.open()
    found = {}
    for entry, item in zip(visit.entries, opened.read(visit.entries), strict=True):
        found[entry.path] = item if isinstance(item, Lost) else item.stream.read()
    opened.close()
    return found


def reasons(visit):
    return {(item.path, item.reason) for item in visit.lost}


def tree_id(visit):
    read = contents(visit)
    return directory_id((entry.path, entry.mode, content_id(read[entry.path])) for entry in visit.entries)


@pytest.mark.parametrize("suffix", [*PACKERS, "zip", "jar"])
@pytest.mark.parametrize("prefix", ["", "name-1.0/"])
def test_the_tree_is_gits(repository, git, read, tmp_path, suffix, prefix):
    """`git archive` of a commit, in every format, gives the id of that commit's tree."""
    kind = "zip" if suffix in {"zip", "jar"} else "tar"
    path = tmp_path / f"name-1.0.{suffix}"
    git(repository, "archive", f"--format={kind}", f"--prefix={prefix}", "-o", str(path), "HEAD")
    if kind == "tar":
        path.write_bytes(PACKERS[suffix](path.read_bytes()))
    visit = read(path)
    assert visit.lost == []
    assert tree_id(visit) == git(repository, "rev-parse", "HEAD^{tree}")
    assert (visit.repo_name, visit.vcs, visit.repo_url) == ("name-1.0", "archive", path.as_uri())
    assert visit.revision_id == hashlib.sha256(path.read_bytes()).hexdigest()
    visit.release()
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_tarfile_finds(tmp_path, form):
    """Python's own reader as the oracle, in each format that it writes."""
    many = [(f"d/{'x' * n}", b"y" * n) for n in (1, 99, 100)] + [("big", b"z" * 100_000), ("none", b"")]
    if form != tarfile.USTAR_FORMAT:
        many += [("l" * 300, b"long"), ("é" * 200, b"accents")]
    links = [
        ("link", {"type": tarfile.SYMTYPE, "linkname": "big"}),
        ("hard", {"type": tarfile.LNKTYPE, "linkname": "big"}),
    ]
    data = tar_of(*many, *links, ("dir", {"type": tarfile.DIRTYPE}), form=form)
    with tarfile.open(fileobj=io.BytesIO(data)) as oracle:
        expected = [(m.name.encode(), m.linkname.encode(), m.offset_data if m.isreg() else None) for m in oracle]
    found = list(tar.members(io.BytesIO(data), ends=False))
    assert [(m.name.rstrip(b"/"), m.target, m.at) for m in found] == expected


@pytest.mark.skipif(shutil.which("tar") is None, reason="GNU tar is not installed (apt-get install tar)")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_every_format_gnu_tar_writes(tmp_path, read, form):
    root = tmp_path / "made"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.py").write_text("a")
    (root / "b").symlink_to("sub/a.py")
    path = tmp_path / "x.tar"
    subprocess.run(["tar", f"--format={form}", "-cf", path, "-C", root, "."], check=True)
    assert contents(read(path)) == {b"b": b"sub/a.py", b"sub/a.py": b"a"}


@pytest.mark.parametrize("made", [tar_of, zip_of])
def test_hostile_names_are_lost_and_the_rest_is_kept(read, made):
    names = ["../up", "a/../../up", "/etc/passwd", "good.py", "n/" * 3000 + "x", "a/./b//c"]
    visit = read(made(*[(name, b"x") for name in names]))
    assert contents(visit) == {b"good.py": b"x", b"a/b/c": b"x"}
    assert reasons(visit) == {
        (b"../up", "path-traversal"),
        (b"a/../../up", "path-traversal"),
        (b"/etc/passwd", "absolute-name"),
        ((b"n/" * 3000)[:4096], "name-too-long"),
    }


def test_names_a_windows_tool_wrote(read):
    data = zip_of(("a\\b.py", b"x"), ("c.py", b"x"), ("..\\c", b"x"), ("C:\\d", b"x"))
    # create_system, in each entry of the directory: 0 is MS-DOS.
    marks = [at for at in range(len(data)) if data.startswith(b"PK\x01\x02", at)]
    changed = bytearray(data)
    for at in marks:
        changed[at + 5] = 0
    visit = read(bytes(changed))
    assert list(contents(visit)) == [b"a/b.py", b"c.py"]
    assert {reason for _, reason in reasons(visit)} == {"path-traversal", "absolute-name"}


def test_links_stay_in_the_tree(read):
    def link(target):
        return {"type": tarfile.SYMTYPE, "linkname": target}

    visit = read(
        tar_of(
            ("t/a", b"x"),
            ("t/inside", link("a")),
            ("t/d/up", link("../a")),
            ("t/d/around", link("../../t/a")),
            ("t/out", link("../../etc/passwd")),
            ("t/root", link("/etc/passwd")),
            ("t/hard", {"type": tarfile.LNKTYPE, "linkname": "t/a"}),
            ("t/hung", {"type": tarfile.LNKTYPE, "linkname": "t/none"}),
            ("t/shadow", {"type": tarfile.LNKTYPE, "linkname": "/etc/shadow"}),
        )
    )
    assert contents(visit) == {b"a": b"x", b"inside": b"a", b"d/up": b"../a", b"hard": b"x"}
    assert reasons(visit) == {
        (b"d/around", "link-outside"),
        (b"out", "link-outside"),
        (b"root", "link-outside"),
        (b"t/hung", "missing-target"),
        (b"t/shadow", "absolute-name"),
    }


def test_devices_and_holes_are_not_files(read):
    kinds = {"fifo": tarfile.FIFOTYPE, "null": tarfile.CHRTYPE, "disk": tarfile.BLKTYPE}
    sparse = {"pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes"}}
    visit = read(tar_of(("a", b"x"), *[(name, {"type": kind}) for name, kind in kinds.items()], ("s", sparse)))
    assert contents(visit) == {b"a": b"x"}
    assert reasons(visit) == {(name.encode(), "special-file") for name in kinds} | {(b"holes", "sparse-file")}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("made", [tar_of, zip_of])
def test_the_last_of_one_name_wins_as_extraction_has_it(read, made):
    visit = read(made(("a", b"old"), ("b", b"y"), ("./a", b"new")))
    assert contents(visit) == {b"a": b"new", b"b": b"y"}
    assert reasons(visit) == {(b"a", "duplicate-name")}


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_is_a_file_or_a_folder(lake, tmp_path, order):
    members = [("x/a", b"file"), ("x/a/b", b"below"), ("x/a-b", b"beside"), ("x/a/b/c", b"deeper")][::order]
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of(*members))
    report = lake.ingest(f"archive:{path}")
    assert lake.sql("SELECT path FROM files ORDER BY ALL").fetchall() == [("a-b",), ("a/b/c",)]
    assert report.drops == {"name-conflict": 2}
    assert not report.whole


def test_stores_of_version_control_are_left_out(read):
    names = ["p/.git/config", "p/.gitignore", "p/sub/.hg/store", "p/CVS/Root", "p/a.py"]
    visit = read(tar_of(*[(name, b"x") for name in names]))
    assert set(contents(visit)) == {b".gitignore", b"a.py"}
    assert visit.lost == []


def test_only_one_folder_around_everything_is_left_out(read):
    assert set(contents(read(tar_of(("a/x", b""), ("a/y", b""))))) == {b"x", b"y"}
    assert set(contents(read(tar_of(("a/x", b""), ("b/y", b""))))) == {b"a/x", b"b/y"}
    assert set(contents(read(tar_of(("x", b""))))) == {b"x"}


def test_encrypted_and_special_members_of_a_zip(read):
    fifo, link, wide = zipfile.ZipInfo("fifo"), zipfile.ZipInfo("link"), zipfile.ZipInfo("wide")
    fifo.external_attr, link.external_attr, wide.external_attr = 0o010644 << 16, 0o120777 << 16, 0o120777 << 16
    data = bytearray(zip_of(("secret", b"x"), ("a", b"x"), (fifo, b""), (link, b"a"), (wide, b"y" * 5000)))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    visit = read(bytes(data))
    assert contents(visit) == {b"a": b"x", b"link": b"a"}
    assert reasons(visit) == {(b"secret", "encrypted"), (b"fifo", "special-file"), (b"wide", "corrupt")}


@pytest.mark.parametrize(
    ("method", "times"), [(zipfile.ZIP_STORED, 70_000), (zipfile.ZIP_DEFLATED, 70_000), (zipfile.ZIP_BZIP2, 2_000)]
)
def test_every_method_of_zip_and_large_members(read, method, times):
    big = bytes(range(256)) * times
    visit = read(zip_of(("big", big), ("none", b""), ("small", b"x"), method=method))
    assert contents(visit) == {b"big": big, b"none": b"", b"small": b"x"}


def test_a_method_nobody_knows_is_lost_alone(read):
    visit = read(zip_of(("a", b"x" * 100), ("b", b"y"), method=zipfile.ZIP_LZMA))
    assert [item.reason for item in contents(visit).values()] == ["unsupported", "unsupported"]


@pytest.mark.parametrize(
    ("offset", "value"),
    [(16, struct.pack("<L", 1)), (24, struct.pack("<L", 5)), (24, struct.pack("<L", 5000)), (20, struct.pack("<L", 3))],
    ids=["checksum", "more-than-stated", "less-than-stated", "cut"],
)
def test_a_zip_that_lies_of_a_member_loses_that_member(lake, tmp_path, offset, value):
    data = bytearray(zip_of(("a", b"x" * 100), ("b.py", b"print(2)\n")))
    at = data.index(b"PK\x01\x02") + offset
    data[at : at + len(value)] = value
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    report = lake.ingest(f"archive:{path}")
    assert lake.sql("SELECT path FROM files").fetchall() == [("b.py",)]
    assert lake.sql("SELECT path, reason FROM drops").fetchall() == [("a", "corrupt")]
    assert lake.sql("SELECT directory_id FROM repos").fetchall() == [(None,)]
    assert not report.whole


@pytest.fixture
def low(monkeypatch):
    """Limits that a test reaches quickly."""
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(archive, "RATIO", 50)


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_a_bomb_is_left_where_it_goes_off(low, read, scratch, suffix):
    data = PACKERS[suffix](tar_of(("good.py", b"x"), ("bomb", bytes(64 << 20)), ("after", b"x")))
    visit = read(data)
    assert contents(visit) == {b"good.py": b"x"}
    assert reasons(visit) == {(b"", "bomb")}
    assert sum(path.stat().st_size for path in scratch.iterdir()) <= max(1 << 20, 50 * len(data))


def test_a_zip_bomb_of_overlapping_members(low, read):
    """Every entry of the directory names the same compressed bytes (D. Fifield, A better zip bomb, 2019)."""
    data = bytearray(zip_of(("good.py", b"x"), *[(f"b{n:03}", bytes(200_000)) for n in range(20)]))
    first = data.index(b"PK\x03\x04", 4)
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    while at >= 0:
        data[at + 42 : at + 46] = struct.pack("<L", first)
        at = data.find(b"PK\x01\x02", at + 4)
    visit = read(bytes(data))
    assert visit.entries[-1].path == b"good.py"
    assert sum(entry.size for entry in visit.entries) <= max(1 << 20, 50 * len(data))
    assert reasons(visit) == {(b"", "bomb")}


def test_too_many_members_are_a_bomb(read, monkeypatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    for made in (tar_of, zip_of):
        visit = read(made(*[(f"f{n}", b"x") for n in range(5)]))
        assert (len(visit.entries), reasons(visit)) == (3, {(b"", "bomb")})


def test_as_deep_as_a_name_can_be(lake, tmp_path):
    path = tmp_path / "deep.tar.gz"
    path.write_bytes(gzip.compress(tar_of(("a/" * 2000 + "x.py", b"x"), ("y", b"y"))))
    report = lake.ingest(f"archive:{path}")
    assert report.whole
    assert report["files"] == 2


@pytest.mark.parametrize("suffix", list(PACKERS))
def test_what_was_before_the_damage_is_kept(lake, tmp_path, suffix):
    noise = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(100_000))
    data = PACKERS[suffix](tar_of(("first.py", b"x = 1\n"), ("second.bin", noise), ("third.py", b"y = 1\n")))
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: len(data) // 2])
    report = lake.ingest(f"archive:{path}")
    assert lake.sql("SELECT path FROM files").fetchall() == [("first.py",)]
    assert lake.sql("SELECT path, reason FROM drops").fetchall() == [("", "truncated")]
    assert not report.whole


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_a_damaged_stream(read, suffix):
    noise = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(100_000))
    data = bytearray(PACKERS[suffix](tar_of(("first.py", b"x = 1\n"), ("second.bin", noise))))
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    found = read(bytes(data))
    if isinstance(found, Failure):
        # bzip2 checks blocks of 900 kB before it gives anything of them.
        assert found.reason == "corrupt"
    else:
        assert set(contents(found)) <= {b"first.py", b"second.bin"}
        assert {reason for _, reason in reasons(found)} == {"corrupt"}


def test_a_damaged_header_in_the_middle_is_not_the_end(read):
    data = bytearray(tar_of(("a", b"x"), ("b", b"y"), ("c", b"z")))
    data[1024 + 20] ^= 1
    visit = read(bytes(data))
    assert contents(visit) == {b"a": b"x"}
    assert reasons(visit) == {(b"", "corrupt")}


def test_a_zip_without_its_directory_gives_what_its_members_say(read):
    data = zip_of(("p/a", b"x" * 1000), ("p/b", b"y" * 1000))
    visit = read(data[: data.index(b"PK\x01\x02")])
    assert contents(visit) == {b"a": b"x" * 1000, b"b": b"y" * 1000}
    assert reasons(visit) == {(b"", "truncated")}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is no archive\n" * 100, "unknown-format"),
        (gzip.compress(b"no tar " * 1000), "unknown-format"),
        (gzip.compress(tar_of(("a", b"x")))[:15], "truncated"),
        (b"PK\x03\x04" + bytes(100), "truncated"),
        (b"\xfd7zXZ\0" + bytes(100), "corrupt"),
    ],
    # Names of their own: gzip writes the time of day, and workers must collect the same tests.
    ids=["empty", "text", "gzip-of-text", "cut-gzip", "cut-zip", "broken-xz"],
)
def test_what_is_no_archive_is_a_failure_with_its_reason(lake, tmp_path, data, reason):
    path, good = tmp_path / "bad.tar.gz", tmp_path / "good.tar"
    path.write_bytes(data)
    good.write_bytes(tar_of(("a.py", b"x = 1\n")))
    report = lake.ingest(f"archive:{path}", f"archive:{good}")
    assert (report["visits"], len(report.failures), report.whole) == (1, 1, False)
    assert lake.sql("SELECT repo_name, reason FROM drops").fetchall() == [(f"archive:{path}", reason)]
    assert "Traceback" not in report.failures[0][1]


def test_numbers_that_hang_other_readers_are_damage(read):
    """A negative size (CVE-2025-8194), and a header of endless digits (CVE-2024-6232)."""

    def sealed(header):
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return bytes(header)

    good = tar_of(("a", b"x"))[:1024]
    header = bytearray(tar_of(("b", b"x"))[:512])
    header[124:136] = b"\xff" * 11 + b"\0"
    assert reasons(read(good + sealed(header) + bytes(1024))) == {(b"", "corrupt")}
    header = bytearray(tar_of(("b", b"x"))[:512])
    header[156:157], header[124:136] = b"x", b"%011o\0" % (1 << 19)
    assert reasons(read(good + sealed(header) + b"1" * (1 << 19) + bytes(1024))) == {(b"", "corrupt")}


def test_an_archive_that_is_not_there_is_an_error_in_words(lake, tmp_path):
    for rest in (tmp_path / "none.tar", tmp_path, "x\0y", "http://[/x.tar"):
        with pytest.raises(codelake.SourceError):
            lake.ingest(f"archive:{rest}")
    (tmp_path / "a.tar").write_bytes(tar_of(("a", b"")))
    with pytest.raises(codelake.SourceError, match="has no history"):
        lake.ingest(f"archive:{tmp_path / 'a.tar'}", at="2024")


def test_an_archive_by_its_address(lake, web):
    web.pages["/pool/name-1.0.tar.gz"] = gzip.compress(tar_of(("name-1.0/a.py", b"x = 1\n")))
    secret = web.url.replace("//", "//user:secret@")
    report = lake.ingest(
        f"archive:{secret}/pool/name-1.0.tar.gz?token=secret", f"archive:{secret}/gone.tar?token=secret"
    )
    assert (report["visits"], len(report.failures)) == (1, 1)
    rows = lake.sql("SELECT repo_name, repo_url, host, source FROM repos").fetchall()
    url = f"{web.url}/pool/name-1.0.tar.gz"
    assert rows == [("name-1.0", url, "127.0.0.1", f"archive:{url}")]
    assert lake.sql("SELECT repo_name, reason FROM drops").fetchall() == [(f"archive:{web.url}/gone.tar", "not-found")]
    assert "secret" not in str([report, lake.log()])


def test_many_files_are_read_by_processes(lake, tmp_path):
    members = [(f"p/d{n % 7}/f{n}.py", b"x = %d\n" % n) for n in range(4000)]
    for name, data in (("a.tar.xz", lzma.compress(tar_of(*members), preset=0)), ("b.zip", zip_of(*members))):
        (tmp_path / name).write_bytes(data)
    report = lake.ingest(f"archive:{tmp_path / 'a.tar.xz'}", f"archive:{tmp_path / 'b.zip'}", workers=2)
    assert (report["files"], report["new_blobs"], report.whole) == (8000, 4000, True)
    assert len(lake.sql("SELECT DISTINCT directory_id FROM repos").fetchall()) == 1


def test_a_disk_that_is_full_leaves_nothing_behind(read, scratch, monkeypatch):
    def full(path):
        yield b"x" * 100
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tar, "decoded", full)
    with pytest.raises(OSError, match="No space left"):
        read(gzip.compress(tar_of(("a", b"x"))))
    assert list(scratch.iterdir()) == []


GOOD = tar_of(("p/a.py", b"a" * 700), ("p/b/c.py", b"c" * 10), ("p/d", b""), ("p/e.py", b"e" * 2000))
WHOLE = {b"p/a.py": b"a" * 700, b"p/b/c.py": b"c" * 10, b"p/d": b"", b"p/e.py": b"e" * 2000}
ANYTHING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


@ANYTHING
@given(data=st.data(), suffix=st.sampled_from([*PACKERS, "zip"]))
def test_cut_anywhere_it_keeps_whole_files_and_says_so(read, data, suffix):
    whole = zip_of(*[(name.decode(), content) for name, content in WHOLE.items()])
    packed = whole if suffix == "zip" else PACKERS[suffix](GOOD)
    cut = data.draw(st.integers(0, len(packed)))
    found = read(packed[:cut])
    if isinstance(found, Failure):
        assert found.reason in {"empty", "truncated", "unknown-format"}
        return
    got = contents(found)
    # The one folder around everything is left out of what is there.
    assert got.items() <= {path[2:]: content for path, content in WHOLE.items()}.items() | WHOLE.items()
    marked = {reason for _, reason in reasons(found)}
    assert marked == (set() if len(got) == len(WHOLE) and not marked else {"truncated"})
    found.release()


STARTS = [
    b"",
    *tar.MAGIC.values(),
    b"PK\x03\x04",
    b"PK\x05\x06" + bytes(18),
    GOOD[:512],
    GOOD[:1536],
    gzip.compress(b""),
]


@ANYTHING
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=3000))
def test_no_bytes_raise_anything(read, start, rest):
    found = read(start + rest)
    if not isinstance(found, Failure):
        contents(found)
        found.release()


@ANYTHING
@given(data=st.data(), packed=st.sampled_from([GOOD, gzip.compress(GOOD), zip_of(("a", b"x" * 500), ("b", b"y"))]))
def test_no_flipped_bytes_raise_anything(read, data, packed):
    changed = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found = read(bytes(changed))
    if not isinstance(found, Failure):
        contents(found)
        found.release()


@ANYTHING
@given(content=st.binary(max_size=2000), level=st.integers(0, 9), size=st.integers(0, 2100))
def test_a_member_of_a_zip_is_exact_or_lost(read, content, level, size):
    """Whatever length the directory states, what comes out is the content or nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as made:
        made.writestr("a", content)
    data = bytearray(out.getvalue())
    at = data.index(b"PK\x01\x02", 30 + len(zlib.compress(content, level)) - 6) + 24
    data[at : at + 4] = struct.pack("<L", size)
    [got] = contents(read(bytes(data))).values()
    assert got == content if size == len(content) else got.reason == "corrupt"
