"""Secrets and personal data in a text: `scan` finds the spans, and says what shall stand in their place.

A text is scanned, every span is replaced, and the result is scanned again until nothing more is found: so what `redact`
makes of the findings has no findings of its own, even where a replacement changes what stands next to it. Files with
findings, 3 in 100 of real code, take twice the time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from ...engine.errors import LakeError, MissingDependencyError
from . import assignments, authors, keys, mails, numbers
from .replacements import Fakes, placeholder
from .spans import Span, compiled

VERSION = "1"
"""Of the rules: stored with every finding, raised when a rule changes."""

Level = Literal["low", "default", "high"]
LEVELS: dict[str, float] = {"low": 0.9, "default": 0.5, "high": 0.2}
"""The least score a finding has at each level: what is certain, what is likely, all that is suspicious."""

# Of two findings that overlap the kind that stands first is kept, for the characters of both.
_ORDER = (
    "private_key", "provider", "jwt", "connection_string", "basic_auth", "bearer_token", "password", "credit_card",
    "iban", "email", "ipv6", "ipv4", "phone", "high_entropy", "author",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}
_ROUNDS = 16  # one is enough but for texts made to need more; what is left then is in `Redaction.remainder`


@dataclass(frozen=True, order=True)
class Finding:
    """Characters text[start_offset:end_offset] are of a kind; `replacement` stands for them in a redacted text.

    score: how sure the detector is, from 0 to 1. The columns of the table `findings` are named alike.
    """

    start_offset: int
    end_offset: int
    kind: str
    detector: str
    score: float
    replacement: str


@dataclass(frozen=True)
class Allow:
    """What is never reported: exact `values`, RE2 `patterns` of whole values, `kinds`; `noreply`: noreply@ addresses.

    Reserved domains (RFC 2606, 6761), documentation ranges (RFC 5737, 3849), private and loopback addresses, public DNS
    resolvers and vendors' documented test keys and cards are never reported anyway.
    Raises LakeError for a pattern that is none.
    """

    values: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    noreply: bool = False

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            _pattern(pattern)


NOTHING = Allow()


def scan(
    text: str,
    *,
    level: Level = "default",
    allow: Allow = NOTHING,
    authors: bool = False,
    kingfisher: bool = False,
    fakes: Fakes | None = None,
) -> list[Finding]:
    """Secrets and personal data in `text`, in order, none overlapping; the same for the same arguments everywhere.

    authors: also names of persons in copyright lines and author tags. kingfisher: also the rules of the package
    kingfisher-secret-scanner. fakes: replace values by fakes instead of typed placeholders (`<EMAIL>`). Where findings
    overlap there is one for the characters of all, of the kind that comes first in: private keys, keys of providers,
    JWTs, passwords in connection strings, in HTTP headers, of other names, cards, accounts, mail addresses, IP
    addresses, telephone numbers, other random strings, authors.

    Time is linear in the text. Any string is taken, NUL and lone surrogates too.
    Raises LakeError for an unknown level, MissingDependencyError for an absent package.

    >>> [(f.kind, f.replacement) for f in scan("mail kelori.vandul@tofinmir.org")]
    [('email', '<EMAIL>')]
    """
    if level not in LEVELS:
        raise LakeError(f"secrets: no level {level!r}; levels are {', '.join(LEVELS)}")
    settings = _Settings(level, allow, authors, kingfisher, fakes)
    data = text.encode("utf-8", "surrogatepass")
    return _findings(data, _settled(data, settings))


@dataclass(frozen=True)
class _Settings:
    level: Level
    allow: Allow
    authors: bool
    kingfisher: bool
    fakes: Fakes | None

    def replacement(self, data: bytes, span: Span) -> bytes:
        if self.fakes is None:
            return placeholder(span.kind)
        return self.fakes.fake(span.kind, data[span.start : span.end])


def _detected(data: bytes, settings: _Settings) -> Iterator[Span]:
    yield from keys.private_keys(data)
    yield from keys.tokens(data)
    yield from assignments.find(data)
    yield from mails.find(data)
    yield from numbers.find(data)
    if settings.level == "high":
        yield from keys.random_strings(data)
    if settings.authors:
        yield from authors.find(data)
    if settings.kingfisher:
        from . import kingfisher

        yield from kingfisher.find(data)


def _spans(data: bytes, settings: _Settings) -> list[Span]:
    """Spans of at least the level's score that are not allowed, merged."""
    least = LEVELS[settings.level]
    return _merged(
        _whole_characters(data, s)
        for s in _detected(data, settings)
        if s.score >= least and not _allowed(data, s, settings.allow)
    )


