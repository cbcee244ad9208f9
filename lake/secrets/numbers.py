"""Numbers that lead to a person: IP addresses, bank cards, bank accounts, telephones."""

import re
from collections.abc import Callable, Iterator

from . import validators
from .spans import Span, compiled, words

_OCTET = rb"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rb"\b" + _OCTET + rb"(?:\." + _OCTET + rb"){3}\b"
_IPV6 = rb"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}(?:\d)?"
_CARD = (
    rb"\b(?:[2-6]\d{3}[ \-]?\d{4}[ \-]?\d{4}[ \-]?\d{4}"
    rb"|3[47]\d\d[ \-]?\d{6}[ \-]?\d{5}|3(?:0[0-5]|[68]\d)\d[ \-]?\d{6}[ \-]?\d{4})\b"
)
_IBAN = rb"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"
_PHONE = (
    rb"(?:\+|\b00)[1-9]\d{0,2}[ .\-/]?(?:\(\d{1,5}\)[ .\-/]?)?\d{1,5}(?:[ .\-/]?\d{2,5}){1,5}\b"
    rb"|\(\d{3}\)[ .\-]?\d{3}[ .\-]\d{4}\b|\b[2-9]\d\d[.\- ][2-9]\d\d[.\- ]\d{4}\b"
    rb"|\b1[\-. ][2-9]\d\d[.\-][2-9]\d\d[.\-]\d{4}\b"
)
_NUMBERS = rb"(?:^|[^\w.])(?:" + b"|".join([_IPV4, _IPV6, _CARD, _IBAN, _PHONE]) + rb")"


def find(data: bytes) -> Iterator[Span]:
    """IP addresses, card, account and telephone numbers."""
    search, at = compiled(_NUMBERS).search, 0
    while found := search(data, at):
        start = found.start()
        while not (48 <= data[start] <= 57 or 65 <= data[start] <= 90 or data[start] in b"+("):
            start += 1
        span = _judged(data, start)
        if span:
            yield span
        at = span.end if span else start + 1 if found.start() == start else start


def _judged(data: bytes, start: int) -> Span | None:
    """The number at data[start], if it is of one of the kinds."""
    for kind, judge in _kinds(data, start):
        end, score = judge(data, start)
        if score:
            return Span(kind, start, end, kind, score)
    return None


Judge = Callable[[bytes, int], tuple[int, float]]  # where a number ends, and how sure it is that it is of the kind


def _kinds(data: bytes, start: int) -> tuple[tuple[str, Judge], ...]:
    """What a number that begins like this may be."""
    if data[start] >= 65:
        return (("iban", _iban),)
    if data[start + 4 : start + 5] == b":":
        return (("ipv6", _ipv6),)
    numbers: tuple[tuple[str, Judge], ...] = (("credit_card", _card), ("phone", _phone))
    return (("ipv4", _ipv4), *numbers) if b"." in data[start + 1 : start + 4] else numbers


_NO: tuple[int, float] = (0, 0.0)


def _context(data: bytes, start: int, size: int = 48) -> bytes:
    """What stands before a value on its line, lower case."""
    low = max(0, start - size)
    return data[max(low, data.rfind(b"\n", low, start) + 1) : start].lower()


_VERSIONED = re.compile(
    rb"(?:versions?|(?<![a-z])(?:v|ver|release|assembly|revision|rev|firmware|build|sections?|sect?|chapter|clause|paragraph|oid|objectidentifier|iso"
    rb"|rfc|std|c99|tag|upgraded?|updated?|since|prior|driver|kernel|chrome|safari|firefox|edge|opera|agent))"
    rb"[\s\"'=:,(>.\-/]{0,6}(?:(?:number|no|is|to|from|than|with|in|of|[\w.]{0,8}\d[\w.]{0,8})[\s\"'=:,(>.\-]{1,4}){0,2}\Z"
)
_ADDRESSED = re.compile(
    rb"\bip|ip\b|host|addr|server|bind|listen|connect|ssh|\bping|client|proxy|peer|gateway|url|inet|dial|@|://"
)


