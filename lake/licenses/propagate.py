"""The licence that holds for each file of a tree, from what its files state: `propagate`, and the same as SQL.

A file's own tag or header holds for it. Without one, the nearest folder up the tree that says something decides, and in
a folder its licence files before its manifests before its README. Patterns of REUSE.toml and Debian's copyright files
stand between the two. Notices of third parties and change logs decide nothing.

Evidence is worked out for the few files that have any (`evidence`); what remains for all files is a join of folders,
linear in files times depth, which `sql/curate/licenses.sql` does over millions.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from .. import spdx
from . import paths
from .findings import REFERENCE, UNKNOWN, Finding, base, combine, expression, keys


@dataclass(frozen=True, slots=True)
class Held:
    """The licence of one file; source: the path that says so.

    how: own, sidecar, pattern, license, manifest, readme or none.
    """

    spdx: str | None
    license_type: str
    source: str | None
    how: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a folder says of what is in it and below it."""

    directory: str
    spdx: str
    source: str
    how: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one path pattern says; order: a later one wins; precedence: closest, aggregate or override."""

    regex: str
    spdx: str
    source: str
    order: int
    precedence: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the files of one tree state: own: path -> (expression, source)."""

    own: Mapping[str, tuple[str, str]]
    scopes: Mapping[str, Scope]
    patterns: Sequence[Pattern]


_ORDER = ("license", "manifest", "readme", "texts")


def evidence(findings: Mapping[str, Sequence[Finding]]) -> Evidence:
    """What is stated in one tree. findings: path -> what `detect` found there; paths without any may be absent."""
    own: dict[str, tuple[str, str]] = {}
    folders: dict[str, dict[str, dict[str, list[Finding]]]] = defaultdict(lambda: defaultdict(dict))
    patterns: list[Pattern] = []
    for path in sorted(findings):
        found = list(findings[path])
        if not found:
            continue
        role, folder = paths.role(path), _parent(path)
        if role == "source":
            if said := expression(found):
                own.setdefault(path, (said, path))
        elif role == "sidecar":
            if said := expression(found):
                own[path.removesuffix(path[-8:])] = (said, path)
        elif role == "reuse":
            patterns += _patterns(path, found, len(patterns))
            if whole := [f for f in found if f.rule == "dep5:*"]:
                # It stands for the whole tree as a manifest does, under nearer licence files.
                folders[_root_of(path)]["manifest"][path] = whole[-1:]
        elif role in {"license", "manifest", "readme"}:
            kind: str = role
            if role == "license" and folder.rpartition("/")[2].lower() in {"licenses", "licences"}:
                kind, folder = "texts", _parent(folder)
            folders[folder][kind][path] = found
    scopes = {folder: scope for folder, kinds in folders.items() if (scope := _scope(folder, kinds)) is not None}
    return Evidence(own, scopes, patterns)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _root_of(path: str) -> str:
    """The folder that the patterns of a file are relative to."""
    folder = _parent(path)
    return folder if path.lower().endswith("reuse.toml") else _parent(folder)


def _patterns(path: str, found: Sequence[Finding], start: int) -> Iterator[Pattern]:
    root = _root_of(path)
    for number, finding in enumerate(found, start):
        kind, _, rest = finding.rule.partition(":")
        if kind not in {"dep5", "reuse"} or finding.rule == "dep5:*":
            continue
        precedence, globs = ("closest", rest) if kind == "dep5" else rest.split(":", 1)
        regexes = [glob_regex(g, root, crossing=kind == "dep5") for g in globs.split(" ") if g]
        if regexes:
            yield Pattern("|".join(regexes), finding.spdx, path, number, precedence)


def glob_regex(glob: str, root: str, *, crossing: bool) -> str:
    """A path pattern below `root` as a regular expression for the whole path.

    crossing: `*` matches `/` too, as in debian/copyright; in REUSE.toml `**` does and `*` does not.
    """
    glob = glob.replace("%20", " ").replace("%25", "%").removeprefix("./")
    parts = []
    for token in re.findall(r"\\.|\*+|\?|[^\\*?]+|\\", glob):
        if token.startswith("*"):
            parts.append(".*" if crossing or len(token) > 1 else "[^/]*")
        elif token == "?" and crossing:
            parts.append(".")
        else:
            parts.append(re.escape(token[1:] if token.startswith("\\") and len(token) > 1 else token))
    prefix = re.escape(f"{root}/") if root else ""
    return f"(?:{prefix}{''.join(parts)}{'(?:/.*)?' if crossing else ''})"


def _scope(folder: str, kinds: Mapping[str, Mapping[str, list[Finding]]]) -> Scope | None:
    """What a folder says: its licence files, joined as its manifest or README joins them; else those."""
    for kind in _ORDER:
        files = kinds.get(kind)
        if not files:
            continue
        said = _said(files)
        if said is None:
            continue
        if kind == "license":
            for other in ("manifest", "readme"):
                stated = _said(kinds[other]) if other in kinds else None
                if stated and _says_how(stated, said):
                    said = stated
                    break
        return Scope(folder, said, min(files, key=lambda p: (len(p), p)), "license" if kind == "texts" else kind)
    return None


def _said(files: Mapping[str, Sequence[Finding]]) -> str | None:
    """The expression of several files of one kind; a file that only points to the others says how they are joined."""
    stated = {path: expression(found) for path, found in files.items()}
    either = any(f.rule == "reference-either" for found in files.values() for f in found)
    said = [e for e in stated.values() if e and e != REFERENCE]
    if not said:
        return REFERENCE if any(stated.values()) and all(e == REFERENCE for e in stated.values() if e) else None
    texts = {f.rule.removeprefix("text:") for found in files.values() for f in found if f.rule.startswith("text:")}
    parts = combine(list(dict.fromkeys(said)), texts)
    joined = (" OR " if either else " AND ").join(f"({p})" for p in parts)
    return spdx.normalize(joined) or joined


