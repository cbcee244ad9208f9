"""SWHIDs against git itself."""

import subprocess
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.lake.swhid import (
    Moment,
    Release,
    Revision,
    Swhid,
    content_id,
    directory_id,
    release_id,
    revision_id,
    snapshot_id,
)


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\0\1\2", b"x" * 100_000, "çé\r\n".encode()])
def test_content_id_is_gits(tmp_path, data, git):
    assert content_id(data) == git(tmp_path, "hash-object", "--stdin", data=data)


def test_directory_id_is_gits(tmp_path, git):
    # Names that sort differently as files and as directories: a-b, a, a.b
    for name in ("a/x", "a.b", "a-b/y", "ab", "z/deep/er/file", "ü", "with space"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "ab").chmod(0o755)
    (tmp_path / "link").symlink_to("a/x")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    entries = []
    for line in git(tmp_path, "ls-files", "-s", "-z").split("\0"):
        if line:
            head, path = line.split("\t")
            mode, identifier, _ = head.split()
            entries.append((path.encode(), mode, identifier))
    assert directory_id(reversed(entries)) == git(tmp_path, "write-tree")


def test_an_empty_directory_is_gits_empty_tree():
    assert directory_id([]) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.mark.parametrize("paths", [(b"a", b"a/b"), (b"a/b", b"a"), (b"a", b"a")])
def test_a_path_cannot_be_two_things(paths):
    with pytest.raises(ValueError, match="a"):
        directory_id([(path, "100644", "0" * 40) for path in paths])


@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=6).filter(lambda n: b"/" not in n and b"\0" not in n), st.binary(max_size=9)
    )
)
def test_the_order_of_entries_does_not_matter(files):
    entries = [(name, "100644", content_id(data)) for name, data in files.items()]
    assert directory_id(entries) == directory_id(sorted(entries, reverse=True))


def cat(git, root, identifier):
    """The body of an object, byte for byte (the fixture strips what git prints)."""
    kind = git(root, "cat-file", "-t", identifier)
    done = subprocess.run(["git", "cat-file", kind, identifier], cwd=root, capture_output=True, check=True)
    return kind, done.stdout


