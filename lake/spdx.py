"""Declared licences as SPDX expressions, and SPDX expressions as one class of licence.

The tables are data (`data/licence_aliases.csv`, `data/licence_categories.csv`, see `data/README.md`). Names that do not
say which licence they mean stay that vague: "BSD" becomes `LicenseRef-BSD`, whose variants are all permissive.
"""

import csv
import re
from functools import cache, lru_cache
from pathlib import Path

from license_expression import (
    ExpressionError,
    LicenseExpression,
    LicenseSymbol,
    LicenseWithExceptionSymbol,
    Licensing,
    get_spdx_licensing,
)

VERSION = "2, ScanCode 32.5.0, Blue Oak 15.0.0"
"""Raise the first number when a rule or a row of the alias table changes: what was curated before is then redone."""

LICENSE_TYPES = (
    "public-domain",
    "permissive",
    "weak-copyleft",
    "copyleft",
    "non-commercial",
    "proprietary",
    "unknown",
    "none",
)
"""The classes of a licence from the most permissive to the most restrictive: the order in which OR and AND choose."""

_TYPE_OF_CATEGORY = {
    "Public Domain": "public-domain",
    "Permissive": "permissive",
    "Copyleft Limited": "weak-copyleft",
    "Copyleft": "copyleft",
    "Source-available": "proprietary",
    "Free Restricted": "proprietary",
    "Proprietary Free": "proprietary",
}
_NON_COMMERCIAL = re.compile(r"-NC(-|$)|^NCGL-|noncommercial", re.IGNORECASE)

# The references the alias table and detection make for what SPDX has no id for; any other LicenseRef is unknown.
_TYPE_OF_REFERENCE = {
    "licenseref-bsd": "permissive",
    "licenseref-mit-style": "permissive",
    "licenseref-scancode-public-domain": "public-domain",
    "licenseref-noncommercial": "non-commercial",
    "licenseref-proprietary": "proprietary",
    "licenseref-commons-clause": "proprietary",
}

# SPDX exceptions that let a work under other terms be linked or combined with the covered one. The
# others concern output (Bison, Autoconf, fonts), one named library (OpenSSL) or enforcement, and leave its class alone.
_LINKING_EXCEPTIONS = frozenset(
    """
    Classpath-exception-2.0 LLVM-exception Swift-exception GCC-exception-2.0 GCC-exception-2.0-note GCC-exception-3.1
    GNAT-exception GNU-compiler-exception Fawkes-Runtime-exception Bootloader-exception eCos-exception-2.0
    WxWindows-exception-3.1 FLTK-exception Qwt-exception-1.0 Qt-GPL-exception-1.0 Qt-LGPL-exception-1.1
    Digia-Qt-LGPL-exception-1.1 GPL-3.0-linking-exception GPL-3.0-linking-source-exception GPL-3.0-interface-exception
    LGPL-3.0-linking-exception OCaml-LGPL-linking-exception CGAL-linking-exception erlang-otp-linking-exception
    Asterisk-linking-protocols-exception Independent-modules-exception OpenJDK-assembly-exception-1.0
    freertos-exception-2.0 gnu-javamail-exception i2p-gpl-java-exception harbour-exception polyparse-exception
    CLISP-exception-2.0 LZMA-exception OCCT-exception-1.0 SANE-exception PCRE2-exception LLGPL mif-exception
    """.casefold().split()
)

_CLASSIFIER = re.compile(r"License\s*::", re.IGNORECASE)
_EXPRESSION = re.compile(r"[A-Za-z0-9.+:() \-]{1,2000}")
_REFERENCE = re.compile(r"(DocumentRef-[A-Za-z0-9.\-]+:)?LicenseRef-([A-Za-z0-9.\-]+)", re.IGNORECASE)
_CANDIDATE_LINES = 4  # metadata names a licence in one line each of two or three fields; a longer text is prose
_NAME_LENGTH = 200
_NESTING = 50


def normalize(declared: str | None) -> str | None:
    """The SPDX expression a package's declaration means, or None if it says nothing that can be read.

    declared: one or more candidates, one a line, the most trusted first: an SPDX expression, a name as people write it,
    or a Trove classifier. The first line that is not a classifier and can be read decides. Without one, the licences of
    the classifiers are joined with AND: classifiers cannot say whether a user may choose, so all are taken to apply.
    A licence text in place of a name (more than 4 lines that are not classifiers) is not read.
    """
    return _normalize(declared) if declared else None


