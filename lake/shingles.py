"""Sets of word 5-grams as sorted 64-bit hashes, and their exact Jaccard similarity.

A word is a run of ASCII letters, digits, underscores and bytes above 127, case kept (The Stack's first near-duplicate
recipe splits at `[^A-Za-z_0-9]`, bigcode-dataset near_deduplication/minhash_deduplication.py; here words of other
scripts count too). A shingle is five words in a row; a text of one to four words has one shingle, all its words; a text
without words has none.

Words are hashed by tabulation (Carter and Wegman 1979: the sum of a random number for each byte in its place), longer
ones than _PLACES bytes by BLAKE2b; a shingle is the sum of its words' hashes, each times a constant. Two different
shingles of words up to _PLACES bytes differ in a sum of random numbers times a nonzero sum of constants, which 2^5
divides at most: they collide with a probability of 2^-59 or less over the choice of the table. So for two files
of a million shingles each the chance that any of 10^12 pairs is taken for equal is below 2e-6, and for files of a
thousand below 2e-12. The table is fixed and public, so somebody who sets out to make collisions may find some.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

NGRAM = 5
_PLACES = 32
# Enough for NumPy to work at full speed, and small enough for a processor's cache.
_PIECE_BYTES = 1 << 18

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_IS_WORD = np.array([chr(byte).isalnum() or byte == ord("_") or byte > 127 for byte in range(256)])
_TABLE: Hashes = np.frombuffer(hashlib.shake_256(b"codelake words").digest(8 * 256 * _PLACES), "<u8").astype(np.uint64)
# Odd, and no sum of some of them less some others is divisible by 2^6 (tests/lake/test_shingles.py).
FACTORS: Hashes = np.frombuffer(hashlib.shake_256(b"codelake shingles 20").digest(8 * NGRAM), "<u8").astype(
    np.uint64
) | np.uint64(1)


def shingles(text: str | bytes) -> Hashes:
    """The distinct shingles of one text (str, or bytes of UTF-8), ascending."""
    data = np.frombuffer(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text, np.uint8)
    return next(shingles_of(data, np.array([0, len(data)])))


def shingles_of(data: Bytes, offsets: Places) -> Iterator[Hashes]:
    """The same for each of some texts: text i is data[offsets[i] : offsets[i + 1]].

    Needs some 16 bytes a word of the largest text besides the answer; texts are worked on some at a time.
    """
    first = 0
    while first < len(offsets) - 1:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _PIECE_BYTES, "right")) - 1)
        last = min(last, len(offsets) - 1)
        some = offsets[first : last + 1]
        yield from _shingles(data[some[0] : some[-1]], some - some[0])
        first = last


def jaccard(one: Hashes, other: Hashes) -> float:
    """Size of the intersection over size of the union of two sets of `shingles`; 0.0 for two empty ones."""
    if len(one) > len(other):
        one, other = other, one
    if not len(one):
        return 0.0
    places = np.searchsorted(other, one)
    common = int(np.count_nonzero(other.take(places, mode="clip") == one))
    return common / (len(one) + len(other) - common)


def _shingles(data: Bytes, offsets: Places) -> Iterator[Hashes]:
    words, ends = _words(data, offsets)
    grams = np.zeros(max(0, len(words) - NGRAM + 1), np.uint64)
    for place, factor in enumerate(FACTORS):
        grams += words[place : place + len(grams)] * factor
    start = 0
    for end in ends.tolist():
        if end - start >= NGRAM:
            found = np.sort(grams[start : end - NGRAM + 1])
            yield found[np.concatenate([[True], found[1:] != found[:-1]])]
        else:
            few = words[start:end]
            yield (few * FACTORS[: len(few)]).sum(keepdims=True, dtype=np.uint64) if len(few) else few
        start = end


def _words(data: Bytes, offsets: Places) -> tuple[Hashes, Places]:
    """The hash of each word in turn, and how many words the texts have up to the end of each."""
    hashes, starts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    edges = np.unique(offsets[1:-1])
    start, size = 0, len(data)
    # One text that is larger than a piece is cut where a word ends.
    while start < size:
        stop = _cut(data, start, size)
        inner = edges[(edges > start) & (edges < stop)] - start
        found, at = _hashed(data[start:stop], inner)
        hashes.append(found)
        starts.append(at + start)
        start = stop
    return np.concatenate(hashes), np.searchsorted(np.concatenate(starts), offsets[1:], "left")


def _cut(data: Bytes, start: int, size: int) -> int:
    """Where to end a piece that begins at `start`: before a byte that is in no word, or at the end."""
    stop = start + 2 * _PIECE_BYTES
    while stop < size:
        gaps = np.flatnonzero(~_IS_WORD[data[stop : stop + _PIECE_BYTES]])
        if len(gaps):
            return stop + int(gaps[0])
        stop += _PIECE_BYTES
    return size


def _hashed(data: Bytes, edges: Places) -> tuple[Hashes, Places]:
    """The hash of each word of `data` and where it starts; no word goes over an edge."""
    inside = np.zeros(len(data) + 2, np.int8)
    inside[1:-1] = _IS_WORD[data]
    change = np.diff(inside)
    starts, stops = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    split = edges[inside[edges].astype(bool) & inside[edges + 1].astype(bool)]
    if len(split):
        starts, stops = np.sort(np.concatenate([starts, split])), np.sort(np.concatenate([stops, split]))
    lengths = stops - starts
    # Longest first, so that those that have a byte in place n are the first ones.
    order = np.argsort(-np.minimum(lengths, _PLACES + 1).astype(np.int8), kind="stable")
    at = starts[order]
    having = len(lengths) - np.cumsum(np.bincount(np.minimum(lengths, _PLACES), minlength=_PLACES + 1))
    sums = np.zeros(len(lengths), np.uint64)
    for place, number in enumerate(having[:_PLACES].tolist()):
        if not number:
            break
        sums[:number] += _TABLE[place * 256 : place * 256 + 256].take(data.take(at[:number] + place))
    long = int(np.count_nonzero(lengths > _PLACES))
    for index in range(long):
        word = order[index]
        digest = hashlib.blake2b(data[starts[word] : stops[word]].data, digest_size=8).digest()
        sums[index] = int.from_bytes(digest, "little")
    hashes = np.empty_like(sums)
    hashes[order] = sums
    return hashes, starts
