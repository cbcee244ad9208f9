"""What stands in the place of a finding: a typed placeholder, or a fake of the same shape.

A fake is of a reserved space (example.com, 198.18.0.0/15, 2001:db8::/32, 555-01xx), fails the check that a real value
passes, or has EXAMPLE in it: no fake is anyone's, and no scan takes one for a finding.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from . import validators

PLACEHOLDERS = {
    "email": b"<EMAIL>",
    "ipv4": b"<IP_ADDRESS>",
    "ipv6": b"<IP_ADDRESS>",
    "phone": b"<PHONE>",
    "credit_card": b"<CREDIT_CARD>",
    "iban": b"<IBAN>",
    "password": b"<PASSWORD>",
    "connection_string": b"<PASSWORD>",
    "author": b"<NAME>",
}
"""By kind; every other kind is a key: `<KEY>`. Those of StarPII (`<NAME> <EMAIL> <KEY> <PASSWORD>`) are among them."""


def placeholder(kind: str) -> bytes:
    """The placeholder of a kind."""
    return PLACEHOLDERS.get(kind, b"<KEY>")


_MARK = b"EXAMPLE"
_LOWER, _UPPER, _DIGITS = b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"0123456789"
_GIVEN = b"Alex Bo Casey Dana Eli Finn Gray Harper Ira Jo Kit Lee Max Noa Ona Pat Quinn Remy Sam Toni".split()


@dataclass(frozen=True)
class Fakes:
    """Fakes of one lake: the same value of the same kind has the same fake wherever it is found.

    seed: kept secret, as who knows it can test a guess of what was replaced.
    """

    seed: str

    def fake(self, kind: str, value: bytes) -> bytes:
        """The fake of a value."""
        stream = _Stream(self.seed, kind, value)
        make = _FAKES.get(kind, _token)
        return make(value, stream)


class _Stream:
    """Numbers that follow from a seed, a kind and a value."""

    def __init__(self, seed: str, kind: str, value: bytes) -> None:
        self.bits = int.from_bytes(
            hashlib.shake_256(f"{seed}\0{kind}\0".encode("utf-8", "surrogatepass") + value).digest(64)
        )

    def below(self, limit: int) -> int:
        self.bits, number = divmod(self.bits, limit)
        if not self.bits:
            self.bits = int.from_bytes(hashlib.shake_256(str(number).encode()).digest(64))
        return number

    def like(self, shape: bytes) -> bytes:
        """`shape` with each letter and digit replaced by one of its class."""
        out = bytearray()
        for byte in shape:
            alphabet = next((a for a in (_LOWER, _UPPER, _DIGITS) if byte in a), b"")
            out.append(alphabet[self.below(len(alphabet))] if alphabet else byte)
        return bytes(out)


def _email(value: bytes, stream: _Stream) -> bytes:
    return b"user%06d@example.com" % stream.below(1_000_000)


def _ipv4(value: bytes, stream: _Stream) -> bytes:
    return str(IPv4Address(0xC6120000 + 1 + stream.below((1 << 17) - 2))).encode()  # 198.18.0.0/15, RFC 2544


def _ipv6(value: bytes, stream: _Stream) -> bytes:
    return str(IPv6Address((0x20010DB8 << 96) + stream.below(1 << 64) + 1)).encode()


def _phone(value: bytes, stream: _Stream) -> bytes:
    return b"+1-%d%02d-555-01%02d" % (2 + stream.below(8), 12 + stream.below(80), stream.below(100))


def _card(value: bytes, stream: _Stream) -> bytes:
    return _unchecked(value, stream, validators.luhn)


def _iban(value: bytes, stream: _Stream) -> bytes:
    return _unchecked(value, stream, validators.iban)


def _unchecked(value: bytes, stream: _Stream, check: Callable[[bytes], bool]) -> bytes:
    """A number of the same first digits and grouping that does not pass its check."""
    new = bytearray(value[:4] + stream.like(re.sub(rb"[A-Z]", b"A", value[4:])))
    if check(bytes(c for c in new if c not in b" -")):
        last = max(i for i, c in enumerate(new) if c in _DIGITS)
        new[last] = _DIGITS[(new[last] - 48 + 1) % 10]
    return bytes(new)


def _password(value: bytes, stream: _Stream) -> bytes:
    return _MARK + b"-" + stream.like(b"a0a0a0a0")


def _author(value: bytes, stream: _Stream) -> bytes:
    return _GIVEN[stream.below(len(_GIVEN))] + b" Example-%05d" % stream.below(100_000)


def _private_key(value: bytes, stream: _Stream) -> bytes:
    begin, end = re.match(rb"-----BEGIN [^-]*-----", value), re.search(rb"-----END [^-]*-----\Z", value)
    marks = [m[0] if m else b"" for m in (begin, end)]
    return (_MARK + b" %08d" % stream.below(10**8)).join([marks[0] + b" ", b" " + marks[1]])


def _token(value: bytes, stream: _Stream) -> bytes:
    """A token with the prefix of the value, random letters of its classes, and EXAMPLE for its end."""
    if not re.fullmatch(rb"[!-~]+", value):
        return _password(value, stream)  # more than a token: of several findings, or not ASCII
    prefix = re.match(rb"A[KS]IA|(?:[A-Za-z]{2,10}[_\-.]){0,3}", value)
    head = prefix[0] if prefix else b""
    body = stream.like(value[len(head) : max(len(head), min(len(value), 48) - len(_MARK))])
    return head + body + _MARK


_FAKES: dict[str, Callable[[bytes, _Stream], bytes]] = {
    "email": _email,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "phone": _phone,
    "credit_card": _card,
    "iban": _iban,
    "password": _password,
    "connection_string": _password,
    "author": _author,
    "private_key": _private_key,
}
"""By kind; every other kind is a token."""
