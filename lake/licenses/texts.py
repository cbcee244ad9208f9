"""Known licence texts, exceptions and standard headers, and where a text holds them: `matches`.

Three steps, the dearer on less. A text that begins with the first words of a known one and has the hash of the whole is
that one (Karp and Rabin, 1987). What is left is looked up by rows of four words in an index of all known texts; texts
that share enough of theirs are laid over it tile by tile, longest first (greedy string tiling, Wise 1993), which
finds what was added, what is missing and what was moved. The best is taken, its words are set aside, and so on.

The texts are SPDX's (`data/licence_texts.json.xz`, see `data/README.md`).
"""

import itertools
import json
import lzma
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import spdx
from .tokens import _WORDS, Hashes, Places, Words, shingles, words

_ROW = 4  # words in a row; at 3 the index answers with hundreds of texts for "in no event", at 5 a change hides 9 words
_MOVED = 8  # a tile out of order must be at least this long, or any "in accordance with the" would count
_LOOSE = 0.3  # share of a text's rows that must be there for it to be laid over; below, half of a licence is missing
_CANDIDATES = 6
_MISSING = 2.0  # a word that is missing weighs as much as two that are there, or half of a long text beats a short one
_ROUNDS = 40  # different texts looked for in one piece of text
_SLACK = 60  # words by which a licence may be longer where it stands than as it is known, and a tenth of its length

# Below this share a text is not reported: of the pairs of known licences by different names, none is so alike that
# what one lacks of the other hides it (the better match wins), and of a licence cut in half that much is left.
LEAST = 0.5
_LEAST_SHORT = 0.8  # of texts of fewer than _SHORT words, and of the standard headers
_SHORT = 40

# Where the terms of a licence end and what it says of itself begins: instructions that copies may leave out.
_TAIL = re.compile(
    r"^[ \t]*(?:END OF TERMS AND CONDITIONS|APPENDIX\b.{0,80}|How to Apply These Terms.{0,80}|Exhibit A\b.{0,80})$",
    re.MULTILINE | re.IGNORECASE,
)
_TITLE_WORDS = 14


@dataclass(frozen=True)
class Known:
    """One known text: its words, and the id of its licence or exception. kind: text, header, exception, or tail.

    A tail is what a text says after its terms, on how to apply them: an example, no statement.
    """

    name: str
    kind: str
    words: Words
    rows: Hashes = field(repr=False)
    whole: int = 0

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class Match:
    """A known text found at words [start, end): `score` is the share of its words that are there.

    added: what stands between them that is not its own, as slices of the words searched; missing: what it has that is
    not there, between words that are, as words.
    """

    known: Known
    start: int
    end: int
    score: float
    added: tuple[tuple[int, int], ...] = ()
    missing: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Index:
    """The rows of all known texts, sorted: row `rows[i]` stands in texts[offsets[i]:offsets[i+1]] at `places`."""

    known: tuple[Known, ...]
    rows: Hashes
    offsets: NDArray[np.int64]
    texts: NDArray[np.int32]
    places: NDArray[np.int32]
    sizes: NDArray[np.int64]
    first: dict[int, list[int]]
    first_rows: Hashes


@cache
def data() -> dict[str, object]:
    """What SPDX publishes: texts, exceptions, headers, names (id -> text), osi (ids)."""
    path = Path(__file__).parents[1] / "data" / "licence_texts.json.xz"
    loaded: dict[str, object] = json.loads(lzma.decompress(path.read_bytes()))
    return loaded


def _current(name: str) -> bool:
    """Whether an id stands for its text: it is no old id, and no other id has the same text."""
    return spdx.normalize(name) == name and not _SAME.search(name)


# The same text as another id, told apart by what its users say of it.
_SAME = re.compile(r"-or-later$|-(?:no-)?invariants-|-no-copyleft-exception$|-RFN$|-Combined-Work|^StandardML-NJ$")


