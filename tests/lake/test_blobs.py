"""Contents: measured as The Stack measures them, and known again."""

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.engine.tables import DataFile
from codelake.lake.blobs import KnownBlobs, describe, is_binary, read_content, text_metrics
from codelake.lake.swhid import content_id


@given(
    st.one_of(
        st.text(alphabet=st.characters(codec="utf-8"), max_size=200),
        st.text(alphabet="ab1 \n", max_size=200),
        st.text(alphabet="ab1 \n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85é\u2028", max_size=40),
    )
)
def test_metrics_are_those_of_plain_python(text):
    number, average, longest, alphanum, alpha = text_metrics(text)
    lines = text.splitlines()
    assert number == len(lines)
    assert longest == max(map(len, lines), default=0)
    assert average == pytest.approx(sum(map(len, lines)) / len(lines) if lines else 0)
    assert alphanum == pytest.approx(sum(c.isalnum() for c in text) / len(text) if text else 0)
    assert alpha == pytest.approx(sum(c.isalpha() for c in text) / len(text) if text else 0)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_hashes_are_right_whether_held_or_streamed(data, limit):
    content = read_content(io.BytesIO(data), len(data), limit)
    row = describe(content)
    assert row.blob_id == content_id(data)
    assert row.sha1 == hashlib.sha1(data).hexdigest()
    assert row.sha256 == hashlib.sha256(data).hexdigest()
    assert row.length_bytes == len(data)
    assert content.whole == (len(data) <= limit)
    assert row.content == (data if content.whole and not is_binary(data) else None)


class Dripping(io.BytesIO):
    """Gives one byte a read, as a slow pipe may."""

    def read(self, size=-1):
        return super().read(min(size, 1) if size >= 0 else 1)


def test_short_reads_are_put_together():
    assert read_content(Dripping(b"hello"), 5, 100).data == b"hello"


def test_a_file_without_a_size_is_read_to_its_end():
    assert read_content(io.BytesIO(b"from /proc"), 0, 100).data == b"from /proc"


@pytest.mark.parametrize(("size", "limit", "said"), [(4, 6, "grew"), (8, 6, "changed from 8 to 10")])
def test_a_file_that_changes_while_it_is_read_is_an_error(size, limit, said):
    with pytest.raises(OSError, match=said):
        read_content(io.BytesIO(b"0123456789"), size, limit)


@pytest.mark.parametrize(
    ("data", "encoding", "binary"),
    [
        (b"", "UTF-8", False),
        (b"caf\xc3\xa9", "UTF-8", False),
        (b"caf\xe9", "windows-1252", False),
        (b"caf\xe9\x01", None, False),
        (b"\0", None, True),
        ("x = 1\n".encode("utf-16"), "UTF-16", False),
        (b"\xff\xfe\0\xd8x\0", None, True),
    ],
)
def test_what_is_text(data, encoding, binary):
    row = describe(read_content(io.BytesIO(data), len(data), 100))
    assert (row.src_encoding, row.is_binary) == (encoding, binary)


def test_measures_are_those_of_the_decoded_text():
    row = describe(read_content(io.BytesIO("один\nдва\n".encode("utf-16")), 22, 100))
    assert (row.num_lines, row.max_line_length, row.avg_line_length) == (2, 4, 3.5)
    assert row.alpha_fraction == pytest.approx(7 / 9)
    assert row.content == "один\nдва\n".encode("utf-16")


def test_a_byte_order_mark_is_no_character():
    marked = describe(read_content(io.BytesIO("\ufeffab\n".encode()), 6, 100))
    assert (marked.src_encoding, marked.max_line_length) == ("UTF-8", 2)


def test_a_nul_far_into_the_file_is_text_for_git():
    assert not is_binary(b"x" * 8000 + b"\0")
    assert is_binary(b"x" * 7999 + b"\0")


@given(st.lists(st.binary(min_size=20, max_size=20), unique=True, max_size=30), st.binary(min_size=20, max_size=20))
def test_known_blobs_are_exactly_those_stored(tmp_path_factory, ids, other):
    folder = tmp_path_factory.mktemp("known")
    files = []
    for number, part in enumerate((ids[: len(ids) // 2], ids[len(ids) // 2 :])):
        path = folder / f"{number}.parquet"
        pq.write_table(pa.table({"blob_id": pa.array([i.hex() for i in part], pa.string())}), path)
        files.append(DataFile(path=str(path), rows=len(part), bytes=path.stat().st_size))
    known = KnownBlobs()
    known.load(files[:1])
    known.load(files)
    assert all(known.stored(i.hex()) for i in ids)
    assert known.stored(other.hex()) == (other in ids)


def test_ids_that_end_in_zeros_are_told_apart():
    known = KnownBlobs()
    assert not known.stored("00" * 20)
    known.fresh.add("ab" + "00" * 19)
    assert "ab" + "00" * 19 in known
    assert "ab" + "00" * 18 + "01" not in known
