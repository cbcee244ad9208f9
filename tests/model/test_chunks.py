"""Chunks cover the code once, in order, and break where it breaks."""

from hypothesis import given
from hypothesis import strategies as st

from codelake.model.chunks import chunks

LINES = st.lists(st.sampled_from(["", "  ", "x = 1", "    return x", "def f():", "é" * 30, "y" * 200]), max_size=60)


@given(LINES, st.integers(20, 200), st.integers(2, 20))
def test_every_line_is_in_exactly_one_chunk_in_order(lines, max_chars, max_lines):
    text = "\n".join(lines)
    found = chunks(text, max_chars=max_chars, max_lines=max_lines)
    source = text.splitlines(keepends=True)
    last = 0
    for chunk in found:
        assert chunk.start_line > last
        assert chunk.text == "".join(source[chunk.start_line - 1 : chunk.end_line])
        assert "".join(source[last : chunk.start_line - 1]).strip() == ""
        assert chunk.end_line - chunk.start_line < max_lines
        assert len(chunk.text) <= max_chars or chunk.start_line == chunk.end_line
        last = chunk.end_line
    assert "".join(source[last:]).strip() == ""


def test_a_chunk_ends_before_a_new_definition():
    body = "".join(f"    line_{n} = {n}\n" for n in range(12))
    text = f"def first():\n{body}\n\ndef second():\n{body}"
    first, second = chunks(text, max_lines=20)
    assert first.text.startswith("def first")
    assert second.text.startswith("def second")
    assert second.start_line == 16


def test_nothing_gives_nothing():
    assert chunks("") == []
    assert chunks("\n  \n") == []
