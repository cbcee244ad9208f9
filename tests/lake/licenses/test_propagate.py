"""The licence that holds for each file of a tree, in Python and in SQL."""

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake import sql
from codelake.lake.licenses import detect
from codelake.lake.licenses.propagate import evidence, glob_regex, propagate, settlements, tables
from codelake.lake.licenses.texts import data

TEXTS: dict[str, str] = data()["texts"]  # type: ignore[assignment]
MIT, APACHE, GPL3, BSD3 = (TEXTS[n] for n in ("MIT", "Apache-2.0", "GPL-3.0-only", "BSD-3-Clause"))


def held(tree: dict[str, str]) -> dict[str, tuple[str | None, str, str | None]]:
    found = propagate(tree, {path: detect(path, text) for path, text in tree.items()})
    return {path: (h.spdx, h.how, h.source) for path, h in found.items()}


def test_nearest_wins_and_a_header_wins_over_all() -> None:
    tree = {
        "LICENSE": MIT,
        "package.json": '{"license": "ISC"}',
        "README.md": "## License\n\nGPLv3\n",
        "a.js": "x",
        "src/b.js": "x",
        "src/c.js": "// SPDX-License-Identifier: Apache-2.0\n",
        "vendor/lib/COPYING": GPL3,
        "vendor/lib/deep/er/d.js": "x",
        "vendor/other/package.json": '{"license": "Zlib"}',
        "vendor/other/e.js": "x",
        "doc/README.md": "# Docs\n\n## License\n\nCC-BY-4.0\n",
        "doc/f.md": "x",
    }
    found = held(tree)
    assert found["a.js"] == ("MIT", "license", "LICENSE")
    assert found["src/b.js"] == ("MIT", "license", "LICENSE")
    assert found["src/c.js"] == ("Apache-2.0", "own", "src/c.js")
    assert found["vendor/lib/deep/er/d.js"] == ("GPL-3.0-only", "license", "vendor/lib/COPYING")
    assert found["vendor/other/e.js"] == ("Zlib", "manifest", "vendor/other/package.json")
    assert found["doc/f.md"] == ("CC-BY-4.0", "readme", "doc/README.md")


def test_a_notice_or_a_readme_about_others_does_not_flip_a_tree() -> None:
    tree = {
        "LICENSE": MIT,
        "NOTICE": "This product includes software licensed under the GPL version 2.\n\n" + GPL3,
        "README.md": "Works with gcc, which is licensed under the GPL.\n",
        "CHANGELOG": "No longer released under the GPL.\n",
        "a.py": "x",
    }
    assert held(tree)["a.py"][0] == "MIT"


def test_nothing_said_is_none_and_unknown_terms_are_unknown() -> None:
    assert held({"a.py": "x"})["a.py"] == (None, "none", None)
    found = propagate(["a.py"], {"LICENSE": detect("LICENSE", "You get what we give you and then some. " * 9)})
    assert (found["a.py"].spdx, found["a.py"].license_type) == ("LicenseRef-Unknown", "unknown")


def test_two_texts_are_joined_as_the_manifest_says() -> None:
    both = {"LICENSE-MIT": MIT, "LICENSE-APACHE": APACHE, "src/a.rs": "x"}
    assert held(both)["src/a.rs"][0] == "Apache-2.0 AND MIT"
    assert (
        held({**both, "Cargo.toml": '[package]\nlicense = "MIT OR Apache-2.0"'})["src/a.rs"][0] == "MIT OR Apache-2.0"
    )
    readme = "## License\n\nLicensed under either of Apache License, Version 2.0 or MIT license at your option.\n"
    assert held({**both, "README.md": readme})["src/a.rs"][0] == "Apache-2.0 OR MIT"
    pointer = "It is made available under the terms of *either* of the licenses found in LICENSE.APACHE or LICENSE.BSD."
    tree = {"LICENSE": pointer, "LICENSE.APACHE": APACHE, "LICENSE.BSD": BSD3, "a.py": "x"}
    assert held(tree)["a.py"][0] == "Apache-2.0 OR BSD-3-Clause"


def test_a_text_cannot_tell_or_later_and_a_manifest_can() -> None:
    tree = {"COPYING": GPL3, "Cargo.toml": '[package]\nlicense = "GPL-3.0-or-later"', "a.rs": "x"}
    assert held(tree)["a.rs"][0] == "GPL-3.0-or-later"


def test_references_resolve_to_the_nearest_licence_file() -> None:
    header = (
        "// Use of this source code is governed by a BSD-style\n// license that can be found in the LICENSE file.\n"
    )
    tree = {"LICENSE": BSD3, "a.go": header, "b.go": "// See the LICENSE file in the project root for details.\n"}
    assert held(tree)["a.go"][:2] == ("BSD-3-Clause", "license")
    assert held(tree)["b.go"][:2] == ("BSD-3-Clause", "license")
    assert held({**tree, "LICENSE": APACHE})["a.go"][0] == "LicenseRef-BSD"
    assert held({"b.go": tree["b.go"]})["b.go"][0] == "LicenseRef-unknown-reference"


