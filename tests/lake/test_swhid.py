"""SWHIDs against git itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.lake.swhid import content_id, directory_id


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