def _allowed(data: bytes, span: Span, allow: Allow) -> bool:
    if allow is NOTHING:
        return False
    if span.kind in allow.kinds:
        return True
    value = data[span.start : span.end]
    if allow.noreply and span.kind == "email" and (b"noreply" in value.lower() or b"no-reply" in value.lower()):
        return True
    return value.decode("utf-8", "surrogatepass") in allow.values or any(
        _pattern(p).fullmatch(value) for p in allow.patterns
    )


@cache
def _pattern(pattern: str):  # type: ignore[no-untyped-def]
    try:
        return compiled(pattern.encode())
    except MissingDependencyError:
        raise
    except Exception as error:
        raise LakeError(f"secrets: allow pattern {pattern!r} is not a regular expression of RE2: {error}") from error


def _whole_characters(data: bytes, span: Span) -> Span:
    """`span` widened to whole characters of UTF-8."""
    start, end = span.start, span.end
    while start and data[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return span if (start, end) == (span.start, span.end) else span._replace(start=start, end=end)


def _rank(span: Span) -> tuple[int, float, str]:
    return _RANK.get(span.kind, 1), -span.score, span.kind


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order; overlapping ones become one, of the kind of the first of them in `_ORDER`."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end, _rank(s))):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            first = min(last, span, key=_rank)
            merged[-1] = first._replace(start=last.start, end=max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def _settled(data: bytes, settings: _Settings) -> list[tuple[Span, bytes]]:
    """The spans of `data` and their replacements, such that what comes of putting them in has no spans of its own."""
    spans = _spans(data, settings)
    plain: set[tuple[int, int]] = set()  # whose fakes were found again: they get a placeholder

    def replacements() -> list[bytes]:
        return [placeholder(s.kind) if s[1:3] in plain else settings.replacement(data, s) for s in spans]

    new = replacements()
    for _ in range(_ROUNDS if spans else 0):
        redacted = _Redacted(data, spans, new)
        more = [redacted.original(s) for s in _spans(redacted.data, settings)]
        if not more:
            break
        merged = _merged([*spans, *more])
        if merged == spans:
            plain.update(s[1:3] for s in more)
        spans = merged
        new = replacements()
    return list(zip(spans, new, strict=True))


class _Redacted:
    """`data` with its spans replaced, and the way back from its offsets to those of `data`."""

    def __init__(self, data: bytes, spans: list[Span], replacements: list[bytes]) -> None:
        parts: list[bytes] = []
        self.spans = spans
        self.starts: list[int] = []
        self.ends: list[int] = []
        at = size = 0
        for span, new in zip(spans, replacements, strict=True):
            parts += (data[at : span.start], new)
            size += span.start - at
            self.starts.append(size)
            size += len(new)
            self.ends.append(size)
            at = span.end
        self.data = b"".join([*parts, data[at:]])

    def original(self, span: Span) -> Span:
        """A span of the redacted bytes as one of the original; a part of a replacement is all it replaced."""
        return span._replace(start=self._back(span.start, end=False), end=self._back(span.end, end=True))

    def _back(self, offset: int, *, end: bool) -> int:
        index = bisect_right(self.starts, offset - end) - 1
        if index < 0:
            return offset
        if offset - end < self.ends[index]:
            return self.spans[index].end if end else self.spans[index].start
        return self.spans[index].end + offset - self.ends[index]


def _findings(data: bytes, spans: list[tuple[Span, bytes]]) -> list[Finding]:
    """Spans of bytes as findings in characters."""
    ascii_only = data.isascii()
    findings, at, characters = [], 0, 0
    for span, new in spans:
        start, end = span.start, span.end
        if not ascii_only:
            start = characters + len(data[at:start].decode("utf-8", "surrogatepass"))
            end = start + len(data[span.start : end].decode("utf-8", "surrogatepass"))
            at, characters = span.end, end
        replacement = new.decode("utf-8", "surrogatepass")
        findings.append(Finding(start, end, span.kind, f"{span.detector} {VERSION}", span.score, replacement))
    return findings
