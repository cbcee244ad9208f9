"""Endless packed token rows from SQL: the same rows for every number of ranks, resumed exactly where they stopped.

One global sequence of rows, each a pure function of (plan, epoch, window, block, row). A window is a run of the epoch's
shuffled row groups, a block a run of the window's shuffled documents, tokenized and packed together. Every rank builds
every block and takes its rows, so the state holds no rank, no buffer and no random generator.
"""

import hashlib
import threading
import weakref
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .duck import Evaluator
from .errors import StreamError
from .optional import require
from .packing import DOCUMENT_SALT, ROW_SALT, Int32, Int64, Rows, UInt64, pack, shuffled
from .plan import Plan, RowGroup, read_row_group
from .tokenizer import LoadedTokenizer, TokenIds

if TYPE_CHECKING:
    import torch

STATE_VERSION = 1
IGNORED = -100  # the target that torch.nn.functional.cross_entropy ignores by default
# Blocks double from this size on, so that the first batch of a window does not wait for 16 MiB of tokenizing.
FIRST_BLOCK_BYTES = 1 << 20
# A tokenizers Encoding takes ~100 bytes a token until it is an array: encode a little at a time.
ENCODE_BYTES = 2 << 20
BLOCKS_AHEAD = 2


class Position(NamedTuple):
    """Where a row stands: rows before `row` of that block are done."""

    epoch: int
    window: int
    block: int
    row: int


