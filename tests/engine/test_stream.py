"""Streams of a few hundred short documents in several files; windows and blocks are small, so all edges are met."""

import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codelake.engine import stream as streaming
from codelake.engine.errors import StreamError
from codelake.engine.packing import Rows, split
from codelake.engine.plan import make_plan
from codelake.engine.stream import START, Block, Loader, Position, Stream, cut_blocks, make_batch
from codelake.engine.tables import DataFile, TableFiles
from codelake.engine.tokenizer import LoadedTokenizer, load, save, train_bpe

torch = pytest.importorskip("torch", reason="batches are torch tensors: pip install 'codelake[train]'")

SEQ_LEN = 32
SCHEMA = pa.schema([("blob_id", pa.string()), ("content", pa.string()), ("language", pa.string()), ("n", pa.int64())])
AWKWARD = ["a\r\nb\r\n", "\0x\0", "👩‍👩‍👧 e\u0301\u0301", "<|endoftext|><|fim_prefix|>", " ", "long " * 300]


def documents(count: int = 240) -> pa.Table:
    """Made-up code of 1 to ~40 tokens, some awkward text, and a NULL or empty text in every twelve."""
    texts: list[str | None] = [f"def f{i}(x):\n" + f"    return {i} * x\n" * (i * 7 % 11) for i in range(count)]
    texts[: len(AWKWARD)] = AWKWARD
    texts[6::12] = [None if i % 24 == 6 else "" for i in range(6, count, 12)]
    return pa.table(
        {
            "blob_id": [hashlib.sha1(str(i).encode()).hexdigest() for i in range(count)],
            "content": texts,
            "language": ["C" if i % 3 else "Rust" for i in range(count)],
            "n": list(range(count)),
        },
        schema=SCHEMA,
    )


def write(root: Path, rows: pa.Table, *, files: int = 3, row_group_size: int = 17) -> TableFiles:
    found = []
    root.mkdir(parents=True, exist_ok=True)
    size = -(-rows.num_rows // files)
    for index in range(files):
        path = root / f"part-{index}.parquet"
        part = rows.slice(index * size, size)
        pq.write_table(part, path, row_group_size=row_group_size)
        found.append(DataFile(path=str(path), rows=part.num_rows, bytes=path.stat().st_size))
    return TableFiles(name="code", snapshot=1, schema=rows.schema, files=tuple(found))


@pytest.fixture(scope="module")
def tokenizer() -> LoadedTokenizer:
    return load(train_bpe(iter([[t for t in documents()["content"].to_pylist() if t]]), vocab_size=300))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> TableFiles:
    return write(tmp_path_factory.mktemp("lake"), documents())


@pytest.fixture(scope="module")
def build(table: TableFiles, tokenizer: LoadedTokenizer) -> Callable[..., Stream]:
    def stream(
        sql: str = "SELECT content FROM code", *, of: TableFiles = table, seed: int = 0, **changes: int
    ) -> Stream:
        sizes = {"seq_len": SEQ_LEN, "window_bytes": 6000, "block_bytes": 1000, **changes}
        return Stream(make_plan({"code": of}, sql, tokenizer=tokenizer, seed=seed, **sizes), tokenizer)

    return stream


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert builders() == []


def builders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "codelake-stream"]


def epoch_blocks(stream: Stream, epoch: int = 0) -> list[Block]:
    found: list[Block] = []
    for block in stream.blocks(Position(epoch, 0, 0, 0)):
        if block.epoch != epoch:
            return found
        found.append(block)
    raise AssertionError("a stream does not end")


def pieces(rows: Rows) -> list[tuple[int, ...]]:
    found = []
    for tokens, positions, count in zip(rows.tokens, rows.positions, rows.counts.tolist(), strict=True):
        cuts = [*np.flatnonzero(positions[:count] == 0).tolist(), count]
        found += [tuple(tokens[start:end].tolist()) for start, end in pairwise(cuts)]
    return found


def expected_pieces(stream: Stream, texts: list[str]) -> Counter[tuple[int, ...]]:
    tokenizer = stream.tokenizer
    ids = {"bos_id": tokenizer.bos_id, "eos_id": tokenizer.eos_id, "capacity": stream.plan.seq_len + 1}
    encoded = tokenizer.encode_batch(texts)
    return Counter(tuple(piece.tolist()) for document in encoded for piece in split(document, **ids))


def take(loader: Loader, steps: int) -> list[list[list[int]]]:
    return [batch.tokens.tolist() for batch in islice(loader, steps)]


# --- order and coverage