def _bodies(text: str) -> Iterator[tuple[str, str]]:
    """A text as it is, as far as its terms go, and what follows them, each with its kind."""
    yield "text", text
    for cut in _TAIL.finditer(text):
        if cut.start() > len(text) // 3:
            yield "text", text[: cut.start()]
            yield "tail", text[cut.start() :]


def _without_title(text: str) -> str:
    """A text from its first paragraph that is no title: one of short lines, none of which ends as a sentence does."""
    paragraphs = re.split(r"(\n[ \t]*\n)", text)
    for number in range(0, len(paragraphs), 2):
        lines = [line for line in paragraphs[number].splitlines() if line.strip()]
        title = all(
            len(line.split()) <= _TITLE_WORDS
            and (not re.search(r"[.;:,]\s*$", line) or re.match(r"\s*copyright", line, re.I))
            for line in lines
        )
        if not title:
            rest = "".join(paragraphs[number:])
            return rest if len(rest) > len(text) // 2 else text
    return text


# Wordings as common as SPDX's own, which has a holder's name where most have "the author".
_AUTHOR = "THE AUTHOR"
_VARIANTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("ISC", (("ISC DISCLAIMS", f"{_AUTHOR} DISCLAIMS"), ("SHALL ISC BE", f"SHALL {_AUTHOR} BE"))),
    (
        "ISC",
        (
            ("ISC DISCLAIMS", f"{_AUTHOR} DISCLAIMS"),
            ("SHALL ISC BE", f"SHALL {_AUTHOR} BE"),
            ("and/or distribute", "and distribute"),
        ),
    ),
    ("ISC", (("and/or distribute", "and distribute"),)),
    (
        "BSD-2-Clause",
        (
            ("THE COPYRIGHT HOLDERS AND CONTRIBUTORS", f"{_AUTHOR} AND CONTRIBUTORS"),
            ("THE COPYRIGHT HOLDER OR CONTRIBUTORS", f"{_AUTHOR} OR CONTRIBUTORS"),
        ),
    ),
    (
        "BSD-2-Clause",
        (("THE COPYRIGHT HOLDERS AND CONTRIBUTORS", _AUTHOR), ("THE COPYRIGHT HOLDER OR CONTRIBUTORS", _AUTHOR)),
    ),
    (
        "BSD-3-Clause",
        (
            (
                "Neither the name of the copyright holder nor the names of its contributors may be",
                "The name of the author may not be",
            ),
            ("THE COPYRIGHT HOLDERS AND CONTRIBUTORS", _AUTHOR),
            ("THE COPYRIGHT HOLDER OR CONTRIBUTORS", _AUTHOR),
        ),
    ),
    (
        "BSD-3-Clause",
        (
            ("THE COPYRIGHT HOLDERS AND CONTRIBUTORS", "THE REGENTS AND CONTRIBUTORS"),
            ("THE COPYRIGHT HOLDER OR CONTRIBUTORS", "THE REGENTS OR CONTRIBUTORS"),
            ("copyright holder nor", "University nor"),
        ),
    ),
    ("BSD-3-Clause", (("THE COPYRIGHT HOLDER OR CONTRIBUTORS", "THE COPYRIGHT OWNER OR CONTRIBUTORS"),)),
    ("MIT", (("this permission notice shall", "this permission notice (including the next paragraph) shall"),)),
    ("X11", (("X Window System is a trademark of X Consortium, Inc.", ""),)),
)