START = Position(0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Block:
    """The rows of one block, and how many NULL or empty texts were passed over since the iteration began."""

    epoch: int
    window: int
    index: int
    rows: Rows
    skipped: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows of one rank, B = batch_size and T = seq_len.

    tokens: int32 [B, T+1], padded with EOS. positions: int32 [B, T+1], 0 where a piece starts; padding is a piece.
    labels: int64 [B, T], the token after each of tokens[:, :T], or -100 where that is padding or starts a piece.
    cu_seqlens: int32 [B * ((T+2)//2) + 1], the starts of pieces in the flattened tokens, then B * (T+1) repeated; a
    piece has at least two tokens and padding at least one, so this length always does and never changes.
    valid: the number of labels that are not -100; divide the loss by its sum over ranks.
    """

    tokens: "torch.Tensor"
    positions: "torch.Tensor"
    labels: "torch.Tensor"
    cu_seqlens: "torch.Tensor"
    valid: int


class Stream:
    """The endless sequence of packed rows that a plan stands for.

    Raises StreamError if `tokenizer` is not the one that was planned with.
    """

    def __init__(self, plan: Plan, tokenizer: LoadedTokenizer) -> None:
        if tokenizer.sha256 != plan.tokenizer_sha256:
            raise StreamError(
                f"the stream was planned with tokenizer {plan.tokenizer_sha256[:12]}, this is {tokenizer.sha256[:12]}"
            )
        self.plan = plan
        self.tokenizer = tokenizer

    def loader(self, *, batch_size: int, rank: int = 0, world_size: int = 1) -> "Loader":
        """Batches of `batch_size` rows for one rank of `world_size`.

        Step s is rows [s*G, (s+1)*G) of the stream, G = batch_size * world_size, and rank r has the r-th part of them.
        """
        return Loader(self, batch_size=batch_size, rank=rank, world_size=world_size)

    def blocks(self, start: Position = START, stop: threading.Event | None = None) -> Generator[Block, None, None]:
        """Blocks from the one that holds `start`, for ever, epoch after epoch; ends soon after `stop` is set.

        Raises StreamError if a file changed, an expression fails on a value, or a whole epoch has no text.
        """
        stop = stop or threading.Event()
        epoch, first_window, first_block, _ = start
        skipped = 0
        with Evaluator() as evaluator:
            while True:
                documents = 0
                for w, groups in enumerate(self.plan.windows(epoch)[first_window:], first_window):
                    texts, keys, lost = read_window(self.plan, groups, evaluator, stop)
                    skipped += lost
                    documents += len(keys)
                    order = shuffled(keys, DOCUMENT_SALT, self.plan.seed, epoch)
                    sizes = pc.binary_length(texts).to_numpy()[order]
                    for b, (low, high) in enumerate(cut_blocks(sizes, self.plan.block_bytes)):
                        if w == first_window and b < first_block:
                            continue
                        encoded = self._encode(texts.take(pa.array(order[low:high])), stop)
                        if stop.is_set():
                            return
                        rows = self._pack(encoded, epoch, w, b)
                        yield Block(epoch=epoch, window=w, index=b, rows=rows, skipped=skipped)
                    if stop.is_set():
                        return
                if documents == 0 and first_window == 0:
                    raise StreamError(
                        f"{self.plan.scan.sql} selects no text; NULL or empty texts passed over: {skipped}"
                    )
                epoch, first_window, first_block = epoch + 1, 0, 0

    def _encode(self, texts: pa.LargeStringArray, stop: threading.Event) -> list[TokenIds]:
        documents: list[TokenIds] = []
        chunks = np.cumsum(pc.binary_length(texts).to_numpy()) // ENCODE_BYTES
        cuts = [0, *(np.flatnonzero(np.diff(chunks)) + 1).tolist(), len(texts)]
        for low, high in pairwise(cuts):
            if stop.is_set():
                break
            documents += self.tokenizer.encode_batch(texts[low:high].to_pylist())
        return documents

    def _pack(self, documents: list[TokenIds], *address: int) -> Rows:
        return pack(
            documents,
            bos_id=self.tokenizer.bos_id,
            eos_id=self.tokenizer.eos_id,
            capacity=self.plan.seq_len + 1,
            salts=(ROW_SALT, self.plan.seed, *address),
        )


class Loader:
    """Batches of one rank, for ever: an iterator with a state, and a context manager.

    A thread builds up to two blocks ahead. It ends with `close`, with the loader's garbage collection, or when an error
    (of the stream, or Ctrl-C while waiting) leaves `next`; `state_dict` still answers after that.
    """

    def __init__(self, stream: Stream, *, batch_size: int, rank: int, world_size: int) -> None:
        if batch_size < 1 or world_size < 1:
            raise StreamError(f"batch_size={batch_size}, world_size={world_size}: both must be at least 1")
        if not 0 <= rank < world_size:
            raise StreamError(f"rank={rank}: it must be between 0 and world_size - 1 = {world_size - 1}")
        self.stream = stream
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self.skipped = 0
        self._row = 0
        self._position = START
        self._block: Block | None = None
        self._builder: _Builder | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._closed = False

    def __iter__(self) -> "Loader":
        return self

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Batch:
        if self._closed:
            raise StreamError("this loader is closed; make another one and give it the state of this one")
        try:
            rows, block, position = self._step()
            batch = make_batch(rows)
        except BaseException:
            self.close()
            raise
        self._block, self._position = block, position
        self._row += self.batch_size * self.world_size
        self.skipped = block.skipped
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands after the last batch that was returned: JSON, < 1 KB, the same on every rank."""
        plan = self.stream.plan
        source = list(self._position)
        return {"v": STATE_VERSION, "plan": plan.sha256, "row": self._row, "src": source, "about": plan.summary()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after the batch at which `state` was taken, with any batch_size and world_size.

        Takes one window of reading and one block of tokenizing at the next batch, however far the stream had come.
        Raises StreamError for the state of another plan, naming the differences, or of another version.
        """
        if state.get("v") != STATE_VERSION:
            raise StreamError(f"stream state of version {state.get('v')}; this CodeLake knows version {STATE_VERSION}")
        plan = self.stream.plan
        if state.get("plan") != plan.sha256:
            lines = plan.diff(state.get("about", {}))
            raise StreamError("the state belongs to another stream:\n  " + "\n  ".join(lines))
        try:
            row, position = int(state["row"]), Position(*map(int, state["src"]))
        except (KeyError, TypeError, ValueError) as error:
            raise StreamError(f"this is not a stream state: {dict(state)}") from error
        self._stop()
        self._row, self._position = row, position

    def close(self) -> None:
        """End the builder thread; the loader gives no more batches."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._builder = self._finalizer = self._block = None

    def _step(self) -> tuple[Rows, Block, Position]:
        """This rank's rows of the next step, and the block and the position that the step ends in."""
        if self._builder is None:
            self._builder = _Builder(self.stream, self._position)
            self._finalizer = weakref.finalize(self, self._builder.stop)
            self._builder.start()
        block, position = self._block, self._position
        if block is None:
            block = self._builder.next_block()
            if position.row and (position[:3] != block_address(block) or position.row > len(block.rows)):
                raise StreamError(f"the state points at {list(position)}, a row that this stream does not have")
        row = position.row
        wanted = self.batch_size * self.world_size
        low, high = self.rank * self.batch_size, (self.rank + 1) * self.batch_size
        parts: list[Rows] = []
        taken = 0
        while taken < wanted:
            if row == len(block.rows):
                block, row = self._builder.next_block(), 0
            count = min(wanted - taken, len(block.rows) - row)
            first, last = max(low - taken, 0), min(high - taken, count)
            if first < last:
                parts.append(block.rows[row + first : row + last])
            row += count
            taken += count
        return Rows.concat(parts), block, Position(*block_address(block), row)


class _Builder:
    """A thread that builds blocks ahead. It knows the stream and not the loader, so that a loader can be collected."""

    def __init__(self, stream: Stream, start: Position) -> None:
        self._queue: SimpleQueue[Block | BaseException] = SimpleQueue()
        self._room = threading.Semaphore(BLOCKS_AHEAD - 1)
        self._stopping = threading.Event()
        # A daemon, because at exit Python waits for other threads before it runs the finalizer that stops this one.
        self._thread = threading.Thread(target=self._run, args=(stream, start), name="codelake-stream", daemon=True)

    def start(self) -> None:
        """Begin. Apart from the constructor, so that an interrupted start leaves a builder that can be stopped."""
        self._thread.start()

    def _run(self, stream: Stream, start: Position) -> None:
        try:
            with closing(stream.blocks(start, self._stopping)) as blocks:
                for block in blocks:
                    self._queue.put(block)
                    self._room.acquire()
                    if self._stopping.is_set():
                        return
        except BaseException as error:
            self._queue.put(error)

    def next_block(self) -> Block:
        """The next block; raises what building it raised."""
        item = self._queue.get()
        self._room.release()
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        """End the thread, at once if it waits for room, else within one chunk of tokenizing."""
        self._stopping.set()
        self._room.release()
        # The collector may run finalizers in any thread, this one too.
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()


def block_address(block: Block) -> tuple[int, int, int]:
    """(epoch, window, block)."""
    return block.epoch, block.window, block.index


def cut_blocks(sizes: Int64, block_bytes: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each block: block i ends with the document that brings it to min(block_bytes, 1 MiB << i)."""
    ends = np.cumsum(sizes)
    start = index = done = 0
    while start < len(ends):
        limit = min(block_bytes, FIRST_BLOCK_BYTES << index)
        end = min(int(np.searchsorted(ends, done + limit)) + 1, len(ends))
        yield start, end
        start, done, index = end, int(ends[end - 1]), index + 1


def read_window(
    plan: Plan, groups: list[RowGroup], evaluator: Evaluator, stop: threading.Event
) -> tuple[pa.LargeStringArray, UInt64, int]:
    """The texts of a window, the keys that order them, and how many NULL or empty texts were left out."""
    parts: list[pa.ChunkedArray] = []
    keys: list[int] = []
    lost = 0
    for group in groups:
        if stop.is_set():
            break
        texts, blob_ids = plan.scan.texts(read_row_group(plan, group), evaluator)
        kept = pc.fill_null(pc.greater(pc.binary_length(texts), 0), False)
        found = texts.filter(kept)
        lost += len(texts) - len(found)
        parts.append(found)
        names = [None] * len(found) if blob_ids is None else blob_ids.filter(kept).to_pylist()
        keys += [text_key(found[i].as_py()) if name is None else blob_key(name) for i, name in enumerate(names)]
    chunks = [chunk for part in parts for chunk in part.chunks]
    texts = pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())
    return texts, np.array(keys, dtype=np.uint64), lost


def blob_key(blob_id: object) -> int:
    """The first 64 bits of a hexadecimal or binary blob_id, or of the hash of one that is neither."""
    name = blob_id.hex() if isinstance(blob_id, bytes) else str(blob_id)
    try:
        return int(name[:16], 16) & 0xFFFFFFFFFFFFFFFF
    except ValueError:
        return text_key(name)


def text_key(text: str) -> int:
    """64 bits of the hash of a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def make_batch(rows: Rows) -> Batch:
    """The tensors of packed rows; see Batch."""
    torch = require("torch")
    count, width = rows.tokens.shape
    inside = np.arange(1, width) < rows.counts[:, None]
    kept = inside & (rows.positions[:, 1:] != 0)
    labels = np.where(kept, rows.tokens[:, 1:], IGNORED).astype(np.int64)
    starts = np.flatnonzero(rows.positions.ravel() == 0)
    cu_seqlens: Int32 = np.full(count * ((width + 1) // 2) + 1, count * width, dtype=np.int32)
    cu_seqlens[: len(starts)] = starts
    return Batch(
        tokens=torch.from_numpy(rows.tokens),
        positions=torch.from_numpy(rows.positions),
        labels=torch.from_numpy(labels),
        cu_seqlens=torch.from_numpy(cu_seqlens),
        valid=int(kept.sum()),
    )
