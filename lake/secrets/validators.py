"""Checks that tell a secret from a look-alike: check digits, checksums, decodings, randomness, placeholders.

All take bytes (UTF-8 of the text, or ASCII cut out of it) and answer in time linear in their argument.
"""

import base64
import binascii
import ipaddress
import json
import math
import re
import zlib
from collections import Counter
from functools import cache, lru_cache

from .spans import words

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def luhn(digits: bytes) -> bool:
    """Whether a number of ASCII digits passes the mod-10 test of ISO/IEC 7812-1."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = (digit - 48) << (place & 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


# Length of an IBAN by country, of the registry of ISO 13616.
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def iban_length(country: bytes) -> int:
    """Characters of an IBAN of a country, spaces left out; 0 where the country has none."""
    return _IBAN_LENGTHS.get(country.decode("ascii"), 0)


def iban(compact: bytes) -> bool:
    """Whether an IBAN without spaces has its country's length and passes mod 97 (ISO 13616)."""
    if len(compact) != iban_length(compact[:2]):
        return False
    return int("".join(str(int(chr(c), 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def crc32_base62(token: bytes) -> bool:
    """Whether the last 6 characters are the CRC-32, in base 62, of what stands between the first `_` and them.

    The scheme of GitHub's tokens (https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/),
    taken over by npm.
    """
    body = token.partition(b"_")[2]
    number = zlib.crc32(body[:-6])
    digits = bytearray()
    while number:
        number, rest = divmod(number, 62)
        digits.append(_BASE62[rest])
    return bytes(reversed(digits)).rjust(6, b"0") == body[-6:]


def unbase64(text: bytes) -> bytes:
    """The bytes that base64 (either alphabet, padded or not) stands for; empty if it does not decode."""
    text = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""


def jwt(token: bytes) -> bool:
    """Whether the first part of a token decodes to a JOSE header: a JSON object with `alg` (RFC 7515, 4.1.1)."""
    try:
        header = json.loads(unbase64(token.partition(b".")[0]))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header


@lru_cache(1 << 12)
def global_ipv4(text: bytes) -> ipaddress.IPv4Address | None:
    """The address, if it is written without leading zeros and is neither private, reserved nor multicast."""
    try:
        address = ipaddress.IPv4Address(text.decode("ascii"))
    except ValueError:
        return None
    return address if address.is_global and not address.is_multicast and address not in _unlisted() else None


def global_ipv6(text: bytes) -> ipaddress.IPv6Address | None:
    """The address, if it is global unicast (2000::/3) and not of a documentation range."""
    try:
        address = ipaddress.IPv6Address(text.decode("ascii"))
    except ValueError:
        return None
    if not address.is_global or any(address in net for net in _DOCUMENTATION_6) or address in _unlisted():
        return None
    return address


_DOCUMENTATION_6 = (
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_network("3fff::/20"),
    ipaddress.ip_network("3ffe::/16"),
)  # RFC 3849, RFC 9637, RFC 3701


@cache
def _unlisted() -> frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    return frozenset(ipaddress.ip_address(text.decode()) for text in words("resolvers") | words("counted"))


def entropy(value: bytes) -> float:
    """Shannon's entropy in bits a byte."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


_HEX = re.compile(rb"(?:[0-9a-f]+|[0-9A-F]+)\Z")
_RUNS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_LETTERS_AND_DIGITS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_OTHERS = bytes(sorted(set(range(256)) - set(_LETTERS_AND_DIGITS)))


def looks_random(value: bytes) -> bool:
    """Whether a value of 14 letters and digits or more looks drawn at random rather than named by someone.

    Random characters change class often, even where a capital and the lower case after it count as one: at 44 % of the
    steps in base 62, 47 % in hex, 40 % in lower case with digits, but at 10 to 15 % in an identifier.
    """
    compact = value.translate(None, _OTHERS)
    size = len(compact)
    if size < 14 or size < 0.6 * len(value) or compact.isalpha() or compact.isdigit():
        return False
    changes = len(_RUNS.findall(compact)) - 1
    return changes >= 0.2 * size and entropy(compact) >= (2.7 if _HEX.match(compact) else 3.3)


_SEQUENCES = (
    b"0123456789",
    b"abcdefghijklmnop",
    b"9876543210",
    b"qwertyuiop",
    b"fedcba",
    b"aabbcc",
    b"a1b2c3d4",
    b"1a2b3c",
)
_STANDS_IN = re.compile(
    rb"example|placeholder|your|change[-_ ]?(?:me|it|this)|replace|insert|dummy|redacted|removed|todo|fixme|foobar"
    rb"|sample|x{4,}|\*{3,}|\.{3}|-here|_here|0{8}|1{8}|<|>|\$\{|\{\{|\$\(|#\{|%\(|%s|%d|\{[a-z_.]*\}|(?:^|[^a-z])fake|mock",
    re.IGNORECASE,
)


def stands_in(value: bytes) -> bool:
    """Whether a value only shows where one goes: `<your-token>`, `${API_KEY}`, `xxxxxxxx`, `EXAMPLE`, `0123456789`."""
    if _STANDS_IN.search(value):
        return True
    folded = value.lower()
    return len(set(folded)) <= min(4, len(value) // 2) or any(s in folded for s in _SEQUENCES)


def dull(token: bytes) -> bool:
    """Whether a token was typed to show its shape, or is of a vendor's documentation."""
    folded = token.lower()
    return (
        token in words("documented")
        or token.rpartition(b"_")[2] in words("documented")
        or b"example" in folded
        or b"xxxx" in folded
        or b"0000000" in folded
        or b"1234567890" in folded
        or b"abcdefghijkl" in folded
        or len(set(folded[-16:])) < 6
    )
