"""From a trained model to search results: the run, its checkpoints as rows, the index, and what it finds."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import codelake
from codelake.cli import main

SOURCES = {
    "dates.py": "def parse_http_date(header):\n    # Parse the date of an HTTP header.\n    return header.strip()\n",
    "zips.py": "class ZipReader:\n    def read_entry(self, name):\n        return self.archive[name]\n",
    "pool.rs": "fn submit(pool: &ThreadPool, task: Task) {\n    pool.queue.push(task);\n}\n",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A lake with a few files, a tokenizer and a model of a few steps."""
    root = tmp_path_factory.mktemp("search")
    folder = root / "project"
    folder.mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text)
    for number in range(40):
        (folder / f"filler{number}.py").write_text(f"value_{number} = [{', '.join(map(str, range(number)))}]\n" * 3)
    with codelake.open(root / "lake") as lake:
        lake.ingest(folder)
        lake.curate()
        lake.release("1.0.0")
        lake.train_tokenizer("SELECT content FROM code", vocab_size=320)
        lake.train("nano", name="small", overrides=SETTINGS)
    return root / "lake"


SETTINGS = {
    "steps": 4,
    "tokenizer": "bpe-320.json",
    "seq_len": 32,
    "batch_size": 2,
    "log_every": 1,
    "checkpoint_every": 2,
}


@pytest.fixture
def lake(trained, tmp_path):
    """The lake, and an index of it that a test may change."""
    with codelake.open(trained) as opened:
        shutil.rmtree(trained / "index", ignore_errors=True)
        opened.index()
        yield opened


def test_every_checkpoint_is_a_row(lake, trained):
    rows = lake.sql("SELECT run, step, tokens, path, release, sql, recipe FROM checkpoints ORDER BY step").fetchall()
    assert [(run, step, tokens) for run, step, tokens, *_ in rows] == [("small", 2, 128), ("small", 4, 256)]
    assert Path(rows[-1][3]) == trained / "runs" / "small" / "step-00000004"
    assert rows[0][4] == "1.0.0"
    assert "content" in rows[0][5]
    assert json.loads(rows[0][6])["data"]["seq_len"] == 32


def test_a_checkpoint_saved_but_not_recorded_is_recorded_when_the_run_goes_on(trained, monkeypatch):
    from codelake import runs

    with codelake.open(trained) as lake:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(runs, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            lake.train("nano", name="unrecorded", overrides=SETTINGS | {"steps": 2})
        query = "SELECT step FROM checkpoints WHERE run = 'unrecorded' ORDER BY 1"
        assert lake.sql(query).fetchall() == []
        lake.train("nano", name="unrecorded", overrides=SETTINGS | {"steps": 2})
        assert lake.sql(query).fetchall() == [(2,)]


def test_the_checkpoint_loads_in_transformers(lake):
    from transformers import AutoTokenizer, LlamaForCausalLM

    [path] = lake.sql("SELECT path FROM checkpoints WHERE step = 4").fetchall()[0]
    model = LlamaForCausalLM.from_pretrained(path)
    assert model.config.vocab_size == AutoTokenizer.from_pretrained(path).vocab_size


def test_a_finished_run_is_not_run_again(lake):
    before = lake.log()
    result = lake.train("nano", name="small", overrides=SETTINGS)
    assert (result.steps, lake.log()) == (4, before)


def test_a_run_goes_on_with_the_data_it_began_with(trained, tmp_path):
    with codelake.open(trained) as lake:
        plan = json.loads((trained / "runs/small/step-00000004/trainer.json").read_text())["plan"]
        extra = tmp_path / "extra"
        extra.mkdir()
        (extra / "new.py").write_text("new = 1\n" * 50)
        lake.ingest(extra)
        lake.curate()
        result = lake.train("nano", name="small", overrides=SETTINGS | {"steps": 6})
        assert json.loads((result.checkpoint / "trainer.json").read_text())["plan"] == plan
        with pytest.raises(codelake.ModelError, match="seq_len"):
            lake.train("nano", name="small", overrides=SETTINGS | {"steps": 8, "seq_len": 16})


def test_words_find_the_file_that_has_them(lake):
    hits = lake.search("parse HTTP date header", k=3, kind="text")
    assert hits[0].path == "dates.py"
    assert (hits[0].start_line, hits[0].end_line) == (1, 3)
    assert hits[0].language == "Python"
    marked = [hits[0].excerpt[a:b].lower() for a, b in hits[0].highlights]
    assert {"parse", "http", "date", "header"} <= set(marked)
    assert len({hit.blob_id for hit in hits}) == len(hits)


@pytest.mark.parametrize("kind", ["hybrid", "vector", "text"])
def test_every_kind_gives_results_best_first(lake, kind):
    hits = lake.search("submit task thread pool", k=5, kind=kind)
    assert 1 <= len(hits) <= 5
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    if kind != "vector":
        assert "pool.rs" in [h.path for h in hits]


def test_the_same_text_is_its_own_nearest_neighbour(lake):
    assert lake.search(SOURCES["zips.py"], k=1, kind="vector")[0].path == "zips.py"


def test_a_condition_filters_before_ranking(lake):
    hits = lake.search("parse HTTP date header", k=5, where="language = 'Rust'")
    assert [h.path for h in hits] == ["pool.rs"]
    assert len(lake.search("parse HTTP date header", where="license_type = 'permissive'")) == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"where": "licence = 'MIT'"}, "Columns: blob_id"),
        ({"where": "language = "}, "where="),
        ({"kind": "magic"}, "hybrid, vector, text"),
        ({"k": 0}, "at least 1"),
    ],
)
def test_a_wrong_question_is_explained(lake, call, said):
    with pytest.raises(codelake.QueryError, match=said):
        lake.search("x", **call)


