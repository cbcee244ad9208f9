"""The licences a file states: tags, headers, texts, notices and what was added to them. `detect(path, text)`.

Where it looks depends on the file (`paths.role`): all of a licence file, the licence section of a README, the fields of
a manifest, and of any other file the lines around the words that licences are made of; a file without such words costs
a few scans of its text. All of it is linear in the length of the text, 10 MB of it included: long texts are read in
pieces of 128 Ki characters.
"""

import re
from collections.abc import Iterator

from .. import spdx
from . import manifests, paths, restrictions, texts
from .findings import REFERENCE, UNKNOWN, Finding
from .notices import Notice, Said, notices, say
from .tokens import Words, words

_PIECE = 1 << 17
_KEYWORDS = ("licen", "permission", "redistribut", "copying", "public domain", "warrant", "same terms as")
_BEFORE, _AFTER = 500, 1000  # characters around a keyword: the MIT licence as a comment is 1,100 long and has four
_SOURCE_LIMIT = 1 << 18  # characters of windows in one source file; beyond it, mentions of licences are its subject

_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n\r]{1,400})")
_TAG_END = re.compile(r"\*/|-->|--%>|\*\)|\"|'|#}|%}|\|#|]]|\\n|[;,`<>]|[ \t]#+[ \t]*$|[ \t]*$")
_IGNORED = re.compile(r"REUSE-IgnoreStart.*?(?:REUSE-IgnoreEnd|\Z)", re.DOTALL)
_LABEL = re.compile(
    r"^(?P<lead>[ \t*#/;%!|>\"'.{-]{0,40})(?P<at>@|__|\\|:)?(?P<key>[Ll][Ii][Cc][Ee][Nn][CcSs][Ee])(?:__|"
    r"d under)?:?[\"']?"
    r"[ \t]{0,8}[:= \t][ \t]{0,8}[\"'`]?(?P<value>[^\n\r]{2,120})",
    re.MULTILINE,
)


def detect(path: str, text: str) -> list[Finding]:
    """Every licence `text` states, by place. path: with / between names; only its last two names matter.

    Offsets count characters of `text`, end exclusive. What a licence's text has beyond its known words is a finding of
    its own: `LicenseRef-AdditionalTerms` (or -NonCommercial, -Commons-Clause), and the licence's own finding says so:
    `MIT AND LicenseRef-AdditionalTerms`. A licence file of unknown terms gives `LicenseRef-Unknown`; "see LICENSE"
    gives `LicenseRef-unknown-reference`. A text without any gives an empty list; no text raises.
    """
    role = paths.role(path)
    found = list(_tags(text))
    if role == "manifest":
        found += manifests.declared(path, text)
    elif role == "reuse":
        found += manifests.reuse(path, text)
        if path.lower().endswith("debian/copyright") and not found:
            found += _prose(text, [(0, len(text))], whole=True)
    elif role == "license":
        found += _license_file(text, found)
    elif role == "readme":
        found += _readme(text)
    elif role != "history":
        regions = [(0, len(text))] if role == "notice" else _regions(text)
        found += _prose(text, regions, whole=role == "notice")
        found += _labels(text, regions)
    return _sorted(found)


def _sorted(found: list[Finding]) -> list[Finding]:
    """By place, without notices that lie inside something else that says the same."""
    found = sorted(set(found), key=lambda f: (f.start_offset, -f.end_offset, f.spdx, f.rule))
    kept: list[Finding] = []
    for finding in found:
        if any(
            k.start_offset <= finding.start_offset and finding.end_offset <= k.end_offset and k.spdx == finding.spdx
            for k in kept[-4:]
        ):
            continue
        kept.append(finding)
    return kept


def _tags(text: str) -> Iterator[Finding]:
    """SPDX tags (https://reuse.software/spec-3.3/#comment-headers)."""
    if "SPDX-License-Identifier" not in text:
        return
    ignored = [m.span() for m in _IGNORED.finditer(text)] if "REUSE-IgnoreStart" in text else []
    for match in _TAG.finditer(text):
        if any(a <= match.start() < b for a, b in ignored):
            continue
        value = match[1]
        if ended := _TAG_END.search(value):
            value = value[: ended.start()]
        value = value.strip().rstrip(".*/").strip()
        end = match.start(1) + len(match[1][: match[1].find(value) + len(value)]) if value else match.end()
        if known := spdx.normalize(value) if re.fullmatch(r"[\w.+:()\- ]+", value) else None:
            yield Finding(known, match.start(), end, 1.0, "tag:spdx")
        elif re.fullmatch(r"[A-Za-z][\w.+-]{1,60}", value) and value.lower() not in _NO_NAMES:
            yield Finding(UNKNOWN, match.start(), end, 0.5, f"tag:unknown:{value}")


_NO_NAMES = frozenset(
    {"none", "noassertion", "identifier", "expression", "license", "unknown", "spdx", "string", "str"}
)


