"""The commands that look at files without a lake: `license` and `secrets`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .engine.errors import CodeLakeError
from .options import EXIT_INCOMPLETE, json_option

if TYPE_CHECKING:
    from .lake.secrets.files import Hit


@click.group("license")
def license_group() -> None:
    """Find the licences of files; check what may be combined with what.

    \b
    codelake license detect COPYING
    codelake license check "MIT OR GPL-3.0-only" --into Apache-2.0
    """


@license_group.command("check")
@click.argument("expression")
@click.option("--into", required=True, metavar="LICENSE", help="The licence of the work that the code is to go into.")
@json_option
def license_check(expression: str, into: str, as_json: bool) -> None:
    """Whether code under EXPRESSION may go into a work under another licence.

    The answer is compatible, incompatible, check (it depends on how the two are combined) or unknown; the exit status
    is 0 only for compatible, else 1. It rests on OSADL's published matrix and is no legal advice.

    \b
    codelake license check "MIT OR GPL-3.0-only" --into Apache-2.0
    codelake license check GPL-2.0-only --into Apache-2.0 --json
    """
    from . import show
    from .lake.licenses.compat import check

    verdict = check(expression, into)
    if as_json:
        show.json_line({**vars(verdict), "reasons": [vars(r) for r in verdict.reasons]})
    else:
        chosen = f", as {verdict.chosen}" if verdict.chosen != verdict.expression else ""
        show.table(
            f"{verdict.expression} into {verdict.into}: {verdict.answer}{chosen}",
            ("code under", "into", "answer", "why"),
            [(r.inbound, r.outbound, r.answer, r.why) for r in verdict.reasons],
        )
    if verdict.answer != "compatible":
        sys.exit(1)


@license_group.command("detect")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def license_detect(files: tuple[Path, ...], as_json: bool) -> None:
    """Find what FILES say of their licence, and where.

    A file's name matters: LICENSE, README and manifests are read as what they are. --json prints one object a finding.

    \b
    codelake license detect LICENSE src/*.py
    codelake license detect package.json --json
    """
    from . import show
    from .lake.licenses.files import findings_of

    rows = [(path, found) for path in files for found in findings_of(path)]
    if as_json:
        for path, finding in rows:
            show.json_line({"path": str(path), **{name: getattr(finding, name) for name in finding.__slots__}})
    else:
        show.table(
            "licences",
            ("file", "licence", "characters", "score", "rule"),
            [(str(p), f.spdx, f"{f.start_offset}–{f.end_offset}", f.score, f.rule) for p, f in rows],
        )


@click.group("secrets")
def secrets_group() -> None:
    """Find keys, passwords and personal data in files; write the files without them.

    \b
    codelake secrets scan ./checkout
    codelake secrets redact ./checkout --out clean
    """


def _scan_options(function: Any) -> Any:
    for option in (
        click.option("--max-bytes", type=click.IntRange(0), help="Skip files that are longer.  [10 MiB]"),
        click.option(
            "--allow", "allowed", multiple=True, metavar="REGEX",
            help="Leave values that match as a whole (RE2); may be given again.",
        ),
        click.option(
            "--level", type=click.Choice(("low", "default", "high")), default="default", show_default=True,
            help="Find what is certain, what is likely, or all that is suspicious.",
        ),
        click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path)),
    ):  # fmt: skip
        function = option(function)
    return function


@secrets_group.command("scan")
@_scan_options
@json_option
def secrets_scan(files: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Find secrets and personal data in FILES and in the folders among them.

    Of a value the first four characters and the length are shown. The exit status is 0 if nothing was found, 1 if
    something was, 2 for a mistake in the command, 3 if nothing was found but a file could not be read.
    --json prints one object a finding, and one a file that was skipped.

    \b
    codelake secrets scan ./checkout
    codelake secrets scan settings.py deploy --level high --json
    codelake secrets scan . --allow ".*@our-company\\.com"
    """
    from . import show
    from .lake.secrets.files import Skipped, scan_files

    texts = found = faults = 0
    with _mistakes():
        for item in scan_files(files, **_scanning(options)):
            if isinstance(item, Skipped):
                _skipped(item.path, item.why, as_json)
                faults += item.fault
                continue
            texts += 1
            found += len(item.hits)
            for hit in item.hits:
                if as_json:
                    show.json_line({"path": _name(item.path), **_fields(hit)})
                else:
                    click.echo(_line(item.path, hit))
    if not as_json:
        click.echo(f"{found:,} found in {texts:,} texts", err=True)
    if found or faults:
        sys.exit(1 if found else EXIT_INCOMPLETE)


@secrets_group.command("redact")
@_scan_options
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write to; nothing there is written over.")
@click.option("--in-place", is_flag=True, help="Change the files themselves.")
@click.option(
    "--fakes", "seed", metavar="SEED", envvar="CODELAKE_FAKES",
    help="Put a fake of the same shape for each value, not <KEY> or <EMAIL>; the same for the same SEED, which is to "
    "be kept secret. Also from CODELAKE_FAKES.",
)  # fmt: skip
@json_option
def secrets_redact(
    files: tuple[Path, ...], out: Path | None, in_place: bool, seed: str | None, as_json: bool, **options: Any
) -> None:
    """Write FILES, and those in the folders among them, without the secrets and personal data found in them.

    Without --out or --in-place it shows what it would replace and writes nothing. All else stays as it is, byte for
    byte. Files that are not text are not written. The exit status is 0 if nothing is left to find, 1 if something is,
    2 for a mistake in the command, 3 if nothing is left but a file could not be read or written. --json prints one
    object a file.

    \b
    codelake secrets redact ./checkout --out clean
    codelake secrets redact settings.py --in-place --fakes "$SEED"
    """
    from . import show
    from .lake.secrets import Fakes
    from .lake.secrets.files import Skipped, redact_files

    if out and in_place:
        raise click.UsageError("--out and --in-place exclude each other")
    texts = replaced = left = faults = 0
    fakes = None if seed is None else Fakes(seed)
    with _mistakes():
        for item in redact_files(files, out=out, in_place=in_place, fakes=fakes, **_scanning(options)):
            if isinstance(item, Skipped):
                _skipped(item.path, item.why, as_json)
                faults += item.fault
                continue
            texts += 1
            replaced += len(item.hits)
            left += len(item.left)
            if as_json:
                written = _name(item.written) if item.written else None
                found = {"replaced": [_fields(h) for h in item.hits], "left": [_fields(h) for h in item.left]}
                show.json_line({"path": _name(item.path), "written": written, **found})
                continue
            for hit in item.hits:
                click.echo(f"{_line(item.path, hit)} -> {_printable(hit.finding.replacement)}")
            for hit in item.left:
                click.echo(f"still there: {_line(item.written or item.path, hit)}")
    if not (out or in_place):
        left = replaced
        if not as_json:
            click.echo(f"{left:,} to replace in {texts:,} texts; to write them name --out or --in-place", err=True)
    elif not as_json:
        click.echo(f"{replaced:,} replaced in {texts:,} texts, {left:,} still found in what came of it", err=True)
    if left or faults:
        sys.exit(1 if left else EXIT_INCOMPLETE)


class _Mistake(click.ClickException):
    exit_code = 2  # as 1 says that something was found


@contextmanager
def _mistakes() -> Iterator[None]:
    """A user's mistake as one message."""
    try:
        yield
    except CodeLakeError as error:
        raise _Mistake(str(error)) from error


def _scanning(options: dict[str, Any]) -> dict[str, Any]:
    """The options of both commands as arguments."""
    from .lake.secrets import NOTHING, Allow
    from .lake.secrets.files import MAX_BYTES

    limit, allowed = options["max_bytes"], options["allowed"]
    return {
        "level": options["level"],
        "allow": Allow(patterns=allowed) if allowed else NOTHING,
        "max_bytes": MAX_BYTES if limit is None else limit,
    }


def _skipped(path: Path, why: str, as_json: bool) -> None:
    from . import show

    if as_json:
        show.json_line({"path": _name(path), "skipped": why})
    else:
        click.echo(f"skipped {_name(path)}: {_printable(why)}", err=True)


def _fields(hit: "Hit") -> dict[str, object]:
    return {"line": hit.line, "column": hit.column, "hint": hit.hint, "length": hit.length, **vars(hit.finding)}


def _line(path: Path, hit: "Hit") -> str:
    shown = f"{_printable(hit.hint)}… ({hit.length:,} characters)"
    return f"{_name(path)}:{hit.line}:{hit.column}: {hit.finding.kind} {shown}"


def _name(path: Path) -> str:
    """A path as text: names are bytes, and need be neither UTF-8 nor printable."""
    return _printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def _printable(text: str) -> str:
    """`text` without what a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