def _variants(texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, changes in _VARIANTS:
        text = texts[name]
        for old, new in changes:
            text, changed = re.subn(r"\s+".join(map(re.escape, old.split())), new, text)
            if not changed:
                raise LookupError(f"licence_texts.json.xz: {name} does not say {old!r}")
        yield name, text


def _parts() -> Iterator[tuple[str, str, str]]:
    """Kind, name and text of everything that is known; tails last, as some are headers."""
    loaded = data()
    texts, exceptions, headers = (dict(loaded[key]) for key in ("texts", "exceptions", "headers"))  # type: ignore[call-overload]
    texts["LGPL-3.0-only"] = texts["LGPL-3.0-only"][: texts["LGPL-3.0-only"].index("GNU GENERAL PUBLIC LICENSE", 2000)]
    current = [(name, text) for name, text in texts.items() if _current(name)]
    for name, text in current:
        yield from (("text", name, body) for part, body in _bodies(text) if part == "text")
    yield from (("text", name, text) for name, text in _variants(texts))
    yield from (("exception", name, text) for name, text in exceptions.items())
    yield from (("header", name, text) for name, text in headers.items() if _current(name))
    for name, text in current:
        yield from (("tail", name, body) for part, body in _bodies(text) if part == "tail")


def _entries() -> Iterator[Known]:
    seen: set[int] = set()
    for kind, name, text in _parts():
        found = words(_without_title(text) if kind == "text" else text)
        if len(found) < (_SHORT if kind == "tail" else _ROW):
            continue
        whole = _span_hash(_prefix(found.hashes), 0, len(found))
        if whole not in seen:
            seen.add(whole)
            yield Known(name, kind, found, shingles(found.hashes, _ROW), whole)


@cache
def index() -> Index:
    """The index, built on first use (about 0.4 s, 30 MB)."""
    known = tuple(_entries())
    rows = np.concatenate([k.rows for k in known])
    texts = np.repeat(np.arange(len(known), dtype=np.int32), [len(k.rows) for k in known])
    places = np.concatenate([np.arange(len(k.rows), dtype=np.int32) for k in known])
    order = np.argsort(rows, kind="stable")
    rows, texts, places = rows[order], texts[order], places[order]
    unique, offsets = np.unique(rows, return_index=True)
    first: dict[int, list[int]] = {}
    for number, entry in enumerate(known):
        first.setdefault(int(entry.rows[0]), []).append(number)
    for numbers in first.values():
        numbers.sort(key=lambda n: -len(known[n]))
    return Index(
        known,
        unique,
        np.append(offsets, len(rows)).astype(np.int64),
        texts,
        places,
        np.array([len(k.rows) for k in known], np.int64),
        first,
        np.array(sorted(first), np.uint64),
    )


def _prefix(hashes: Hashes) -> Hashes:
    """Prefix sums from which the hash of every slice of words follows."""
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * _word_powers(len(hashes))[0][: len(hashes)], out=sums[1:])
    return sums


def _word_powers(size: int) -> tuple[Hashes, Hashes]:
    return _word_powers_to(1 << max(12, size.bit_length()))


@cache
def _word_powers_to(size: int) -> tuple[Hashes, Hashes]:
    up = np.full(size, _WORDS, np.uint64)
    down = np.full(size, pow(int(_WORDS), -1, 1 << 64), np.uint64)
    up[0] = down[0] = 1
    return np.cumprod(up, dtype=np.uint64), np.cumprod(down, dtype=np.uint64)


def _span_hash(sums: Hashes, start: int, end: int) -> int:
    down = _word_powers(len(sums))[1]
    return (int(sums[end]) - int(sums[start])) * int(down[start]) & 0xFFFFFFFFFFFFFFFF


def matches(text: Words) -> list[Match]:
    """The known texts found in `text`, by place; they do not overlap."""
    rows = shingles(text.hashes, _ROW)
    if not len(rows):
        return []
    found = _exact(text, rows)
    free = np.ones(len(text), bool)
    for match in found:
        free[match.start : match.end] = False
    found += _similar(text, rows, free)
    return sorted(found, key=lambda m: (m.start, -m.end))


def _exact(text: Words, rows: Hashes) -> list[Match]:
    known = index()
    places = np.flatnonzero(_members(known.first_rows, rows))
    if not len(places):
        return []
    sums = _prefix(text.hashes)
    found: list[Match] = []
    end = 0
    for start in places.tolist():
        if start < end:
            continue
        for number in known.first[int(rows[start])]:
            entry = known.known[number]
            stop = start + len(entry)
            if stop <= len(text) and _span_hash(sums, start, stop) == entry.whole:
                found.append(Match(entry, start, stop, 1.0))
                end = stop
                break
    return found