@lru_cache(maxsize=65536)
def _normalize(declared: str) -> str | None:
    lines = [line.strip() for line in declared.splitlines() if line.strip()]
    names = [line for line in lines if not _CLASSIFIER.match(line)]
    if len(names) <= _CANDIDATE_LINES:
        for name in names:
            if found := _resolve(name):
                return found
    classified = (_aliases().get(_key(line)) for line in lines if _CLASSIFIER.match(line))
    return " AND ".join(sorted({expression for expression in classified if expression})) or None


def _resolve(name: str) -> str | None:
    """One candidate: as a known name, as an SPDX expression, or as a list of either."""
    if len(name) <= _NAME_LENGTH and (alias := _aliases().get(_key(name))):
        return alias
    return _rendered(name) or _resolve_list(name)


def _resolve_list(name: str) -> str | None:
    """A list of names that can all be read: "MIT/Apache 2.0", "BSD or GPLv3" as OR, "MIT, BSD", "MIT & BSD" as AND."""
    if len(name) > _NAME_LENGTH or "(" in name:
        return None
    name = re.sub(r",\s*(?=v(ersion)?\b)", " ", name, flags=re.IGNORECASE)  # "Apache License, Version 2.0" is one name
    choices = [
        [part for part in re.split(r"\s+and\s+|[,;&]", choice, flags=re.IGNORECASE) if part.strip()]
        for choice in re.split(r"\s+(?:and/)?or\s+|/|\|+", name, flags=re.IGNORECASE)
    ]
    if sum(map(len, choices)) < 2 or not all(choices):
        return None
    joined = []
    for parts in choices:
        found = [_aliases().get(_key(part)) or _rendered(part.strip()) for part in parts]
        if None in found:
            return None
        joined.append(" AND ".join(f"({expression})" for expression in dict.fromkeys(found)))
    return _rendered(" OR ".join(f"({expression})" for expression in dict.fromkeys(joined)))


def _rendered(name: str) -> str | None:
    tree = _parse(name)
    return None if tree is None else _render(tree)


def _key(name: str) -> str:
    """The form in which names are compared: what is left when spelling habits are taken away.

    Lower case; a URL's scheme and "www." go; all but letters, digits, "+" and the dots of versions become spaces; the
    words the, licence, license, licensed and version go; "v2" reads "2", "gplv2" reads "gpl 2", "2.0" reads "2".
    """
    text = re.sub(r"https?://(www\.)?", " ", name.casefold())
    text = re.sub(r"[^a-z0-9+.]+|\.(?!\d)|(?<!\d)\.", " ", text)
    text = re.sub(r"\b(the|licen[cs]ed?|version)\b", " ", text)
    text = re.sub(r"(?<![a-z])v\s*(?=\d)|(?<=[a-z])v(?=\d)|(?<=[a-z])(?=\d)", " ", text)
    text = re.sub(r"(?<![\d.])(\d+)\.0(?![\d.])", r"\1", text)
    return " ".join(re.sub(r"\s+\+", "+", text).split())