def test_an_empty_question_is_refused(lake):
    with pytest.raises(codelake.QueryError, match="some text"):
        lake.search("  ")


@pytest.mark.parametrize("text", ['"', "a AND (", "+-*/\\", "\0", "naïve — ☃", "x" * 5000])
def test_any_text_is_a_question(lake, text):
    lake.search(text, k=2)


def test_indexing_again_embeds_only_what_is_new(lake, trained):
    assert lake.index()["new_chunks"] == 0
    some = lake.index("SELECT * FROM code WHERE language = 'Rust'")
    assert (some["chunks"], some["new_chunks"]) == (1, 0)
    assert lake.index()["new_chunks"] == some["removed_files"]


def test_a_query_that_lacks_columns_is_refused(lake):
    with pytest.raises(codelake.QueryError, match="gives no path"):
        lake.index("SELECT blob_id, repo_name, language, license, license_type, content FROM code")


def test_another_model_makes_the_index_anew(lake, trained):
    step = lake.sql("SELECT path FROM checkpoints WHERE step = 2").fetchall()
    path = step[0][0] if Path(step[0][0]).is_dir() else None
    other = path or lake.train("nano", name="other", overrides=SETTINGS | {"train.seed": 1}).checkpoint
    assert lake.index(model=other)["new_chunks"] > 40


def test_a_model_that_is_gone_is_named(lake, trained, tmp_path):
    with pytest.raises(codelake.ModelError, match=r"no model 'none' in this lake; runs: .*small"):
        lake.index(model="none")


def test_the_command_prints_hits_with_their_place(lake, trained):
    done = CliRunner().invoke(main, ["search", "parse http date", "-k", "2", "--lake", str(trained)])
    assert "dates.py:1-3" in done.stdout
    done = CliRunner().invoke(main, ["search", "parse http date", "--json", "--lake", str(trained)])
    assert json.loads(done.stdout.splitlines()[0])["repo_name"] == "project"


def test_a_run_that_is_killed_goes_on_to_the_same_bytes(trained, tmp_path):
    """Training 2N steps equals N, kill -9, resume, N: with the real stream, in processes of their own."""
    code = """
import os, signal, sys
import codelake
settings = {"steps": 8, "tokenizer": "bpe-320.json", "seq_len": 32, "batch_size": 2}
settings |= {"log_every": 1, "checkpoint_every": 3}
def step(number, metrics):
    if str(number) == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
with codelake.open(sys.argv[1]) as lake:
    lake.train("nano", name=sys.argv[2], overrides=settings, on_step=step)
"""

    def train(name, kill_at):
        command = [sys.executable, "-c", code, str(trained), name, str(kill_at)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert train("whole", 0) == 0
    assert train("killed", 5) == -signal.SIGKILL
    assert train("killed", 7) == -signal.SIGKILL
    assert train("killed", 0) == 0
    for name in ("model.safetensors", "optimizer.safetensors"):
        whole, killed = (trained / "runs" / run / "step-00000008" / name for run in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes(), name
    losses = [
        [json.loads(line)["loss"] for line in (trained / "runs" / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("whole", "killed")
    ]
    assert losses[0] == losses[1]
    with codelake.open(trained) as lake:
        rows = lake.sql("SELECT step, count(*) FROM checkpoints WHERE run = 'killed' GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [(3, 1), (6, 1), (8, 1)]
