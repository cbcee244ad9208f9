"""Redaction: text with the spans of findings replaced, and everything else as it was, character by character."""

from collections.abc import Iterable
from dataclasses import dataclass

from .replacements import Fakes
from .scan import NOTHING, Allow, Finding, Level, scan


@dataclass(frozen=True)
class Redaction:
    """A redacted text, the findings in the text it was made from, and what a scan of it finds still."""

    text: str
    findings: tuple[Finding, ...]
    remainder: tuple[Finding, ...]


def redact(text: str, findings: Iterable[Finding]) -> str:
    """`text` with each finding replaced; of findings that overlap, the replacement of the first stands for all of them.

    Raises ValueError for a finding outside of the text.

    >>> text = "mail kelori.vandul@tofinmir.org"
    >>> redact(text, scan(text))
    'mail <EMAIL>'
    """
    parts: list[str] = []
    at = 0
    for finding in sorted(findings, key=lambda f: (f.start_offset, -f.end_offset)):
        start, end = finding.start_offset, finding.end_offset
        if not 0 <= start < end <= len(text):
            raise ValueError(f"finding of characters {start} to {end} in a text of {len(text)}")
        if start >= at:
            parts += (text[at:start], finding.replacement)
        at = max(at, end)
    return "".join([*parts, text[at:]])


def clean(
    text: str,
    *,
    level: Level = "default",
    allow: Allow = NOTHING,
    authors: bool = False,
    kingfisher: bool = False,
    fakes: Fakes | None = None,
) -> Redaction:
    """Scan, redact, and scan what came of it: the arguments are those of `scan`."""
    options = {"level": level, "allow": allow, "authors": authors, "kingfisher": kingfisher, "fakes": fakes}
    findings = scan(text, **options)  # type: ignore[arg-type]
    redacted = redact(text, findings)
    remainder = scan(redacted, **options) if findings else []  # type: ignore[arg-type]
    return Redaction(redacted, tuple(findings), tuple(remainder))
