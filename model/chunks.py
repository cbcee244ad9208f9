"""Source text cut into pieces a small model can embed: whole lines, broken where code itself breaks."""

from dataclasses import dataclass

# About 400 tokens of code at 3 to 4 bytes a token: what a function of 40 lines holds.
MAX_CHARS = 1500
MAX_LINES = 60


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines start_line to end_line (from 1, both included) and their text."""

    start_line: int
    end_line: int
    text: str


def chunks(text: str, *, max_chars: int = MAX_CHARS, max_lines: int = MAX_LINES) -> list[Chunk]:
    """Cut `text` into chunks that cover every line once, in order; chunks of white space only are left out.

    A chunk ends before an unindented line that follows a blank one if it can, else at a blank line, else where the
    limit falls. A single line longer than `max_chars` is a chunk of its own.
    """
    lines = text.splitlines(keepends=True)
    found = []
    start = 0
    while start < len(lines):
        end = _end(lines, start, max_chars, max_lines)
        piece = "".join(lines[start:end])
        if piece.strip():
            found.append(Chunk(start + 1, end, piece))
        start = end
    return found


def _end(lines: list[str], start: int, max_chars: int, max_lines: int) -> int:
    """One past the last line of the chunk that begins at `start`."""
    size, end = 0, start
    while end < len(lines) and end - start < max_lines and (end == start or size + len(lines[end]) <= max_chars):
        size += len(lines[end])
        end += 1
    if end == len(lines):
        return end
    best, rank = end, 0
    # In the second half only: a break right after the start would make crumbs.
    for line in range(start + (end - start) // 2 + 1, end + 1):
        blank_before = not lines[line - 1].strip()
        starts_block = blank_before and lines[line].strip() and not lines[line][0].isspace()
        value = 2 if starts_block else 1 if blank_before else 0
        if value and value >= rank:
            best, rank = line, value
    return best
