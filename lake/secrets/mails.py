"""Mail addresses."""

import re
from collections.abc import Iterator

from .spans import Span, words
from .validators import stands_in

_LOCAL = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'")
_DOMAIN = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,8}([A-Za-z]{2,24}|xn--[a-z0-9\-]{2,59})(?![\w\-]|\.\w)"
)
_LOGINS = frozenset([b"git", b"hg", b"svn", b"bzr", b"gitolite", b"aur", b"www-data"])


def find(data: bytes) -> Iterator[Span]:
    """Mail addresses outside the domains that are reserved for documentation."""
    at = data.find(b"@")
    while at >= 0:
        if at and data[at - 1] in _LOCAL and (found := _DOMAIN.match(data, at + 1, at + 256)):
            start = at
            low = max(0, at - 65)
            while start > low and data[start - 1] in _LOCAL:
                start -= 1
            start = _escape_end(data, start)
            while start < at and data[start] in b".'-+%":
                start += 1
            if score := _email(data, start, at, found):
                yield Span("email", start, found.end(), "email", score)
        at = data.find(b"@", at + 1)


def _escape_end(data: bytes, start: int) -> int:
    """`start`, or past the `n` of a `\\n` that stands before a word in quoted text."""
    if start and data[start - 1] == 92 and data[start : start + 1] in (b"n", b"t", b"r"):
        return start + 1
    return start


def _email(data: bytes, start: int, at: int, domain: "re.Match[bytes]") -> float:
    """How sure it is that data[start:at], an @ and a domain are somebody's address."""
    local, host, tld = data[start:at], domain[0].lower(), domain[1].lower()
    labels = host.split(b".")
    after = data[domain.end() : domain.end() + 2]
    before = data[max(0, start - 80) : start]
    if (
        not 0 < len(local) <= 64
        or local.endswith(b".")
        or b".." in local
        or local.lower() in _LOGINS
        or before.endswith(b"://")  # the user of a URL
        or (before.endswith(b":") and b"://" in before)  # or its password
        or after[:1] == b"("
        or after in (b":/", b":~")  # scp
        or tld in words("reserved_domains")
        or host in words("shown_domains")
        or any(label.startswith(b"example") for label in labels)
    ):
        return 0.0
    known = tld in words("top_level_domains") or tld.startswith(b"xn--")
    return 0.9 if known and len(labels[-2]) > 1 and not stands_in(local) and b"yourdomain" not in host else 0.3
