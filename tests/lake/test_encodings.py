"""Encodings: named from the bytes, and what they decode to."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.lake import encodings
from codelake.lake.encodings import decode, detect, marked_encoding

GERMAN = "// Größe prüfen: für jede Zeile ein Häkchen\nint größe = 0;\n"
POLISH = "# Zażółć gęślą jaźń, sprawdź długość wiersza i zakończ\n"
RUSSIAN = "# проверка длины строки, затем возврат значения\nx = 1\n"
JAPANESE = "/* 文字列の長さを調べて、結果を返します。 */\nint a;\n"
CHINESE = "// 检查字符串的长度，然后返回结果。这是一个测试文件。\n"
KOREAN = "// 문자열의 길이를 확인하고 결과를 반환합니다.\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("", "utf-8"),
        ("plain ascii\n", "utf-8"),
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-32"),
        (GERMAN, "iso-8859-1"),
        ("// “quoted” – größer als 5 €\n", "cp1252"),
        (POLISH, "cp1250"),
        (POLISH, "iso-8859-2"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        ("// 檢查字串的長度，然後傳回結果。這是一個測試檔案。\n", "big5"),
        (KOREAN, "euc_kr"),
    ],
)
def test_the_text_comes_back(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    found = detect(data)
    assert found is not None
    assert decode(data, found) == text
    assert codecs.lookup(found)


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("width", [16, 32])
def test_either_byte_order(width: int, order: str) -> None:
    data = ("\ufeff" + GERMAN).encode(f"utf-{width}-{order}")
    assert detect(data) == f"UTF-{width}"
    assert decode(data, f"UTF-{width}") == GERMAN


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("# -*- coding: {} -*-\n", "iso-8859-5"),
        ("#!/usr/bin/python\n# vim: set fileencoding={} :\n", "mac-cyrillic"),
        ("# coding={}-unix\n", "iso-8859-5"),
        ('<?xml version="1.0" encoding="{}"?>\n', "iso-8859-5"),
        ("<?xml version='1.0' encoding = '{}'?>\n", "mac-cyrillic"),
        ('@charset "{}";\n', "iso-8859-5"),
        ("<html><head><meta charset={}>\n", "iso-8859-5"),
        ('<META http-equiv="Content-Type" content="text/html; charset={}">\n', "mac-cyrillic"),
    ],
)
def test_what_a_text_says_of_itself_comes_before_a_guess(head: str, encoding: str) -> None:
    text = head.format(encoding) + "я\n"
    data = text.encode(encoding)
    found = detect(data)
    assert found is not None
    assert decode(data, found) == text


@pytest.mark.parametrize(
    "label", ["utf-8", "no-such", "base64", "utf-16", "punycode", "unicode_escape", "cp037", "x" * 99]
)
def test_a_declaration_that_cannot_be_right_is_passed_over(label: str) -> None:
    assert detect(f"# coding: {label}\n# ".encode() + "Größe für Müller\n".encode("cp1252")) == "windows-1252"


@pytest.mark.parametrize(
    "data",
    [
        b"caf\xe9\x01",  # control characters
        b"%PDF-1.4\n\x93\x8c\x8b\x9e\x01\x02\xff",
        b"\xef\xbb\xbfcaf\xe9",  # said to be UTF-8, and is not
        b"\xe9\0",
        b"# coding: latin-1\n\x8d\x01\xff",
    ],
)
def test_what_is_no_text(data: bytes) -> None:
    assert detect(data) is None


def test_one_accented_letter_is_taken_for_western_european() -> None:
    assert detect("# café\n".encode("latin-1")) == "windows-1252"


def test_a_mark_alone_does_not_make_text() -> None:
    assert marked_encoding(b"\xff\xfe\0\xd8x\0") is None  # half of a surrogate pair
    assert marked_encoding(b"\xff\xfea\0\0\0") is None  # a NUL
    assert marked_encoding("\ufeffab".encode("utf-16-le")[:-1]) == "UTF-16"  # cut


@pytest.mark.parametrize("width", [16, 32])
def test_a_marked_text_cut_inside_a_character_is_no_text(width: int) -> None:
    whole = "x = '\U0001f600'\n\U0001f600".encode(f"utf-{width}")
    assert encodings.detect(whole) == f"UTF-{width}"
    assert encodings.detect(whole[:-1]) is None
    assert encodings.detect(whole + b"\0") is None


def test_newlines_are_kept() -> None:
    assert decode("a\r\nb\rc\n\x85".encode("utf-16"), "UTF-16") == "a\r\nb\rc\n\x85"


def test_only_a_mark_at_the_start_goes() -> None:
    assert decode("\ufeffa\ufeff".encode(), "UTF-8") == "a\ufeff"


@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=100).map(str.encode),
        st.builds(bytes.__add__, st.sampled_from([codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE]), st.binary(max_size=20)),
    )
)
def test_any_bytes_decode_by_the_name_given(data: bytes) -> None:
    found = detect(data)
    assert found == detect(data)
    if found is not None:
        assert isinstance(decode(data, found), str)


@given(st.text(st.characters(codec="utf-8")))
def test_utf_8_is_always_known(text: str) -> None:
    assert detect(text.encode()) == "UTF-8"


def test_long_lines_and_long_files_take_a_bounded_look() -> None:
    data = b"x" * 5_000_000 + "größer\n".encode("cp1252") * 100_000
    assert detect(data) is None or decode(data, str(detect(data)))
    assert detect(b"x\n" * 100 + "größer\n".encode("cp1252") * 300_000) == "windows-1252"


def test_every_name_is_one_python_knows() -> None:
    for name in (*encodings._NAMES.values(), "UTF-16", "UTF-32"):
        assert codecs.lookup(name)
