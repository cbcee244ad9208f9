import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codelake.engine import plan as planning
from codelake.engine.errors import StreamError
from codelake.engine.plan import Plan, make_plan, open_parquet, read_row_group
from codelake.engine.tables import DataFile, TableFiles
from codelake.engine.tokenizer import LoadedTokenizer, load, train_bpe

SCHEMA = pa.schema(
    [
        ("blob_id", pa.string()),
        ("content", pa.string()),
        ("language", pa.string()),
        ("repo", pa.string()),
        ("n", pa.int64()),
    ]
)


@pytest.fixture(scope="module")
def tokenizer() -> LoadedTokenizer:
    return load(train_bpe(iter([["some words of text"]]), vocab_size=280))


def write(root: Path, language: str | None, repos: list[str], *, drop: tuple[str, ...] = ()) -> DataFile:
    """One file below root/language=…, a row group of ten rows for each repository."""
    path = root / f"language={language}" / "data.parquet"
    path.parent.mkdir(parents=True)
    count = len(repos) * 10
    rows = pa.table(
        {
            "blob_id": [f"{i:040x}" for i in range(count)],
            "content": [f"{language} {repo} {i}" for repo in repos for i in range(10)],
            "language": [language] * count,
            "repo": [repo for repo in repos for _ in range(10)],
            "n": list(range(count)),
        },
        schema=SCHEMA,
    )
    pq.write_table(rows.drop_columns(list(drop)), path, row_group_size=10)
    return DataFile(path=str(path), rows=count, bytes=path.stat().st_size, partition={"language": language})


@pytest.fixture
def table(tmp_path: Path) -> TableFiles:
    files = (write(tmp_path, "Rust", ["a", "b"]), write(tmp_path, "C", ["c", "d", "e"]), write(tmp_path, None, ["f"]))
    return TableFiles(name="code", snapshot=42, schema=SCHEMA, files=files)


@pytest.fixture
def plan(table: TableFiles, tokenizer: LoadedTokenizer) -> Callable[..., Plan]:
    def build(sql: str = "SELECT content FROM code", **changes: object) -> Plan:
        arguments: dict[str, object] = {"tokenizer": tokenizer, "seq_len": 16, "seed": 3, **changes}
        tables = arguments.pop("tables", {"code": table})
        return make_plan(tables, sql, **arguments)

    return build


def test_every_row_group_of_every_file_is_planned(plan: Callable[..., Plan]) -> None:
    made = plan()
    assert [file.name for file in made.files] == [f"language={name}/data.parquet" for name in ("C", "None", "Rust")]
    assert [(g.file, g.group, g.rows) for g in made.row_groups] == [
        *((0, i, 10) for i in range(3)),
        (1, 0, 10),
        *((2, i, 10) for i in range(2)),
    ]


def test_bytes_are_those_of_the_columns_read(plan: Callable[..., Plan]) -> None:
    one, more = (
        plan().row_groups[0].bytes,
        plan("SELECT content FROM code WHERE n >= 0 AND repo <> 'x'").row_groups[0].bytes,
    )
    assert 0 < one < more


@pytest.mark.parametrize(
    ("where", "files"),
    [
        ("language = 'C'", ["C"]),
        ("language IN ('C', 'Rust') AND n > 3", ["C", "Rust"]),
        ("lower(language) LIKE 'r%'", ["Rust"]),
        ("language IS NULL OR language = 'C'", ["C", "None"]),
        ("language <> 'C'", ["Rust"]),
        ("language = 'C' OR n > 3", ["C", "None", "Rust"]),
    ],
)
def test_partitions_that_cannot_match_are_not_opened(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, where: str, files: list[str]
) -> None:
    opened = []
    original = open_parquet

    def spy(path: str, **pinned: int) -> object:
        opened.append(Path(path).parent.name)
        return original(path, **pinned)

    monkeypatch.setattr(planning, "open_parquet", spy)
    made = plan(f"SELECT content FROM code WHERE {where}")
    assert [file.partition["language"] or "None" for file in made.files] == files
    assert sorted(opened) == [f"language={name}" for name in files]


@pytest.mark.parametrize(
    ("where", "groups"),
    [
        ("repo = 'd'", [(0, 1)]),
        ("'a' = 'a' AND repo IN ('a', 'e')", [(0, 2), (1, 0)]),
        ("repo = 'a' OR n = 1", 6),
        ("lower(repo) = 'a'", 6),
    ],
)
def test_row_groups_that_cannot_match_are_left_out(
    plan: Callable[..., Plan], where: str, groups: list[tuple[int, int]] | int
) -> None:
    found = [(g.file, g.group) for g in plan(f"SELECT content FROM code WHERE {where}").row_groups]
    assert (len(found) if isinstance(groups, int) else found) == groups


@pytest.mark.parametrize("where", ["language = 'Go'", "repo = 'nowhere'"])
def test_nothing_selected_is_an_error(plan: Callable[..., Plan], where: str) -> None:
    with pytest.raises(StreamError, match="selects nothing"):
        plan(f"SELECT content FROM code WHERE {where}")


def test_a_table_without_files_selects_nothing(plan: Callable[..., Plan]) -> None:
    empty = TableFiles(name="code", snapshot=None, schema=SCHEMA, files=())
    with pytest.raises(StreamError, match="selects nothing"):
        plan(tables={"code": empty})