def test_reuse_and_debian_patterns() -> None:
    tree = {
        "LICENSES/MIT.txt": MIT,
        "LICENSES/CC0-1.0.txt": TEXTS["CC0-1.0"],
        "REUSE.toml": 'version = 1\n[[annotations]]\npath = "img/*.png"\nSPDX-License-Identifier = "CC0-1.0"\n'
        '[[annotations]]\npath = "gen.py"\nprecedence = "override"\nSPDX-License-Identifier = "MIT"\n',
        "img/a.png": "",
        "img/deep/b.png": "",
        "img/c.png.license": "SPDX-License-Identifier: ISC\n",
        "img/c.png": "",
        "gen.py": "# SPDX-License-Identifier: GPL-3.0-only\n",
        "main.py": "# SPDX-License-Identifier: MIT\n",
    }
    found = held(tree)
    assert found["img/a.png"] == ("CC0-1.0", "pattern", "REUSE.toml")
    assert found["img/deep/b.png"][1] == "license"
    assert found["img/c.png"] == ("ISC", "sidecar", "img/c.png.license")
    assert found["gen.py"] == ("MIT", "pattern", "REUSE.toml")
    assert found["main.py"] == ("MIT", "own", "main.py")
    debian = {
        "debian/copyright": "Files: *\nLicense: GPL-2+\n\nFiles: lib/*\nLicense: Expat\n",
        "a.c": "x",
        "lib/x/b.c": "x",
    }
    assert held(debian)["a.c"][:2] == ("GPL-2.0-or-later", "manifest")
    assert held(debian)["lib/x/b.c"][:2] == ("MIT", "pattern")


@pytest.mark.parametrize(
    ("glob", "crossing", "path", "matches"),
    [
        ("src/*", True, "src/a/b.c", True),
        ("src/*", False, "src/a/b.c", False),
        ("src/**", False, "src/a/b.c", True),
        ("*.c", False, "a.c", True),
        ("a?.c", True, "ab.c", True),
        ("a?.c", False, "ab.c", False),
        (r"a\*.c", False, "a*.c", True),
        (r"a\*.c", False, "ab.c", False),
        ("a+(b).c", False, "a+(b).c", True),
        ("lib", True, "lib/x.c", True),
    ],
)
def test_patterns(glob: str, crossing: bool, path: str, matches: bool) -> None:
    import re

    assert bool(re.fullmatch(glob_regex(glob, "", crossing=crossing), path)) is matches
    assert bool(re.fullmatch(glob_regex(glob, "sub", crossing=crossing), f"sub/{path}")) is matches


FILES = {
    "LICENSE": MIT,
    "COPYING": GPL3,
    "package.json": '{"license": "ISC"}',
    "README.md": "## License\n\nZlib\n",
    "REUSE.toml": '[[annotations]]\npath = "**"\nprecedence = "aggregate"\nSPDX-License-Identifier = "CC0-1.0"\n',
    "a.py": "# SPDX-License-Identifier: Apache-2.0\n",
    "b.py": "# See the LICENSE file in the project root for details.\n",
    "c.py": "x",
    "c.py.license": "SPDX-License-Identifier: 0BSD\n",
    "d.py": "# Distributed under the BSD license.\n",
}
FOUND = {name: detect(name, text) for name, text in FILES.items()}


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["", "x/", "x/y/", "x/y/z/", "w/", "a b/'q/"]),
        st.sets(st.sampled_from(sorted(FILES)), min_size=1),
        min_size=1,
    )
)
def test_sql_says_what_python_says(tree: dict[str, set[str]]) -> None:
    findings = {folder + name: FOUND[name] for folder, names in tree.items() for name in names}
    expected = propagate(findings, findings)
    with duckdb.connect() as connection:
        paths = pa.table({"tree": ["t"] * len(findings), "path": list(findings)})
        for name, table in tables({"t": evidence(findings)}).items():
            connection.register(name, table)
        connection.register("paths", paths)
        connection.execute(sql.load("curate/licenses"))
        pairs = connection.sql("SELECT DISTINCT own, pattern, precedence, scope FROM stated_licenses").to_arrow_table()
        connection.register("settled", settlements(pairs))
        rows = connection.sql(
            "SELECT path, spdx, license_type FROM stated_licenses JOIN settled ON (stated_licenses.own IS NOT "
            "DISTINCT FROM settled.own "
            "AND stated_licenses.pattern IS NOT DISTINCT FROM settled.pattern AND stated_licenses.precedence IS "
            "NOT DISTINCT FROM settled.precedence "
            "AND stated_licenses.scope IS NOT DISTINCT FROM settled.scope)"
        ).fetchall()
    assert {path: (spdx, kind) for path, spdx, kind in rows} == {
        p: (h.spdx, h.license_type) for p, h in expected.items()
    }