def _members(table: Hashes, values: Hashes) -> NDArray[np.bool_]:
    places = np.searchsorted(table, values)
    places[places == len(table)] = 0
    found: NDArray[np.bool_] = table[places] == values
    return found


def _similar(text: Words, rows: Hashes, free: NDArray[np.bool_]) -> list[Match]:
    """Texts that are there in part, best first."""
    found: list[Match] = []
    if free.sum() < _ROW:
        return found
    known = index()
    hits = _lookup(known, rows, free)
    for _ in range(_ROUNDS):
        best = _best(text, known, hits)
        if best is None:
            break
        found.append(best)
        free[best.start : best.end] = False
        kept = free[hits[0]] & free[hits[0] + _ROW - 1]
        hits = (hits[0][kept], hits[1][kept])
    return found


def _best(text: Words, known: Index, hits: tuple[Places, Places]) -> Match | None:
    """The text that explains the most."""
    at, where = hits
    if not len(at):
        return None
    fresh = np.zeros(len(at), bool)
    fresh[np.unique(where, return_index=True)[1]] = True
    sizes = known.offsets[where + 1] - known.offsets[where]
    # The postings of all rows, one behind the other.
    postings = np.repeat(known.offsets[where] - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
    places, texts, theirs = np.repeat(at, sizes), known.texts[postings], known.places[postings]
    # A row that stands twice in the text is one of a known text's all the same.
    counts = np.bincount(texts[np.repeat(fresh, sizes)], minlength=len(known.known))
    counts = np.minimum(counts, known.sizes)
    hopeful = np.flatnonzero(counts >= _LOOSE * known.sizes)
    if not len(hopeful):
        return None
    value = (1 + _MISSING) * counts[hopeful] - _MISSING * known.sizes[hopeful]
    best: Match | None = None
    worth = -np.inf
    for number in hopeful[np.argsort(-value, kind="stable")[:_CANDIDATES]].tolist():
        entry = known.known[number]
        # Each row that is there covers one word more, and three more where a stretch ends.
        size = len(entry)
        most = min(size, int(counts[number]) + (_ROW - 1) * (int(known.sizes[number] - counts[number]) + 1))
        if worth >= most - _MISSING * (size - most):
            continue
        mine = texts == number
        match = _lay(text, entry, places[mine], theirs[mine])
        if match is not None and (gain := _gain(match)) > worth:
            best, worth = match, gain
    return best


def _lookup(known: Index, rows: Hashes, free: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Where rows of known texts begin in the text, as far as its words are free, and their numbers in the index."""
    at = np.flatnonzero(free[: len(rows)] & free[_ROW - 1 :])
    where = np.searchsorted(known.rows, rows[at])
    where[where == len(known.rows)] = 0
    hit = known.rows[where] == rows[at]
    return at[hit], where[hit]


def _gain(match: Match) -> float:
    """What a match explains less what it does not: the words covered, less those missing and added."""
    size = len(match.known)
    covered = match.score * size
    added = sum(end - start for start, end in match.added)
    return covered - _MISSING * (size - covered) - 0.5 * added


@dataclass(frozen=True, slots=True)
class _Tile:
    mine: int
    theirs: int
    size: int


def _lay(text: Words, entry: Known, places: NDArray[np.int64], theirs: NDArray[np.int32]) -> Match | None:
    """`entry` laid over the text where most of it is, None if too little of it is there."""
    blocks = _blocks(places, theirs)
    if not blocks:
        return None
    longest = max(blocks, key=lambda b: (b.size, -b.mine))
    slack = _SLACK + len(entry) // 10
    low = longest.mine - longest.theirs - slack
    high = longest.mine + len(entry) - longest.theirs + slack
    tiles = _tiles([b for b in blocks if b.mine >= low and b.mine + b.size <= high], len(text), len(entry))
    tiles = _trimmed(tiles)
    covered = sum(t.size for t in tiles)
    score = covered / len(entry)
    if score < (LEAST if entry.kind != "header" and len(entry) >= _SHORT else _LEAST_SHORT):
        return None
    start, end = tiles[0].mine, tiles[-1].mine + tiles[-1].size
    added = tuple((a.mine + a.size, b.mine) for a, b in itertools.pairwise(tiles) if a.mine + a.size < b.mine)
    gaps = _gaps(tiles, len(entry))
    missing = tuple(tuple(entry.words.said(a, b)) for a, b in gaps)
    return Match(entry, start, end, score, added, missing)


def _blocks(places: NDArray[np.int64], theirs: NDArray[np.int32]) -> list[_Tile]:
    """Rows that follow one another in both texts, joined."""
    if not len(places):
        return []
    diagonal = theirs - places
    order = np.lexsort((places, diagonal))
    places, theirs, diagonal = places[order], theirs[order], diagonal[order]
    breaks = np.flatnonzero((np.diff(diagonal) != 0) | (np.diff(places) != 1)) + 1
    begins, stops = np.append(0, breaks), np.append(breaks, len(places))
    return [
        _Tile(int(places[b]), int(theirs[b]), int(s - b) + _ROW - 1)
        for b, s in zip(begins.tolist(), stops.tolist(), strict=True)
    ]


_MOST_BLOCKS = 600


def _tiles(blocks: list[_Tile], mine: int, theirs: int) -> list[_Tile]:
    """Blocks that do not overlap in either text, longest first; a short one only in order with those beside it."""
    taken_mine = bytearray(mine + 1)
    taken_theirs = bytearray(theirs + 1)
    tiles: list[_Tile] = []
    blocks = sorted(blocks, key=lambda b: (-b.size, b.mine))[:_MOST_BLOCKS]
    # What stands in order first: where a licence is there twice, the end of one copy is next to the head of the other.
    for moved in (False, True):
        for block in blocks:
            a, b, size = block.mine, block.theirs, block.size
            if moved and size < _MOVED:
                break
            while size and (taken_mine[a] or taken_theirs[b]):
                a, b, size = a + 1, b + 1, size - 1
            while size and (taken_mine[a + size - 1] or taken_theirs[b + size - 1]):
                size -= 1
            if size < (_MOVED if moved else 1) or any(taken_mine[a : a + size]) or any(taken_theirs[b : b + size]):
                continue
            at = bisect_left(tiles, a, key=_place)
            ordered = (at == 0 or tiles[at - 1].theirs < b) and (at == len(tiles) or tiles[at].theirs > b)
            if ordered or moved:
                taken_mine[a : a + size] = b"\1" * size
                taken_theirs[b : b + size] = b"\1" * size
                tiles.insert(at, _Tile(a, b, size))
    return tiles


def _place(tile: _Tile) -> int:
    return tile.mine


_FAR = 30


def _trimmed(tiles: list[_Tile]) -> list[_Tile]:
    """Tiles without short ones at the ends that stand far from the rest."""
    while len(tiles) > 1 and tiles[0].size < _MOVED and tiles[1].mine - tiles[0].mine - tiles[0].size > _FAR:
        tiles = tiles[1:]
    while len(tiles) > 1 and tiles[-1].size < _MOVED and tiles[-1].mine - tiles[-2].mine - tiles[-2].size > _FAR:
        tiles = tiles[:-1]
    return tiles


def _gaps(tiles: list[_Tile], size: int) -> list[tuple[int, int]]:
    """Slices of the known text that no tile covers, from its first covered word to its last."""
    spans = sorted((t.theirs, t.theirs + t.size) for t in tiles)
    return [(a_end, b) for (_, a_end), (b, _) in itertools.pairwise(spans) if a_end < b]