def test_the_rows_are_the_same_for_every_world_size(build: Callable[..., Stream]) -> None:
    stream = build()
    with stream.loader(batch_size=8) as loader:
        alone = take(loader, 40)
    for world_size in (2, 4, 8):
        parts = []
        for rank in range(world_size):
            with stream.loader(batch_size=8 // world_size, rank=rank, world_size=world_size) as loader:
                parts.append(take(loader, 40))
        assert [[row for part in step for row in part] for step in zip(*parts, strict=True)] == alone


def test_every_document_is_in_an_epoch_once(build: Callable[..., Stream]) -> None:
    stream = build()
    texts = [text for text in documents()["content"].to_pylist() if text]
    for epoch in (0, 1):
        found = [piece for block in epoch_blocks(stream, epoch) for piece in pieces(block.rows)]
        assert Counter(found) == expected_pieces(stream, texts)


def test_epochs_and_seeds_differ_in_order_only(build: Callable[..., Stream]) -> None:
    orders = []
    for stream, epoch in ((build(), 0), (build(), 1), (build(seed=1), 0)):
        orders.append([piece for block in epoch_blocks(stream, epoch) for piece in pieces(block.rows)])
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert Counter(orders[0]) == Counter(orders[1]) == Counter(orders[2])


def test_edges_are_met(build: Callable[..., Stream]) -> None:
    blocks = epoch_blocks(build())
    windows = Counter(block.window for block in blocks)
    assert len(windows) >= 3
    assert max(windows.values()) >= 3
    assert blocks[-1].skipped == 20


def test_order_of_files_and_of_row_groups_inside_a_window_does_not_matter(
    build: Callable[..., Stream], tmp_path: Path
) -> None:
    """Documents of one window are ordered by their blob_id, so a compaction keeps their order."""
    wide = {"window_bytes": 1 << 20, "block_bytes": 1 << 20}
    rows = documents()
    one = build(of=write(tmp_path / "a", rows), **wide)
    other = build(
        of=write(tmp_path / "b", rows.take(list(range(rows.num_rows))[::-1]), files=2, row_group_size=50), **wide
    )
    assert one.plan.sha256 != other.plan.sha256
    assert [b.rows.tokens.tolist() for b in epoch_blocks(one)] == [b.rows.tokens.tolist() for b in epoch_blocks(other)]


def test_a_table_without_blob_id_is_ordered_by_text(build: Callable[..., Stream], tmp_path: Path) -> None:
    stream = build(of=write(tmp_path, documents().drop_columns(["blob_id"])))
    texts = [text for text in documents()["content"].to_pylist() if text]
    found = [piece for block in epoch_blocks(stream) for piece in pieces(block.rows)]
    assert Counter(found) == expected_pieces(stream, texts)


GOLDEN = "068f12f103c0d179e2510ae0368da389c349b4306b39a92da630bcec35950484"


def test_the_first_rows_stay_what_they_were(tmp_path: Path) -> None:
    """Guards against another NumPy, DuckDB or tokenizer quietly changing the rows; the tokens are bytes."""
    tokenizer = load(train_bpe(iter([["x"]]), vocab_size=263))
    table = write(tmp_path, documents())
    plan = make_plan(
        {"code": table},
        "SELECT content FROM code WHERE n % 5 <> 0",
        tokenizer=tokenizer,
        seq_len=128,
        seed=7,
        # Independent of how well a Parquet version compresses: the window holds everything.
        window_bytes=1 << 30,
        block_bytes=4000,
    )
    digest = hashlib.sha256()
    rows = 0
    for block in Stream(plan, tokenizer).blocks():
        for part in (block.rows.tokens, block.rows.positions, block.rows.counts):
            digest.update(np.ascontiguousarray(part, dtype="<i4").tobytes())
        rows += len(block.rows)
        if rows >= 1000:
            break
    assert digest.hexdigest() == GOLDEN


# --- SQL

CONDITIONS = st.recursive(
    st.sampled_from(
        [
            "n < 100",
            "n % 7 = 3",
            "language = 'C'",
            "language IN ('Rust', 'Go')",
            "content LIKE '%return%'",
            "length(content) > 40",
            "content IS NULL",
            "regexp_matches(content, 'f1[0-9]+')",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda c: f"NOT ({c})"),
    ),
    max_leaves=4,
)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["content", "*", "upper(content) AS text", "n, content || language"]), CONDITIONS)
def test_the_documents_are_those_of_the_select(
    build: Callable[..., Stream], table: TableFiles, columns: str, where: str
) -> None:
    import duckdb

    sql = f"SELECT {columns} FROM code WHERE {where}"
    with duckdb.connect() as connection:
        rows = pa.concat_tables([pq.read_table(file.path) for file in table.files])
        connection.register("code", rows)
        result = connection.sql(sql).to_arrow_table()
    column = "content" if "content" in result.column_names else result.column_names[-1]
    texts = [text for text in result["text" if "text" in result.column_names else column].to_pylist() if text]
    stream = build(sql)
    if not texts:
        with pytest.raises(StreamError, match="selects no text"):
            next(stream.blocks())
        return
    found = [piece for block in epoch_blocks(stream) for piece in pieces(block.rows)]
    assert Counter(found) == expected_pieces(stream, texts)


