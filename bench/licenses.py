"""Licence detection against ScanCode: `python -m bench.licenses [--json] [--scancode PYTHON] [--verbose]`.

Accuracy: licence files of the installed Python distributions whose METADATA declares a licence that can be read, and of
the npm packages under node_modules folders. Declared and found are compared as sets of licences per package, all of
its licence files together. "Only" and "or later" count as one, and BSD variants as one where only "BSD" is declared;
what a licence file has beyond its known text does not count. Each tool reads the same files in the same order.

Speed: milliseconds of processor time a licence file, and a source file (5,000 of the environment, every n-th so that
all packages are in); ScanCode reads a sample of the latter. ScanCode is no dependency: PYTHON is an interpreter with
`pip install scancode-toolkit==32.5.0 pluggy==1.6.0` (with pluggy 1.7 it finds no plugins); without it the peer's
column is empty.
"""

import argparse
import json
import re
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import PathDistribution
from pathlib import Path
from time import process_time

from codelake.lake import encodings, spdx
from codelake.lake.blobs import is_binary
from codelake.lake.licenses import detect, expression
from codelake.lake.licenses.findings import base, keys
from codelake.lake.sources.declared import in_core_metadata, in_package_json

from . import Figure, show

SOURCE_FILES = 5000
PEER_SOURCE_FILES = 60
LICENSE_FILE = re.compile(r"(?i)(?:.*[-_.])?(?:un)?licen[cs]es?(?:[-_.].*)?|copying(?:[-_.].*)?")

# Runs in ScanCode's own environment: paths in, expressions and seconds out.
PEER = """
import json, sys, time, logging
from licensedcode.cache import get_index
from scancode.api import get_licenses
get_index()
get_licenses(__file__)
out = []
for path in json.load(open(sys.argv[1])):
    started = time.process_time()
    found = get_licenses(path).get("detected_license_expression_spdx")
    out.append([found, time.process_time() - started])
json.dump(out, open(sys.argv[2], "w"))
"""


@dataclass(frozen=True)
class Case:
    """A package, the licence it declares, and its licence files."""

    name: str
    declared: str
    files: tuple[Path, ...]


def python_cases(folder: Path) -> list[Case]:
    """Distributions under `folder` with a readable declared licence and licence files."""
    cases = []
    for info in sorted(folder.glob("*.dist-info")):
        metadata = info / "METADATA"
        if not metadata.exists():
            continue
        message = HeaderParser().parsestr(metadata.read_text(encoding="utf-8", errors="replace"))
        declared = spdx.normalize(in_core_metadata(message) or "")
        files = [p for p in sorted(info.rglob("*")) if p.is_file() and LICENSE_FILE.fullmatch(p.name)]
        if declared and files:
            cases.append(Case(PathDistribution(info).metadata["Name"], declared, tuple(files)))
    return cases


def node_cases(folder: Path) -> list[Case]:
    """Packages of a node_modules folder likewise."""
    cases = []
    for manifest in sorted([*folder.glob("*/package.json"), *folder.glob("@*/*/package.json")]):
        declared = spdx.normalize(in_package_json(manifest.read_bytes()) or "")
        files = [p for p in sorted(manifest.parent.iterdir()) if p.is_file() and LICENSE_FILE.fullmatch(p.name)]
        if declared and files:
            cases.append(Case(str(manifest.parent.relative_to(folder)), declared, tuple(files)))
    return cases


def licenses_of(text: str | None) -> set[str]:
    """The licences of an expression as they are compared."""
    ours = {"LicenseRef-AdditionalTerms", "LicenseRef-unknown-reference"}
    found = {base(k) for k in keys(text or "") if k not in ours}
    # What the two tools say where a text is not (only) a licence.
    return {
        k
        for k in found
        if not re.match(
            r"LicenseRef-scancode-(?:unknown-license-reference|free-unknown|warranty|dco|generic-cla|"
            r"other-permissive|proprietary-license$)",
            k,
        )
    }


# Python's licence is a stack of five of which PSF-2.0 is the first; its packages declare that one.
STACK = {"Python-2.0": "PSF-2.0", "Python-2.0.1": "PSF-2.0"}


def right(declared: str, found: set[str]) -> bool:
    """Whether the licences found are those declared."""
    wanted = {STACK.get(k, k) for k in licenses_of(declared)}
    found = {STACK.get(k, k) for k in found}
    if "LicenseRef-BSD" in wanted:
        bsd = {k for k in found if k.startswith("BSD-") or k == "LicenseRef-BSD"}
        return bool(bsd) and wanted - {"LicenseRef-BSD"} == found - bsd
    return wanted == found


def read(path: Path) -> str:
    """The text of a file."""
    data = path.read_bytes()
    return encodings.decode(data, encodings.detect(data) or "latin-1")


