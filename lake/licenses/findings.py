"""What was found, and what several findings of one file say together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .. import spdx

VERSION = "1"
DETECTOR = f"codelake-licenses {VERSION}"
"""Raise the number when a rule or a text changes: what was detected before is then redone."""

ADDED = "LicenseRef-AdditionalTerms"
UNKNOWN = "LicenseRef-Unknown"
NON_COMMERCIAL = "LicenseRef-NonCommercial"
COMMONS_CLAUSE = "LicenseRef-Commons-Clause"
REFERENCE = "LicenseRef-unknown-reference"


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence of one licence in one text: characters [start_offset, end_offset) say `spdx`.

    score: how sure, 0 to 1; for texts the share of the licence's words that are there. rule: what matched, kind:detail.
    """

    spdx: str
    start_offset: int
    end_offset: int
    score: float
    rule: str
    detector: str = DETECTOR


def expression(findings: Sequence[Finding]) -> str | None:
    """The SPDX expression that holds for a file with these findings, None if there are none.

    All apply (AND), but for what says the same less exactly: a text beside a notice that offers a choice of it or names
    its version "or later"; a pointer to a licence that is there; a family beside one of its members. An exception goes
    WITH the licence it is for.
    """
    kept = [f for f in findings if f.score > 0 or f.spdx == UNKNOWN]
    said = list(dict.fromkeys(f.spdx for f in kept if not f.rule.startswith("exception:")))
    exceptions = list(dict.fromkeys(f.rule.partition(":")[2] for f in kept if f.rule.startswith("exception:")))
    texts = {f.rule.removeprefix("text:") for f in kept if f.rule.startswith("text:")}
    parts = combine(said, texts)
    for exception in exceptions:
        parts = _with(parts, exception)
    if not parts:
        return None
    joined = " AND ".join(f"({part})" if " " in part else part for part in parts)
    return spdx.normalize(joined) or joined


def combine(said: Sequence[str], texts: set[str] | frozenset[str] = frozenset()) -> list[str]:
    """Those of the expressions that say something the others do not; `texts` were read from licence texts."""
    single = [part for e in said for part in (e.split(" AND ") if " OR " not in e else [e])]
    parts = [e for e in dict.fromkeys(single) if e != REFERENCE] or list(said)
    for choice in [e for e in parts if " OR " in e]:
        options = {key for e in (choice,) for key in keys(e)}
        parts = [e for e in parts if e == choice or not ({base(k) for k in keys(e)} <= {base(k) for k in options})]
    parts = [p for p in parts if p not in texts or not any(e.startswith(f"{p} WITH ") for e in parts)]
    for part in list(parts):
        # A licence's text cannot tell "only" from "or later"; a notice beside it can.
        if (
            part in texts
            and part.endswith("-only")
            and any(e != part and base(e.split(" WITH ")[0]) == base(part) for e in parts)
        ):
            parts.remove(part)
    if "LGPL-3.0-only" in parts or "LGPL-3.0-or-later" in parts:
        # The LGPL's third version is the GPL's and more permissions; its text comes with the GPL's beside it.
        parts = [e for e in parts if e not in texts or base(e) != "GPL-3.0"]
    if any(e.startswith("BSD-") or e == "0BSD" for e in parts):
        parts = [e for e in parts if e != "LicenseRef-BSD"]
    if "MIT" in parts:
        parts = [e for e in parts if e != "LicenseRef-MIT-style"]
    versioned = {_family(e) for e in parts if e not in _VAGUE and _family(e)}
    parts = [e for e in parts if e not in _VAGUE or _family(e) not in versioned]
    return parts


_VAGUE = frozenset({"GPL-1.0-or-later", "LGPL-2.0-or-later"})


def _family(name: str) -> str | None:
    found = re.match(r"(A?GPL|LGPL)-", name)
    return found[1] if found else None


def keys(text: str) -> list[str]:
    """The licences an expression names, exceptions left out."""
    return [k for k in re.split(r"[\s()]+", re.sub(r"\bWITH\s+\S+", "", text)) if k and k not in {"AND", "OR"}]


def base(name: str) -> str:
    """An id without what was chosen of its versions: GPL-2.0-or-later as GPL-2.0."""
    return re.sub(r"(?:-only|-or-later|\+)$", "", name)


def _with(parts: list[str], exception: str) -> list[str]:
    """`parts` with the exception on the first GNU licence (or the Apache licence for LLVM's) that has none."""
    wanted = (
        r"Apache-2\.0" if exception in {"LLVM-exception", "Swift-exception"} else r"A?L?GPL-[\d.]+(?:-only|-or-later)"
    )
    for number, part in enumerate(parts):
        if f" WITH {exception}" in part:
            return parts
        if re.fullmatch(wanted, part):
            return [*parts[:number], f"{part} WITH {exception}", *parts[number + 1 :]]
    return parts