def _ipv4(data: bytes, start: int) -> tuple[int, float]:
    found = compiled(_IPV4).match(data, start, start + 16)
    if not found or not validators.global_ipv4(found[0]):
        return _NO
    end = found.end()
    before, after, context = data[max(0, start - 2) : start], data[end : end + 2], _context(data, start)
    if (
        after[:1].isalnum()
        or after[:1] == b"_"
        or (after[:1] == b"." and after[1:].isalnum())
        or (after[:1] == b"-" and after[1:].isalpha())  # 1.2.3.4-py3
        or (before[-1:] in (b"-", b"_", b"/") and before[:1].isalnum())  # linux-2.6.35.9, Chrome/9.1.2.3
        or _VERSIONED.search(context)
    ):
        return _NO
    parts = [int(p) for p in found[0].split(b".")]
    small = sum(p <= 20 for p in parts)
    addressed = _ADDRESSED.search(context) or after[:1] == b"/" or (after[:1] == b":" and after[1:].isdigit())
    if len(set(parts)) < 3 or (parts[3] == 0 and after[:1] == b"/"):  # typed to show an address, or a network's
        score = 0.4
    elif small >= 3 or parts[0] < 5 or (parts[0] < 10 and parts[1] <= 20):  # as versions are
        score = 0.5 if addressed and small < 4 else 0.3
    else:
        score = 0.9 if addressed else 0.7
    return end, score


def _ipv6(data: bytes, start: int) -> tuple[int, float]:
    found = compiled(_IPV6).match(data, start, start + 40)
    if not found or data[max(0, start - 1) : start] in (b":", b"-"):
        return _NO
    text = found[0] if found[0].endswith(b"::") else found[0].rstrip(b":")
    end = start + len(text)
    after = data[end : end + 1]
    whole = not after.isalnum() and after not in (b"_", b":")
    if not whole or text.count(b":") < 3 or sum(bool(p) for p in text.split(b":")) < 3:
        return _NO
    return (end, 0.9) if validators.global_ipv6(text) else _NO


def _card(data: bytes, start: int) -> tuple[int, float]:
    found = compiled(_CARD).match(data, start, start + 20)
    if not found:
        return _NO
    text, end, groups = found[0], found.end(), re.split(rb"[ \-]", found[0])
    digits = b"".join(groups)
    separated = len(groups) > 1
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if (
        not validators.luhn(digits)
        or not _issued(digits)
        or digits in words("documented")
        or len(set(digits)) < 4
        or len(set(groups)) < len(groups) - 1
        or (b" " in text and b"-" in text)
        or (separated and sorted(map(len, groups)) not in ([4, 4, 4, 4], [4, 5, 6], [4, 4, 6]))
        or before[-1:] in (b".", b"-", b"+")
        or (after[:1] in (b"-", b".") and after[1:].isdigit())
    ):
        return _NO
    if _CARD_NAMED.search(_context(data, start)):
        return end, 0.95
    if separated:
        table = _TABLE_BEFORE.search(data, max(0, start - 8), start) or _TABLE_AFTER.match(data, end)
        return _NO if table else (end, 0.75)  # a table of code points, of ids
    if len(set(digits)) < 6:
        return _NO  # 3 in 1,000 of random numbers, but most of what is written in few digits
    prose = before[-1:] in (b" ", b"\n") and before[:-1] not in (b",", b"(", b" ")
    return end, 0.75 if prose or before[-1:] in b"\"'>;:=" else 0.4


_CARD_NAMED = re.compile(rb"card|pan\b|credit|debit|visa|amex|master|\bcc\b|charge|pay")
_TABLE_BEFORE = re.compile(rb"[0-9A-Fa-f]{1,6}\s\Z")
_TABLE_AFTER = re.compile(rb"\s[0-9A-Fa-f]{1,6}(?![\w/])")


def _issued(digits: bytes) -> bool:
    """Whether a number begins with a range that Visa, Mastercard, American Express, Discover, JCB or Diners issue."""
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if len(digits) == 16:
        return (
            digits[:1] == b"4"
            or 51 <= two <= 55
            or 2221 <= four <= 2720
            or four == 6011
            or two in (62, 65)
            or 644 <= three <= 649
            or 3528 <= four <= 3589
        )
    return two in (34, 37) if len(digits) == 15 else 300 <= three <= 305 or two in (36, 38)


