"""The command line: thin commands over `Lake`. User mistakes end with one message and exit status 1, no traceback."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from .cli_curation import license_group, secrets_group
from .engine import VERSION
from .engine.errors import CodeLakeError
from .lake.sources.when import PERIODS
from .options import EXIT_INCOMPLETE
from .options import json_option as _json_option

DEFAULT_LAKE = "my-lake"
# DuckDB's share of the 4 GB that the demo may take; the rest is the model's and the writers'.
DEMO_MEMORY = "1500MB"


def _lake_option(function: Any) -> Any:
    function = click.option(
        "--catalog", envvar="CODELAKE_CATALOG", help="SQLAlchemy URL of the catalog; SQLite inside the lake by default."
    )(function)
    return click.option(
        "--lake", "-l", "url", envvar="CODELAKE_LAKE", default=DEFAULT_LAKE, show_default=True,
        help="The lake: a folder or a URL. Also from CODELAKE_LAKE.",
    )(function)  # fmt: skip


def _open(url: str, catalog: str | None, *, create: bool = False, memory_limit: str | None = None) -> Any:
    from . import api

    return api.open(url, catalog=catalog, create=create, memory_limit=memory_limit, progress=True)


class _Group(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except CodeLakeError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("interrupted; what was committed stays, run the same command to go on", err=True)
            sys.exit(130)
        except BrokenPipeError:
            # The reader of a pipe went away (| head): nothing is wrong, and nothing more can be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from .engine.duck import friendly

            if (message := friendly(error)) is not None:
                raise click.ClickException(message) from error
            raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(VERSION, prog_name="codelake")
def main() -> None:
    """CodeLake: source code as a lake you query with SQL, a dataset you can defend, and a model you can train.

    \b
    codelake ingest pyenv: ./checkout        read code into ./my-lake
    codelake curate                          licences, duplicates, the table `code`
    codelake sql "FROM code LIMIT 5"         ask it anything
    """


main.add_command(license_group)
main.add_command(secrets_group)


@main.command()
@click.argument("sources", nargs=-1)
@click.option(
    "--from", "listed", type=click.Path(dir_okay=False, path_type=Path), help="Read sources from FILE, one a line."
)
@click.option("--at", multiple=True, help="A date, tag, branch or revision to visit; may be given again.")
@click.option("--every", type=click.Choice(PERIODS), help="Visit the start of every period.")
@click.option("--since", help="With --every: from this year, month or day on.  [the first revision]")
@click.option("--until", help="With --every: until this year, month or day.  [now]")
@click.option("--all-tags", is_flag=True, help="Visit every tag or released version.")
@click.option("--new-only", is_flag=True, help="Leave out what was last seen at the same revision.")
@click.option("--max-bytes", type=click.IntRange(0), help="Longer contents are recorded but not kept.  [10 MiB]")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a remote side may be silent.  [60]")
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes that read, this one included; 0 or 1: this one only.  [one a core]",
)
@_lake_option
@_json_option
def ingest(sources: tuple[str, ...], url: str, catalog: str | None, as_json: bool, **options: Any) -> None:
    """Read SOURCES into the lake, making it first if need be.

    \b
    PATH or folder:PATH                a folder as it lies there
    git:PATH  git+https://…  [@REF]    a git repository, worktree or bundle
    hg:PATH  hg+https://…  [@REV]      a Mercurial repository
    svn:PATH-or-DUMP  svn+https://…    a Subversion repository or dump file
    archive:FILE-or-URL                tar, zip, wheel, jar or crate
    pypi:NAME[==VERSION]  npm:NAME[@VERSION]  deb-src:FILE.dsc
    pyenv:[PREFIX]  pystdlib:          a Python environment; its standard library
    swh:GRAPH?origin=URL               Software Heritage's graph tables and objects
    stack:PATH                         The Stack's Parquet
    gharchive:FILE.json.gz             issues and pull requests

    Cut off, the same command goes on where it was. The exit status is 3 if something failed or was lost to a fault of
    the input: `codelake sql "FROM drops WHERE stage = 'ingest'"` says what.

    \b
    codelake ingest ./checkout git+https://github.com/pallets/click.git
    codelake ingest git:repo --at 2024-01-01 --at v1.2
    codelake ingest git:repo --every month --since 2020
    codelake ingest --from list.txt --new-only
    """
    if not sources and options["listed"] is None:
        raise click.UsageError("name at least one source, or a list of them with --from")
    with _open(url, catalog, create=True) as lake:
        found = lake.ingest(*sources, **options)
    _report(found, as_json)
    if not found.whole:
        sys.exit(EXIT_INCOMPLETE)


@main.command()
@_lake_option
@_json_option
def curate(url: str, catalog: str | None, as_json: bool) -> None:
    """Build `code` from what was ingested, and `drops` with the reason for every file left out.

    \b
    codelake curate
    codelake sql "SELECT reason, count(*) FROM drops GROUP BY ALL"
    """
    with _open(url, catalog) as lake:
        _report(lake.curate(), as_json)


@main.command()
@click.option("--language", "languages", multiple=True, help="Only this language; may be given again.  [all]")
@_lake_option
@_json_option
def symbols(languages: tuple[str, ...], url: str, catalog: str | None, as_json: bool) -> None:
    """Parse the curated files once and keep their definitions, imports, calls and docstrings in `symbols`.

    Only what is new or changed is parsed. Cut off, the same command goes on where it was.

    \b
    codelake symbols --language Python --language Rust
    codelake sql "SELECT path, start_line, qualified_name FROM definitions WHERE name = 'main'"
    codelake sql "SELECT repo_name, path, line, caller FROM callers_of('eval')"
    """
    with _open(url, catalog) as lake:
        _report(lake.symbols(languages or None), as_json)


@main.command()
@click.option(
    "--threshold", default=0.7, show_default=True, help="Jaccard similarity of near-duplicates, above 0 to 1."
)
@_lake_option
@_json_option
def duplicates(threshold: float, url: str, catalog: str | None, as_json: bool) -> None:
    """Find near-duplicates among the curated files of each language, and keep their clusters in `duplicates`.

    Similar means that the sets of five words in a row are. Nothing is done when `code` has not changed.

    \b
    codelake duplicates
    codelake duplicates --threshold 0.85
    codelake sql "FROM code ANTI JOIN (FROM duplicates WHERE blob_id <> representative) USING (blob_id)"
    """
    with _open(url, catalog) as lake:
        _report(lake.duplicates(threshold=threshold), as_json)


@main.command()
@click.argument("query", required=False)
@click.option("--param", "-p", "params", multiple=True, help="Text for the next ? in QUERY; may be given again.")
@click.option("--at", "when", help="A release, time (UTC), commit number or snapshot id to ask instead of now.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write FILE.parquet, .csv or .json instead."
)
@click.option("--explain", is_flag=True, help="Print which files and row groups QUERY would read, and its plan.")
@click.option("--analyze", is_flag=True, help="Run QUERY, and print what it did read.")
@click.option("--untrusted", is_flag=True, help="Run QUERY in a process that can read the lake and nothing else.")
@_lake_option
@_json_option
def sql(
    query: str | None, params: tuple[str, ...], when: str | None, as_csv: bool, out: Path | None, explain: bool,
    analyze: bool, untrusted: bool, url: str, catalog: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Ask the lake QUERY: DuckDB SQL over repos, files, blobs, licenses, drops, code, checkpoints and the rest.

    Without QUERY it opens a prompt on a terminal, and otherwise runs the statements it reads from standard input.
    --json prints one object a line. --out streams, whatever the size of the result.

    \b
    codelake sql "SELECT language, count(*) FROM code GROUP BY ALL ORDER BY 2 DESC"
    codelake sql "SELECT path FROM code WHERE language = ?" -p Rust --csv
    codelake sql "FROM code" --at 1.0.0 --out code.parquet
    codelake sql "FROM code WHERE language = 'Rust'" --explain
    codelake sql < statements.sql
    """
    from . import ask

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    mode = "json" if as_json else "csv" if as_csv else "table"
    with _open(url, catalog) as lake:
        if query is None:
            if params or out or explain or analyze or untrusted:
                raise click.UsageError("--param, --out, --explain, --analyze and --untrusted need a QUERY")
            good = ask.without_query(lake, mode, when)
        else:
            with lake.at(when) if when else nullcontext(lake) as then:
                if explain or analyze:
                    ask.explain(then, query, params, analyze=analyze, as_json=as_json)
                elif untrusted:
                    ask.untrusted(then, query, params, mode, out)
                else:
                    ask.query(then, query, params, mode, out)
            good = True
    if not good:
        sys.exit(1)


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("query", default="SELECT * FROM code")
@click.option(
    "--format", "-f", type=click.Choice(("parquet", "hf", "webdataset", "jsonl")), default="parquet", show_default=True
)
@click.option("--param", "-p", "params", multiple=True, help="Text for the next ? in QUERY; may be given again.")
@click.option("--at", "when", help="A release, time (UTC), commit number or snapshot id to export instead of now.")
@click.option("--shard-mb", type=click.IntRange(1), default=500, show_default=True, help="Megabytes a file, about.")
@click.option("--overwrite", is_flag=True, help="Begin again, whatever export is in OUT.")
@_lake_option
@_json_option
def export(
    out: Path, query: str, format: str, params: tuple[str, ...], when: str | None, shard_mb: int, overwrite: bool,
    url: str, catalog: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the rows of QUERY to the folder OUT as shards, whatever their size; `code` by default.

    \b
    parquet      data/part-00000.parquet …
    hf           a Hugging Face dataset: README.md and data/train-00000-of-00012.parquet …
    webdataset   data/shard-000000.tar …: one sample is <number>.txt, the content, and <number>.json, the rest
    jsonl        data/part-00000.jsonl.zst …

    Cut off, the same command goes on where it was. The same query at the same snapshots gives the same bytes.

    \b
    codelake export permissive "SELECT * FROM code WHERE license_type = 'permissive'" --format hf --at 1.0.0
    codelake export python-files "SELECT path, content FROM code WHERE language = ?" -p Python -f jsonl
    """
    from . import show

    with _open(url, catalog) as lake:
        found = (lake.at(when) if when else lake).export(
            out, query, params=params or None, format=format, shard_bytes=shard_mb * 1_000_000, overwrite=overwrite
        )
    if as_json:
        show.json_line(vars(found))
    else:
        show.table(f"export, {found.seconds:.1f} s", ("what", "value"), list(vars(found).items())[:-1])


@main.command()
@_lake_option
@_json_option
def log(url: str, catalog: str | None, as_json: bool) -> None:
    """List the lake's commits, newest first; `--at NUMBER` reads the lake as it was then."""
    from . import show

    with _open(url, catalog) as lake:
        commits = lake.log()
    if as_json:
        for commit in commits:
            show.json_line(vars(commit))
    else:
        show.table(
            "commits",
            ("commit", "time (UTC)", "message", "rows added", "rows removed"),
            [
                (
                    c.sequence,
                    c.committed_at,
                    c.message,
                    show.counts(c.added),
                    show.counts({k: v for k, v in c.removed.items() if v}),
                )
                for c in commits
            ],
        )


@main.command()
@click.argument("version", required=False)
@click.option("--notes", default="", help="What is new in it.")
@_lake_option
@_json_option
def release(version: str | None, notes: str, url: str, catalog: str | None, as_json: bool) -> None:
    """Tag every table as VERSION with a manifest of checksums; without VERSION, list the releases.

    \b
    codelake release 1.0.0 --notes "first"
    codelake sql "SELECT count(*) FROM code" --at 1.0.0
    """
    from . import show

    with _open(url, catalog) as lake:
        found = [lake.release(version, notes=notes)] if version else lake.releases()
    if as_json:
        for item in found:
            show.json_line(vars(item))
    else:
        show.table(
            "releases",
            ("version", "created", "rows of code", "notes", "manifest"),
            [(r.version, r.created, r.rows.get("code", 0), r.notes, r.manifest) for r in found],
        )


@main.group()
def tokenizer() -> None:
    """Train tokenizers on the lake."""


@tokenizer.command("train")
@click.argument("query")
@click.option("--vocab-size", type=click.IntRange(min=264), default=32_000, show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="tokenizer.json to write; in the lake by default."
)
@_lake_option
@_json_option
def tokenizer_train(
    query: str, vocab_size: int, out: Path | None, url: str, catalog: str | None, as_json: bool
) -> None:
    """Train a byte-level BPE tokenizer on the texts of QUERY.

    \b
    codelake tokenizer train "SELECT content FROM code WHERE language = 'Python' USING SAMPLE 5000"
    """
    from . import show
    from .engine.tokenizer import load

    with _open(url, catalog) as lake:
        path = lake.train_tokenizer(query, vocab_size=vocab_size, path=out)
    loaded = load(path)
    if as_json:
        show.json_line({"path": str(path), "vocab_size": loaded.vocab_size, "sha256": loaded.sha256})
    else:
        show.table("tokenizer", ("path", "vocabulary"), [(str(path), loaded.vocab_size)])


@main.command()
@click.argument("recipe", default="nano")
@click.option("--name", help="Name of the run; the recipe's by default. The same name goes on with the same run.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe; may be given again."
)
@click.option("--show-recipe", is_flag=True, help="Print the recipe with its settings and stop.")
@_lake_option
@_json_option
def train(
    recipe: str,
    name: str | None,
    settings: tuple[str, ...],
    show_recipe: bool,
    url: str,
    catalog: str | None,
    as_json: bool,
) -> None:
    """Train the model of RECIPE (a name or a TOML file) on the lake; go on if the run was begun.

    \b
    codelake train nano --set steps=200
    codelake train my-recipe.toml --name first --set train.lr=1e-3
    """
    from . import show
    from .model.config import load_recipe

    overrides = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise click.UsageError(f"--set {setting}: write KEY=VALUE, for example steps=200")
        overrides[key.strip()] = value.strip()
    if show_recipe:
        show.json_line(load_recipe(recipe, overrides).to_dict())
        return
    with _open(url, catalog) as lake:
        result = lake.train(recipe, name=name, overrides=overrides)
    summary = {
        "run": str(result.run_dir),
        "checkpoint": str(result.checkpoint),
        "steps": result.steps,
        "tokens": result.tokens,
    }
    if as_json:
        show.json_line(summary)
    else:
        show.table("train", ("what", "value"), list(summary.items()))


@main.command()
@click.argument("query", required=False)
@click.option("--model", help="A run of this lake or a checkpoint folder; the newest by default.")
@_lake_option
@_json_option
def index(query: str | None, model: str | None, url: str, catalog: str | None, as_json: bool) -> None:
    """Index code for search, by words and by meaning; only what is new is embedded.

    \b
    codelake index
    codelake index "SELECT * FROM code WHERE language = 'Python' AND license_type = 'permissive'"
    """
    from .api import INDEX_SQL

    with _open(url, catalog) as lake:
        _report(lake.index(query or INDEX_SQL, model=model), as_json)


@main.command()
@click.argument("text")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many results.")
@click.option("--where", help="A SQL condition, for example \"language = 'Python'\".")
@click.option("--kind", type=click.Choice(("hybrid", "vector", "text")), default="hybrid", show_default=True)
@_lake_option
@_json_option
def search(text: str, k: int, where: str | None, kind: str, url: str, catalog: str | None, as_json: bool) -> None:
    """Search the indexed code for TEXT.

    \b
    codelake search "parse an HTTP date header" -k 5
    codelake search "thread pool" --where "license_type = 'permissive'" --json
    """
    from . import show

    with _open(url, catalog) as lake:
        found = lake.search(text, k=k, where=where, kind=kind)
    if as_json:
        for hit in found:
            show.json_line(vars(hit))
    else:
        show.hits(found)


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the plots.")
@click.option("--png", type=click.Path(file_okay=False, path_type=Path), help="Write each plot as FOLDER/NAME.png.")
@click.option("--svg", type=click.Path(file_okay=False, path_type=Path), help="Write each plot as FOLDER/NAME.svg.")
@click.option("--at", "when", help="A release, time (UTC), commit number or snapshot id to report on instead of now.")
@click.option("--list", "listed", is_flag=True, help="List the reports and the questions they answer.")
@_lake_option
@_json_option
def report(
    names: tuple[str, ...], page: Path | None, png: Path | None, svg: Path | None, when: str | None, listed: bool,
    url: str, catalog: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Answer standing questions about the lake: languages, licences, growth, copies, what was left out.

    With NAMEs, print those reports; without, write one page of all of them, report.html. A NAME that ends in .sql is
    a file of your own: copy one of CodeLake's to see how (`--list` says where they are).

    \b
    codelake report
    codelake report languages licenses --png plots
    codelake report growth --html growth.html --at 1.0.0
    """
    from . import show
    from .report import answer, find, folder, reports, write_page, write_plots

    asked = [find(name) for name in names] or reports()
    if listed:
        if as_json:
            for item in asked:
                show.json_line({"report": item.name, "title": item.title, "question": item.question})
        else:
            show.table(f"reports, in {folder()}", ("name", "question"), [(r.name, r.question) for r in asked])
        return
    with _open(url, catalog) as opened:
        lake = opened.at(when) if when else opened
        if names or as_json:
            for item in asked:
                show.answer(answer(lake, item), as_json=as_json)
        elif not (page or png or svg):
            page = Path("report.html")
        written = [write_page(lake, page, asked)] if page else []
        for where, kind in ((png, "png"), (svg, "svg")):
            written += write_plots(lake, where, asked, kind) if where else []
    for path in written:
        click.echo(path, err=as_json)


@main.command()
@click.option("--remove", is_flag=True, help="Delete what was found instead of listing it.")
@_lake_option
@_json_option
def doctor(remove: bool, url: str, catalog: str | None, as_json: bool) -> None:
    """Find data files that no table knows, left by a process that was killed; run it while nothing else writes."""
    from . import show
    from .lake.doctor import orphans

    with _open(url, catalog) as lake:
        found = orphans(lake.catalog, lake.place, remove=remove)
    if as_json:
        for path, size in found:
            show.json_line({"path": path, "bytes": size, "removed": remove})
    else:
        show.table("removed" if remove else "orphan files", ("file", "bytes"), found)


@main.command()
@_lake_option
@click.option("--steps", type=click.IntRange(min=1), default=300, show_default=True, help="Training steps.")
@click.option("--small", is_flag=True, help="A fraction of the code, for a quick check.")
def demo(url: str, catalog: str | None, steps: int, small: bool) -> None:
    """The main job end to end on the Python installed here: lake, SQL, plots, tokenizer, model, search.

    Run it again to go on where it stopped.
    """
    from .demo import run

    with _open(url, catalog, create=True, memory_limit=DEMO_MEMORY) as lake:
        run(lake, steps=steps, small=small)


def _report(found: Any, as_json: bool) -> None:
    from . import show

    if as_json:
        show.json_line(found.to_dict())
    else:
        show.report(found)


if __name__ == "__main__":
    main()
