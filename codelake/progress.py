"""Progress on a terminal as a bar, elsewhere as a line now and then; on standard error, so that output stays clean."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from .engine.progress import Progress, silent

# Without a terminal one line this often is enough to see that work goes on.
_LINE_SECONDS = 5.0
_REDRAW_SECONDS = 0.1


@contextmanager
def display(title: str, shown: bool | None) -> Iterator[Progress]:
    """A Progress that draws under `title`. shown: True, False, or None for "only on a terminal"."""
    if shown is False or (shown is None and not sys.stderr.isatty()):
        yield silent
    elif sys.stderr.isatty():
        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24)]
        columns += [
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        ]
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            yield _Drawn(bar, title)
    else:
        lines = _Lines(title)
        yield lines
        lines.end()


class _Rate:
    def __init__(self) -> None:
        self.started = time.monotonic()

    def text(self, done: int, total: int | None, files: int, size: int) -> str:
        """Counts and rates since the start."""
        seconds = max(time.monotonic() - self.started, 1e-6)
        parts = [f"{done:,}/{total:,}" if total else f"{done:,}"]
        if files:
            parts.append(f"{files:,} files, {files / seconds:,.0f} files/s")
        if size:
            parts.append(f"{size / 1e6 / seconds:,.1f} MB/s")
        return ", ".join(parts)


class _Drawn:
    def __init__(self, bar: Bar, title: str) -> None:
        self.bar, self.rate, self.last = bar, _Rate(), 0.0
        self.task = bar.add_task(title, total=None, rate="", note="")

    def __call__(self, done: int, total: int | None, *, files: int = 0, size: int = 0, note: str = "") -> None:
        if time.monotonic() - self.last < _REDRAW_SECONDS and done != total:
            return
        self.last = time.monotonic()
        self.bar.update(
            self.task, completed=done, total=total, rate=self.rate.text(done, total, files, size), note=note[:40]
        )


class _Lines:
    def __init__(self, title: str) -> None:
        self.title, self.rate, self.last, self.text = title, _Rate(), time.monotonic(), ""

    def __call__(self, done: int, total: int | None, *, files: int = 0, size: int = 0, note: str = "") -> None:
        self.text = f"{self.title}: {self.rate.text(done, total, files, size)} {note}".rstrip()
        if time.monotonic() - self.last >= _LINE_SECONDS:
            self.last = time.monotonic()
            sys.stderr.write(self.text + "\n")

    def end(self) -> None:
        """The last state, if any was reported."""
        if self.text:
            sys.stderr.write(f"{self.text} ({time.monotonic() - self.rate.started:.1f} s)\n")