def _iban(data: bytes, start: int) -> tuple[int, float]:
    length = validators.iban_length(data[start : start + 2])
    compact, end = bytearray(), start
    while len(compact) < length and end < len(data) and (data[end] != 32 or data[end - 1] != 32):
        if data[end] != 32:
            compact.append(data[end])
        end += 1
    text = bytes(compact)
    if not length or data[end : end + 1].isalnum() or not text.isalnum() or not text.isupper():
        return _NO
    return (end, 0.95) if validators.iban(text) and text not in words("documented") else _NO


_CALLED = re.compile(
    rb"phone|tel\b|tel[:;=\"'>]|telefon|mobile|mobil\b|cell\b|fax|\bcall|whatsapp|sms|contact|\breach|\bring\b|dial\b"
    rb"|hotline|handy|emergency"
)
# Country codes (ITU-T E.164) with the digits a whole number has, where they are fixed closer than the plan's 15.
_COUNTRY = {
    b"1": (11, 11), b"7": (11, 11), b"31": (11, 12), b"33": (11, 11), b"34": (11, 11), b"39": (9, 13), b"41": (11, 12),
    b"44": (11, 13), b"48": (11, 11), b"49": (9, 15), b"55": (12, 13), b"61": (11, 12), b"81": (11, 13),
    b"86": (12, 13), b"91": (12, 12),
}  # fmt: skip


def _phone(data: bytes, start: int) -> tuple[int, float]:
    found = compiled(_PHONE).match(data, start, start + 32)
    if not found:
        return _NO
    text, end = found[0], found.end()
    before, after = data[max(0, start - 1) : start], data[end : end + 2]
    if (
        after[:1].isalnum()
        or after[:1] == b"_"
        or (after[:1] in b".-/:" and after[1:].isdigit())
        or before in (b"-", b"/", b"_")
    ):
        return _NO
    told = _CALLED.search(_context(data, start, 64)) is not None
    digits = bytes(c for c in text if 48 <= c <= 57)
    if text.startswith(b"+") or digits.startswith(b"00"):
        return end, _international(text, digits.removeprefix(b"00"), before, told=told)
    return end, _american(text, digits[-10:], before, after[:1], told=told)


def _american(text: bytes, digits: bytes, before: bytes, after: bytes, *, told: bool) -> float:
    """How sure it is that 10 digits without a country code are a number of the North American plan."""
    mixed = text[:1].isdigit() and len(text) == 12 and text[3] != text[7]  # DFARS 252.227-7013
    if mixed or not _nanp(digits) or validators.stands_in(digits):
        return 0.0
    quoted = before in (b'"', b"'", b">") and after in (b'"', b"'", b"<")
    if told or (b" " in text and b"(" not in text):
        return 0.9 if told else 0.3
    return 0.6 if quoted or text[:1] == b"(" or b"-" in text else 0.3


def _nanp(digits: bytes) -> bool:
    """Whether 10 digits are a number of the North American plan: area and exchange begin with 2 to 9, neither is N11.

    555 is kept for fiction.
    """
    area, exchange = digits[:3], digits[3:6]
    return len(digits) == 10 and all(p[0] >= 50 and p[1:] != b"11" and p != b"555" for p in (area, exchange))


def _international(text: bytes, digits: bytes, before: bytes, *, told: bool) -> float:
    """How sure it is that `text`, with a country code, is a number of ITU-T E.164."""
    code = next((digits[:n] for n in (1, 2, 3) if digits[:n] in words("calling_codes")), b"")
    size = len(digits) - text.count(b"(0)")
    low, high = _COUNTRY.get(code, (9, 15))
    if (
        not code
        or not low <= size <= high
        or validators.stands_in(digits[-7:])
        or (code == b"1" and not _nanp(digits[1:]))
        or (text.count(b".") == 1 and not re.search(rb"[ \-/(]", text))  # +1.23456789012 is a number
    ):
        return 0.0
    if told:
        return 0.95
    separated = len(text) - 1 > len(digits)
    head = re.split(rb"[^0-9+]", text, maxsplit=1)[0].lstrip(b"+0")
    if text.startswith(b"00") or (separated and head not in words("calling_codes")):
        return 0.3  # +375711-0864541 is a place on earth
    return 0.8 if separated or before in (b"", b'"', b"'", b">", b":", b"`") else 0.6 if before == b" " else 0.3
