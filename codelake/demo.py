"""The main job end to end on code every machine has: the Python environment and its standard library.

Each step looks first at what is there, so a second run is quick and an interrupted one goes on.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import show
from .report import reports, write_page, write_plots
from .sql import load

if TYPE_CHECKING:
    from .api import Lake

VOCABULARY = 8192
RUN = "demo"
RELEASE = "0.1.0"
_LOSSES_SHOWN = 6
SEARCHES = ("parse an HTTP date header", "read a zip file entry", "thread pool executor submit")
_TRAINING_SET = """SELECT content FROM code
WHERE language = 'Python' AND license_type = 'permissive' AND NOT is_vendor AND max_line_length < 1000"""
# A sixteenth of the files, the same ones every time: enough for 8,192 merges, and for an index that is quick to build.
_SAMPLE = "blob_id < '1'"
_TOKENIZER_SET = f"{_TRAINING_SET} AND (blob_id < '2' OR repo_name = 'cpython')"
_INDEX_SET = f"""SELECT blob_id, repo_name, path, language, license, license_type, content FROM code
WHERE language = 'Python' AND license_type = 'permissive' AND max_line_length < 1000
  AND path NOT LIKE '%test%' AND (repo_name = 'cpython' OR {_SAMPLE})"""


def run(lake: "Lake", *, steps: int, small: bool) -> None:
    """Run every step, printing what it did. small: the standard library only."""
    started = time.monotonic()
    root = Path(lake.place.location)
    sources = ("pystdlib:",) if small else ("pyenv:", "pystdlib:")
    _step(1, "read real code into the lake", f"lake.ingest({', '.join(map(repr, sources))}, new_only=True)")
    show.report(lake.ingest(*sources, new_only=True))
    _step(2, "licences, languages, duplicates", "lake.curate()")
    show.report(lake.curate())
    if not lake.releases():
        lake.release(RELEASE, notes="the demo's first")
    _step(3, "ask it in SQL", 'lake.sql("SELECT language, … FROM code GROUP BY language …").show()')
    for title, name in (("languages", "reports/languages"), ("licences", "reports/licenses")):
        relation = lake.sql(load(name))
        show.table(title, relation.columns, relation.limit(10).fetchall())
    _step(4, "plots and a report", f"codelake report --lake {root.name} --html report.html --png plots")
    asked = reports()
    show.console.print(f"  {_near(write_page(lake, root / 'report.html', asked))}")
    show.console.print(f"  {len(write_plots(lake, root / 'plots', asked, 'png'))} plots in {_near(root / 'plots')}")
    _step(
        5, "train a tokenizer on a query", f'lake.train_tokenizer("{_brief(_TOKENIZER_SET)}", vocab_size={VOCABULARY})'
    )
    tokenizer = root / "tokenizers" / f"bpe-{VOCABULARY}.json"
    if not tokenizer.is_file():
        lake.train_tokenizer(_TOKENIZER_SET, vocab_size=VOCABULARY)
    show.console.print(f"  {_near(tokenizer)}")
    _step(
        6, f"train a small Llama for {steps} steps on a query", f'lake.train("nano", overrides={{"steps": {steps}, …}})'
    )
    settings = {
        "steps": steps,
        "sql": _TRAINING_SET,
        "tokenizer": tokenizer.name,
        "log_every": 10,
        "checkpoint_every": 100,
    }
    result = lake.train("nano", name=RUN, overrides=settings)
    _losses(sorted(result.losses.items()))
    show.console.print(f"  {result.tokens:,} tokens seen; checkpoint {_near(result.checkpoint)}")
    _step(7, "index it by words and by meaning", "lake.index(…)")
    show.report(lake.index(_INDEX_SET, model=RUN))
    _step(8, "search", f'lake.search("{SEARCHES[0]}", k=3)')
    for text in SEARCHES:
        show.hits(lake.search(text, k=3))
    _summary(lake, root, time.monotonic() - started)


def _losses(losses: Sequence[tuple[int, float]]) -> None:
    """A row of means over stretches of the run: the loss of single batches jumps with what is in them."""
    stride = max(1, -(-len(losses) // _LOSSES_SHOWN))
    stretches = [losses[start : start + stride] for start in range(0, len(losses), stride)]
    means = [sum(loss for _, loss in stretch) / len(stretch) for stretch in stretches]
    steps = [f"to {stretch[-1][0]}" for stretch in stretches]
    show.table(
        "training loss, nats a token, mean over the steps", ["step", *steps], [["loss", *(f"{m:.2f}" for m in means)]]
    )


def _summary(lake: "Lake", root: Path, seconds: float) -> None:
    files, size = lake.sql("SELECT count(*), sum(length_bytes) FROM code").fetchall()[0]
    places = [
        ("the lake: Iceberg tables over Parquet", _near(root / "tables")),
        ("what is in it: a page with plots", _near(root / "report.html")),
        ("tokenizer", _near(root / "tokenizers" / f"bpe-{VOCABULARY}.json")),
        ("model, a Hugging Face folder, and loss.png", _near(root / "runs" / RUN)),
        ("search index", _near(root / "index")),
    ]
    show.table(
        f"done in {seconds:.0f} s: {files:,} files, {size / 1e6:,.0f} MB of curated code", ("what", "where"), places
    )
    name = _near(root)
    commands = (
        f'codelake sql -l {name} "SELECT repo_name, count(*) FROM code GROUP BY ALL ORDER BY 2 DESC LIMIT 10"',
        f'codelake sql -l {name} "SELECT reason, count(*) FROM drops GROUP BY ALL"',
        f'codelake search -l {name} "open a socket with a timeout" --where "license_type = \'permissive\'"',
        f"codelake ingest -l {name} PATH-OF-YOUR-CODE && codelake curate -l {name}",
        f"codelake train -l {name} nano --name {RUN} --set steps=1000",
    )
    show.console.print("\n[bold]Next[/bold] (after `. .venv/bin/activate`)")
    for command in commands:
        show.console.print(f"  {command}", markup=False, soft_wrap=True)


def _step(number: int, what: str, call: str) -> None:
    show.console.print(f"\n[bold green]{number}. {what}[/bold green]")
    show.console.print(f"   {call}", style="dim", markup=False, soft_wrap=True)


def _brief(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= 60 else text[:57] + "…"


def _near(path: Path) -> str:
    """A path as one types it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
