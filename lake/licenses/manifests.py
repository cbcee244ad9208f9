"""Licences that manifests declare, word for word there, as SPDX expressions here: `declared` and `reuse`.

A manifest that cannot be read gives no findings: that it is broken says nothing of its licence. What names no known
licence ("Other", "see the website") is `LicenseRef-Unknown`; a pointer to a file is `LicenseRef-unknown-reference`.
"""

import ast
import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from email.parser import HeaderParser
from types import MappingProxyType
from typing import Any

from .. import spdx
from ..sources.declared import in_core_metadata, in_package_json
from .findings import REFERENCE, UNKNOWN, Finding

_LIMIT = 4 << 20  # characters; no manifest people write is longer, and a parse tree takes fifty times its text
_TEXT = 200  # characters; a longer value is a licence text, of which the title is read

# A value without a licence: it stands for "there is none stated".
_NOTHING = frozenset({"", "unknown", "none", "todo", "tbd", "n/a", "na", "your license here", "null", "undefined"})


def declared(path: str, text: str) -> list[Finding]:
    """The licence a manifest declares; `path` tells its kind. Offsets are those of the value where it can be found."""
    name = path.lower().rpartition("/")[2]
    if len(text) > _LIMIT:
        return []
    for pattern, (kind, reader) in _READERS.items():
        if re.fullmatch(pattern, name):
            try:
                stated = reader(text)
            except (ValueError, RecursionError, MemoryError, configparser.Error, SyntaxError, LookupError):
                return []
            return _findings(text, stated, f"manifest:{kind}") if stated else []
    return []


def _findings(text: str, stated: str, rule: str) -> list[Finding]:
    lines = [line.strip() for line in stated.splitlines() if line.strip()]
    if not lines:
        return []
    first = lines[0]
    at = text.find(first)
    start, end = (at, at + len(first)) if at >= 0 else (0, len(text))
    pointer = re.match(
        r"see licen[cs]e\b|see ?file\b|(?:licen[cs]e|copying)(?:\.\w{1,5})?$|file:? ?licen[cs]e", first, re.I
    )
    if pointer:
        return [Finding(REFERENCE, start, end, 0.9, rule)]
    expression = spdx.normalize("\n".join(lines))
    if expression is None and len(lines) == 1:
        from .notices import names, say

        found = list(dict.fromkeys(n.spdx for n in names(say(first[:_TEXT]).words)))
        if len(found) == 1:
            expression = found[0]
    if expression is None:
        known = [line for line in lines if line.casefold() not in _NOTHING and not line.startswith("License ::")]
        return [Finding(UNKNOWN, start, end, 0.5, rule)] if known else []
    return [Finding(expression, start, end, 0.95, rule)]


def _title(value: object) -> str:
    """A field's value, or the first line of a licence text in its place."""
    if not isinstance(value, str):
        return ""
    lines = [line.strip() for line in value.strip().splitlines() if line.strip()]
    return (value.strip() if len(lines) <= 1 and len(value) <= _TEXT else lines[0][:_TEXT]) if lines else ""


def _joined(names: list[str], operator: str) -> str:
    """Several declared licences as one line: each is taken as it is, names that are none stay to be unreadable."""
    found = [spdx.normalize(name) or name for name in dict.fromkeys(n for n in names if n)]
    return f" {operator} ".join(f"({n})" if " " in n and len(found) > 1 else n for n in found)


def _pyproject(text: str) -> str:
    """pyproject.toml: PEP 639, PEP 621, Poetry, Flit."""
    tables = tomllib.loads(text)
    project = _table(tables.get("project"))
    tool = _table(tables.get("tool"))
    poetry = _table(tool.get("poetry"))
    flit = _table(_table(tool.get("flit")).get("metadata"))
    stated = project.get("license", poetry.get("license", flit.get("license")))
    classifiers = [
        c
        for table in (project, poetry, flit)
        for c in _items(table.get("classifiers"))
        if isinstance(c, str) and c.startswith("License ::")
    ]
    if isinstance(stated, dict):
        if "text" in stated:
            return "\n".join([_title(stated["text"]), *classifiers])
        if classifiers:
            return "\n".join(classifiers)
        return "SEE LICENSE" if "file" in stated else ""
    return "\n".join([_title(stated), *classifiers])


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _setup_cfg(text: str) -> str:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    if not parser.has_section("metadata"):
        return ""
    section = parser["metadata"]
    classifiers = [c.strip() for c in section.get("classifiers", "").splitlines() if c.strip().startswith("License ::")]
    stated = section.get("license", "")
    stated = "" if stated.strip().startswith("file:") else stated
    return "\n".join([_title(stated), *classifiers])


