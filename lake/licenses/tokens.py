"""A text as the words that licences are compared by, each with its place: case, punctuation and layout do not count.

What follows SPDX's matching guidelines (https://spdx.github.io/spdx-spec/v2.3/license-matching-guidelines-and-templates/):
copyright statements, list markers, comment leaders, quotes and British spellings are looked through. Words are 64-bit
hashes in numpy arrays, worked out for the whole text at once; the cost is linear in its length.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

# An odd multiplier has an inverse modulo 2**64, so the hash of a slice is a difference of prefix sums: Knuth's MMIX
# constant for letters, another one (of splitmix64) for words.
_LETTERS = np.uint64(6364136223846793005)
_WORDS = np.uint64(0xBF58476D1CE4E5B9)

_MARKUP = re.compile(
    r"<(?:/?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>\n]{0,200})?/?|!--|!DOCTYPE[^<>\n]{0,200})>|&(?:[a-z]{2,6}|#\d{1,4});|-->"
)
_HAS_MARKUP = re.compile(
    r"</?(?:p|br|div|html|body|li|span|pre|h[1-6]|code|b|i|a|td)\b[^<>\n]{0,200}>|&(?:quot|lt|gt|amp|copy|nbsp|#\d+);"
)
_PLACEHOLDER = re.compile(r"(?:year|yyyy|yr|dates?|fullname|name|owner|author|copyright)\b", re.IGNORECASE)
# After the word "copyright": a sign, a year or a place for one, or a name; not "Copyright Holder", "COPYRIGHT NOTICE".
_STATEMENT = re.compile(
    r"""copyrights?(?:\s+(?:is\s+)?(?:held\s+by|by|of|owned\s+by))?[\s:,\-—]{0,20}
        (?: \(c\) | © | &copy; | \d{4} | \\\(co | year\b | yyyy
          | [<\[{(]\s*(?:yyyy|year|yr|date|name|copyright|fullname|owner|author)
          | (?!(?:Holder|Notice|Owner|Licen|Law|Act|Statement|Disclaim|Right|Laws|Interest|Infring|Treat|And|Or|In)\w*)
            [A-Z][\w.&'-]*[ ,] )""",
    re.VERBOSE,
)
_STATEMENT_FOLDED = re.compile(
    r"copyrights?[\s:,\-—]{0,20}(?:\(c\)|©|&copy;|\d{4}|\\\(co|[<\[{(]\s*(?:yyyy|year|yr|date|name|copyright|"
    r"fullname|owner|author))",
    re.IGNORECASE,
)
_SIGN = re.compile(r"(?:\([cC]\)|©)\s*\d{4}|©\s*[A-Z<\[]")


@dataclass(frozen=True)
class Words:
    """The words of `text`: hashes, and the characters [starts[i], ends[i]) each stands at.

    statements: the characters of copyright statements, whose words are left out.
    """

    text: str
    hashes: Hashes
    starts: Places
    ends: Places
    statements: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.hashes)

    def said(self, start: int, end: int) -> list[str]:
        """Words start to end as they are written, in lower case."""
        return [self.text[a:b].lower() for a, b in zip(self.starts[start:end], self.ends[start:end], strict=True)]


@cache
def _classes() -> NDArray[np.uint16]:
    """For each character of the basic plane: 0 if it is in no word, else itself in lower case."""
    table = np.zeros(0x10000, np.uint16)
    for code in range(0x10000):
        character = chr(code)
        if character.isalnum():
            lower = character.lower()
            table[code] = ord(lower) if len(lower) == 1 else code
    return table


@cache
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """The powers of the letters' multiplier from 0 up, and of its inverse; `size` is a power of two."""
    inverse = pow(int(_LETTERS), -1, 1 << 64)
    up = np.full(size, _LETTERS, np.uint64)
    down = np.full(size, inverse, np.uint64)
    up[0] = down[0] = 1
    return np.cumprod(up, dtype=np.uint64), np.cumprod(down, dtype=np.uint64)


def _codes(text: str) -> NDArray[np.uint16]:
    """Word characters in lower case, 0 for the others, one for each character of `text`."""
    if text.isascii():
        return _classes()[np.frombuffer(text.encode("ascii"), np.uint8)]
    wide = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return _classes()[np.where(wide < 0x10000, wide, 0)]


_CHUNK = 1 << 16


def _raw(text: str) -> tuple[Hashes, Places, Places]:
    codes = _codes(text)
    inside = np.zeros(len(codes) + 2, np.int8)
    inside[1:-1] = codes != 0
    edges = np.diff(inside)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    size = 1 << max(10, len(codes).bit_length())
    up, down = _powers(size)
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes * up[: len(codes)], out=sums[1:])
    hashes = (sums[ends] - sums[starts]) * down[starts]
    return hashes ^ (hashes >> np.uint64(29)), starts, ends


@cache
def word_hash(word: str) -> np.uint64:
    """The hash of one word in lower case."""
    (found,), _, _ = _raw(word)
    return np.uint64(found)


@cache
def _spellings() -> tuple[Hashes, Hashes]:
    """Words that count as others, sorted, and those others; 0 is for words that do not count at all."""
    same = {
        "licence": "license",
        "licences": "licenses",
        "licenced": "licensed",
        "sublicence": "sublicense",
        "https": "http",
        "www": "",
        "rem": "",
        "dnl": "",
        "acknowledgement": "acknowledgment",
        "acknowledgements": "acknowledgments",
        "favour": "favor",
        "merchantibility": "merchantability",
        "organisation": "organization",
        "organisations": "organizations",
        "authorised": "authorized",
        "behaviour": "behavior",
        "judgement": "judgment",
        "wilful": "willful",
        "fulfil": "fulfill",
        "whilst": "while",
        "analogue": "analog",
        "centre": "center",
        "programme": "program",
        "noncommercial": "commercial",
        "owners": "holders",
        "owner": "holder",
    }
    del same["noncommercial"]
    pairs = sorted((int(word_hash(a)), int(word_hash(b)) if b else 0) for a, b in same.items())
    return np.array([a for a, _ in pairs], np.uint64), np.array([b for _, b in pairs], np.uint64)


def _blank(text: str) -> str:
    """`text` with markup and escaped newlines as spaces; every character stays at its place."""
    if "\\n" in text:
        text = re.sub(r"\\[rnt]", "  ", text)
    if "<" in text or "&" in text:
        head = text[:_CHUNK]
        if _HAS_MARKUP.search(head):
            text = _MARKUP.sub(lambda m: m[0] if _PLACEHOLDER.match(m[0], 1) else " " * len(m[0]), text)
    return text


def words(text: str) -> Words:
    """The words of a text that count: without copyright statements, list markers and comment leaders."""
    plain = _blank(text)
    hashes, starts, ends = _raw(plain)
    if not len(hashes):
        return Words(text, hashes, starts, ends)
    known, other = _spellings()
    places = np.searchsorted(known, hashes)
    places[places == len(known)] = 0
    hashes = np.where(known[places] == hashes, other[places], hashes)
    keep = hashes != 0
    keep &= ~_markers(plain, starts, ends)
    _drop_reserved(hashes, keep)
    statements = _drop_statements(plain, hashes, starts, keep)
    return Words(text, hashes[keep], starts[keep], ends[keep], statements)


def _bytes(text: str) -> NDArray[np.uint8]:
    """One byte a character, `?` for what is not Latin-1."""
    return np.frombuffer(text.encode("latin-1", "replace"), np.uint8)


def _markers(text: str, starts: Places, ends: Places) -> NDArray[np.bool_]:
    """Which words are list markers: one to three characters that open a line, and `.` or `)` and a space after them."""
    codes = np.append(_bytes(text), np.uint8(10))
    found = ends - starts <= 3
    found &= (codes[ends] == 46) | (codes[ends] == 41)
    after = codes[np.minimum(ends + 1, len(codes) - 1)]
    found &= (after == 32) | (after == 10) | (after == 9) | (after == 13)
    places = np.flatnonzero(found)
    for place in places.tolist():
        start = int(starts[place])
        line = text[max(text.rfind("\n", max(0, start - 40), start) + 1, start - 40) : start]
        word = text[start : int(ends[place])]
        if not (
            line.strip(" \t*#/;%-+.\"'!|>(").strip() == ""
            and (len(word) == 1 or word.isdigit() or not word.lower().strip("ivx"))
        ):
            found[place] = False
    return found


def _drop_reserved(hashes: Hashes, keep: NDArray[np.bool_]) -> None:
    """Leave out "All rights reserved"."""
    first = np.flatnonzero(hashes[:-2] == word_hash("all")) if len(hashes) > 2 else np.empty(0, np.int64)
    for place in first.tolist():
        if hashes[place + 1] == word_hash("rights") and hashes[place + 2] == word_hash("reserved"):
            keep[place : place + 3] = False


def _drop_statements(text: str, hashes: Hashes, starts: Places, keep: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Leave out copyright statements, to the end of their line, and tell where they stand."""
    found: list[tuple[int, int]] = []
    said = (hashes == word_hash("copyright")) | (hashes == word_hash("copyrights")) | (hashes == word_hash("c"))
    end = -1
    for place in np.flatnonzero(said).tolist():
        start = int(starts[place])
        if start < end:
            continue
        word = text[start : start + 9].lower()
        window = text[start : start + 120]
        if word.startswith("copyright"):
            stated = bool(_STATEMENT.match(window) or _STATEMENT_FOLDED.match(window)) or _named(text, start, window)
        else:
            stated = _SIGN.match(text[start - 1 : start + 40]) is not None if start else False
        if not stated:
            continue
        line_end = text.find("\n", start)
        end = len(text) if line_end < 0 else line_end
        end = min(end, _sentence_end(text, start, end))
        keep[place : int(np.searchsorted(starts, end))] = False
        found.append((start, end))
    return tuple(found)


def _named(text: str, start: int, window: str) -> bool:
    """Whether "Copyright", opening a line, is followed by the name of its holder."""
    before = text[max(text.rfind("\n", 0, start) + 1, start - 20) : start]
    if before.strip(" \t*#/;%-+.\"'!|>(_") != "":
        return False
    return re.match(r"[Cc]opyright[ ,:]+(?:[A-Z][a-z'.]+\s+[A-Z]|the\s+[A-Z])", window) is not None


# A statement may share its line with what it does not belong to, in texts of one line.
_LONG_STATEMENT = 120
_FOLLOWED = re.compile(
    r"(?:[Aa]ll [Rr]ights [Rr]eserved\.?|[.>\]]|\s)\s*(?=(?:Permission (?:is|to)|Redistribution and|"
    r"Licensed under|This (?:program|library|file|software|"
    r"code|source|work|is)|Use of this|Use,|The (?:above|contents|MIT|licenses)|Everyone is|(?:Distributed|"
    r"Released) under|All code|You may|By obtaining|Preamble|"
    r"PERMISSION (?:IS|TO)|REDISTRIBUTION AND|EVERYONE IS|LICENSED UNDER|PREAMBLE|THIS (?:PROGRAM|SOFTWARE|IS))\b)"
)


def _sentence_end(text: str, start: int, end: int) -> int:
    if found := _FOLLOWED.search(text, start, min(end, start + 1000)):
        return found.end()
    return min(end, start + _LONG_STATEMENT) if end - start > 2 * _LONG_STATEMENT else end


def shingles(hashes: Hashes, length: int) -> Hashes:
    """Hashes of each `length` words in a row, one for each place a row begins at; empty for a shorter text."""
    if len(hashes) < length:
        return np.empty(0, np.uint64)
    count = len(hashes) - length + 1
    row = hashes[:count].copy()
    for step in range(1, length):
        row = row * _WORDS + hashes[step : step + count]
    return row ^ (row >> np.uint64(31))
