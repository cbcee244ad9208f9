"""The rules of Kingfisher (Apache-2.0), by its package kingfisher-secret-scanner: more shapes of providers' keys.

What Kingfisher finds and hides as a part of another finding (the secret beside an access key, `visible=False`) is taken
too. It scans in process; nothing goes over the network.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from ...engine.errors import MissingDependencyError
from .spans import Span
from .validators import dull


@cache
def _scanner() -> Any:
    try:
        import kingfisher_sdk
    except ImportError as error:
        raise MissingDependencyError("kingfisher's rules need: pip install kingfisher-secret-scanner") from error
    # Compiling takes 0.3 to 8 seconds; a cache on disk would be state outside of the lake.
    return kingfisher_sdk.Scanner(kingfisher_sdk.Rules(cache=False), base64=False)


def find(data: bytes) -> Iterator[Span]:
    """What Kingfisher's rules find, hidden findings included, placeholders and documented keys left out."""
    for found in _scanner().scan(data):
        start, end = found.location["start_offset"], found.location["end_offset"]
        if dull(data[start:end]):
            continue
        name = re.sub(r"\W+", "_", found.rule_id.lower())
        yield Span(_kind(name), start, end, name, 0.9 if found.visible else 0.6)


def _kind(rule: str) -> str:
    provider = rule.removeprefix("kingfisher_").removeprefix("betterleaks_")
    return f"{re.sub(r'_?[0-9]+$', '', provider)}_key"