def test_identity_is_the_same_for_the_same_lake_elsewhere(
    plan: Callable[..., Plan], table: TableFiles, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    files = []
    for file in reversed(table.files):
        path = moved / Path(file.path).relative_to(tmp_path)
        path.parent.mkdir(parents=True)
        path.write_bytes(Path(file.path).read_bytes())
        files.append(DataFile(path=str(path), rows=file.rows, bytes=file.bytes, partition=file.partition))
    other = plan(tables={"code": TableFiles(name="code", snapshot=42, schema=SCHEMA, files=tuple(files))})
    assert other.sha256 == plan().sha256
    assert other.diff(plan().to_dict()) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 4}, "seed"),
        ({"seq_len": 17}, "seq_len"),
        ({"window_bytes": 1 << 20}, "window_bytes"),
        ({"block_bytes": 1 << 10}, "block_bytes"),
        ({"sql": "SELECT lower(content) AS text FROM code"}, "sql"),
        ({"sql": "SELECT content FROM code WHERE language = 'C'"}, "manifest"),
    ],
)
def test_each_setting_is_part_of_the_identity(plan: Callable[..., Plan], change: dict[str, object], field: str) -> None:
    one, other = plan(), plan(**change)
    assert one.sha256 != other.sha256
    for described in (other.to_dict(), other.summary()):
        lines = one.diff(json.loads(json.dumps(described)))
        assert any(line.startswith(f"{field}: ") for line in lines)
        assert all(line.startswith((f"{field}: ", "sql: ")) for line in lines)


def test_tokenizer_and_snapshot_are_part_of_the_identity(plan: Callable[..., Plan], table: TableFiles) -> None:
    other = load(train_bpe(iter([["entirely different"]]), vocab_size=280))
    assert [line.split(":")[0] for line in plan().diff(plan(tokenizer=other).to_dict())] == ["tokenizer"]
    later = TableFiles(name="code", snapshot=43, schema=SCHEMA, files=table.files)
    assert plan().diff(plan(tables={"code": later}).to_dict()) == ["snapshot: 43 there, 42 here"]


@pytest.mark.parametrize(
    "change",
    [{"seq_len": 0}, {"seed": -1}, {"seed": 2**64}, {"pack": "tight"}, {"window_bytes": 0}, {"block_bytes": 0}],
)
def test_settings_out_of_range_are_named(plan: Callable[..., Plan], change: dict[str, object]) -> None:
    with pytest.raises(StreamError, match=next(iter(change))):
        plan(**change)


def test_windows_hold_every_row_group_once_and_differ_by_epoch(plan: Callable[..., Plan]) -> None:
    made = plan(window_bytes=2 * max(group.bytes for group in plan().row_groups))
    first, second = made.windows(0), made.windows(1)
    for runs in (first, second):
        assert sorted(g for run in runs for g in run) == sorted(made.row_groups)
        assert all(sum(g.bytes for g in run) <= made.window_bytes or len(run) == 1 for run in runs)
    assert 1 < len(first) < len(made.row_groups)
    assert first != second
    assert made.windows(0) == first


def test_a_file_of_another_size_is_refused(plan: Callable[..., Plan], table: TableFiles) -> None:
    with Path(table.files[0].path).open("ab") as file:
        file.write(b"more")
    with pytest.raises(StreamError, match=r"language=Rust.*changed after it was written"):
        plan()


def test_a_file_with_other_row_groups_is_refused(plan: Callable[..., Plan], table: TableFiles) -> None:
    file = table.files[0]
    with (
        pytest.raises(StreamError, match=r"language=Rust.* has 2 row groups, the stream was planned with 5"),
        open_parquet(file.path, size=file.bytes, row_groups=5),
    ):
        pytest.fail("it must not open")


def test_a_missing_or_broken_file_is_named(plan: Callable[..., Plan], table: TableFiles) -> None:
    path = Path(table.files[1].path)
    path.write_bytes(bytes(table.files[1].bytes))
    with pytest.raises(StreamError, match=r"language=C.*cannot be read"):
        plan()
    path.unlink()
    with pytest.raises(StreamError, match=r"language=C.* is gone"):
        plan()


def test_a_column_that_a_file_lacks_comes_from_its_partition(tmp_path: Path, plan: Callable[..., Plan]) -> None:
    file = write(tmp_path / "hive", "Go", ["a"], drop=("language", "n"))
    tables = {"code": TableFiles(name="code", snapshot=1, schema=SCHEMA, files=(file,))}
    made = plan("SELECT content FROM code WHERE language = 'Go' AND n IS NULL", tables=tables)
    rows = read_row_group(made, made.row_groups[0])
    assert rows.column_names == ["blob_id", "content", "language", "n"]
    assert set(rows["language"].to_pylist()) == {"Go"}
    assert rows["n"].null_count == rows.num_rows == 10


def test_a_partition_by_a_transform_is_not_used_to_prune(tmp_path: Path, plan: Callable[..., Plan]) -> None:
    file = write(tmp_path / "month", "Go", ["a"])
    month = DataFile(
        path=file.path, rows=file.rows, bytes=file.bytes, partition={"n": "2026-01", "language_bucket": "7"}
    )
    tables = {"code": TableFiles(name="code", snapshot=1, schema=SCHEMA, files=(month,))}
    assert len(plan("SELECT content FROM code WHERE n = 3", tables=tables).row_groups) == 1


def test_files_are_read_through_fsspec_too(tmp_path: Path, plan: Callable[..., Plan]) -> None:
    import fsspec

    file = write(tmp_path / "source", "Go", ["a"])
    url = "memory://lake/code/data.parquet"
    fsspec.filesystem("memory").pipe(url, Path(file.path).read_bytes())
    remote = DataFile(path=url, rows=file.rows, bytes=file.bytes, partition=file.partition)
    made = plan(tables={"code": TableFiles(name="code", snapshot=1, schema=SCHEMA, files=(remote,))})
    assert made.files[0].name == "data.parquet"
    assert read_row_group(made, made.row_groups[0])["content"][0].as_py() == "Go a 0"
