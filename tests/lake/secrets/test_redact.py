"""Redaction: by span, exact elsewhere, of any findings, and nothing to find in what comes of it."""

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.lake.secrets import Allow, Fakes, Finding, clean, redact, scan

CHARS = string.ascii_letters + string.digits


def chars(count: int, seed: int = 1, alphabet: str = CHARS) -> str:
    return "".join(random.Random(seed * 1000 + count).choices(alphabet, k=count))


def finding(start: int, end: int, replacement: str = "<KEY>", kind: str = "high_entropy") -> Finding:
    return Finding(start, end, kind, "test 1", 1.0, replacement)


PEM = "-----BEGIN PRIVATE KEY-----\n" + chars(64) + "\n" + chars(64, 2) + "\n-----END PRIVATE KEY-----"
# Pieces that hold something, look like something, or stand around something.
PIECES = [
    "kelori.vandul@tofinmir.org", "51.15.222.9", "2a01:4f8:c17:2e5b::1", "+49 89 63648018", "(415) 867-2231",
    "4539 1488 0343 6467", "DE02120300000000202051", 'password = "Tr0ub4dor&3"', "DB_PASSWORD=Tr0ub4dor3",
    f'api_key: "{chars(32)}"', PEM, PEM[:100], "postgres://app:Tr0ub4dor3@db.tofinmir.org:5432/x",
    "AKIA" + "2Q7JHRMV5ZKTPW3D", "sk_" + "live_" + chars(24), "glpat-" + chars(20), "Bearer " + chars(40),
    "password", "secret", "token", "key", "=", ":", " ", "\n", "'", '"', "@", "://", "<", ">", ",", "-", "+", "(",
    ".", "/", "\\n", "é", "漢", "\0", "\ud800", "value", "ENV ", "--", "x", "0", "9.9", "<PASSWORD>", "<EMAIL>",
    "EXAMPLE", "Copyright 2020 Ana Mirdul", chars(40),
]  # fmt: skip
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.text(max_size=80))
OPTIONS = st.fixed_dictionaries(
    {
        "level": st.sampled_from(["low", "default", "high"]),
        "authors": st.booleans(),
        "fakes": st.sampled_from([None, Fakes("lake")]),
    }
)


@settings(max_examples=300, deadline=None)
@given(TEXTS, OPTIONS)
def test_findings_are_in_order_and_do_not_overlap_and_redaction_is_exact_elsewhere(text, options):
    findings = scan(text, **options)
    at, kept = 0, []
    for f in findings:
        assert at <= f.start_offset < f.end_offset <= len(text)
        assert 0 <= f.score <= 1
        kept.append(text[at : f.start_offset])
        at = f.end_offset
    kept.append(text[at:])
    expected = kept[0] + "".join(f.replacement + rest for f, rest in zip(findings, kept[1:], strict=True))
    assert redact(text, findings) == expected


@settings(max_examples=300, deadline=None)
@given(TEXTS, OPTIONS)
def test_nothing_is_found_in_a_redacted_text_and_redacting_it_again_changes_nothing(text, options):
    once = clean(text, **options)
    assert once.remainder == ()
    twice = clean(once.text, **options)
    assert (twice.text, twice.findings) == (once.text, ())


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_findings_are_the_same_each_time(text):
    assert scan(text) == scan(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8))
def test_overlapping_and_touching_findings_leak_and_repeat_nothing(text, pairs):
    spans = [(min(p), max(p)) for p in pairs if min(p) < max(p) <= len(text)]
    redacted = redact(text, [finding(a, b, "\x01") for a, b in spans])
    covered = {i for a, b in spans for i in range(a, b)}
    assert redacted.replace("\x01", "") == "".join(c for i, c in enumerate(text) if i not in covered).replace(
        "\x01", ""
    )


def test_a_finding_at_the_start_or_next_to_another_puts_no_space_in():
    # bigcode-dataset pii_redaction/utils.py: `subpart = subtext if subtext else " "`
    assert redact("abcdef", [finding(0, 3), finding(3, 6)]) == "<KEY><KEY>"
    assert redact("abc d", [finding(0, 3)]) == "<KEY> d"


def test_of_overlapping_findings_the_first_stands_for_all():
    # There, a span that begins before the last one ended moved the writer back, and text came out twice.
    assert redact("0123456789", [finding(2, 6, "A"), finding(4, 8, "B"), finding(5, 6, "C")]) == "01A89"
    assert redact("0123456789", [finding(4, 8, "B"), finding(2, 6, "A")]) == "01A89"


