"""What detectors give each other: a span of bytes, and patterns compiled once by RE2, which is linear in any text."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ...engine.errors import MissingDependencyError


class Span(NamedTuple):
    """Bytes data[start:end] that are of a kind; `detector` names the rule, `score` is how sure it is, from 0 to 1."""

    kind: str
    start: int
    end: int
    detector: str
    score: float


@cache
def compiled(pattern: bytes) -> Any:
    """`pattern` compiled by RE2 for bytes: each byte is a character, classes are ASCII.

    Raises MissingDependencyError where RE2 has no wheel (musl): a backtracking engine is 10 times slower on code and
    quadratic on crafted text, so there is no falling back on one.
    """
    try:
        import re2
    except ImportError as error:
        raise MissingDependencyError("secrets are found with RE2; install it with: pip install google-re2") from error
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 64 << 20  # states of the automaton are cached up to this size
    options.log_errors = False
    return re2.compile(pattern, options)


@cache
def words(name: str) -> frozenset[bytes]:
    """A list of `lake/data/secret_words.toml`; of a table, the words of all its lists."""
    path = Path(__file__).parent.parent / "data" / "secret_words.toml"
    found = tomllib.loads(path.read_text("utf-8"))[name]
    texts = found.values() if isinstance(found, dict) else [found]
    return frozenset(word.encode() for text in texts for word in text.split())
