"""What people write instead of a licence's text: "licensed under the MIT License", "at your option", "see LICENSE".

A piece of text becomes words in lower case, joined by single spaces, so that comment leaders and line breaks do not
count. `names` finds licence names in it; a name alone says nothing (a change log may tell of "moving away from the
GPL"), so `notices` wants a phrase that puts something under it. All patterns are bounded: time is linear in the text.
"""

import csv
import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import spdx

PUBLIC_DOMAIN = "LicenseRef-scancode-public-domain"
REFERENCE = "LicenseRef-unknown-reference"

_WORD = re.compile(r"[^\W_]+(?:[.][^\W_]+)*\+?")


@dataclass(frozen=True)
class Said:
    """A piece of text as words joined by single spaces; `place` gives the character a word stands at."""

    words: str
    offsets: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original text that `words[start:end]` stands for."""
        first = bisect_right(self.offsets, start) - 1
        last = max(first, bisect_right(self.offsets, max(start, end - 1)) - 1)
        return self.starts[first], self.ends[last]


def say(text: str, start: int = 0, end: int | None = None) -> Said:
    """The words of text[start:end]."""
    found = list(_WORD.finditer(text, start, len(text) if end is None else end))
    words, offsets, at = [], [], 0
    for match in found:
        word = match[0].lower()
        word = _SPELLINGS.get(word, word)
        words.append(word)
        offsets.append(at)
        at += len(word) + 1
    return Said(" ".join(words), tuple(offsets), tuple(m.start() for m in found), tuple(m.end() for m in found))


_SPELLINGS = {
    "licence": "license",
    "licences": "licenses",
    "licenced": "licensed",
    "licensing": "licensing",
    "licensable": "licensed",
    "sublicence": "sublicense",
}


@dataclass(frozen=True)
class Name:
    """A licence named at words[start:end]."""

    spdx: str
    start: int
    end: int
    style: bool = False


@dataclass(frozen=True)
class Notice:
    """A statement at words[start:end] that something is under `spdx`; rule: the phrase."""

    spdx: str
    start: int
    end: int
    rule: str
    score: float


_V = r"(?: (?:version|ver|v|vers|release))? ?v?"
_FSF = r"(?: as (?:published|released|stated) by (?:the )?free software foundation(?: fsf)?(?: inc)?)?"
_GNU = re.compile(
    r"\b(?:gnu )?(?:(?P<kind>affero|lesser|library)(?: or (?:lesser|"
    r"library))?(?: gnu)? )?(?:gnu )?general public licen[sc]es?"
    r"(?: (?:gnu )?(?:a|l)?gpl)?"
    + _FSF
    + r"(?: (?:either|under|in))?(?:"
    + _V
    + r"(?P<version>[123](?:\.[01])?)(?P<plus>\+)?)?(?: of (?:the|this|"
    r"that)(?: gnu)?(?: \w+){0,3} licenses?(?: only)?)?"
    + _FSF
    + r"(?P<rest> only| or (?:(?:at your (?:option|choice)|optionally|if you (?:prefer|wish|like)|"
    r"\w+ your option) )?(?:any |a |an )?(?:later|newer|greater|higher|above|subsequent)(?: versions?| one)?)?"
    r"|\b(?:gnu )?(?P<short>[al]?gpl)(?: general public license| licenses?)?(?:"
    + _V
    + r"(?P<version2>[123](?:\.[01])?)(?P<plus2>\+)?|v(?P<version3>[123](?:\.[01])?)(?P<plus3>\+)?)?(?: licenses?)?"
    r"(?P<rest2> only| or (?:(?:at your (?:option|choice)) )?(?:any |a )?(?:later|newer|greater|higher|"
    r"above)(?: versions?)?)?(?!\w)"
)
_FDL = re.compile(
    r"\b(?:gnu )?free documentation license(?: gfdl| fdl)?"
    + _FSF
    + _V
    + r"(?P<version>1\.[123])(?: of the license)?(?P<rest> or any later version)?"
)
_EXCEPTIONS = (
    (re.compile(r" with (?:the )?(?:gnu )?class ?path(?: linking)? exceptions?"), "Classpath-exception-2.0"),
    (re.compile(r" with (?:the )?llvm exceptions?"), "LLVM-exception"),
    (re.compile(r" with (?:the )?gcc (?:runtime )?(?:library )?exception(?: version)?(?: 3\.1)?"), "GCC-exception-3.1"),
    (re.compile(r" with (?:the )?(?:linux )?syscall (?:note|exception)"), "Linux-syscall-note"),
    (re.compile(r" with (?:the )?(?:openssl|cryptlib) (?:linking )?exception"), "openvpn-openssl-exception"),
)
# Names short enough to be words: they count where a phrase leads to them and nothing else follows.
_SHORT = {
    "mit": "MIT",
    "isc": "ISC",
    "bsd": "LicenseRef-BSD",
    "zlib": "Zlib",
    "0bsd": "0BSD",
    "apache": "Apache-2.0",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
}


@cache
def _families() -> tuple[tuple[str, str], ...]:
    """Patterns of names and what they mean (`data/licence_names.csv`): {v} leads to a version, {} stands for it."""
    path = Path(__file__).parents[1] / "data" / "licence_names.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return tuple((row["pattern"].replace("{v}", _V), row["spdx"]) for row in csv.DictReader(file))


@cache
def _any_family() -> re.Pattern[str]:
    # One group tells which; versions are found again in what matched.
    plain = (re.sub(r"\((?!\?)", "(?:", pattern) for pattern, _ in _families())
    parts = (f"(?P<n{number}>{pattern})" for number, pattern in enumerate(plain))
    return re.compile(r"(?<![\w.])(?:" + "|".join(parts) + r")(?![\w])")


@cache
def _family(number: int) -> re.Pattern[str]:
    return re.compile(_families()[number][0])


def names(words: str) -> list[Name]:
    """The licences named in `words`, by place, without overlaps: the earliest counts, of two there the longest."""
    found = [*_gnu(words)]
    for match in _any_family().finditer(words):
        number = int((match.lastgroup or "n0")[1:])
        expression = _families()[number][1]
        groups = (_family(number).match(words, match.start()) or match).groups()
        if expression == "CC":
            expression = _creative_commons(match[0])
        elif "{}" in expression:
            version = next((g for g in groups if g), "")
            expression = expression.format(version if "." in version or expression.endswith(".0") else f"{version}.0")
        normal = spdx.normalize(expression)
        if normal:
            found.append(Name(normal, match.start(), match.end(), style=" style" in match[0] or " like" in match[0]))
    found.sort(key=lambda n: (n.start, -n.end))
    kept: list[Name] = []
    for name in found:
        if not kept or name.start >= kept[-1].end:
            kept.append(_with_exception(words, name))
    return kept


def _with_exception(words: str, name: Name) -> Name:
    for pattern, exception in _EXCEPTIONS:
        if match := pattern.match(words, name.end):
            return Name(f"{name.spdx} WITH {exception}", name.start, match.end())
    return name


def _creative_commons(said: str) -> str:
    kinds = "-NC" * bool(re.search(r"non ?commercial|\bnc\b", said))
    kinds += "-SA" * bool(re.search(r"share ?alike|\bsa\b", said))
    kinds += "-ND" * bool(re.search(r"no ?deriv|\bnd\b", said))
    (version,) = re.findall(r"[1-4]\.[05]", said)[-1:]
    return f"CC-BY{kinds}-{version}"


def _gnu(words: str) -> Iterator[Name]:
    for match in _GNU.finditer(words):
        version = match["version"] or match["version2"] or match["version3"]
        kind = {"affero": "AGPL", "lesser": "LGPL", "library": "LGPL"}.get(match["kind"] or "") or (
            match["short"] or "gpl"
        ).upper()
        plus = match["plus"] or match["plus2"] or match["plus3"]
        rest = match["rest"] or match["rest2"] or ""
        # Without a version any published one may be chosen, as these licences say of themselves.
        later = bool(plus) or rest.startswith(" or") or not version
        first = {"AGPL": "3.0" if not version else None, "LGPL": "2.0", "GPL": "1.0"}[kind]
        number = version or first or ""
        if "." not in number:
            number += ".0"
        expression = spdx.normalize(f"{kind}-{number}-{'or-later' if later else 'only'}")
        if expression:
            yield Name(expression, match.start(), match.end())
    for match in _FDL.finditer(words):
        yield Name(f"GFDL-{match['version']}-{'or-later' if match['rest'] else 'only'}", match.start(), match.end())


# Words that may stand between the phrase and the name, and between one name and the next.
_FILLER = (
    r"(?:(?:the|a|an|this|that|its|their|either|both|any|one|of|or|and|to|terms?|conditions?|provisions|under|"
    r"open|source|"
    r"free|permissive|standard|liberal|very|new|well|known|gnu|version|as|set|out|forth|in|below|by|any|all|"
    r"licenses?|following|two|three|choice|your|at|option|same|usual|software|at|least|fully|accordance|with|"
    r"compatible|approved|osi|simple) ){0,14}"
)
_LEAD = re.compile(
    r"\b(?:(?P<verb>licensed|relicensed|licensing|released|distributed|redistributed|distribute|redistribute|"
    r"available|provided|published|"
    r"covered|offered|governed|open sourced|opensourced|shared|issued|modify|modified|used|copied|use|"
    r"made available|supplied|contributed|licensable|dedicated|protected)"
    r"(?: (?!under\b|by\b|subject\b|pursuant\b)\w+){0,8}? (?:under|by|subject to|pursuant to|in accordance with|"
    r"according to|on)|"
    r"(?P<terms>(?:subject to|under) (?:the )?(?:terms|conditions|provisions))|(?P<is>license is|licensed as|"
    r"(?:is|are) (?:dual |multi )?(?:licensed|license)|uses|dual licensed?|dual licensing|licensed)|"
    r"(?P<under>under|licenses? (?:this|it|the) (?:\w+ ){0,3}?to you under)) " + _FILLER + "$"
)
_LEAD_SPAN = 260  # characters before a name in which its phrase may begin
_BETWEEN = re.compile(
    r"(?: (?:or|and|the|a|an|either|of|license|licenses|licensed|under|see|file|http|https|www\.apache\.org|"
    r"www\.opensource\.org|"
    r"opensource\.org|apache|mit|bsd|gpl|lgpl|at|in|to|terms|also|both|alternatively|version|txt|md|html|copying|"
    r"gpl2|gpl3|"
    r"v2|v3|2|3|2\.0|3\.0|with|as|well|instead|may|be|used|license\.txt|license\.md|license\.apache|license\.mit|"
    r"license\.bsd|a copy|copy|additionally|"
    r"optionally|your|option|choice|choose|by|conditions|later|any|licensing|tri|dual)){0,18} "
)
_CHOICE = re.compile(
    r"\b(?:either|at your (?:option|choice|discretion)|dual|dually|double|tri|triple|multi|whichever|your choice|"
    r"your option|choose|any one of|one of the|"
    r"any of the following|any of these|alternatively|optionally)\b"
)
_DENIED = re.compile(
    r"\b(?:not|no longer|never|isn t|aren t|doesn t|don t|didn t|wasn t|formerly|previously|used to be|other than|"
    r"unlike|away from|instead of|"
    r"incompatible|originally|once|until|prior to|if|whether|when|such as|e\.g|like|which (?:is|are)|that (?:is|are))"
    r"\b(?: \w+){0,7} ?$"
)
_REFERENCE = re.compile(
    r"\b(?:(?:found|contained|given|included|described|listed|stated|specified|set forth|provided|detailed|"
    r"available|outlined|located|see|refer to|consult|read|in|per)"
    r"(?: \w+){0,3}? )?(?:the )?(?:(?:accompanying|included|enclosed|attached|top level|toplevel|top|root|project|"
    r"package|repository|distribution|file|files|full) ){0,4}"
    r"(?P<file>(?:licen[cs]es?|copying(?! \w+ (?:to|from|into))|unlicense)(?:\.(?:txt|md|rst|html|lesser|mit|"
    r"apache|bsd))?)"
    r"(?:(?P<after> (?:file\b|document\b|for (?:the )?(?:full |more |further |complete |license |licensing |"
    r"copyright |exact |a )*(?:details|information|terms|license|text|licensing|conditions|copyright|copy)|"
    r"in the (?:project |repository |source |top |main |package )?(?:root|distribution|top|directory|repository|"
    r"folder|same)|at the (?:root|top)|that (?:accompanies|was|came|comes|is)|distributed with|included with|"
    r"in the root|included in|which (?:accompanies|is|was)))|(?<=\.txt)|(?<=\.bsd)|(?<=\.mit)|(?<=\.md)|"
    r"(?<=\.apache)|$)"
)
_LINKED = re.compile(r"\b(?:governed by|licensed under|released under|subject to|under|see|found in|in|to)\b")
_EITHER = re.compile(r"\b(?:either|one) of (?:the|these|two) licenses found in\b|\beither of the licenses\b")
_PUBLIC = re.compile(
    r"\b(?:(?:placed|released|dedicated|put|donated|is|are|hereby|belongs?|falls?|"
    r"considered) (?:\w+ ){0,4}?(?:in|into|to|as|part of)(?: the)?|is|are|into|in|code|license)"
    r" public domain\b(?! (?:software|packages?|tools?|programs?|implementations?|versions? of|suffix|name))"
)


def notices(words: str, *, short: bool = True) -> list[Notice]:
    """Statements in `words` that put something under licences, by place.

    Several names after one phrase are joined: with OR where a choice is offered ("either", "dual", "at your option", or
    "or" between them), else with AND. A pointer to a file ("see LICENSE for details") gives REFERENCE.
    """
    found: list[Notice] = []
    named = names(words)
    if short:
        named = _with_short(words, named)
    number = 0
    while number < len(named):
        first = named[number]
        group = [first]
        while number + 1 < len(named) and _BETWEEN.fullmatch(words[group[-1].end : named[number + 1].start] or "!"):
            number += 1
            group.append(named[number])
        number += 1
        if notice := _stated(words, group):
            found.append(notice)
    found += [
        Notice(PUBLIC_DOMAIN, match.start(), match.end(), "notice:public-domain", 0.9)
        for match in _PUBLIC.finditer(words)
        if not _DENIED.search(words, max(0, match.start() - 60), match.start())
        and not re.search(r"(?:not|isn t|aren t|never)\b", match[0])
    ]
    found.sort(key=lambda n: n.start)
    found += _references(words, found)
    return sorted(found, key=lambda n: n.start)


_ORDINARY = re.compile(r"(?<![\w.])(?:mit|isc|bsd|zlib|0bsd|apache|unlicense|wtfpl)(?![\w.])")
# After such a word, what makes it something else than a licence.
_NO_LICENSE = re.compile(
    r" (?:course|press|media|lab|university|students?|open|scheme|technology|foundation|commons|project|http|"
    r"spark|kafka|"
    r"arrow|ant|maven|tomcat|systems?|socket|unix|compression|style|header|library)\b"
)


def _with_short(words: str, named: list[Name]) -> list[Name]:
    """`named` and the names that are ordinary words, where no other name is."""
    joined: list[Name] = []
    number = 0
    for match in _ORDINARY.finditer(words):
        while number < len(named) and named[number].start < match.start():
            joined.append(named[number])
            number += 1
        taken = (joined and joined[-1].end > match.start()) or (
            number < len(named) and named[number].start < match.end()
        )
        if not taken and not _NO_LICENSE.match(words, match.end()):
            joined.append(Name(_SHORT[match[0]], match.start(), match.end()))
    return joined + named[number:]


def _stated(words: str, group: list[Name]) -> Notice | None:
    """The statement whose phrase leads to the first name of `group`."""
    low = max(0, group[0].start - _LEAD_SPAN)
    before = words[low : group[0].start]
    lead = None
    # The last phrase before the name counts: its beginning is sought from the nearest verb back.
    for match in _VERBS.finditer(before):
        if found := _LEAD.match(before, match.start()):
            lead = found
            break
    end = group[-1].end
    if lead is None:
        if not (words[group[0].start : end].endswith(" licensed") or _TRAILING.match(words, end)):
            return None
        start = group[0].start
        phrase = words[start:end]
    else:
        start = low + lead.start()
        phrase = lead[0]
    if _DENIED.search(words, max(0, start - 60), start):
        return None
    after = words[end : end + 60]
    if re.match(r" (?:compatible|incompatible|software|tools?|compliant|libraries|projects|code from)\b", after):
        return None
    expressions = list(dict.fromkeys(n.spdx for n in group))
    # The title of a text may follow the notice of it.
    expressions = [e for e in expressions if not any(o.startswith(f"{e} WITH ") for o in expressions)]
    if len(expressions) == 1:
        return Notice(expressions[0], start, end, "notice", 0.95)
    whole = words[max(0, start - 20) : end + 60]
    joiners = [words[a.end : b.start].split() for a, b in itertools.pairwise(group) if a.spdx != b.spdx]
    said_or = any("or" in j and "and" not in j for j in joiners)
    if _CHOICE.search(phrase) or _CHOICE.search(whole) or said_or:
        joined = " OR ".join(f"({e})" for e in expressions)
        rule = "notice:choice"
    else:
        joined = " AND ".join(f"({e})" for e in expressions)
        rule = "notice"
    normal = spdx.normalize(joined)
    return Notice(normal or joined, start, end, rule, 0.95)


_TRAILING = re.compile(r"(?: or later| only)? licensed\b| (?:please )?see (?:the )?(?:file )?(?:licen[cs]e|copying)")
_VERBS = re.compile(
    r"\b(?:licensed|relicensed|licensing|released|distributed|redistributed|distribute|redistribute|available|"
    r"provided|published|covered|"
    r"offered|governed|open sourced|opensourced|shared|issued|modify|modified|used|copied|use|made|supplied|"
    r"contributed|dedicated|protected|subject|under|license|is|are|uses|dual)\b"
)


def _references(words: str, stated: list[Notice]) -> Iterator[Notice]:
    """Pointers to licence files that stand far from every statement."""
    starts = [n.start for n in stated]
    for match in _REFERENCE.finditer(words):
        before = words[max(0, match.start() - 160) : match.start("file")]
        if not _LINKED.search(before):
            continue
        at = bisect_right(starts, match.start() + 200)
        if at and match.start() <= stated[at - 1].end + 200:
            continue
        either = _EITHER.search(words, max(0, match.start() - 120), match.end() + 20)
        yield Notice(REFERENCE, match.start(), match.end(), "reference-either" if either else "reference", 0.8)