@pytest.fixture
def history(tmp_path, git, monkeypatch):
    """A repository with a merge, a root without parents, tags of every kind, and people with odd names and zones."""
    root = tmp_path / "history"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for number, (name, mail, zone) in enumerate(
        [("Ann", "ann@x", "+0200"), ("B\u00f6rn \u5b57", "", "-0000"), ("C, D (e)", "c d@x", "+0530")]
    ):
        for who in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{who}_NAME", name)
            monkeypatch.setenv(f"GIT_{who}_EMAIL", mail)
            monkeypatch.setenv(f"GIT_{who}_DATE", f"{1_600_000_000 + number} {zone}")
        (root / "file").write_text(str(number))
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", f"number {number}\n\nwith a body")
        if number == 0:
            git(root, "branch", "side")
    git(root, "checkout", "-q", "side")
    (root / "other").write_text("x")
    git(root, "add", "-A")
    git(root, "-c", "i18n.commitEncoding=latin-1", "commit", "-q", "-m", "other")
    git(root, "checkout", "-q", "main")
    git(root, "merge", "-q", "--no-ff", "-m", "merge", "side")
    git(root, "commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
    git(root, "tag", "light")
    git(root, "tag", "-a", "-m", "annotated", "v1.0")
    git(root, "tag", "-a", "-m", "a tag of a tag\n-----BEGIN PGP SIGNATURE-----\nnot one", "v1.0-signed", "v1.0")
    git(root, "tag", "-a", "-m", "a tree", "tree", "HEAD^{tree}")
    signed = cat(git, root, "HEAD")[1].replace(b"\n\n", b"\ngpgsig -----BEGIN\n \n lines\n -----END\n\n", 1)
    git(root, "update-ref", "refs/heads/signed", git(root, "hash-object", "-t", "commit", "-w", "--stdin", data=signed))
    return root


def test_every_commit_and_tag_has_gits_id(history, git):
    seen = set()
    for line in git(history, "cat-file", "--batch-all-objects", "--batch-check").splitlines():
        identifier, kind, _ = line.split()
        seen.add(kind)
        body = cat(git, history, identifier)[1]
        if kind in ("commit", "tag"):
            assert (revision_id if kind == "commit" else release_id)(body) == identifier
    assert seen == {"blob", "tree", "commit", "tag"}


def split_object(body):
    """(lines of the headers with continuations joined, message or None) of a commit or tag."""
    head, separator, message = body.partition(b"\n\n")
    lines = []
    for line in head.removesuffix(b"\n").split(b"\n"):
        if line.startswith(b" "):
            lines[-1] = (lines[-1][0], lines[-1][1] + b"\n" + line[1:])
        else:
            key, _, value = line.partition(b" ")
            lines.append((key, value))
    return lines, message if separator else None


def person(value):
    who, seconds, offset = value.rsplit(b" ", 2)
    return who, Moment(int(seconds), offset)


def test_the_fields_of_every_commit_and_tag_give_its_id(history, git):
    for line in git(history, "cat-file", "--batch-all-objects", "--batch-check").splitlines():
        identifier, kind, _ = line.split()
        lines, message = split_object(cat(git, history, identifier)[1]) if kind in ("commit", "tag") else ([], None)
        named = dict(lines)
        if kind == "commit":
            author, date = person(named[b"author"])
            committer, committer_date = person(named[b"committer"])
            revision = Revision(
                directory=named[b"tree"].decode(),
                parents=[value.decode() for key, value in lines if key == b"parent"],
                author=author,
                date=date,
                committer=committer,
                committer_date=committer_date,
                headers=[(k, v) for k, v in lines if k not in (b"tree", b"parent", b"author", b"committer")],
                message=message,
            )
            assert revision_id(revision) == identifier
        elif kind == "tag":
            author, date = person(named[b"tagger"])
            target_type = {b"commit": "rev", b"tag": "rel", b"tree": "dir", b"blob": "cnt"}[named[b"type"]]
            release = Release(
                name=named[b"tag"],
                target=named[b"object"].decode(),
                target_type=target_type,
                author=author,
                date=date,
                message=message,
            )
            assert release_id(release) == identifier


def test_what_was_found_is_hashed_where_the_fields_do_not_give_it():
    broken = b"tree 0\nauthor nobody\n"
    assert revision_id(Revision(directory="0" * 40, raw_manifest=broken)) == revision_id(broken)
    assert release_id(Release(name=b"x", target="0" * 40, raw_manifest=broken)) == release_id(broken)


@pytest.fixture(scope="module")
def swh():
    """Software Heritage's own model, an oracle for tests only (it is GPL-3)."""
    return pytest.importorskip("swh.model.model", reason="swh.model is absent: pip install swh.model")


hashes = st.binary(min_size=20, max_size=20)
names = st.binary(max_size=12)
moments = st.none() | st.builds(
    Moment,
    st.integers(-62_135_510_961, 253_402_297_199),
    st.sampled_from([b"+0000", b"-0000", b"+0200", b"-1130", b"+051800", b"0000"]),
    st.integers(0, 999_999) | st.just(0) | st.just(500_000),
)


def theirs(swh, moment):
    if moment is None:
        return None
    timestamp = swh.Timestamp(seconds=moment.seconds, microseconds=moment.microseconds)
    return swh.TimestampWithTimezone(timestamp=timestamp, offset_bytes=moment.offset)


def whole(person, moment):
    """Their model wants no date without a person."""
    return (person, moment) if person is not None else (None, None)


@settings(max_examples=100)
@given(
    directory=hashes,
    parents=st.lists(hashes, max_size=3),
    author=st.tuples(st.none() | names, moments),
    committer=st.tuples(st.none() | names, moments),
    headers=st.lists(st.tuples(st.sampled_from([b"encoding", b"gpgsig", b"mergetag", b"x"]), st.binary(max_size=20))),
    message=st.none() | st.binary(max_size=20),
)
def test_a_revision_has_the_id_of_their_model(swh, directory, parents, author, committer, headers, message):
    (author, date), (committer, committer_date) = whole(*author), whole(*committer)
    theirs_ = swh.Revision(
        message=message,
        author=None if author is None else swh.Person(fullname=author, name=None, email=None),
        committer=None if committer is None else swh.Person(fullname=committer, name=None, email=None),
        date=theirs(swh, date),
        committer_date=theirs(swh, committer_date),
        type=swh.RevisionType.GIT,
        directory=directory,
        synthetic=False,
        parents=tuple(parents),
        extra_headers=tuple(headers),
    )
    ours = Revision(
        directory=directory.hex(),
        parents=[parent.hex() for parent in parents],
        author=author,
        date=date,
        committer=committer,
        committer_date=committer_date,
        headers=headers,
        message=message,
    )
    assert revision_id(ours) == theirs_.id.hex()


@settings(max_examples=100)
@given(
    name=names,
    target=hashes,
    kind=st.sampled_from(["cnt", "dir", "rev", "rel", "snp"]),
    author=st.tuples(st.none() | names, moments),
    message=st.none() | st.binary(max_size=20),
)
def test_a_release_has_the_id_of_their_model(swh, name, target, kind, author, message):
    author, date = whole(*author)
    kinds = {"cnt": "CONTENT", "dir": "DIRECTORY", "rev": "REVISION", "rel": "RELEASE", "snp": "SNAPSHOT"}
    found = swh.Release(
        name=name,
        message=message,
        target=target,
        target_type=getattr(swh.ReleaseTargetType, kinds[kind]),
        synthetic=False,
        author=None if author is None else swh.Person(fullname=author, name=None, email=None),
        date=theirs(swh, date),
    )
    ours = Release(name=name, target=target.hex(), target_type=kind, author=author, date=date, message=message)
    assert release_id(ours) == found.id.hex()


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=8),
        st.tuples(st.sampled_from(["content", "directory", "revision", "release", "snapshot", "dangling"]), hashes),
        max_size=8,
    ),
    st.booleans(),
)
def test_a_snapshot_has_the_id_of_their_model(swh, branches, alias):
    found = {
        name: None
        if kind == "dangling"
        else swh.SnapshotBranch(target=target, target_type=swh.SnapshotTargetType(kind))
        for name, (kind, target) in branches.items()
    }
    ours = [(name, kind, target.hex()) for name, (kind, target) in branches.items()]
    if alias and branches and b"HEAD " not in branches:
        to = min(branches)
        found[b"HEAD "] = swh.SnapshotBranch(target=to, target_type=swh.SnapshotTargetType.ALIAS)
        ours.append((b"HEAD ", "alias", to))
    assert snapshot_id(reversed(ours)) == swh.Snapshot(branches=found).id.hex()