def _setup_py(text: str) -> str:
    """The literal keywords of setup(), or of dict(…) and {…} that it may be given; nothing is run."""
    stated, classifiers = "", []
    for node in ast.walk(ast.parse(text)):
        pairs: list[tuple[object, ast.expr]] = []
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in {"setup", "dict"}:
            pairs = [(k.arg, k.value) for k in node.keywords]
        elif isinstance(node, ast.Dict):
            pairs = [(getattr(k, "value", None), v) for k, v in zip(node.keys, node.values, strict=True)]
        for key, value in pairs:
            if key in {"license", "license_expression"} and isinstance(value, ast.Constant):
                stated = stated or _title(value.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("License ::"):
            classifiers.append(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\nLicense ::" in node.value:
            classifiers += [line.strip() for line in node.value.splitlines() if line.strip().startswith("License ::")]
    return "\n".join([stated, *dict.fromkeys(classifiers)])


def _metadata(text: str) -> str:
    return in_core_metadata(HeaderParser().parsestr(text)) or ""


def _package_json(text: str) -> str:
    """package.json, bower.json, composer.json: several in an old `licenses` list are a choice."""
    stated = in_package_json(text.encode("utf-8", "surrogatepass"))
    return _joined(stated.splitlines(), "OR") if stated else ""


def _composer(text: str) -> str:
    """composer.json: a list is a choice (https://getcomposer.org/doc/04-schema.md#license)."""
    return _package_json(text)


def _cargo(text: str) -> str:
    package = _table(tomllib.loads(text).get("package")) or _table(
        _table(tomllib.loads(text).get("workspace")).get("package")
    )
    stated = package.get("license")
    if isinstance(stated, str):
        return stated.replace("/", " OR ")  # what Cargo read before it read SPDX
    return "SEE LICENSE" if isinstance(package.get("license-file"), str) else ""


def _elements(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Attributes and content of each innermost XML element of this name; by search, so that no entity is expanded."""
    at = 0
    while (start := text.find(f"<{name}", at)) >= 0:
        opened = text.find(">", start)
        end = text.find(f"</{name}>", opened)
        if opened < 0 or end < 0:
            return
        if text[start + len(name) + 1] in " \t\r\n>":
            yield text[start + len(name) + 1 : opened], text[opened + 1 : end]
        at = end


def _uncommented(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0:
        kept.append(text[at:start])
        end = text.find("-->", start)
        if end < 0:
            return "".join(kept)
        at = end + 3
    return "".join([*kept, text[at:]])


def _pom(text: str) -> str:
    """pom.xml: several are a choice (https://maven.apache.org/pom.html#Licenses)."""
    names = []
    for _, block in _elements(_uncommented(text), "licenses"):
        for _, one in _elements(block, "license"):
            candidates = [c.strip() for tag in ("name", "url") for _, c in _elements(one, tag) if c.strip()]
            names.append(next((c for c in candidates if spdx.normalize(c[:_TEXT])), "".join(candidates[:1]))[:_TEXT])
        break
    return _joined(names, "OR")


def _nuspec(text: str) -> str:
    """*.nuspec: `<license type="expression">`, or the old URL."""
    text = _uncommented(text)
    for attributes, value in _elements(text, "license"):
        return value.strip()[:_TEXT] if '"expression"' in attributes else "SEE LICENSE"
    return next((value.strip()[:_TEXT] for _, value in _elements(text, "licenseUrl")), "")


def _gemspec(text: str) -> str:
    """*.gemspec: several are a choice (https://guides.rubygems.org/specification-reference/#licenses=)."""
    single = re.search(r"\.license\s*=\s*(?:%q\{|[\"'])([^\"'}\n]{1,200})", text)
    if single:
        return single[1]
    several = re.search(r"\.licenses\s*=\s*(?:\[([^\]]{0,1000})\]|%w[\[({]([^\])}]{0,1000}))", text)
    if not several:
        return ""
    if several[1] is not None:
        return _joined([a or b for a, b in re.findall(r"\"([^\"\n]*)\"|'([^'\n]*)'", several[1])], "OR")
    return _joined(several[2].split(), "OR")


def _field(text: str) -> str:
    """The field License of a file of `Name: value` lines: *.cabal, DESCRIPTION."""
    found = re.search(r"^licen[cs]e:[ \t]*(\S.{0,300})$", text, re.MULTILINE | re.IGNORECASE)
    return found[1].strip() if found else ""


def _cabal(text: str) -> str:
    stated = _field(text)
    return {
        "BSD3": "BSD-3-Clause",
        "BSD2": "BSD-2-Clause",
        "BSD4": "BSD-4-Clause",
        "PublicDomain": "Public Domain",
        "AllRightsReserved": "Proprietary",
        "OtherLicense": "Other",
    }.get(stated, stated)


def _description(text: str) -> str:
    """DESCRIPTION of an R package (https://cran.r-project.org/doc/manuals/R-exts.html#Licensing): "GPL | MIT"."""
    names = []
    for one in _field(text).split("|"):
        name = re.sub(r"\+?\s*file\s+LICEN[CS]E", "", one.strip()).strip()
        if not name:
            names.append("SEE LICENSE")
            continue
        name = re.sub(r"\s*\(>=\s*([\d.]+)\)", r"-\1+", name)
        name = re.sub(r"\s*\(==\s*([\d.]+)\)", r"-\1", name)
        names.append({"BSD_2_clause": "BSD-2-Clause", "BSD_3_clause": "BSD-3-Clause"}.get(name, name))
    return names[0] if len(names) == 1 else _joined([n for n in names if n != "SEE LICENSE"], "OR")


def _package_yaml(text: str) -> str:
    """package.yaml of hpack and others: a top-level `license:`."""
    found = re.search(r"^license:[ \t]*[\"']?([^\"'\n#]{1,200})", text, re.MULTILINE)
    return _cabal(f"License: {found[1].strip()}") if found else ""


def _cpan(text: str) -> str:
    """META.json of CPAN: `license` is a list of its own names."""
    stated = json.loads(text)
    names = stated.get("license") if isinstance(stated, dict) else None
    names = names if isinstance(names, list) else [names]
    known = {
        "perl_5": "Artistic-1.0-Perl OR GPL-1.0-or-later",
        "apache_2_0": "Apache-2.0",
        "artistic_2": "Artistic-2.0",
        "gpl_2": "GPL-2.0-only",
        "gpl_3": "GPL-3.0-only",
        "lgpl_2_1": "LGPL-2.1-only",
        "lgpl_3_0": "LGPL-3.0-only",
        "bsd": "LicenseRef-BSD",
        "mit": "MIT",
        "mozilla_1_1": "MPL-1.1",
        "agpl_3": "AGPL-3.0-only",
    }
    return _joined([known.get(n, "") for n in names if isinstance(n, str)], "OR")


_READERS: dict[str, tuple[str, Callable[[str], str]]] = {
    r"pyproject\.toml": ("pyproject", _pyproject),
    r"setup\.cfg": ("setup.cfg", _setup_cfg),
    r"setup\.py": ("setup.py", _setup_py),
    r"pkg-info|metadata": ("metadata", _metadata),
    r"package\.json|bower\.json": ("package.json", _package_json),
    r"composer\.json": ("composer", _composer),
    r"cargo\.toml": ("cargo", _cargo),
    r"pom\.xml|.*\.pom": ("pom", _pom),
    r".*\.nuspec": ("nuspec", _nuspec),
    r".*\.gemspec": ("gemspec", _gemspec),
    r".*\.cabal": ("cabal", _cabal),
    r"description": ("description", _description),
    r"package\.ya?ml": ("package.yaml", _package_yaml),
    r"meta\.json": ("cpan", _cpan),
}


def reuse(path: str, text: str) -> list[Finding]:
    """Licences by path pattern, in order, from debian/copyright, .reuse/dep5 or REUSE.toml; a later one wins.

    The rule of each finding holds the patterns, which the tree's files are matched with (`propagate`): `dep5:` and
    patterns relative to the root, `*` crossing folders; `reuse:KIND:` and patterns relative to the file's folder, KIND
    being REUSE.toml's precedence. Spaces in a pattern are `%20`.
    """
    if len(text) > _LIMIT:
        return []
    if path.lower().endswith("reuse.toml"):
        try:
            return list(_reuse_toml(text))
        except (ValueError, RecursionError):
            return []
    return list(_dep5(text))


def _reuse_toml(text: str) -> Iterator[Finding]:
    """https://reuse.software/spec-3.3/#reusetoml."""
    for entry in _items(tomllib.loads(text).get("annotations")):
        table = _table(entry)
        stated = table.get("SPDX-License-Identifier")
        values = [v for v in (stated if isinstance(stated, list) else [stated]) if isinstance(v, str)]
        patterns = table.get("path")
        patterns = [p for p in (patterns if isinstance(patterns, list) else [patterns]) if isinstance(p, str)]
        expression = spdx.normalize(_joined(values, "AND")) if values else None
        if not patterns or not values:
            continue
        at = max(text.find(values[0]), 0)
        kind = table.get("precedence", "closest")
        globs = " ".join(p.replace("%", "%25").replace(" ", "%20") for p in patterns)
        yield Finding(expression or UNKNOWN, at, at + len(values[0]), 1.0, f"reuse:{kind}:{globs}")


_DEP5_NAMES = {
    "expat": "MIT",
    "public-domain": "LicenseRef-scancode-public-domain",
    "artistic": "Artistic-1.0-Perl",
    "bsd": "LicenseRef-BSD",
    "gpl": "GPL-1.0-or-later",
    "lgpl": "LGPL-2.0-or-later",
    "psf": "PSF-2.0",
    "psf-2": "PSF-2.0",
    "mit-style": "LicenseRef-MIT-style",
    "bsd-style": "LicenseRef-BSD",
    "mit/x11": "MIT",
    "mit-x11": "MIT",
    "perl": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    "zope": "ZPL-2.1",
    "gfdl": "GFDL-1.1-or-later",
    "gfdl-niv": "GFDL-1.1-no-invariants-or-later",
    "w3c": "W3C",
}


def dep5_expression(stated: str, bodies: Mapping[str, str] = MappingProxyType({})) -> str | None:
    """The first line of a License field (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/) in SPDX.

    bodies: the licence texts of the file by the names it gives them, for names that are its own.
    """
    choices = []
    for choice in re.split(r",?\s+or\s+|\s*\|\s*", stated.strip(), flags=re.IGNORECASE):
        parts = []
        for part in re.split(r",?\s+and(?:/or)?\s+|,\s*", choice, flags=re.IGNORECASE):
            name, _, exception = part.partition(" with ")
            name = re.sub(r"^[( ]+|[) ]+$", "", name)
            name = re.sub(r"^GFDL-NIV-([\d.]+)(\+?)$", _gfdl, name)
            expression = _DEP5_NAMES.get(name.lower()) or spdx.normalize(re.sub(r"(\d)\.0\.0\b", r"\1.0", name))
            if expression is None and part in bodies:
                expression = _of_text(bodies[part])
            if expression is None:
                return None
            if exception:
                known = _DEP5_EXCEPTIONS.get(re.sub(r"[\s-]*exception.*$", "", exception.lower()))
                expression = f"{expression} WITH {known}" if known else f"{expression} AND {UNKNOWN}"
            parts.append(f"({expression})")
        choices.append(" AND ".join(parts))
    return spdx.normalize(" OR ".join(f"({c})" for c in choices))


def _gfdl(name: re.Match[str]) -> str:
    return f"GFDL-{name[1]}-no-invariants-{'or-later' if name[2] else 'only'}"


def _of_text(body: str) -> str | None:
    """The licences whose texts `body` holds, None if it holds others or more."""
    from .texts import matches
    from .tokens import words

    counted = words(body)
    found = [m for m in matches(counted) if m.known.kind in {"text", "header"}]
    covered = sum(m.end - m.start for m in found)
    if not found or covered < 0.8 * len(counted) or any(m.score < _LIKE for m in found):
        return None
    return " AND ".join(dict.fromkeys(m.known.name for m in found))


_LIKE = 0.9  # share of a text's words; a stanza's text is whole, so what is less alike is another licence
_DEP5_EXCEPTIONS = {
    "font": "Font-exception-2.0",
    "classpath": "Classpath-exception-2.0",
    "openssl": "openvpn-openssl-exception",
    "autoconf": "Autoconf-exception-generic",
    "bison": "Bison-exception-2.2",
    "libtool": "Libtool-exception",
    "gcc runtime library": "GCC-exception-3.1",
    "gcc": "GCC-exception-3.1",
    "llvm": "LLVM-exception",
}


def _dep5(text: str) -> Iterator[Finding]:
    bodies: dict[str, str] = {}
    for named in re.finditer(r"^License:[ \t]*(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?)+)", text, re.MULTILINE | re.IGNORECASE):
        bodies.setdefault(named[1].strip(), re.sub(r"^ \.$", "", named[2], flags=re.MULTILINE))
    for paragraph in re.finditer(r"(?:^[^\n]*\S[^\n]*\n?)+", text, re.MULTILINE):
        files = re.search(r"^Files:[ \t]*((?:[^\n]*(?:\n[ \t]+[^\n]+)*))", paragraph[0], re.MULTILINE | re.IGNORECASE)
        stated = re.search(r"^License:[ \t]*([^\n]*)", paragraph[0], re.MULTILINE | re.IGNORECASE)
        if not files or not stated or not stated[1].strip():
            continue
        start = paragraph.start() + stated.start(1)
        expression = dep5_expression(stated[1][:500], bodies)
        if expression is None:  # some write the text where its name belongs
            expression = _of_text(re.split(r"^[A-Z][\w-]*:", paragraph[0][stated.start(1) :], flags=re.MULTILINE)[0])
        globs = " ".join(files[1].replace(",", " ").split())
        score = 0.95 if expression else 0.5
        yield Finding(expression or UNKNOWN, start, start + len(stated[1]), score, f"dep5:{globs}")