def ours(paths: list[Path]) -> tuple[list[str | None], list[float]]:
    """Expression and seconds for each file, decoding left out."""
    detect("LICENSE", "licensed under the MIT license")
    found, seconds = [], []
    for path in paths:
        text = read(path)
        started = process_time()
        found.append(expression(detect(str(path), text)))
        seconds.append(process_time() - started)
    return found, seconds


def peers(python: str, paths: list[Path]) -> tuple[list[str | None], list[float]]:
    """The same of ScanCode."""
    with tempfile.TemporaryDirectory() as work:
        script, given, got = (Path(work) / name for name in ("scancode_files.py", "paths.json", "found.json"))
        script.write_text(PEER)
        given.write_text(json.dumps([str(p) for p in paths]))
        done = subprocess.run([python, script, given, got], check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bench.licenses: ScanCode at {python} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        rows = json.loads(got.read_text())
    return [row[0] for row in rows], [row[1] for row in rows]


def source_files(count: int) -> list[Path]:
    """Text files of the environment, every n-th."""
    roots = [Path(sysconfig.get_paths()[key]) for key in ("purelib", "stdlib", "include")]
    extra = [Path(p) for p in sys.path if p.endswith("site-packages")]
    found = [
        p
        for root in dict.fromkeys([*roots, *extra])
        for p in sorted(root.rglob("*"))
        if p.suffix
        in {".py", ".pyi", ".h", ".hpp", ".c", ".cpp", ".js", ".ts", ".css", ".pyx", ".cuh", ".rs", ".go", ".sh"}
    ]
    some = found[:: max(1, len(found) // (2 * count))]
    return [p for p in some if p.is_file() and p.stat().st_size < 1 << 20 and not is_binary(p.read_bytes())][:count]


def measure(cases: list[Case], python: str | None, *, verbose: bool) -> list[Figure]:
    """All figures."""
    paths = [p for case in cases for p in case.files]
    found, seconds = ours(paths)
    theirs, their_seconds = peers(python, paths) if python else ([None] * len(paths), [float("nan")] * len(paths))
    good = peer_good = at = 0
    for case in cases:
        span = slice(at, at + len(case.files))
        at = span.stop
        mine = set().union(*map(licenses_of, found[span]))
        peer = set().union(*map(licenses_of, theirs[span]))
        good += right(case.declared, mine)
        peer_good += right(case.declared, peer)
        if verbose and not (right(case.declared, mine) and right(case.declared, peer)):
            mark = f"{'ok ' if right(case.declared, mine) else 'BAD'} {'ok ' if right(case.declared, peer) else 'BAD'}"
            print(f"{mark} {case.name}: declared {case.declared}\n    ours {found[span]}\n    peer {theirs[span]}")
    sources = source_files(SOURCE_FILES)
    _, source_seconds = ours(sources)
    sample = sources[:: max(1, len(sources) // PEER_SOURCE_FILES)][:PEER_SOURCE_FILES]
    peer_source = peers(python, sample)[1] if python else [float("nan")]
    peer_name = "scancode"
    return [
        Figure(
            bench="licenses",
            figure=f"packages right, of {len(cases)} ({len(paths)} files)",
            value=good,
            unit="",
            peer=peer_name,
            peer_value=peer_good or 1e-9,
        ),
        Figure(
            bench="licenses",
            figure="a licence file",
            value=1e3 * sum(seconds) / len(seconds),
            unit="ms",
            peer=peer_name,
            peer_value=1e3 * sum(their_seconds) / len(their_seconds),
        ),
        Figure(
            bench="licenses",
            figure=f"a source file ({len(sources)}, peer {len(sample)})",
            value=1e3 * sum(source_seconds) / len(source_seconds),
            unit="ms",
            peer=peer_name,
            peer_value=1e3 * sum(peer_source) / len(peer_source),
        ),
    ]


def all_cases(extra: list[Path]) -> list[Case]:
    """Cases of this environment, of npm where it is installed, and of the folders in `extra`."""
    folders = [Path(p) for p in dict.fromkeys([sysconfig.get_paths()["purelib"], *sys.path]) if p.endswith("-packages")]
    cases = [case for folder in [*folders, *extra] if folder.is_dir() for case in python_cases(folder)]
    nodes = [
        Path("/usr/lib/node_modules/npm/node_modules"),
        Path("/usr/local/lib/node_modules/npm/node_modules"),
        Path("node_modules"),
        *extra,
    ]
    cases += [case for folder in nodes if folder.is_dir() for case in node_cases(folder)]
    return list({(case.name, case.declared): case for case in cases}.values())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--scancode", help="Python of an environment with ScanCode")
    parser.add_argument(
        "--folder", type=Path, action="append", default=[], help="another site-packages or node_modules"
    )
    parser.add_argument("--verbose", action="store_true", help="print what either tool got wrong")
    options = parser.parse_args()
    show(measure(all_cases(options.folder), options.scancode, verbose=options.verbose), as_json=options.json)


if __name__ == "__main__":
    main()
