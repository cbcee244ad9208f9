"""Secrets in files of this machine, for the command line: scan them, or write them again without what was found."""

import codecs
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...engine.errors import SourceError
from .. import encodings
from ..blobs import is_binary
from ..sources import SYMLINK
from ..sources.folder import listing
from .redact import clean
from .replacements import Fakes
from .scan import NOTHING, Allow, Finding, Level, scan

MAX_BYTES = 10 << 20
"""Longer files are skipped; the limit is that of ingest."""

_SHOWN = 4  # characters of a value that may be shown, and no more than half of it
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32-LE"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32-BE"),
    (codecs.BOM_UTF16_LE, "UTF-16-LE"),
    (codecs.BOM_UTF16_BE, "UTF-16-BE"),
)


@dataclass(frozen=True)
class Hit:
    """A finding and where it stands: line and column count from 1, the column in characters, a line ends with \\n.

    hint: the first characters of the value, four at most and never more than half of it; length: characters in all.
    """

    finding: Finding
    line: int
    column: int
    hint: str
    length: int


@dataclass(frozen=True)
class Skipped:
    """A file that was not scanned or not written, and why. fault: it should have been; else it is just no text."""

    path: Path
    why: str
    fault: bool = True


@dataclass(frozen=True)
class Scanned:
    """A text and what was found in it."""

    path: Path
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Redacted:
    """A text with `hits` replaced. written: where it is, None if nowhere; left: what a scan of it finds still."""

    path: Path
    written: Path | None
    hits: tuple[Hit, ...]
    left: tuple[Hit, ...]


def scan_files(
    paths: Iterable[Path], *, level: Level = "default", allow: Allow = NOTHING, max_bytes: int = MAX_BYTES
) -> Iterator[Scanned | Skipped]:
    """What is found in each file at or below `paths`, in order of path; folders of version control are left out.

    Symbolic links are followed where they are named and skipped where they are met in a folder.
    """
    for path, _ in _files(paths):
        text = path if isinstance(path, Skipped) else _read(path, max_bytes)
        if isinstance(text, Skipped):
            yield text
        else:
            yield Scanned(text.path, _hits(text.text, scan(text.text, level=level, allow=allow)))


def redact_files(
    paths: Iterable[Path],
    *,
    out: Path | None = None,
    in_place: bool = False,
    fakes: Fakes | None = None,
    level: Level = "default",
    allow: Allow = NOTHING,
    max_bytes: int = MAX_BYTES,
) -> Iterator[Redacted | Skipped]:
    """Each text at or below `paths` with what is found in it replaced, byte for byte the same elsewhere.

    out: the folder that all texts are written to, as `cp -r` would; what is there already is never written over.
    in_place: files with findings are replaced, each at once. Without either nothing is written.
    Raises SourceError for an `out` that is no folder, or lies in a folder that is to be redacted.
    """
    paths = list(paths)
    if out is not None:
        _check_out(out, paths)
    for path, below in _files(paths):
        text = path if isinstance(path, Skipped) else _read(path, max_bytes)
        if isinstance(text, Skipped):
            yield text
            continue
        redaction = clean(text.text, level=level, allow=allow, fakes=fakes)
        data = text.with_text(redaction.text)
        if isinstance(data, Skipped):
            yield data
            continue
        target = None
        try:
            if out is not None:
                target = out / below
                _write_new(target, data, text.path)
            elif in_place and redaction.findings:
                target = text.path
                _replace(target.resolve(), data)
        except FileExistsError as error:
            yield Skipped(text.path, f"not written: {error.filename} exists already; name another folder")
        except OSError as error:
            yield Skipped(text.path, f"not written to {target}: {error.strerror}")
        else:
            left = _hits(redaction.text, redaction.remainder)
            yield Redacted(text.path, target, _hits(text.text, redaction.findings), left)


@dataclass(frozen=True)
class _Text:
    path: Path
    data: bytes
    mark: bytes
    codec: str
    text: str

    def with_text(self, text: str) -> bytes | Skipped:
        """The bytes of the file with another text; all that is the same in both has the same bytes."""
        if text == self.text:
            return self.data
        try:
            same, new = self.text.encode(self.codec), text.encode(self.codec)
        except UnicodeEncodeError:
            same = new = b""
        # Some bytes of legacy encodings decode to what encodes to others.
        if self.mark + same != self.data:
            return Skipped(self.path, f"not written: {self.codec} does not give its bytes back; convert it to UTF-8")
        return self.mark + new


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path | Skipped, Path]]:
    """Every file at and below `paths`, and where it belongs below a folder that they are copied to."""
    for path in paths:
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        base = Path(path.resolve().name or "root")
        entries, lost = listing(path)
        for item in lost:
            special = item.reason == "special-file"
            why = "not a file" if special else item.message
            yield Skipped(path / os.fsdecode(item.path), why, fault=not special), base
        for entry in entries:
            inner = os.fsdecode(entry.path)
            if entry.mode == SYMLINK:
                yield Skipped(path / inner, "a symbolic link, not followed", fault=False), base / inner
            else:
                yield path / inner, base / inner


def _read(path: Path, max_bytes: int) -> _Text | Skipped:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Skipped(path, "not a file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        return Skipped(path, error.strerror or str(error))
    if len(data) > max_bytes:
        return Skipped(path, f"more than {max_bytes:,} bytes; raise the limit with --max-bytes")
    return _decoded(path, data)


def _decoded(path: Path, data: bytes) -> _Text | Skipped:
    if is_binary(data):
        return Skipped(path, "binary", fault=False)
    encoding = encodings.detect(data)
    if encoding is not None:
        marks = ((m, c) for m, c in _MARKS if data.startswith(m) and c.startswith(encoding))
        mark, codec = next(marks, (b"", encoding))
        return _Text(path, data, mark, codec, data[len(mark) :].decode(codec))
    if marked := encodings.marked_encoding(data):
        return Skipped(path, f"{marked} that ends inside a character; mend the file or convert it to UTF-8")
    return Skipped(path, "not text in an encoding that can be told; convert it to UTF-8", fault=False)


def _hits(text: str, findings: Iterable[Finding]) -> tuple[Hit, ...]:
    hits, line, line_start, at = [], 1, 0, 0
    for finding in findings:
        start, length = finding.start_offset, finding.end_offset - finding.start_offset
        line += text.count("\n", at, start)
        line_start = max(line_start, text.rfind("\n", at, start) + 1)
        at = start
        hint = text[start : start + min(_SHOWN, length // 2)]
        hits.append(Hit(finding, line, start - line_start + 1, hint, length))
    return tuple(hits)


def _check_out(out: Path, paths: list[Path]) -> None:
    if out.exists() and not out.is_dir():
        raise SourceError(f"{out} is no folder; name one to write to")
    for path in paths:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise SourceError(f"{out} lies in {path}, which is to be redacted; name a folder outside of it")


def _write_new(target: Path, data: bytes, like: Path) -> None:
    """A new file with the mode of another. Raises FileExistsError, and leaves nothing that is not whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    file = target.open("xb")
    try:
        with file:
            file.write(data)
        shutil.copymode(like, target)
    except BaseException:
        target.unlink()
        raise


def _replace(path: Path, data: bytes) -> None:
    """Another content for a file, of the same mode, all of it or none."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        shutil.copymode(path, temporary)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