def _says_how(stated: str, texts: str) -> bool:
    """Whether `stated` names the licences of `texts`, and so says of which version, or which may be chosen."""
    return stated != texts and {base(k) for k in keys(stated)} == {base(k) for k in keys(texts)}


_FAMILIES = {
    "LicenseRef-BSD": re.compile(r"(?:0?BSD|ISC)"),
    "LicenseRef-MIT-style": re.compile(r"(?:MIT|X11|ISC|HPND)"),
    "GPL-1.0-or-later": re.compile(r"GPL-"),
    "LGPL-2.0-or-later": re.compile(r"LGPL-"),
    "MPL-1.0": re.compile(r"MPL-"),
}


@lru_cache(maxsize=65536)
def settle(own: str | None, scope: str | None) -> str | None:
    """What holds for a file that says `own` where its folder says `scope`: its own word, made exact by the folder's."""
    if own is None or own == REFERENCE:
        return scope if scope is not None else own
    if scope is not None and own in _FAMILIES:
        named = keys(scope)
        if named and all(_FAMILIES[own].match(k) for k in named):
            return scope
    return own


def propagate(paths_: Iterable[str], findings: Mapping[str, Sequence[Finding]]) -> dict[str, Held]:
    """The licence of every path of one tree.

    paths: relative to the tree's root, with / between names. findings: path -> what `detect` found there. A file for
    which nothing says anything has None and the type "none".
    """
    known = evidence(findings)
    compiled = [(re.compile(p.regex), p) for p in known.patterns]
    near: dict[str, Scope | None] = {}
    held = {}
    for path in paths_:
        scope = _nearest(_parent(path), known.scopes, near)
        matched = [p for regex, p in compiled if regex.fullmatch(path)]
        held[path] = _held(known.own.get(path), matched[-1] if matched else None, scope, path)
    return held


def _nearest(folder: str, scopes: Mapping[str, Scope], near: dict[str, Scope | None]) -> Scope | None:
    """The scope of the nearest folder that has one; `near` remembers."""
    if folder in near:
        return near[folder]
    if folder in scopes:
        found: Scope | None = scopes[folder]
    else:
        found = _nearest(_parent(folder), scopes, near) if folder else None
    near[folder] = found
    return found


def _held(own: tuple[str, str] | None, pattern: Pattern | None, scope: Scope | None, path: str) -> Held:
    said = own[0] if own else None
    if pattern is not None and (own is None or pattern.precedence != "closest"):
        both = pattern.precedence == "aggregate" and said is not None
        joined = spdx.normalize(f"({said}) AND ({pattern.spdx})") if both else pattern.spdx
        return _typed(joined or UNKNOWN, pattern.source, "pattern")
    settled = settle(said, scope.spdx if scope else None)
    if settled is None:
        return Held(None, "none", None, "none")
    if own is None or (settled != said and scope is not None):
        assert scope is not None
        return _typed(settled, scope.source, scope.how)
    return _typed(settled, own[1], "own" if own[1] == path else "sidecar")


def _typed(expression_: str, source: str, how: str) -> Held:
    return Held(expression_, spdx.license_type(expression_, declared=True), source, how)


def tables(trees: Mapping[str, Evidence]) -> dict[str, pa.Table]:
    """The evidence of several trees as the tables that `sql/curate/licenses.sql` reads. trees: its key -> evidence."""
    own = [(tree, path, said, source) for tree, e in trees.items() for path, (said, source) in e.own.items()]
    scopes = [(tree, s.directory, s.spdx, s.source, s.how) for tree, e in trees.items() for s in e.scopes.values()]
    patterns = [
        (tree, p.regex, p.spdx, p.source, p.order, p.precedence) for tree, e in trees.items() for p in e.patterns
    ]
    text, number = pa.string(), pa.int64()
    return {
        "own_licenses": _table(own, {"tree": text, "path": text, "spdx": text, "source": text}),
        "license_scopes": _table(scopes, {"tree": text, "directory": text, "spdx": text, "source": text, "how": text}),
        "license_patterns": _table(
            patterns,
            {"tree": text, "regex": text, "spdx": text, "source": text, "order": number, "precedence": text},
        ),
    }


def _table(rows: Sequence[tuple[object, ...]], columns: Mapping[str, pa.DataType]) -> pa.Table:
    fields = zip(columns.items(), zip(*rows, strict=True) if rows else [[]] * len(columns), strict=True)
    return pa.table({name: pa.array(list(values), kind) for (name, kind), values in fields})


def settlements(pairs: pa.Table) -> pa.Table:
    """What holds for each (own, pattern, precedence, scope) that the SQL met: columns spdx, license_type, by."""
    rows = pairs.to_pylist()
    held = [
        _held(
            (r["own"], "own") if r["own"] is not None else None,
            Pattern("", r["pattern"], "pattern", 0, r["precedence"]) if r["pattern"] is not None else None,
            Scope("", r["scope"], "scope", "") if r["scope"] is not None else None,
            "own",
        )
        for r in rows
    ]
    return (
        pairs.append_column("spdx", pa.array([h.spdx for h in held], pa.string()))
        .append_column("license_type", pa.array([h.license_type for h in held], pa.string()))
        .append_column("by", pa.array([h.source for h in held], pa.string()))
    )