def test_no_text_in_a_whole_epoch_is_an_error_for_the_consumer(build: Callable[..., Stream]) -> None:
    loader = build("SELECT content FROM code WHERE content = ''").loader(batch_size=2)
    with pytest.raises(StreamError, match="NULL or empty texts passed over: 10"):
        next(loader)
    assert builders() == []


# --- resume


@pytest.fixture(scope="module")
def uninterrupted(build: Callable[..., Stream]) -> list[list[int]]:
    """The first rows of the stream: several epochs of about 110 rows each."""
    with build().loader(batch_size=1200) as loader:
        return next(loader).tokens.tolist()  # type: ignore[no-any-return]


RUNS = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(1, 9)), min_size=3, max_size=6)


@settings(max_examples=12, deadline=None)
@given(RUNS)
@example([(110, 1, 1), (1, 2, 1), (37, 3, 2), (5, 1, 9)])
def test_resuming_anywhere_with_any_world_size_changes_nothing(
    build: Callable[..., Stream], uninterrupted: list[list[int]], runs: list[tuple[int, int, int]]
) -> None:
    """Each run is (batch size, world size, steps) and starts from what any rank of the run before it saved."""
    stream = build()
    rows: list[list[int]] = []
    states: list[dict[str, object]] = []
    for batch_size, world_size, steps in runs:
        loaders = [stream.loader(batch_size=batch_size, rank=rank, world_size=world_size) for rank in range(world_size)]
        for loader in loaders:
            if states:
                loader.load_state_dict(json.loads(json.dumps(states[-1])))
        for _ in range(steps):
            for loader in loaders:
                rows += next(loader).tokens.tolist()
        states = [loader.state_dict() for loader in loaders]
        for loader in loaders:
            loader.close()
        assert all(state == states[0] for state in states)
        assert states[0]["row"] == len(rows)
    assert rows == uninterrupted[: len(rows)]


def test_state_at_the_edges(build: Callable[..., Stream]) -> None:
    stream = build()
    first = next(stream.blocks())
    with stream.loader(batch_size=len(first.rows)) as loader:
        assert loader.state_dict()["src"] == list(START)
        assert (next(loader).tokens.numpy() == first.rows.tokens).all()
        end_of_block = loader.state_dict()
        following = next(loader).tokens.tolist()
    assert end_of_block["src"] == [0, 0, 0, len(first.rows)]
    with stream.loader(batch_size=len(first.rows)) as again:
        again.load_state_dict(end_of_block)
        assert again.state_dict() == end_of_block
        assert next(again).tokens.tolist() == following
        again.load_state_dict(end_of_block)
        assert next(again).tokens.tolist() == following


def test_state_is_small_and_tells_what_was_yielded(build: Callable[..., Stream]) -> None:
    with build("SELECT content FROM code WHERE " + " OR ".join(f"n = {i}" for i in range(200))).loader(
        batch_size=2
    ) as loader:
        take(loader, 3)
        state = loader.state_dict()
    assert (state["v"], state["plan"], state["row"]) == (1, loader.stream.plan.sha256, 6)
    assert len(json.dumps(state)) < 1024


def test_state_of_another_stream_is_refused_with_the_difference(build: Callable[..., Stream]) -> None:
    state = build(seed=1).loader(batch_size=1).state_dict()
    with pytest.raises(StreamError, match=r"another stream:\n  seed: 1 there, 0 here$"):
        build().loader(batch_size=1).load_state_dict(state)
    other = build("SELECT content FROM code WHERE n > 3").loader(batch_size=1).state_dict()
    with pytest.raises(StreamError, match=r"sql: .* there, SELECT"):
        build().loader(batch_size=1).load_state_dict(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v": 2}, "version 2"),
        ({"v": None}, "version None"),
        ({"src": [0, 0]}, "not a stream state"),
        ({"row": "many"}, "not a stream state"),
        ({"src": [0, 0, 0, 10**9]}, "a row that this stream does not have"),
        ({"src": [0, 10**9, 0, 1]}, "a row that this stream does not have"),
    ],
)
def test_a_broken_state_is_refused(build: Callable[..., Stream], change: dict[str, object], message: str) -> None:
    loader = build().loader(batch_size=1)
    with pytest.raises(StreamError, match=message):
        loader.load_state_dict({**loader.state_dict(), **change})
        next(loader)


