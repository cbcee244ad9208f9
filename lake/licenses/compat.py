"""Whether code under one licence may go into a work under another: `check`.

The table is the compatibility matrix of OSADL (`data/licence_compatibility.csv`, CC-BY-4.0), its reading of 111
licences: https://www.osadl.org/Access-to-raw-data.oss-compliance-raw-data-access.0.html. It has a direction: MIT code
may go into a work under the GPL, GPL code not into one under MIT. What it does not know is unknown here, except that
what may not be used commercially, or not be used at all without more, cannot go into a work that anyone may use. This
is a table, not legal advice.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ...engine.errors import QueryError
from .. import spdx

Answer = Literal["compatible", "check", "unknown", "incompatible"]
_ORDER: tuple[Answer, ...] = ("compatible", "check", "unknown", "incompatible")
SOURCE = "OSADL matrix 2024-05-22"

_ANSWERS: dict[str, Answer] = {
    "Same": "compatible",
    "Yes": "compatible",
    "No": "incompatible",
    "Check dependency": "check",
    "Unknown": "unknown",
}


@dataclass(frozen=True)
class Reason:
    """One licence that comes in, one it is to go out under, and the answer for the pair."""

    inbound: str
    outbound: str
    answer: Answer
    why: str


@dataclass(frozen=True)
class Verdict:
    """The answer for an expression: `chosen` is it with the choices made that the answer rests on."""

    expression: str
    into: str
    answer: Answer
    chosen: str
    reasons: tuple[Reason, ...]


@cache
def _matrix() -> dict[str, dict[str, str]]:
    """The licence of the whole -> that of a part -> what the table says."""
    path = Path(__file__).parents[1] / "data" / "licence_compatibility.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {row.pop("Compatibility*"): row for row in csv.DictReader(file)}


def check(expression: str, into: str) -> Verdict:
    """Whether code under `expression` may go into a work under `into`, both as SPDX or as people write it.

    Of the sides of an OR the best counts, of an AND the worst. A work offered under a choice of licences must be fit
    for each of them. Raises QueryError for what cannot be read.
    """
    inbound, outbound = _read(expression), _read(into)
    answer, chosen, reasons = _node(spdx.tree(inbound), sorted(set(_leaves(spdx.tree(outbound)))))
    return Verdict(inbound, outbound, answer, chosen, tuple(reasons))


def _read(text: str) -> str:
    found = spdx.normalize(text)
    if found is None:
        raise QueryError(
            f"license check: cannot read {text!r} as a licence; write an SPDX expression (https://spdx.org/licenses), "
            'for example "MIT OR GPL-3.0-only"'
        )
    return found


def _leaves(node: spdx.Tree) -> list[str]:
    return [node] if isinstance(node, str) else [leaf for child in node[1] for leaf in _leaves(child)]


def _node(node: spdx.Tree, outbound: list[str]) -> tuple[Answer, str, list[Reason]]:
    if isinstance(node, str):
        reasons = [_pair(node, out) for out in outbound]
        return max((r.answer for r in reasons), key=_ORDER.index), node, reasons
    operator, children = node
    found = [_node(child, outbound) for child in children]
    if operator == "OR":
        best = min(found, key=lambda f: _ORDER.index(f[0]))
        if best[0] == "compatible":
            return best
        return best[0], best[1], [r for f in found for r in f[2]]
    worst = max((f[0] for f in found), key=_ORDER.index)
    chosen = " AND ".join(f"({f[1]})" if " OR " in f[1] else f[1] for f in found)
    return worst, chosen, [r for f in found for r in f[2]]


def _pair(inbound: str, outbound: str) -> Reason:
    matrix = _matrix()
    row = matrix.get(outbound) or matrix.get(_plain(outbound))
    said = row and (row.get(inbound) or row.get(_plain(inbound)))
    if inbound == outbound:
        return Reason(inbound, outbound, "compatible", "the same licence")
    if said:
        answer = _ANSWERS[said]
        if answer == "incompatible" and " WITH " in inbound and inbound not in (row or {}):
            return Reason(
                inbound, outbound, "unknown", f"without its exception incompatible ({SOURCE}); not in the table with it"
            )
        return Reason(inbound, outbound, answer, f"{SOURCE} says {said}")
    kind, open_kind = spdx.license_type(inbound), spdx.license_type(outbound)
    if kind in {"non-commercial", "proprietary"} and open_kind in {
        "public-domain",
        "permissive",
        "weak-copyleft",
        "copyleft",
    }:
        return Reason(
            inbound, outbound, "incompatible", f"{inbound} is {kind}: it withholds uses that {outbound} grants"
        )
    if kind == "public-domain":
        return Reason(inbound, outbound, "compatible", f"{inbound} is public domain: it asks for nothing")
    missing = " and ".join(n for n in (inbound, outbound) if n not in matrix and _plain(n) not in matrix)
    return Reason(inbound, outbound, "unknown", f"{missing} is not in the table ({SOURCE})")


def _plain(name: str) -> str:
    """A licence without its exception, which only adds permissions."""
    return name.partition(" WITH ")[0]
