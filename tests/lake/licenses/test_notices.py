"""Headers, choice phrases, READMEs, and what only mentions a licence."""

import pytest

from codelake.lake.licenses import detect, expression

HEADERS = [
    ("SPDX-License-Identifier: MIT", "MIT"),
    ("SPDX-License-Identifier: (MIT OR Apache-2.0)", "MIT OR Apache-2.0"),
    ("SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */", "GPL-2.0-only WITH Linux-syscall-note"),
    ("SPDX-License-Identifier: GPL-2.0+", "GPL-2.0-or-later"),
    ("SPDX-License-Identifier: Foo-9.9", "LicenseRef-Unknown"),
    (
        'Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in '
        "compliance",
        "Apache-2.0",
    ),
    (
        "it under the terms of the GNU General Public License as published by\nthe Free Software Foundation; "
        "either version 2 of the License, or\n(at your option) any later version.",
        "GPL-2.0-or-later",
    ),
    (
        "it under the terms of the GNU General Public License version 2 as\npublished by the Free Software Foundation.",
        "GPL-2.0-only",
    ),
    (
        "under the terms of the GNU Lesser General Public License as published by the Free Software Foundation; "
        "version 2.1 only",
        "LGPL-2.1-only",
    ),
    (
        "GNU Library General Public License, either version 2 of the License, or (at your option) any later "
        "version, distributed under the GNU Library General Public License version 2 or later",
        "LGPL-2.0-or-later",
    ),
    (
        "You can redistribute it under the terms of the GNU Affero General Public License as published by the "
        "Free Software Foundation, either version 3 of the License, or (at your option) any later version.",
        "AGPL-3.0-or-later",
    ),
    ("This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0.", "MPL-2.0"),
    ("This is MIT licensed.", "MIT"),
    ("Released under the MIT license.", "MIT"),
    ("License: BSD 3 clause", "BSD-3-Clause"),
    ("@license MIT", "MIT"),
    ("Copyright Somebody 2013. BSD 3-Clause license, see LICENSE file.", "BSD-3-Clause"),
    ("Part of the LLVM Project, under the Apache License v2.0 with LLVM Exceptions.", "Apache-2.0 WITH LLVM-exception"),
    (
        "Licensed under either of Apache License, Version 2.0 (LICENSE-APACHE or "
        "http://www.apache.org/licenses/LICENSE-2.0)\nor MIT license (LICENSE-MIT or "
        "http://opensource.org/licenses/MIT) at your option.",
        "Apache-2.0 OR MIT",
    ),
    ("This file is dual licensed under MIT and Apache-2.0.", "MIT OR Apache-2.0"),
    ("Dual-licensed under the MIT and GPL licenses.", "MIT OR GPL-1.0-or-later"),
    ("distributed under the terms of the MIT license and the Zlib license", "MIT AND Zlib"),
    ("You may distribute this under the same terms as Perl itself.", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("This code is in the public domain.", "LicenseRef-scancode-public-domain"),
    (
        "Distributed under the Boost Software License, Version 1.0.\n(See accompanying file LICENSE_1_0.txt or "
        "copy at http://www.boost.org/LICENSE_1_0.txt)",
        "BSL-1.0",
    ),
    (
        "licensed under a Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International License",
        "CC-BY-NC-SA-4.0",
    ),
    ("Licensed under the EUPL, Version 1.2 or – as soon they will be approved by the European Commission", "EUPL-1.2"),
    (
        "Use of this source code is governed by a BSD-style\nlicense that can be found in the LICENSE file.",
        "LicenseRef-BSD",
    ),
    ("See the LICENSE file in the project root for more information.", "LicenseRef-unknown-reference"),
]


@pytest.mark.parametrize(("text", "spdx"), HEADERS)
@pytest.mark.parametrize("leader", ["// ", "# ", " * ", "-- ", ""])
def test_headers(text: str, spdx: str, leader: str) -> None:
    comment = "".join(f"{leader}{line}\n" for line in text.splitlines())
    found = detect("src/file.c", f"{comment}\nint x = 1;\n")
    assert expression(found) == spdx
    assert all(f.end_offset <= len(comment) for f in found)


@pytest.mark.parametrize(
    "text",
    [
        "We moved away from the GPL in 2010.",
        "This tool works with gcc, which is distributed under the GPL.",
        "Like the MIT course on algorithms.",
        "# parse the license field of package.json\nlicense = data['license']\n",
        "def licensed(user): return user.has_license()",
        "raise LicenseError('your license has expired')",
        "It is not licensed under the GPL.",
        "GPL-compatible licenses are listed below.",
        "Copying files to the build folder.",
        "SPDX-License-Identifier: <expression>",
        "assert spdx('SPDX-License-Identifier:') is None",
        "This code is not in the public domain.",
    ],
)
def test_a_mention_is_no_licence(text: str) -> None:
    assert detect("src/tool.py", text) == []


def test_a_readme_or_notice_that_mentions_a_copyleft_tool_says_nothing() -> None:
    # The Stack v2 takes any licence found in a README for the licence of its tree.
    readme = (
        "# Thing\n\nThing calls `gcc`, which is distributed under the GPL, and can replace `foo` (GPL-3.0).\n\n"
        "## Install\n\nYou need ffmpeg (LGPL-2.1 or GPL-2.0).\n"
    )
    assert detect("README.md", readme) == []
    assert detect("CHANGELOG.md", "## 2.0\n\nNow licensed under the MIT license, was released under the GPL.") == []


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        ("# X\n\n## License\n\nMIT\n", "MIT"),
        ("# X\n\n## License\n\n[MIT](LICENSE)\n", "MIT"),
        ("# X\n\n## License\n\nMIT © [Somebody](https://example.org)\n", "MIT"),
        (
            "X\n=\n\nLicense\n-------\n\nThis project is licensed under the terms of the Apache License 2.0.\n",
            "Apache-2.0",
        ),
        (
            "# X\n\n## License\n\nLicensed under either of\n\n * Apache License, Version 2.0\n * MIT "
            "license\n\nat your option.\n",
            "Apache-2.0 OR MIT",
        ),
        ("# X\n\nThis project is licensed under the BSD 3-Clause license.\n", "BSD-3-Clause"),
        ("---\nlicense: apache-2.0\nlanguage: en\n---\n# Model\n", "Apache-2.0"),
        ("[![l](https://img.shields.io/badge/license-MIT-blue.svg)](x)\n# X\n", "MIT"),
        ("# X\n\n== License ==\n\nGPLv2 or later\n", "GPL-2.0-or-later"),
    ],
)
def test_readme_sections(text: str, spdx: str) -> None:
    assert expression(detect("README.md", text)) == spdx


def test_ignored_tags_and_generated_tags() -> None:
    text = (
        "# REUSE-IgnoreStart\nprint('SPDX-License-Identifier: GPL-3.0-only')\n# REUSE-IgnoreEnd\n"
        "# SPDX-License-Identifier: MIT\n"
    )
    assert expression(detect("a.py", text)) == "MIT"


def test_offsets_are_those_of_the_text() -> None:
    text = "ä€😀 // SPDX-License-Identifier: MIT\n// é Licensed under the Apache License, Version 2.0.\n"
    tag, notice = detect("a.c", text)
    assert text[tag.start_offset : tag.end_offset] == "SPDX-License-Identifier: MIT"
    assert text[notice.start_offset : notice.end_offset] == "Licensed under the Apache License, Version 2.0"


def test_pickle() -> None:
    import pickle

    found = detect("a.c", "// SPDX-License-Identifier: MIT")
    assert pickle.loads(pickle.dumps(found)) == found
    assert pickle.loads(pickle.dumps(detect)) is detect
