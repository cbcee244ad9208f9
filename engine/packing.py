"""Documents of token ids to rows of T+1 tokens: exact best-fit-decreasing, nothing dropped, a pure function.

Best-fit packing cuts only documents that are longer than a row (Ding et al., "Fewer Truncations Improve Language
Modeling", arXiv 2404.10830). Order comes from hashes of integers instead of a random generator: NumPy does not promise
that a generator's stream stays the same from one version to the next (NEP 19).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]

# What is being ordered, so that the order of row groups says nothing about that of documents or rows.
GROUP_SALT, DOCUMENT_SALT, ROW_SALT = 1, 2, 3


def splitmix64(values: UInt64) -> UInt64:
    """Mix each 64-bit value (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014)."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def shuffled(keys: UInt64, *salts: int) -> Int64:
    """The order of `keys` by their hash under `salts` (each in 0..2**64-1); equal keys keep their order."""
    salt = np.zeros(1, dtype=np.uint64)
    for word in salts:
        salt = splitmix64(salt ^ np.uint64(word))
    return np.argsort(splitmix64(splitmix64(keys) ^ salt), kind="stable")


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Best-fit-decreasing: put each length, longest first, into the bin with the least room that still holds it.

    Every length is between 1 and `capacity`. Returns the indices in each bin, in the order they were put. Of bins with
    the same room the one that got it last is taken. The rooms that exist are the bits of one integer, so the tightest
    one is found by a shift and a lowest-set-bit.
    """
    bins: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    rooms = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            chosen = by_room[room].pop()
            if not by_room[room]:
                rooms ^= 1 << room
        else:
            room, chosen = capacity, len(bins)
            bins.append([])
        bins[chosen].append(index)
        left = room - length
        if left:
            by_room[left].append(chosen)
            rooms |= 1 << left
    return bins


def split(ids: Int32, *, bos_id: int, eos_id: int, capacity: int) -> list[Int32]:
    """The pieces of one document, each BOS and more, at most `capacity` (>= 2) tokens; the last one ends with EOS.

    Without the BOS and the EOS the pieces in order are `ids`.
    """
    body = np.append(ids, np.int32(eos_id)).astype(np.int32)
    step = capacity - 1
    starts = range(0, len(body), step)
    return [np.concatenate((np.array([bos_id], dtype=np.int32), body[start : start + step])) for start in starts]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Packed rows.

    tokens int32 [R, T+1]; positions int32 [R, T+1], 0 where a piece starts (padding is a piece of its own);
    counts int32 [R], the tokens of a row before its padding.
    """

    tokens: Int32
    positions: Int32
    counts: Int32

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, part: slice) -> "Rows":
        return Rows(tokens=self.tokens[part], positions=self.positions[part], counts=self.counts[part])

    @staticmethod
    def concat(parts: Sequence["Rows"]) -> "Rows":
        """The rows of all parts, one after the other, in memory of their own."""
        return Rows(
            tokens=np.concatenate([part.tokens for part in parts]),
            positions=np.concatenate([part.positions for part in parts]),
            counts=np.concatenate([part.counts for part in parts]),
        )


def pack(documents: Sequence[Int32], *, bos_id: int, eos_id: int, capacity: int, salts: Sequence[int]) -> Rows:
    """Pack the token ids of documents into rows of `capacity` (T+1) tokens, padded with EOS.

    Rows come in the order of a hash with `salts`, since best-fit makes the rows of long documents first; the pieces of
    a row stay in the order of `documents`.
    """
    pieces = [p for ids in documents for p in split(ids, bos_id=bos_id, eos_id=eos_id, capacity=capacity)]
    bins = best_fit([len(piece) for piece in pieces], capacity)
    order = shuffled(np.arange(len(bins), dtype=np.uint64), *salts)
    placed = [sorted(bins[index]) for index in order]

    counts = np.array([sum(len(pieces[i]) for i in row) for row in placed], dtype=np.int32)
    tokens = np.full((len(placed), capacity), eos_id, dtype=np.int32)
    columns = np.arange(capacity, dtype=np.int32)
    positions = columns[None, :] - counts[:, None]
    if not placed:
        return Rows(tokens=tokens, positions=positions, counts=counts)

    flat = [pieces[i] for row in placed for i in row]
    lengths = np.array([len(piece) for piece in flat])
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    real = columns[None, :] < counts[:, None]
    # Row by row, left to right, the real cells are exactly the pieces one after the other.
    tokens[real] = np.concatenate(flat)
    positions[real] = within
    return Rows(tokens=tokens, positions=positions, counts=counts)