def _regions(text: str) -> list[tuple[int, int]]:
    """The lines of a text around the words licences are made of, as slices of it."""
    lower = text.lower()
    if len(lower) != len(text):  # a capital that becomes two letters: places would shift
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    places: list[int] = []
    for keyword in _KEYWORDS:
        at = lower.find(keyword)
        while at >= 0:
            places.append(at)
            at = lower.find(keyword, at + 300)  # the window of the last reaches further than that
    regions: list[tuple[int, int]] = []
    total = 0
    for place in sorted(places):
        start = text.rfind("\n", 0, max(0, place - _BEFORE)) + 1
        start = max(start, place - 2 * _BEFORE)
        end = text.find("\n", min(len(text), place + _AFTER))
        end = min(len(text) if end < 0 else end, place + 2 * _AFTER)
        if regions and start <= regions[-1][1]:
            total += end - regions[-1][1]
            regions[-1] = (regions[-1][0], max(end, regions[-1][1]))
        else:
            total += end - start
            regions.append((start, end))
        if total > _SOURCE_LIMIT:
            break
    return regions


def _pieces(regions: list[tuple[int, int]], text: str) -> Iterator[tuple[int, int]]:
    """Regions cut where a paragraph ends, so that none is longer than a piece."""
    for start, end in regions:
        while end - start > _PIECE:
            cut = text.rfind("\n\n", start + _PIECE // 2, start + _PIECE)
            cut = cut if cut > 0 else start + _PIECE
            yield start, cut
            start = cut
        yield start, end


def _prose(text: str, regions: list[tuple[int, int]], *, whole: bool) -> Iterator[Finding]:
    """Texts, headers and notices in the regions; whole: what lies between them is about licences too."""
    for start, end in _pieces(regions, text):
        piece = text[start:end]
        counted = words(piece)
        matched = texts.matches(counted)
        yield from _matches(counted, matched, start)
        for a, b in _uncovered(counted, matched, len(piece)):
            said = say(piece, a, b)
            for notice in notices(said.words):
                yield _noticed(notice, said, start)
            if whole:
                yield from _shifted(restrictions.outside(said), start)
            else:
                yield from _shifted(restrictions.named(said), start)


def _noticed(notice: Notice, said: Said, start: int) -> Finding:
    a, b = said.place(notice.start, notice.end)
    return Finding(notice.spdx, start + a, start + b, notice.score, notice.rule)


def _shifted(found: list[Finding], start: int) -> Iterator[Finding]:
    for f in found:
        yield Finding(f.spdx, f.start_offset + start, f.end_offset + start, f.score, f.rule, f.detector)


def _uncovered(counted: Words, matched: list[texts.Match], size: int) -> Iterator[tuple[int, int]]:
    """The characters outside the matches, as slices."""
    at = 0
    for match in matched:
        start, end = int(counted.starts[match.start]), int(counted.ends[match.end - 1])
        if start > at:
            yield at, start
        at = max(at, end)
    if at < size:
        yield at, size


def _matches(counted: Words, matched: list[texts.Match], start: int) -> Iterator[Finding]:
    for match in matched:
        a, b = int(counted.starts[match.start]), int(counted.ends[match.end - 1])
        known = match.known
        added = restrictions.inside(counted, match)
        if known.kind == "tail":
            yield from _shifted([f for f in added if not f.rule.startswith("removed:")], start)
        elif known.kind == "exception":
            yield Finding(known.name, start + a, start + b, round(match.score, 4), f"exception:{known.name}")
        else:
            expression = known.name
            for extra in dict.fromkeys(f.spdx for f in added):
                expression += f" AND {extra}"
            yield Finding(expression, start + a, start + b, round(match.score, 4), f"{known.kind}:{known.name}")
            yield from _shifted(added, start)


def _license_file(text: str, tags: list[Finding]) -> list[Finding]:
    found = list(_prose(text, [(0, len(text))], whole=True))
    if found or tags:
        return found
    stripped = text.strip()
    if len(stripped) < 200 and re.fullmatch(r"[\w./\\-]*(?:licen[cs]e|copying)[\w.-]*", stripped, re.IGNORECASE):
        return [Finding(REFERENCE, 0, len(text), 0.8, "reference:path")]
    if len(stripped) < 400:
        for line in stripped.splitlines()[:6]:
            name = re.sub(r"^[\s#*=>\-]+|[\s*=.]+$", "", line)
            if name and (named := spdx.normalize(name)):
                at = text.index(line)
                return [Finding(named, at, at + len(line), 0.8, "name")]
    return found + _labels(text, [(0, min(len(text), 2000))]) or (
        [Finding(UNKNOWN, 0, len(text), 0.0, "unknown-text")] if len(stripped.split()) >= 20 else []
    )


_HEADING = re.compile(
    r"^(?:(?P<marks>#{1,6})[ \t]*(?P<title>[^\n]{1,100})|(?P<under>[^\n]{2,100})\n[=\-~^\"*+]{3,}[ \t]*$|"
    r"(?P<wiki>=+)[ \t]*(?P<wtitle>[^\n=]{1,80}=+))",
    re.MULTILINE,
)
_LEGAL = re.compile(
    r"\b(?:licen[cs](?:e|es|ing)|copying|copyright|legal|lizenz|licencia|licença|лицензия)\b|许可|授权|ライセンス",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\b(?:this|the|our|we|it|it s|all|code|source|project|library|package|software|repository|repo|program|work|"
    r"module|tool|files?|plugin|crate|gem|app|extension|framework|everything)\b"
)
_BADGE = re.compile(
    r"(?:img\.)?shields\.io/(?:badge/|static/v1\?label=)[Ll]icen[cs]e-((?:[A-Za-z0-9._%+ ]|--)+?)-[A-Za-z0-9]+"
)
_FRONT = re.compile(r"\A---\s*\n(?:[^\n]*\n){0,40}?license:[ \t]*[\"']?([\w.+-]+)[\"']?[ \t]*\n")


def _readme(text: str) -> list[Finding]:
    """A README's licence section, or else what it says of itself ("this project is licensed under …")."""
    text_ = text[: 1 << 20]
    found: list[Finding] = []
    if front := _FRONT.match(text_):
        named = spdx.normalize(front[1])
        if named:
            found.append(Finding(named, front.start(1), front.end(1), 0.9, "readme:field"))
    for start, end in _sections(text_):
        stated = list(_prose(text_, [(start, end)], whole=False))
        if not stated:
            stated = _section_names(text_, start, end)
        found += stated
    if not found:
        for start, end in _regions(text_):
            said = say(text_, start, end)
            for notice in notices(said.words, short=False):
                about = said.words[max(0, notice.start - 60) : notice.start]
                first = notice.start == 0 or re.match(r"licensed|released|distributed", said.words[notice.start :])
                if notice.spdx != REFERENCE and (_SUBJECT.search(about) or first):
                    found.append(_noticed(notice, said, 0))
    if not found and (badge := _BADGE.search(text_)):
        name = badge[1].replace("--", "-").replace("__", "_").replace("%20", " ").replace("_", " ")
        if named := spdx.normalize(name):
            found.append(Finding(named, badge.start(), badge.end(), 0.7, "readme:badge"))
    return found


def _sections(text: str) -> list[tuple[int, int]]:
    """The bodies of sections whose heading speaks of a licence."""
    headings = list(_HEADING.finditer(text))
    found = []
    for number, match in enumerate(headings):
        title = match["title"] or match["under"] or match["wtitle"] or ""
        if _LEGAL.search(title) and len(title.split()) <= 8:
            end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
            found.append((match.start(), min(end, match.start() + 20_000)))
    return found


def _section_names(text: str, start: int, end: int) -> list[Finding]:
    """A section that is no more than a name: "## License", "MIT © Somebody"."""
    lines = list(text[start:end].splitlines(keepends=True))
    at = start
    found: list[Finding] = []
    for line in lines[:12]:
        clean = re.sub(r"\[([^\]\n]{1,80})\]\([^)\n]{0,200}\)", r"\1", line)
        clean = re.sub(r"`|\*\*|__|<[^<>\n]{1,80}>", "", clean)
        for candidate in (clean, re.split(r"©|\(c\)|&copy;|[Cc]opyright|, see|[.,;] ", clean)[0]):
            name = re.sub(r"^[\s#*=>\-:]+|[\s*=.:\-]+$", "", candidate)
            if 2 <= len(name) <= 80 and not _LEGAL.fullmatch(name) and (named := spdx.normalize(name)):
                found.append(Finding(named, at, at + len(line.rstrip()), 0.85, "readme:section"))
                break
        at += len(line)
        if found:
            break
    return found


def _labels(text: str, regions: list[tuple[int, int]]) -> list[Finding]:
    """Lines that are a field: `License: MIT`, `@license MIT`, `__license__ = "MIT"`."""
    found = []
    for start, end in regions:
        for match in _LABEL.finditer(text, start, end):
            at, key = match["at"], match["key"]
            comment = re.search(r"[*#/;%!]", match["lead"])
            separator = text[match.end("key") : match.start("value")]
            if not at and not (":" in separator and (comment or key[0] == "L")):
                continue
            value = (
                re.sub(r"[\"'`,;].*$|\*/.*$|-->.*$|[ \t]+\(?https?:.*$|[ \t]+[Ss]ee\b.*$", "", match["value"])
                .strip()
                .rstrip(".*#|")
            )
            if len(value) >= 2 and (named := spdx.normalize(value.strip())):
                a = match.start("key")
                found.append(Finding(named, a, match.start("value") + len(value), 0.9, "label"))
    return found