def test_restoring_reads_one_window_wherever_the_stream_was(
    build: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = build()
    read = []
    original = streaming.read_row_group

    def spy(*arguments: object) -> pa.Table:
        read.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(streaming, "read_row_group", spy)
    for epoch, window in ((0, 0), (0, 3), (90, 2)):
        read.clear()
        blocks = stream.blocks(Position(epoch, window, 1, 2))
        assert next(blocks).window == window
        blocks.close()
        assert [group for _, group in read] == stream.plan.windows(epoch)[window]


# --- batches


def test_batches_hold_boundaries_and_targets(build: Callable[..., Stream]) -> None:
    stream = build()
    width = SEQ_LEN + 1
    crossings = padded = 0
    with stream.loader(batch_size=4) as loader:
        for batch in islice(loader, 60):
            assert batch.tokens.shape == batch.positions.shape == (4, width)
            assert batch.tokens.dtype == batch.positions.dtype == batch.cu_seqlens.dtype == torch.int32
            assert batch.labels.shape == (4, SEQ_LEN)
            assert batch.labels.dtype == torch.int64
            assert batch.cu_seqlens.shape == (4 * ((SEQ_LEN + 2) // 2) + 1,)
            cuts = batch.cu_seqlens.tolist()
            assert cuts[0] == 0
            assert cuts[-1] == 4 * width
            assert cuts == sorted(cuts)
            flat = batch.positions.flatten().tolist()
            starts = sorted(set(cuts[:-1]) - {4 * width})
            assert starts == [i for i, position in enumerate(flat) if position == 0]
            for start, end in pairwise([*starts, 4 * width]):
                assert flat[start:end] == list(range(end - start))
            kept = batch.labels != -100
            assert (batch.labels[kept] == batch.tokens[:, 1:][kept]).all()
            assert batch.valid == int(kept.sum())
            crossing = batch.positions[:, 1:] == 0
            assert not (crossing & kept).any()
            crossings += int(crossing.sum())
            padded += int((~kept & ~crossing).sum())
    assert crossings > 0
    assert padded > 0


def test_padding_is_never_a_target() -> None:
    tokens = np.array([[0, 5, 0, 0, 0, 0]], dtype=np.int32)
    positions = np.array([[0, 1, 2, 0, 1, 2]], dtype=np.int32)
    batch = make_batch(Rows(tokens=tokens, positions=positions, counts=np.array([3], dtype=np.int32)))
    assert batch.labels.tolist() == [[5, 0, -100, -100, -100]]
    assert batch.cu_seqlens.tolist() == [0, 3, 6, 6]
    assert batch.valid == 2


def test_the_longest_cu_seqlens_fits() -> None:
    for width in (6, 7):
        positions = np.array([[i % 2 for i in range(width)]], dtype=np.int32)
        rows = Rows(
            tokens=np.zeros_like(positions), positions=positions, counts=np.array([width // 2 * 2], dtype=np.int32)
        )
        assert make_batch(rows).cu_seqlens.tolist() == [*range(0, width, 2), width]


def test_blocks_grow_to_their_limit() -> None:
    sizes = np.full(100, 300_000, dtype=np.int64)
    cuts = list(cut_blocks(sizes, 4 << 20))
    assert [end - start for start, end in cuts[:4]] == [4, 7, 14, 14]
    assert [start for start, _ in cuts] == [0, *(end for _, end in cuts[:-1])]
    assert cuts[-1][1] == 100
    assert list(cut_blocks(np.array([10, 1, 1, 1]), 2)) == [(0, 1), (1, 3), (3, 4)]


# --- failures and threads


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 1, "world_size": 0},
        {"batch_size": 1, "rank": 1},
        {"batch_size": 1, "rank": -1, "world_size": 2},
    ],
)
def test_impossible_ranks_are_refused(build: Callable[..., Stream], arguments: dict[str, int]) -> None:
    with pytest.raises(StreamError, match="must be"):
        build().loader(**arguments)


def test_another_tokenizer_is_refused(build: Callable[..., Stream]) -> None:
    with pytest.raises(StreamError, match="planned with tokenizer"):
        Stream(build().plan, load(train_bpe(iter([["other"]]), vocab_size=270)))


def test_a_file_that_changes_stops_the_stream_and_keeps_the_state(build: Callable[..., Stream], tmp_path: Path) -> None:
    table = write(tmp_path, documents())
    loader = build(of=table).loader(batch_size=1)
    next(loader)
    for file in table.files:
        with Path(file.path).open("ab") as sink:
            sink.write(b"!")
    with pytest.raises(StreamError, match=r"part-\d.parquet has .* bytes"):
        for _ in range(500):
            next(loader)
    row = loader.state_dict()["row"]
    assert row >= 1
    with pytest.raises(StreamError, match="this loader is closed"):
        next(loader)
    assert loader.state_dict()["row"] == row


def test_corrupt_data_names_the_file(build: Callable[..., Stream], tmp_path: Path) -> None:
    table = write(tmp_path, documents(), files=1)
    stream = build(of=table)
    path = Path(table.files[0].path)
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(StreamError, match=r"part-0\.parquet cannot be read"):
        list(islice(stream.blocks(), 200))


def test_text_that_is_not_utf8_names_the_file(build: Callable[..., Stream], tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    table = write(tmp_path, pa.table({"content": bad}), files=1)
    with pytest.raises(StreamError, match=r"part-0\.parquet cannot be read.*UTF8"):
        next(build(of=table).blocks())


def test_an_expression_that_fails_on_a_value_reaches_the_consumer(build: Callable[..., Stream]) -> None:
    loader = build("SELECT content FROM code WHERE content::INTEGER > 0").loader(batch_size=1)
    with pytest.raises(StreamError, match="Could not convert string"):
        next(loader)


def test_the_thread_ends_with_the_loader(build: Callable[..., Stream]) -> None:
    stream = build()
    with stream.loader(batch_size=1) as loader:
        next(loader)
        assert len(builders()) == 1
    assert builders() == []
    loader.close()

    with pytest.raises(RuntimeError, match="training broke"), stream.loader(batch_size=1) as loader:
        for _ in loader:
            raise RuntimeError("training broke")
    assert builders() == []

    dropped = stream.loader(batch_size=1)
    next(dropped)
    assert len(builders()) == 1
    del dropped
    gc.collect()
    assert builders() == []


def test_interruption_ends_the_thread_and_loses_nothing(
    build: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = build()
    with stream.loader(batch_size=3) as loader:
        whole = take(loader, 4)
    loader = stream.loader(batch_size=3)
    assert take(loader, 2) == whole[:2]

    def interrupted(_: Rows) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(streaming, "make_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(loader)
    assert builders() == []
    again = stream.loader(batch_size=3)
    again.load_state_dict(loader.state_dict())
    assert take(again, 2) == whole[2:]
    again.close()


def test_ctrl_c_while_waiting_for_a_block_ends_the_thread(
    build: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = build()

    def slow(_: Position, stop: threading.Event) -> Iterator[Block]:
        os.kill(os.getpid(), signal.SIGINT)
        stop.wait(20)
        yield from ()

    monkeypatch.setattr(stream, "blocks", slow)
    with pytest.raises(KeyboardInterrupt):
        next(stream.loader(batch_size=1))
    assert builders() == []


EXIT = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from codelake.engine.plan import make_plan
from codelake.engine.stream import Stream
from codelake.engine.tables import DataFile, TableFiles
from codelake.engine.tokenizer import load

path, tokenizer = Path(sys.argv[1]), load(sys.argv[2])
file = DataFile(path=str(path), rows=1, bytes=path.stat().st_size)
table = TableFiles(name="code", snapshot=1, schema=pq.read_schema(path), files=(file,))
plan = make_plan({"code": table}, "FROM code", tokenizer=tokenizer, seq_len=32, seed=0, block_bytes=1000)
loader = Stream(plan, tokenizer).loader(batch_size=1)
next(loader)
print("end")
"""


def test_a_program_that_leaves_a_loader_open_exits_cleanly(
    table: TableFiles, tokenizer: LoadedTokenizer, tmp_path: Path
) -> None:
    arguments = [table.files[0].path, str(save(tokenizer.tokenizer, tmp_path / "tokenizer.json"))]
    done = subprocess.run(
        [sys.executable, "-c", EXIT, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_the_builder_stays_at_most_two_blocks_ahead(
    build: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = build()
    made: list[Block] = []
    full = threading.Event()
    original = stream.blocks

    def counted(*arguments: object) -> Iterator[Block]:
        for block in original(*arguments):
            made.append(block)
            if len(made) == 3:
                full.set()
            yield block

    monkeypatch.setattr(stream, "blocks", counted)
    with stream.loader(batch_size=1) as loader:
        next(loader)
        assert full.wait(20)
    assert len(made) == 3  # one handed out, two ahead