@cache
def _rows(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / "data" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def _aliases() -> dict[str, str]:
    """Key of a name -> SPDX expression: the rows of the table, and every current id however it is spelt."""
    ids = {_key(row["spdx_id"]): row["spdx_id"] for row in _rows("licence_categories.csv") if row["deprecated"] == "0"}
    return ids | {_key(row["alias"]): row["spdx"] for row in _rows("licence_aliases.csv")}


@cache
def _categories() -> dict[str, tuple[str, str]]:
    """Folded id -> the id as SPDX writes it and its type; without the deprecated ids that the alias table replaces."""
    aliases = _aliases()
    table = {}
    for row in _rows("licence_categories.csv"):
        name = row["spdx_id"]
        if row["deprecated"] == "1" and _key(name) in aliases:
            continue
        kind = _TYPE_OF_CATEGORY.get(row["scancode_category"], "unknown")
        table[name.casefold()] = (name, "non-commercial" if _NON_COMMERCIAL.search(name) else kind)
    return table


@cache
def _exceptions() -> dict[str, str]:
    symbols = get_spdx_licensing().known_symbols.values()
    return {s.key.casefold(): s.key for s in symbols if s.is_exception and not s.key.startswith("LicenseRef-")}


@cache
def _licensing() -> Licensing:
    return Licensing()


def _parse(text: str) -> LicenseExpression | None:
    """The tree of an SPDX expression whose every id is known, or None."""
    if not _EXPRESSION.fullmatch(text) or text.count("(") > _NESTING:
        return None
    try:
        tree = _licensing().parse(text, simple=True)
    except (ExpressionError, IndexError):  # IndexError: license-expression 30.4.4 on "()"
        return None
    return tree if tree is not None and _known(tree) else None


def _known(node: LicenseExpression) -> bool:
    if isinstance(node, LicenseWithExceptionSymbol):
        base = _id(node.license_symbol.key)
        return base is not None and " " not in base and node.exception_symbol.key.casefold() in _exceptions()
    if isinstance(node, LicenseSymbol):
        return _id(node.key) is not None
    return all(_known(child) for child in node.args)


def _id(key: str) -> str | None:
    """A licence id as SPDX writes it today: case fixed, deprecated ids replaced, `+` and LicenseRef kept."""
    if reference := _REFERENCE.fullmatch(key):
        document = reference[1] or ""
        return f"{document}LicenseRef-{reference[2]}"
    if entry := _categories().get(key.casefold()):
        return entry[0]
    if alias := _aliases().get(_key(key)):
        return alias
    if key.endswith("+") and (entry := _categories().get(key[:-1].casefold())):
        return f"{entry[0]}+"
    return None


def _render(node: LicenseExpression) -> str:
    if isinstance(node, LicenseWithExceptionSymbol):
        return f"{_id(node.license_symbol.key)} WITH {_exceptions()[node.exception_symbol.key.casefold()]}"
    if isinstance(node, LicenseSymbol):
        return str(_id(node.key))
    operator = " OR " if isinstance(node, _licensing().OR) else " AND "
    return operator.join(f"({_render(n)})" if n.args else _render(n) for n in node.args)


Tree = str | tuple[str, tuple["Tree", ...]]
"""An expression taken apart: a licence (with its exception), or an operator, AND or OR, and what it joins."""


def tree(expression: str) -> Tree:
    """`expression` taken apart. Raises ValueError for one that is not valid SPDX with known ids."""
    parsed = _parse(expression)
    if parsed is None:
        raise ValueError(f"not an SPDX expression: {expression!r}")
    return _taken_apart(parsed)


def _taken_apart(node: LicenseExpression) -> Tree:
    if isinstance(node, LicenseSymbol | LicenseWithExceptionSymbol):
        return _render(node)
    operator = "OR" if isinstance(node, _licensing().OR) else "AND"
    return operator, tuple(_taken_apart(child) for child in node.args)


def license_type(spdx: str | None, *, declared: bool = False) -> str:
    """The class of an SPDX expression: one of LICENSE_TYPES.

    A licence has the class of its ScanCode category, or "non-commercial" if its id says so. Of the sides of an OR the
    most permissive counts, of those of an AND the most restrictive, in the order of LICENSE_TYPES. An exception that
    allows linking makes copyleft weak. An id without a category, a LicenseRef not made by `normalize` and an invalid
    expression are "unknown". Without an expression: "unknown" if something was declared, else "none".
    """
    if not spdx:
        return "unknown" if declared else "none"
    return _license_type(spdx)


@lru_cache(maxsize=65536)
def _license_type(spdx: str) -> str:
    tree = _parse(spdx)
    return "unknown" if tree is None else _type_of(tree)


def _type_of(node: LicenseExpression) -> str:
    if isinstance(node, LicenseWithExceptionSymbol):
        base = _type_of(node.license_symbol)
        weakened = node.exception_symbol.key.casefold() in _LINKING_EXCEPTIONS
        return "weak-copyleft" if base == "copyleft" and weakened else base
    if isinstance(node, LicenseSymbol):
        name = str(_id(node.key))
        if " " in name:  # a deprecated id that stands for an expression
            return _license_type(name)
        folded = name.casefold().removesuffix("+")
        return _categories()[folded][1] if folded in _categories() else _TYPE_OF_REFERENCE.get(folded, "unknown")
    choose = min if isinstance(node, _licensing().OR) else max
    return choose((_type_of(child) for child in node.args), key=LICENSE_TYPES.index)