def test_an_empty_snapshot_is_the_published_one():
    """swh:1:snp:1a8893e6a86f444e8be8e7bda6cb34fb1735a00e, of the specification's page on snapshots."""
    assert snapshot_id([]) == "1a8893e6a86f444e8be8e7bda6cb34fb1735a00e"


@pytest.mark.parametrize(
    ("branches", "said"),
    [
        ([(b"a", "alias", b"b"), (b"a", "dangling", b"")], "each branch once"),
        ([(b"a", "commit", "0" * 40)], "revision"),
    ],
)
def test_a_branch_that_cannot_be_is_refused(branches, said):
    with pytest.raises(ValueError, match=said):
        snapshot_id(branches)


CORE = "swh:1:cnt:94a9ed024d3859793618152ea559a168bbcbb5e2"


@pytest.mark.parametrize(
    "text",
    [
        CORE,
        f"{CORE};origin=https://example.org/a%3Bb;path=/src/with%20",
        f"{CORE};origin=https://gitorious.org/ocamlp3l/ocamlp3l_cvs.git;"
        "visit=swh:1:snp:d7f1b9eb7ccb596c2622c4780febaa02549830f9;"
        "anchor=swh:1:rev:2db189928c94d62a3b4757b3eec68f0a4d4113f0;path=/Examples/f.ml;lines=9-15",
    ],
)
def test_a_swhid_is_read_and_written(text):
    found = Swhid.parse(text)
    assert str(found.core) == CORE
    assert (found.kind, found.hex) == ("cnt", CORE.split(":")[3])
    assert Swhid.parse(str(found)) == found


def test_qualifiers_are_kept_apart_and_in_order():
    found = Swhid.parse(f"{CORE};path=/a%3Bb%25;origin=https://x/?a=b")
    assert found.qualifiers == {"path": "/a;b%", "origin": "https://x/?a=b"}
    assert str(found) == f"{CORE};origin=https://x/?a=b;path=/a%3Bb%25"


def test_their_model_reads_what_we_write():
    swhids = pytest.importorskip("swh.model.swhids", reason="swh.model is absent: pip install swh.model")
    written = str(Swhid("cnt", CORE.split(":")[3], {"origin": "https://x/a;b", "path": "/s p"}))
    read = swhids.QualifiedSWHID.from_string(written)
    assert (unquote(read.origin), read.path) == ("https://x/a;b", b"/s p")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a SWHID"),
        ("swh:1:cnt", "not a SWHID"),
        ("swh:2:cnt:" + "0" * 40, "version 2"),
        ("swh:1:xyz:" + "0" * 40, "no such type"),
        ("swh:1:cnt:" + "0" * 39, "40 hex digits"),
        ("swh:1:cnt:" + "A" * 40, "lower case"),
        (f"{CORE};path", "qualifier"),
        (f"{CORE};path=a;path=b", "twice"),
        (f"{CORE};colour=red", "colour"),
    ],
)
def test_what_is_no_swhid_says_why(text, said):
    with pytest.raises(ValueError, match=said):
        Swhid.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text):
    try:
        Swhid.parse(text)
    except ValueError as error:
        assert str(error)
