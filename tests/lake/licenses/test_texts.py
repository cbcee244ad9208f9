"""Known licence texts, as they are and as people change them."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.lake import spdx
from codelake.lake.licenses import Finding, detect, expression
from codelake.lake.licenses.texts import data, index

TEXTS: dict[str, str] = data()["texts"]  # type: ignore[assignment]
EXCEPTIONS: dict[str, str] = data()["exceptions"]  # type: ignore[assignment]
HEADERS: dict[str, str] = data()["headers"]  # type: ignore[assignment]
KNOWN = sorted({k.name for k in index().known if k.kind == "text"})
COMMON = (
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Zlib",
    "BSL-1.0",
    "Unlicense",
    "GPL-2.0-only",
    "LGPL-2.1-only",
    "CC0-1.0",
)

RESTRICTIONS = (
    "The Software shall be used for Good, not Evil, and for nothing else.",
    "You may not use the Software for commercial purposes.",
    "Use by government agencies is prohibited.",
    "This license may only be exercised by registered customers.",
    "Redistribution requires prior written consent of the author.",
    "The Software must not be used to train machine learning models.",
    "Companies with more than ten employees must pay an annual fee.",
    "Military use is forbidden.",
)


def plain(found: list[Finding]) -> bool:
    """Whether the findings let the file pass for one under a permissive licence and nothing else.

    JSON's licence is MIT's with a restriction: the list of categories calls it permissive, and it has its own name.
    """
    said = expression(found)
    return spdx.license_type(said) in {"permissive", "public-domain"} and said != "JSON"


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_text_is_found_as_itself(name: str) -> None:
    text = TEXTS[name]
    if name == "LGPL-3.0-only":
        text = text[: text.index("GNU GENERAL PUBLIC LICENSE", 2000)]
    texts = [f for f in detect("LICENSE", text) if f.rule.startswith("text:")]
    best = max(texts, key=lambda f: f.end_offset - f.start_offset)
    assert best.score > 0.95
    assert best.rule == f"text:{name}"


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_every_exception_is_found(name: str) -> None:
    found = detect("LICENSE", f"Licensed under the GNU General Public License version 2.\n\n{EXCEPTIONS[name]}")
    assert any(f.rule.startswith("exception:") for f in found)


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_standard_headers_in_a_comment(name: str) -> None:
    text = textwrap.indent(HEADERS[name], "// ", lambda line: True) + "\nint main() { return 0; }\n"
    found = expression(detect("src/main.c", text))
    assert found is not None
    assert name in found or spdx.license_type(found) == spdx.license_type(name)


@pytest.mark.parametrize("name", COMMON)
@pytest.mark.parametrize("leader", ["// ", "# ", " * ", "-- ", ";; ", "%% ", "REM ", "dnl ", "> ", "! "])
def test_comment_leaders_do_not_count(name: str, leader: str) -> None:
    text = textwrap.indent(textwrap.fill(TEXTS[name][:30_000], 60), leader, lambda line: True)
    assert name in (expression(detect("LICENSE", text)) or "")


@pytest.mark.parametrize("name", COMMON)
@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: " ".join(text.split()),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace('"', "“").replace("'", "’"),
        lambda text: text.replace("license", "licence").replace("License", "Licence"),
        lambda text: (
            "<html><body><p>" + text.replace("\n\n", "</p>\n<p>").replace('"', "&quot;") + "</p></body></html>"
        ),
        lambda text: (
            "Project\n=======\n\nCopyright (c) 2001-2024 Somebody <me@example.org>\nCopyright 2020 Else\n\n" + text
        ),
    ],
    ids=["upper", "one-line", "crlf", "quotes", "british", "html", "title"],
)
def test_spelling_and_layout_do_not_count(name: str, change) -> None:
    found = detect("LICENSE", change(TEXTS[name]))
    assert name in (expression(found) or "")
    assert "AdditionalTerms" not in (expression(found) or "")


@settings(max_examples=60)
@given(
    st.sampled_from(["MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Apache-2.0", "Zlib"]),
    st.sampled_from(RESTRICTIONS),
    st.data(),
)
def test_an_added_restriction_is_never_passed_over(name: str, restriction: str, data_) -> None:
    paragraphs = TEXTS[name].strip().split("\n\n")
    at = data_.draw(st.integers(1, len(paragraphs)))
    text = "\n\n".join([*paragraphs[:at], restriction, *paragraphs[at:]])
    found = detect("LICENSE", text)
    assert not plain(found), expression(found)
    if "JSON" in str(expression(found)):
        return  # known by its name
    start = text.index(restriction)
    extra = [f for f in found if f.rule.startswith(("added", "restriction"))]
    assert any(f.start_offset < start + len(restriction) and start < f.end_offset for f in extra)


@settings(max_examples=60)
@given(st.sampled_from(["MIT", "BSD-2-Clause", "ISC", "Apache-2.0"]), st.sampled_from(RESTRICTIONS), st.data())
def test_a_restriction_inside_a_sentence_too(name: str, restriction: str, data_) -> None:
    words = TEXTS[name].split(" ")
    at = data_.draw(st.integers(len(words) // 3, len(words) - 1))
    text = " ".join([*words[:at], restriction, *words[at:]])
    assert not plain(detect("LICENSE", text))


@settings(max_examples=40)
@given(st.sampled_from(COMMON[:7]), st.integers(20, 200), st.integers(0, 8))
def test_rewrapping_changes_nothing(name: str, width: int, indent: int) -> None:
    paragraphs = TEXTS[name].split("\n\n")
    text = "\n\n".join(
        textwrap.fill(p, width, initial_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
        for p in paragraphs
    )
    assert expression(detect("COPYING", text)) == name


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_clauses_in_another_order_are_the_same_licence(random) -> None:
    head, *clauses, tail = TEXTS["BSD-3-Clause"].split("\n\n")[1:]
    random.shuffle(clauses)
    assert expression(detect("LICENSE", "\n\n".join([head, *clauses, tail]))) == "BSD-3-Clause"


def test_what_is_taken_out_of_a_licence_counts_too() -> None:
    text = (
        TEXTS["MIT"]
        .replace("distribute, sublicense, and/or sell\ncopies", "distribute\ncopies")
        .replace("distribute, sublicense, and/or sell copies", "distribute copies")
    )
    assert text != TEXTS["MIT"]
    assert not plain(detect("LICENSE", text))


def test_a_licence_cut_off_is_reported_with_its_share() -> None:
    text = TEXTS["Apache-2.0"]
    (found,) = [f for f in detect("LICENSE", text[: int(len(text) * 0.6)]) if f.rule.startswith("text:")]
    assert found.spdx == "Apache-2.0"
    assert 0.5 < found.score < 0.8


def test_known_variants_are_told_apart() -> None:
    for name in ("MIT", "MIT-0", "X11", "JSON", "BSD-4-Clause", "BSD-3-Clause-Clear", "0BSD", "ISC", "Apache-1.1"):
        assert name in (expression(detect("LICENSE", TEXTS[name])) or ""), name


def test_several_licences_in_one_file() -> None:
    text = "\n\n".join(
        ["This product bundles:", TEXTS["MIT"], "-----", TEXTS["Zlib"], "-----", TEXTS["MIT"], TEXTS["Apache-2.0"]]
    )
    found = detect("LICENSE", text)
    assert expression(found) == "MIT AND Zlib AND Apache-2.0"
    assert [f.rule for f in found if f.rule.startswith("text:")].count("text:MIT") == 2


def test_an_exception_goes_with_its_licence() -> None:
    text = TEXTS["GPL-2.0-only"] + "\n\n" + EXCEPTIONS["Classpath-exception-2.0"]
    assert expression(detect("COPYING", text)) == "GPL-2.0-only WITH Classpath-exception-2.0"


def test_commons_clause_and_non_commercial_have_names() -> None:
    commons = (
        '"Commons Clause" License Condition v1.0\n\nThe Software is provided to you by the Licensor under the '
        "License, as "
        "defined below, subject to the following condition.\n\nWithout limiting other conditions in the License, "
        "the grant "
        "of rights under the License will not include, and the License does not grant to you, the right to Sell "
        "the Software."
    )
    found = expression(detect("LICENSE", f"{commons}\n\n{TEXTS['Apache-2.0']}"))
    assert found is not None and "LicenseRef-Commons-Clause" in found and "Apache-2.0" in found
    assert spdx.license_type(found) == "proprietary"
    found = expression(detect("LICENSE", TEXTS["MIT"] + "\n\nThis software is for non-commercial use only.\n"))
    assert spdx.license_type(found) == "non-commercial"


def test_other_languages() -> None:
    assert expression(detect("LICENCE", TEXTS["CECILL-2.0"])) == "CECILL-2.0"
    assert expression(detect("LICENSE", TEXTS["D-FSL-1.0"])) == "D-FSL-1.0"
    german = "Dieses Programm darf nur mit Genehmigung des Urhebers verwendet werden. " * 10
    assert expression(detect("LIZENZ/LICENSE", german)) == "LicenseRef-Unknown"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1", "utf-32"])
def test_encodings(encoding: str) -> None:
    from codelake.lake import encodings

    raw = ("Copyright 2020 André\n\n" + TEXTS["MIT"]).encode(encoding)
    text = encodings.decode(raw, encodings.detect(raw))
    assert expression(detect("LICENSE", text)) == "MIT"


@pytest.mark.parametrize(
    "text",
    [
        "license " * 60_000,
        "MIT OR " * 60_000,
        "licensed under the " * 25_000,
        "<a " * 150_000,
        "=" * 500_000,
        " " * 500_000,
        "a" * 500_000,
        "not for commercial " * 25_000,
        "SPDX-License-Identifier: " * 20_000,
        "1. a\n" * 60_000,
        "Copyright (c) 2020 X\n" * 20_000,
        'license: "' * 50_000,
        "\0" * 300_000,
        "İ" * 50_000 + " licensed under the MIT license",
        "\ud800 licensed under the MIT license",
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["LICENSE", "a.c", "README.md"])
def test_no_text_is_too_much(path: str, text: str) -> None:
    found = detect(path, text)
    assert all(0 <= f.start_offset < f.end_offset <= len(text) for f in found)


def test_a_licence_file_of_ten_megabytes() -> None:
    text = (TEXTS["MIT"] + "\n\n" + "=" * 70 + "\n\n") * 8800
    assert len(text) > 10_000_000 - 1000
    found = [f for f in detect("LICENSE", text) if f.rule == "text:MIT"]
    assert len(found) > 8700


@settings(max_examples=150)
@given(
    st.text(max_size=400),
    st.sampled_from(
        [
            "LICENSE",
            "a.py",
            "README.md",
            "pom.xml",
            "setup.py",
            "debian/copyright",
            "REUSE.toml",
            "package.json",
            "x.license",
            "Cargo.toml",
            "DESCRIPTION",
        ]
    ),
)
def test_any_text_gives_findings_inside_it(text: str, path: str) -> None:
    for finding in detect(path, text):
        assert 0 <= finding.start_offset <= finding.end_offset <= len(text)
        assert 0 <= finding.score <= 1
        assert finding.spdx
