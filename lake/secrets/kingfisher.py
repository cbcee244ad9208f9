"""The rules of Kingfisher (Apache-2.0), by its package kingfisher-secret-scanner: an extra detector for providers' keys.

Findings that Kingfisher keeps for itself as parts of others (the secret beside an access key, `visible=False`) are taken
too. It scans in process; nothing goes over the network.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from ...engine.errors import MissingDependencyError
from .spans import Span


@cache
def _scanner() -> Any:
    try:
        import kingfisher_sdk
    except ImportError as error:
        raise MissingDependencyError("kingfisher's rules need: pip install kingfisher-secret-scanner") from error
    # Without its cache on disk: it is refused in folders that others may write to, and compiling takes 0.3 to 8 seconds.
    return kingfisher_sdk.Scanner(kingfisher_sdk.Rules(cache=False), base64=False)


def find(data: bytes) -> Iterator[Span]:
    """What Kingfisher's rules find, hidden findings included."""
    for found in _scanner().scan(data):
        start, end = found.location["start_offset"], found.location["end_offset"]
        name = re.sub(r"\W+", "_", found.rule_id.lower())
        yield Span(_kind(name), start, end, name, 0.9 if found.visible else 0.6)


def _kind(rule: str) -> str:
    provider = rule.removeprefix("kingfisher_").removeprefix("betterleaks_")
    return f"{re.sub(r'_?[0-9]+$', '', provider)}_key"