def test_a_finding_outside_of_the_text_is_an_error():
    for start, end in ((0, 4), (2, 2), (-1, 2)):
        with pytest.raises(ValueError, match=f"characters {start} to {end} in a text of 3"):
            redact("abc", [finding(start, end)])


def test_context_at_the_start_of_a_file_counts():
    # There, `content[start - 100 : end + 100]` was empty or wrong for the first 100 characters.
    assert clean("version 51.15.222.9").text == "version 51.15.222.9"
    assert clean("phone 415 867 2231").text == "phone <PHONE>"


def test_a_line_that_comes_twice_is_redacted_twice():
    # dolma's CodeSecretsTagger looks a line up by its text and so tags the first of equal lines each time.
    line = 'password = "Tr0ub4dor&3"\n'
    assert clean(line * 3).text == 'password = "<PASSWORD>"\n' * 3


def test_placeholders_by_kind():
    text = f"kelori@tofinmir.org 51.15.222.9 {PEM} +49 89 63648018 postgres://app:Tr0ub4dor3@db/x"
    assert clean(text).text == "<EMAIL> <IP_ADDRESS> <KEY> <PHONE> postgres://app:<PASSWORD>@db/x"
    assert clean("(c) 2020 Ana Mirdul", authors=True).text == "(c) 2020 <NAME>"


def test_a_fake_follows_from_seed_kind_and_value():
    text = "kelori@tofinmir.org 51.15.222.9 vandul@tofinmir.org kelori@tofinmir.org"
    words = clean(text, fakes=Fakes("one")).text.split()
    assert words[0] == words[3] != words[2]
    assert words == clean(text, fakes=Fakes("one")).text.split()
    assert words[0] != clean(text, fakes=Fakes("two")).text.split()[0]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("kelori@tofinmir.org", r"user\d{6}@example\.com"),
        ("51.15.222.9", r"198\.1[89]\.\d+\.\d+"),
        ("2a01:4f8:c17:2e5b::1", r"2001:db8::[0-9a-f:]+"),
        ("+49 89 63648018", r"\+1-\d{3}-555-01\d\d"),
        ("4539 1488 0343 6467", r"4539 \d{4} \d{4} \d{4}"),
        ("DE02120300000000202051", r"DE02\d{18}"),
        ("glpat-" + chars(20), r"glpat-\w{13}EXAMPLE"),
        ("AKIA" + "2Q7JHRMV5ZKTPW3D", r"AKIA[A-Z0-9]{9}EXAMPLE"),
        (PEM, r"-----BEGIN PRIVATE KEY----- EXAMPLE \d{8} -----END PRIVATE KEY-----"),
    ],
)
def test_a_fake_has_the_shape_of_what_it_replaces(value, shape):
    redaction = clean(f"x '{value}' y", fakes=Fakes("lake"))
    assert len(redaction.findings) == 1
    assert __import__("re").fullmatch(f"x '{shape}' y", redaction.text)


def test_what_is_allowed_stays():
    text = "kelori@tofinmir.org and vandul@tofinmir.org"
    assert clean(text, allow=Allow(values=frozenset({"vandul@tofinmir.org"}))).text == "<EMAIL> and vandul@tofinmir.org"


def hostile() -> dict[str, str]:
    size = 1 << 18
    return {
        name: (unit * (size // len(unit) + 1))[:size]
        for name, unit in {
            "one letter": "a", "digits": "1", "dots": "1.", "mails": "a@b.", "ats": "@", "at words": "a@",
            "schemes": "://", "colons": "a:b:", "url users": "://a:", "names": "password",
            "assignments": "password=", "quotes": 'token="', "open quotes": "key='a", "hex": "2a01:",
            "blocks": "-----BEGIN PRIVATE KEY-----", "begins": "-----BEGIN ", "spaces": "password ",
            "newlines": "\n", "brackets": "key[[[[", "keys": "ghp_", "jwt": "eyJhbGci.", "plus": "+49 ",
            "cards": "4539 ", "letters": "AB12", "backslashes": "\\", "curl": "curl ", "base64": chars(997),
            "nul": "\0", "surrogates": "\ud800", "copyright": "Copyright ", "names of people": "Ana ",
            "values": "password\nvalue:",
        }.items()
    }  # fmt: skip


@pytest.mark.parametrize("name", hostile())
def test_a_long_line_of_anything_is_scanned(name):
    # A pattern that is quadratic in one of these takes hours, and pytest's time limit ends it.
    clean(hostile()[name], level="high", authors=True)


def test_a_private_key_among_a_megabyte_of_beginnings_is_found():
    text = "-----BEGIN PRIVATE KEY-----\n" * 20_000 + PEM
    assert clean(text).text.endswith("-----BEGIN PRIVATE KEY-----\n<KEY>")
