"""Secrets that only their name gives away: what is assigned to `password`, `api_key` … in any language.

A name is followed to its value through quotes, brackets, a type, an operator, an XML tag; name and value are then
judged, and a value that is code, a placeholder or a word of the language is none.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from .spans import Span, compiled, words
from .validators import dull, looks_random, stands_in

# Found anywhere: a word that could end a name, up to something that could be its value.
_NAME = rb"(?i)(?:pass(?:w(?:or)?d|phrase|wort|code|wd)?|pwd|secret|token|key|credentials?|jwt|auth|sas|identified)"
_TRIGGER = (
    _NAME + rb"[\w\-]{0,24}\\?[\"'`\])}]{0,4}(?:"
    rb"[ \t]{0,8}(?::[ \w&'\[\].|<>?*]{1,40}=|\[\d*\][ \t]*=|[=:,>|?!]{1,3}|/?>)|[ \t]{1,4}|[ ]?[{(][\"']"
    rb"|\s{1,24}(?:[\"'`]?value|by|with|to|is|or|as)[\"'`]?[ \t]{0,4}[:=]?)"
    rb"[\s@]{0,8}(?:[\w:&.\[\] ]{0,20}[({]{1,2})?(?:\\?[\"'`][^\s\"'`]{4}|[^\s\"'`<>,;(){}\[\]]{4})"
)

_VALUE = re.compile(
    rb"""
    \\{0,2}["'`\])}]{0,4}
    (?: [ \t]{0,8}:\s?(?:&(?:'\w{1,12}[ ])?)?[\w\[\].|<>?* ]{1,40}?=(?!=)\s{0,4}  # name: type =
      | [ \t]{0,8}(?:\[\d{0,6}\][ \t]?)?(?P<op>:=|={1,3}|=>|:(?!:)|,|\|\||\?\?|!=|>)\s{0,8}
      | \s{1,4}/?>\s{0,4}
      | [ ]?(?=[{(]["'])                                               # C++: name{"v"}
      | \s{1,24}["'`]?value["'`]?\s?[:=]\s{0,4}                        # key="name" value="v", and name: x value: v
      | (?P<space>[ \t]{1,4}(?:(?i:to|is|or|as|by|with)[ \t]{1,4})?)
    )
    (?P<wrap>new\ String\(|String::from\(|\[\]byte\(|(?:Secret)?Str(?:ing)?\(|[bBrRuUL@]{1,2}(?=["'])|[{(])?
    (?: \\{0,2}"(?P<double>[^"\\\n]{1,1024}+)(?=\\{0,2}")
      | \\{0,2}'(?P<single>[^'\\\n]{1,1024}+)(?=\\{0,2}')
      | `(?P<back>[^`\\\n]{1,1024}+)(?=`)
      | (?P<bare>[^\s"'`<>(){}\[\];,&|\\]{4,512}+)
    )
    """,
    re.VERBOSE,
)

_WORDS = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_REFERENCE = (
    rb"\$\{?[A-Za-z_]\w*\}?\Z|%[A-Za-z_]\w*%\Z|@[A-Za-z_][\w.\-]*@\Z|[:@&!][A-Za-z_]+\Z"  # $X, %X%, @x@, :x, @X, !vault
    rb"|https?:|[a-z+]+://|[A-Za-z_]\w*(?:->|::|\?\.)|(?:self|this|cls)\.|[A-Za-z_][\w.]*(?:\(.*\)|\[.*\])\Z"
)
_REFERS = re.compile(_REFERENCE)
_CODE_VALUE = re.compile(
    _REFERENCE + rb"|(?:\.{0,2}|~)/|[A-Za-z]:\\|[A-Za-z_]+(?:\.[A-Za-z_]+)+\Z|\.[a-z]+\Z|-{1,2}[a-z]+\Z"
    rb"|[%#]\w{0,3}\Z|0x[0-9a-fA-F]+\Z|&\w+;|#[0-9a-fA-F]{3,8}\Z"
)
_SECRET_WORD = re.compile(rb"pass|pwd|secret|token|credential|(?:^|[_\-.])key", re.IGNORECASE)
_DATE = re.compile(rb"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}|v?\d+\.\d+(?:\.\d+)*\Z")
_CONFIG_START = re.compile(rb"\s*(?:[-*+>]\s{0,4})?(?:export\s|set\s|ENV\s|ARG\s|-e\s)?\s*[\"']?[\w.\-]*\Z")
_TEMPLATE = re.compile(
    rb"your|example|placeholder|replace|insert|change|<|>|\$\{|\{\{|\$\(|#\{|%\(|\.{3}", re.IGNORECASE
)
_DOTTED = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")
_MIXED = re.compile(rb"[0-9].*[A-Za-z]|[A-Za-z].*[0-9]")
_PRINTABLE = re.compile(rb"[!-~]+\Z")
_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_TOKEN = re.compile(rb"[A-Za-z0-9+/=_\-.~!@#%^&*()$:?|]{16,1024}\Z")


@lru_cache(1 << 14)
def meaning(name: bytes) -> str:
    """What a name promises: `password`, `weak` (a password, or something else), `secret`, or nothing."""
    parts = [w.lower() for w in _WORDS.findall(name)]
    while len(parts) > 1 and (parts[-1] in words("tails") or parts[-1].isdigit()):
        parts.pop()
    before, last = [b"", b"", *parts][-2:]
    kind = ""
    if last in words("weak_password_names") and before not in words("password_owners"):
        kind = "weak"
    elif (
        last in words("password_names")
        or last.endswith((b"password", b"passwd"))
        or (before == b"pass" and last == b"phrase")
    ):
        kind = "password"
    elif last in (b"key", b"token") and (before in words("open_keys") or b"public" in parts):
        kind = ""
    elif last in words("secret_names") or last.endswith((b"secret", b"token")) or (last == b"key" and before):
        kind = "secret"
    return kind


def _scrambled(value: bytes) -> bool:
    """Whether letters change between upper and lower case as often as random ones do, and names do not."""
    return len(_WORDS.findall(value)) - 1 >= 0.2 * len(value)


def _password(value: bytes, *, weak: bool, quoted: bool, config: bool) -> float:
    """How sure it is that a value assigned to a password is one."""
    if not 4 <= len(value) <= 200 or value.lower() in words("no_passwords") or not _PRINTABLE.match(value):
        return 0.0
    if stands_in(value) or _CODE_VALUE.match(value) or _DATE.match(value):
        return 0.0
    digits = sum(48 <= c <= 57 for c in value)
    letters = sum(65 <= c <= 90 or 97 <= c <= 122 for c in value)
    symbols = len(value) - digits - letters - sum(value.count(c) for c in (b"_", b"-", b".", b":"))
    placed = quoted or config
    score = 0.2 if quoted else 0.0
    if _SECRET_WORD.search(value) and digits + symbols < 3:
        score = 0.3 if digits + symbols else 0.0
    elif digits == len(value):
        score = 0.5 if quoted and digits >= 6 and not weak else 0.3
    elif digits and letters:
        variable = not quoted and not symbols and len(value) < 8 and (digits < 2 or not config)  # `part2`
        score = 0.3 if variable else 0.75
    elif symbols and letters:
        score = 0.6 if placed else 0.3
    elif len(value) >= 8 and not weak and placed and _scrambled(value):
        score = 0.5
    elif len(value) >= 8 and not weak and letters == len(value):
        score = 0.5 if placed and len(_WORDS.findall(value)) == 1 else 0.3
    return score


def _secret(value: bytes, name: bytes) -> float:
    """How sure it is that a value assigned to a secret, a token or a key is one."""
    if not _TOKEN.match(value) or dull(value) or _TEMPLATE.search(value) or _REFERS.match(value):
        return 0.0
    if _UUID.match(value) and not stands_in(value):
        return 0.6 if name.lower().endswith((b"key", b"secret", b"token")) else 0.3
    return 0.8 if looks_random(value) else 0.0


class _Assigned(NamedTuple):
    """A name and what it is assigned. before: what stands on the line before the name; after: what follows."""

    name: bytes
    before: bytes
    closing: bytes  # what follows the name
    operator: bytes
    space: bool  # nothing but a space is between them
    quote: str  # the group that matched: double, single, back, bare
    lines: bool  # they stand on different lines
    value: bytes
    start: int
    after: bytes

    @property
    def quoted(self) -> bool:
        return self.quote != "bare"


def find(data: bytes) -> Iterator[Span]:
    """Passwords and secrets by the name they are assigned to."""
    search, at = compiled(_TRIGGER).search, 0
    while found := search(data, at):
        start, end = found.span()
        begin = start
        low = max(0, start - 48)
        while begin > low and data[begin - 1] in _NAME_BYTES:
            begin -= 1
        stop = start
        while stop < end and data[stop] in _NAME_BYTES:
            stop += 1
        at = max(stop, start + 1)
        kind = meaning(data[begin:stop].strip(b"-."))
        if kind and (span := _judged(data, begin, stop, kind)):
            yield span
            at = max(at, span.end)


_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def _judged(data: bytes, begin: int, stop: int, kind: str) -> Span | None:
    """The value of the name data[begin:stop], if it is a secret."""
    assigned = _assigned(data, begin, stop)
    if assigned is None or _of_another_kind(assigned, kind) or (not assigned.quoted and _code(assigned, kind)):
        return None
    value = assigned.value
    if kind == "secret":
        score = _secret(value, assigned.name)
    else:
        score = _password(value, weak=kind == "weak", quoted=assigned.quoted, config=_configured(assigned))
    if not score:
        return None
    end = assigned.start + len(value)
    return Span("high_entropy" if kind == "secret" else "password", assigned.start, end, "assignment", score)


def _assigned(data: bytes, begin: int, stop: int) -> _Assigned | None:
    found = _VALUE.match(data, stop, stop + 1200)
    if found is None:
        return None
    quote = found.lastgroup or ""
    start, end = found.span(quote)
    low = max(0, begin - 200)
    line = max(low, data.rfind(b"\n", low, begin) + 1)
    return _Assigned(
        name=data[begin:stop],
        before=data[line:begin],
        closing=data[stop : stop + 1],
        operator=found["op"] or b"",
        space=found["space"] is not None,
        quote=quote,
        lines=b"\n" in data[stop:start],
        value=found[quote] if quote != "bare" else found[quote].rstrip(b".:"),
        start=start,
        after=data[end : end + 2],
    )


def _of_another_kind(assigned: _Assigned, kind: str) -> bool:
    """Whether name and value are not assigned to each other: items of a list, a type's name, words of a sentence."""
    before, space = assigned.before, assigned.space
    if assigned.operator == b",":
        # `("password", "x")` is a pair, `["password", "text"]` a list, `(password, "x")` two arguments.
        opening = before[-1:]
        return (
            not assigned.quoted
            or assigned.lines
            or opening not in (b'"', b"'")
            or assigned.closing != opening
            or not (before[-8:-1].rstrip(b" bru").endswith((b"(", b"(:")) or _MIXED.search(assigned.value))
        )
    if assigned.quoted and space and (kind == "weak" or (kind == "secret" and assigned.quote != "back")):
        return not before.endswith(b"#define ")  # "pass `x`" tells what to do
    called = not assigned.operator and not space and not assigned.lines
    return (
        (kind == "weak" and called)  # a compiler's PASS("x")
        or (space and assigned.closing in (b'"', b"'"))  # "password" or "token"
        or (before.endswith(b"::") and assigned.closing == b'"')  # "AWS::IAM::AccessKey"
        or (assigned.quote == "double" and assigned.name.lower() == b"identified")
        or (kind == "secret" and assigned.operator == b":" and before.endswith(b":"))  # an ARN
    )


def _code(assigned: _Assigned, kind: str) -> bool:
    """Whether a value without quotes is code, or goes on behind what may be part of a value."""
    after, operator, value = assigned.after, assigned.operator, assigned.value
    dotted = kind == "secret" and _DOTTED.match(value) is not None
    return (
        (dotted and not any(map(looks_random, value.split(b"."))))
        or after[:1] in (b"(", b"[", b"{", b"\\")
        or operator in (b"||", b"??", b"!=", b"==", b"===")
        or (operator == b">" and after != b"</")  # a comparison, or a placeholder: <PASSWORD>
        or (after[:1] == b"<" and after[1:].isupper())  # it goes on with a placeholder
        or (assigned.space and not _spaced(assigned))
    )


def _spaced(assigned: _Assigned) -> bool:
    """Whether `name value` without an operator is an assignment: an option, Docker's ENV, netrc."""
    before = assigned.before
    return (
        _option(assigned)
        or before.strip() == b"ENV"
        or (assigned.name == b"password" and b"login " in before and b"machine " in before)
    )


def _option(assigned: _Assigned) -> bool:
    return assigned.name.startswith(b"--") or assigned.before.endswith(b"--")


def _configured(assigned: _Assigned) -> bool:
    """Whether a value without quotes stands where only values stand: an option, a line of settings, a part of a URL."""
    after = assigned.after[:1]
    if assigned.space or _option(assigned) or after in (b"&", b";", b'"', b"'", b"<"):
        return True
    return after in (b"", b"\n", b"\r", b" ") and _CONFIG_START.match(assigned.before + assigned.name) is not None
