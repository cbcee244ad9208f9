"""Every kind of manifest, whole and broken."""

import pytest

from codelake.lake.licenses import detect, expression

MANIFESTS = [
    ("pyproject.toml", '[project]\nname = "x"\nlicense = "MIT OR Apache-2.0"\n', "MIT OR Apache-2.0"),
    ("pyproject.toml", '[project]\nlicense = {text = "BSD-3-Clause"}\n', "BSD-3-Clause"),
    ("pyproject.toml", '[project]\nlicense = {file = "LICENSE"}\n', "LicenseRef-unknown-reference"),
    (
        "pyproject.toml",
        '[project]\nlicense = {file = "LICENSE"}\nclassifiers = ["License :: OSI Approved :: MIT License"]\n',
        "MIT",
    ),
    ("pyproject.toml", '[tool.poetry]\nlicense = "GPL-3.0-or-later"\n', "GPL-3.0-or-later"),
    ("setup.cfg", "[metadata]\nname = x\nlicense = Apache License 2.0\n", "Apache-2.0"),
    (
        "setup.cfg",
        "[metadata]\nlicense = file: LICENSE\nclassifiers =\n    License :: OSI Approved :: MIT License\n",
        "MIT",
    ),
    ("setup.py", "from setuptools import setup\nsetup(name='x', license='MIT')\n", "MIT"),
    (
        "setup.py",
        "setup(**dict(license='BSD-3-Clause'), classifiers=['License :: OSI Approved :: BSD License'])",
        "BSD-3-Clause",
    ),
    (
        "setup.py",
        "setup(classifiers=['License :: OSI Approved :: GNU General Public License v3 (GPLv3)'])",
        "GPL-3.0-only",
    ),
    ("PKG-INFO", "Metadata-Version: 2.4\nName: x\nLicense-Expression: MIT\n\ntext", "MIT"),
    (
        "x-1.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: x\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: ISC License (ISCL)\n",
        "ISC",
    ),
    ("package.json", '{"name": "x", "license": "MIT"}', "MIT"),
    ("package.json", '{"license": "(MIT OR GPL-2.0)"}', "MIT OR GPL-2.0-only"),
    ("package.json", '{"licenses": [{"type": "MIT"}, {"type": "Apache-2.0"}]}', "MIT OR Apache-2.0"),
    ("package.json", '{"license": "SEE LICENSE IN LICENSE.txt"}', "LicenseRef-unknown-reference"),
    ("package.json", '{"license": "UNLICENSED"}', "LicenseRef-Proprietary"),
    ("composer.json", '{"license": ["MIT", "GPL-3.0-or-later"]}', "MIT OR GPL-3.0-or-later"),
    ("composer.json", '{"license": "proprietary"}', "LicenseRef-Proprietary"),
    ("Cargo.toml", '[package]\nlicense = "MIT/Apache-2.0"\n', "MIT OR Apache-2.0"),
    ("Cargo.toml", '[package]\nlicense-file = "LICENSE"\n', "LicenseRef-unknown-reference"),
    ("Cargo.toml", '[workspace.package]\nlicense = "MPL-2.0"\n', "MPL-2.0"),
    (
        "pom.xml",
        "<project><licenses><license><name>The Apache Software License, Version "
        "2.0</name><url>http://www.apache.org/licenses/LICENSE-2.0.txt</url></license></licenses></project>",
        "Apache-2.0",
    ),
    (
        "pom.xml",
        "<project><!-- <licenses><license><name>GPL</name></license></licenses> "
        "--><licenses>\n<license>\n<name>MIT</name></license><license><name>EPL-2.0</name></license></licenses></project>",
        "MIT OR EPL-2.0",
    ),
    ("x.nuspec", '<package><metadata><license type="expression">MIT</license></metadata></package>', "MIT"),
    ("x.gemspec", "Gem::Specification.new do |s|\n  s.license = 'MIT'\nend\n", "MIT"),
    ("x.gemspec", "Gem::Specification.new do |spec|\n  spec.licenses = ['MIT', \"Ruby\"]\nend\n", "MIT OR Ruby"),
    ("x.gemspec", "s.licenses = %w[MIT BSD-2-Clause]", "MIT OR BSD-2-Clause"),
    ("x.cabal", "name: x\nlicense: BSD3\nlicense-file: LICENSE\n", "BSD-3-Clause"),
    ("x.cabal", "cabal-version: 3.0\nlicense:            MIT\n", "MIT"),
    ("DESCRIPTION", "Package: x\nLicense: GPL (>= 2)\n", "GPL-2.0-or-later"),
    ("DESCRIPTION", "Package: x\nLicense: MIT + file LICENSE\n", "MIT"),
    ("DESCRIPTION", "Package: x\nLicense: GPL-2 | GPL-3\n", "GPL-2.0-only OR GPL-3.0-only"),
    ("DESCRIPTION", "License: file LICENSE\n", "LicenseRef-unknown-reference"),
    ("META.json", '{"license": ["perl_5"]}', "Artistic-1.0-Perl OR GPL-1.0-or-later"),
]


@pytest.mark.parametrize(("path", "text", "spdx"), MANIFESTS)
def test_manifests(path: str, text: str, spdx: str) -> None:
    assert expression(detect(path, text)) == spdx
    assert expression(detect(f"vendor/lib/{path}", text)) == spdx


@pytest.mark.parametrize("path", sorted({path for path, _, _ in MANIFESTS} | {"REUSE.toml", "debian/copyright"}))
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "{",
        "[",
        "<",
        '{"license": {"license": []}}',
        "license =",
        "[project",
        "[" * 100_000,
        "(" * 20_000,
        "<license>" * 5000,
        "<licenses>" * 100_000,
        "License:" + " " * 200_000,
        '{"license": 5}',
        "<license " + " " * 100_000,
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_broken_manifests_say_nothing(path: str, text: str) -> None:
    assert all(f.spdx.startswith("LicenseRef-") for f in detect(path, text))


def test_a_manifest_without_a_known_licence_is_unknown_not_none() -> None:
    assert expression(detect("package.json", '{"license": "Whatever I say"}')) == "LicenseRef-Unknown"
    assert detect("package.json", '{"name": "x"}') == []
    assert detect("go.mod", "module example.org/x\n\ngo 1.22\n") == []


def test_debian_copyright() -> None:
    text = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: 2020 A\nLicense: GPL-2+\n\n"
        "Files: src/lib/* src/x?.c\nCopyright: 2020 B\nLicense: Expat or Apache-2.0\n\n"
        "Files: fonts/*\nLicense: GPL-3 with Font exception\n\nLicense: GPL-2+\n text\n"
    )
    found = detect("debian/copyright", text)
    assert [(f.spdx, f.rule) for f in found] == [
        ("GPL-2.0-or-later", "dep5:*"),
        ("MIT OR Apache-2.0", "dep5:src/lib/* src/x?.c"),
        ("GPL-3.0-only WITH Font-exception-2.0", "dep5:fonts/*"),
    ]


def test_reuse_toml() -> None:
    text = (
        'version = 1\n[[annotations]]\npath = ["data/**", "a b.txt"]\nSPDX-License-Identifier = "CC0-1.0"\n'
        '[[annotations]]\npath = "x.py"\nprecedence = "override"\nSPDX-License-Identifier = ["MIT", "ISC"]\n'
    )
    assert [(f.spdx, f.rule) for f in detect("REUSE.toml", text)] == [
        ("CC0-1.0", "reuse:closest:data/** a%20b.txt"),
        ("MIT AND ISC", "reuse:override:x.py"),
    ]
