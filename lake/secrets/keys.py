"""Keys that show what they are: the shapes of `rules.py`, blocks of private keys, random strings on their own."""

import re
from collections.abc import Iterator
from functools import cache

from . import validators
from .rules import RULES, Rule
from .spans import Span, compiled

_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ENCODED = re.compile(rb"(?:\\[nrt]|%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2})\Z")


@cache
def _by_anchor() -> dict[bytes, tuple[Rule, ...]]:
    table: dict[bytes, tuple[Rule, ...]] = {}
    for rule in RULES:
        for anchor in rule.anchors:
            table[anchor] = (*table.get(anchor, ()), rule)
    return table


@cache
def _anchors() -> bytes:
    """One pattern for all literals, longer ones first, so that the longest is the one found."""
    table = _by_anchor()
    return b"|".join(re.escape(a) + table[a][0].then for a in sorted(table, key=lambda a: (-len(a), a)))


def tokens(data: bytes) -> Iterator[Span]:
    """Keys of known shape."""
    rules = _by_anchor()
    for found in compiled(_anchors()).finditer(data):
        at = found.start()
        text = found[0]
        for rule in rules.get(text) or rules.get(text[:3]) or rules[text[:2]]:
            if span := _matched(rule, data, at):
                yield span


def _matched(rule: Rule, data: bytes, at: int) -> Span | None:
    if not rule.back and not rule.inside and at and not _begins(data, at):
        return None
    pattern = compiled(rule.pattern)
    found = (
        pattern.search(data, max(0, at - rule.back), at + rule.reach)
        if rule.back
        else pattern.match(data, at, at + rule.reach)
    )
    if found is None:
        return None
    start, end = found.span(1) if pattern.groups else found.span()
    if (rule.back and not rule.inside and start and not _begins(data, start)) or data[end : end + 1].isalnum():
        return None
    secret = data[start:end]
    if validators.dull(secret) or (rule.check is not None and not rule.check(secret)):
        return None
    return Span(rule.kind, start, end, rule.kind, rule.score)


def _begins(data: bytes, start: int) -> bool:
    """Whether no letter or digit stands before data[start], escapes such as `\\n` and `%22` aside."""
    return data[start - 1] not in _WORD or _ENCODED.search(data, max(0, start - 6), start) is not None


_HEADER = re.compile(rb"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_BLOCK_BYTES = 64 << 10  # of a block without its end; an RSA key of 16,384 bits has 13,000
_BODY = re.compile(rb"[A-Za-z0-9+/]{16,}")
_BODY_LINES = re.compile(rb"(?:[\s\"'`+,\\]|\\[nrt]|[A-Za-z0-9+/=]{16,})*+")


def private_keys(data: bytes) -> Iterator[Span]:
    """Whole blocks of private keys, from BEGIN to END; as far as the key goes where the END is missing."""
    at = data.find(b"-----BEGIN ")
    while at >= 0:
        following = at + 11
        if header := _HEADER.match(data, at, at + 80):
            body = header.end()
            stop = data.find(b"-----", body, body + _BLOCK_BYTES)
            if data.startswith(b"-----END", stop) and (close := data.find(b"-----", stop + 8, stop + 80)) > 0:
                end = close + 5
            else:
                lines = _BODY_LINES.match(data, body, body + _BLOCK_BYTES)
                stop = end = body + len(data[body : lines.end()].rstrip(b" \t\r\n\"'`+,\\")) if lines else body
            letters = sum(len(run) for run in _BODY.findall(data, body, stop))
            if letters >= 40:
                yield Span("private_key", at, end, "private_key", 0.99)
                following = end
        at = data.find(b"-----BEGIN ", following)


_BARE = rb"(?:^|[\"'`=:\s>])([A-Za-z0-9+/_\-]{24,}={0,2})"
_NOT_SECRET = re.compile(
    rb"sha\d*|md5|hash|digest|checksum|integrity|etag|base64|data:|uuid|guid|commit|revision|rev\b|http|url|src|href|h1:|ssh-|public"
)


def random_strings(data: bytes) -> Iterator[Span]:
    """Random strings that nothing names as a secret: base 64 of 24 characters and more, hashes and assets left out."""
    for found in compiled(_BARE).finditer(data):
        start, end = found.span(1)
        value = data[start:end]
        if (
            len(value) > 128
            or re.fullmatch(rb"[0-9a-fA-F-]+", value)
            or validators.dull(value)
            or not validators.looks_random(value)
        ):
            continue
        line = max(data.rfind(b"\n", max(0, start - 80), start), start - 80, 0)
        if validators.entropy(value) >= 4.2 and not _NOT_SECRET.search(data[line:start].lower()):
            yield Span("high_entropy", start, end, "random_string", 0.3)
