import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.lake import spdx
from codelake.lake.spdx import LICENSE_TYPES, license_type, normalize

DATA = Path(spdx.__file__).parent / "data"
CATEGORIES = list(csv.DictReader((DATA / "licence_categories.csv").open(encoding="utf-8", newline="")))
ALIASES = list(csv.DictReader((DATA / "licence_aliases.csv").open(encoding="utf-8", newline="")))
CURRENT = [row["spdx_id"] for row in CATEGORIES if row["deprecated"] == "0"]

MIT_TEXT = """MIT License

Copyright (c) 2024 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software.
"""


@pytest.mark.parametrize(
    ("declared", "expression"),
    [
        ("MIT License", "MIT"),
        ("The MIT License (MIT)", "MIT"),
        ("MIT licence", "MIT"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache Software License", "Apache-2.0"),
        ("apachev2", "Apache-2.0"),
        ("http://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("BSD", "LicenseRef-BSD"),
        ("BSD License", "LicenseRef-BSD"),
        ("BSD 3-Clause", "BSD-3-Clause"),
        ("BSD License (3-Clause)", "BSD-3-Clause"),
        ("new BSD", "BSD-3-Clause"),
        ("Simplified BSD License", "BSD-2-Clause"),
        ("PSF", "PSF-2.0"),
        ("Python Software Foundation License", "PSF-2.0"),
        ("GPL", "GPL-1.0-or-later"),
        ("GPLv2", "GPL-2.0-only"),
        ("GPL v2 or later", "GPL-2.0-or-later"),
        ("GPLv3+", "GPL-3.0-or-later"),
        ("GNU GPL v3", "GPL-3.0-only"),
        ("LGPLv2.1+", "LGPL-2.1-or-later"),
        ("GNU Lesser General Public License v3", "LGPL-3.0-only"),
        ("AGPLv3", "AGPL-3.0-only"),
        ("MPL 2.0", "MPL-2.0"),
        ("ISCL", "ISC"),
        ("Public Domain", "LicenseRef-scancode-public-domain"),
        ("The Unlicense", "Unlicense"),
        ("UNLICENSED", "LicenseRef-Proprietary"),
        ("ZPL 2.1", "ZPL-2.1"),
        ("HPND", "HPND"),
        ("zlib/libpng", "Zlib"),
        ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
    ],
)
def test_names_people_write(declared: str, expression: str) -> None:
    assert normalize(declared) == expression


@pytest.mark.parametrize(
    ("declared", "expression"),
    [
        ("mit", "MIT"),
        ("MIT OR apache-2.0", "MIT OR Apache-2.0"),
        ("mit and (apache-2.0 or bsd-3-clause)", "MIT AND (Apache-2.0 OR BSD-3-Clause)"),
        ("MIT OR (Apache-2.0 AND ISC)", "MIT OR (Apache-2.0 AND ISC)"),
        ("((MIT))", "MIT"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("LGPL-2.1+ OR MIT", "LGPL-2.1-or-later OR MIT"),
        ("Apache-2.0+", "Apache-2.0+"),
        ("BSD-2-Clause-FreeBSD", "BSD-2-Clause-Views"),
        ("GPL-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("GPL-2.0+ with classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ("apache-2.0 WITH llvm-exception", "Apache-2.0 WITH LLVM-exception"),
        ("mit or gpl-2.0 with classpath-exception-2.0", "MIT OR GPL-2.0-only WITH Classpath-exception-2.0"),
        ("LicenseRef-Acme", "LicenseRef-Acme"),
        ("licenseref-Acme AND mit", "LicenseRef-Acme AND MIT"),
        ("DocumentRef-a:LicenseRef-b", "DocumentRef-a:LicenseRef-b"),
    ],
)
def test_expressions_are_written_as_spdx_writes_them_today(declared: str, expression: str) -> None:
    assert normalize(declared) == expression


@pytest.mark.parametrize(
    ("declared", "expression"),
    [
        ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("MIT or Apache License, Version 2.0", "MIT OR Apache-2.0"),
        ("BSD or GPLv3", "LicenseRef-BSD OR GPL-3.0-only"),
        ("MIT, BSD", "MIT AND LicenseRef-BSD"),
        ("MIT & Apache 2.0", "MIT AND Apache-2.0"),
        ("MIT, BSD or GPLv3", "(MIT AND LicenseRef-BSD) OR GPL-3.0-only"),
        ("MIT/MIT License", "MIT"),
        ("MIT/Acme License", None),
    ],
)
def test_lists_of_names(declared: str, expression: str | None) -> None:
    assert normalize(declared) == expression


@pytest.mark.parametrize(
    "declared",
    [
        *(
            None,
            "",
            " \n ",
            "UNKNOWN",
            "None",
            "n/a",
            "see LICENSE",
            "Dual License",
            "NOASSERTION",
            "Acme OR MIT",
            MIT_TEXT,
        ),
        *(
            "(",
            "()",
            "MIT OR",
            "MIT ISC",
            "AND",
            "MIT WITH MIT",
            "MIT WITH Acme-exception",
            "(" * 60 + "MIT OR ISC" + ")" * 60,
        ),
    ],
)
def test_what_cannot_be_read_is_none(declared: str | None) -> None:
    assert normalize(declared) is None


OSI = "License :: OSI Approved"


@pytest.mark.parametrize(
    ("lines", "expression"),
    [
        ([f"{OSI} :: MIT License"], "MIT"),
        ([f"{OSI} :: BSD License"], "LicenseRef-BSD"),
        ([f"{OSI} :: GNU Lesser General Public License v2 or later (LGPLv2+)"], "LGPL-2.0-or-later"),
        ([f"{OSI} :: zlib/libpng License"], "Zlib"),
        (["License :: Other/Proprietary License"], "LicenseRef-Proprietary"),
        ([f"{OSI} :: MIT License", f"{OSI} :: Apache Software License"], "Apache-2.0 AND MIT"),
        ([f"{OSI} :: MIT License", OSI, "License :: DFSG approved", f"{OSI} :: MIT License"], "MIT"),
        ([OSI], None),
        # a name that can be read is trusted more than classifiers, one that cannot is passed over
        (["BSD-3-Clause", f"{OSI} :: BSD License"], "BSD-3-Clause"),
        (
            ["Dual License", f"{OSI} :: BSD License", f"{OSI} :: Apache Software License"],
            "Apache-2.0 AND LicenseRef-BSD",
        ),
        (["Acme", "MIT", "ISC"], "MIT"),
        ([*MIT_TEXT.splitlines(), f"{OSI} :: ISC License (ISCL)"], "ISC"),
    ],
)
def test_candidates_in_order_of_trust(lines: list[str], expression: str | None) -> None:
    assert normalize("\n".join(lines)) == expression


@pytest.mark.parametrize("name", CURRENT)
def test_every_current_id_is_itself_however_it_is_written(name: str) -> None:
    assert normalize(name) == normalize(name.lower()) == normalize(name.replace("-", " ")) == name


@pytest.mark.parametrize("name", [row["spdx_id"] for row in CATEGORIES if row["deprecated"] == "1"])
def test_deprecated_ids_are_replaced_where_spdx_names_a_successor(name: str) -> None:
    assert (normalize(name) == name) == (name in {"Net-SNMP", "Nunit"})


@pytest.mark.parametrize("row", ALIASES, ids=lambda row: row["alias"])
def test_every_alias_means_a_valid_expression(row: dict[str, str]) -> None:
    assert normalize(row["alias"]) == row["spdx"] == normalize(row["spdx"])
    assert license_type(row["spdx"]) != "unknown"


def test_no_two_aliases_say_the_same() -> None:
    keys = [spdx._key(row["alias"]) for row in ALIASES]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("MIT", "permissive"),
        ("PSF-2.0", "permissive"),
        ("LicenseRef-BSD", "permissive"),
        ("LGPL-2.1-or-later", "weak-copyleft"),
        ("MPL-2.0", "weak-copyleft"),
        ("GPL-3.0-only", "copyleft"),
        ("AGPL-3.0-or-later", "copyleft"),
        ("CC0-1.0", "public-domain"),
        ("LicenseRef-scancode-public-domain", "public-domain"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("CC-BY-NC-3.0-IGO", "non-commercial"),
        ("PolyForm-Noncommercial-1.0.0", "non-commercial"),
        ("NCSA", "permissive"),
        ("BUSL-1.1", "proprietary"),
        ("CC-BY-ND-4.0", "proprietary"),
        ("LicenseRef-Proprietary", "proprietary"),
        ("LicenseRef-Acme", "unknown"),
        ("DocumentRef-a:LicenseRef-BSD", "unknown"),
        ("not an expression", "unknown"),
        ("GPL-2.0+", "copyleft"),
        ("Apache-2.0+", "permissive"),
        # OR is the reader's choice, AND is not
        ("GPL-3.0-only OR MIT", "permissive"),
        ("GPL-3.0-only AND MIT", "copyleft"),
        ("LicenseRef-Acme OR MIT", "permissive"),
        ("LicenseRef-Acme AND MIT", "unknown"),
        ("CC0-1.0 AND MIT", "permissive"),
        ("CC0-1.0 OR MIT", "public-domain"),
        ("MIT AND (GPL-2.0-only OR MPL-2.0)", "weak-copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "weak-copyleft"),
        ("GPL-2.0-with-classpath-exception", "weak-copyleft"),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", "weak-copyleft"),
        ("GPL-3.0-or-later WITH Bison-exception-2.2", "copyleft"),
        ("Apache-2.0 WITH LLVM-exception", "permissive"),
    ],
)
def test_license_type(expression: str, kind: str) -> None:
    assert license_type(expression) == license_type(expression, declared=True) == kind


def test_type_without_an_expression() -> None:
    assert license_type(None) == "none"
    assert license_type(None, declared=True) == "unknown"


WORDS = ("MIT", "gpl-2.0+", "BSD", "Apache 2.0", "LicenseRef-x", "Classpath-exception-2.0", "Acme", "v2", "wxWindows")
MARKS = ("AND", "or", "with", "(", ")", "/", ",", "&", "+", ":", "\n", "License ::", f"{OSI} :: BSD License")
TOKENS = st.sampled_from([*WORDS, *MARKS, "GPL-2.0-with-GCC-exception"])


@given(st.one_of(st.text(), st.lists(TOKENS, max_size=12).map(" ".join), st.lists(TOKENS, max_size=6).map("".join)))
def test_any_text_gives_a_stable_expression_or_none(text: str) -> None:
    expression = normalize(text)
    assert license_type(text) in LICENSE_TYPES
    if expression is None:
        assert license_type(expression, declared=True) == "unknown"
    else:
        assert normalize(expression) == expression
        assert license_type(expression) in LICENSE_TYPES


SIDES = st.sampled_from(
    ["MIT", "GPL-3.0-only", "MPL-2.0", "CC0-1.0", "CC-BY-NC-4.0", "LicenseRef-x", "MIT OR GPL-2.0-only"]
)


@given(SIDES, SIDES)
def test_or_takes_the_most_permissive_side_and_and_the_most_restrictive(left: str, right: str) -> None:
    ranks = [LICENSE_TYPES.index(license_type(side)) for side in (left, right)]
    assert LICENSE_TYPES.index(license_type(f"({left}) OR ({right})")) == min(ranks)
    assert LICENSE_TYPES.index(license_type(f"({left}) AND ({right})")) == max(ranks)
