"""Secrets that only their name gives away: what is assigned to `password`, `api_key`, `client_secret` … in any language.

A name is followed to its value through quotes, brackets, a type, an operator, an XML tag; name and value are then
judged, and a value that is code, a placeholder or a word of the language is none.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from .spans import Span, compiled
from .validators import dull, looks_random, stands_in

# Found anywhere: a word that could end a name, up to something that could be its value.
_NAME = rb"(?i)(?:pass(?:w(?:or)?d|phrase|wort|code|wd)?|pwd|secret|token|key|credentials?|jwt|auth|sas|identified)"
_TRIGGER = (
    _NAME + rb"[\w\-]{0,24}\\?[\"'`\])}]{0,4}(?:"
    rb"[ \t]{0,8}(?::[ \w&'\[\].|<>?*]{1,40}=|\[\d*\][ \t]*=|[=:,>|?!]{1,3}|/?>)|\s{1,24}(?:[\"'`]?value|by|with|to|is|or|as)[\"'`]?[ \t]{0,4}[:=]?|[ \t]{1,4}|[ ]?[{(][\"'])"
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

# What may follow the telling word of a name: `DB_PASSWORD_PROD`, `secret_key_base`, `password1`.
_TAIL = frozenset(
    b"value val string str text plain base default prod production dev development stage staging live test testing local "
    b"main primary old new current env id1 raw b64 base64 hex".split()
)
_PASSWORD_ENDS = frozenset(
    b"password passwd passphrase passwort pass pwd pw passcode userpass dbpass mypass dbpassword userpassword passwd "
    b"identified adminpassword rootpassword mypassword mysqlpassword newpassword oldpassword passw pswd psw".split()
)
_WEAK_PASSWORD_ENDS = frozenset([b"pass", b"pwd", b"pw", b"psw"])
_SECRET_ENDS = frozenset(
    b"secret token apikey authkey secretkey accesskey privatekey authtoken accesstoken apitoken apisecret clientsecret "
    b"credential credentials jwt appsecret appkey jwtsecret sas bearer auth".split()
)
# Keys that are no secret, by the word before `key` or `token`; a bare `key` is none either.
_OPEN_KEYS = frozenset(
    b"public pub primary foreign sort cache partition row hash index dict map group natural composite routing object lookup "
    b"unique shard range start end last first next prev previous parent context state data item column col field feature config "
    b"settings setting registry file path translation message msg locale i18n resource event query param parameter property prop "
    b"attribute attr header cookie idempotency trace span widget name search shortcut hot arrow modifier candidate json xml css "
    b"layer tile sitekey site publishable pk gpg pgp ssh rsa host known job task queue topic record entry node "
    b"request manager page continuation pagination cursor sync bos eos pad unk special mask cls sep csrf xsrf lock release etag sha "
    b"commit version ver block doc document fingerprint thumbprint assembly strong verify verification validation".split()
)
# Values of passwords that are words of code, of forms or of languages.
_NO_PASSWORD = frozenset(
    b"password passwords passwd passphrase passwort pass pwd secret secrets string str text none null nil true false undefined "
    b"required optional hidden prompt input field label value username user admin root test tests testing empty unknown default "
    b"disabled enabled invalid incorrect wrong missing current previous confirm confirmation change update create delete reset "
    b"forgot forgotten login logout signin signup submit cancel account email mail name type object number boolean integer bytes "
    b"bytearray varchar nullable function return const static public private protected internal abstract override virtual async "
    b"await import export module require include define undefined anonymous localhost database server client service system "
    b"example sample placeholder changeme changeit letmein credentials credential basic bearer digest oauth oauth2 token tokens "
    b"kerberos keyring keychain vault environment environ getpass plaintext plain encrypted decrypted hashed sha256 sha512 sha1 md5 "
    b"bcrypt argon2 pbkdf2 scrypt base64 utf8 utf-8 ascii utf8mb4 latin1 success successful failed failure error errors warning "
    b"warnings info debug critical normal strong medium weak strength length minlength maxlength mismatch matches match "
    b"contrasena senha kennwort wachtwoord motdepasse parola jelszo lozinka heslo haslo salasana adgangskode losenord "
    b"mot geslo slaptazodis parool parole sifre sandi kata mdp psw autocomplete current-password new-password one-time-code "
    b"anonymous@ -anonymous@ anoncvs userpassword keyboard-interactive publickey allow deny always never inherit override continue pending expired locked "
    b"stringvar stringfield passwordfield charfield textfield formcontrol validators component readonly writable".split()
)
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
_PLAIN = re.compile(rb"[A-Za-z]+\Z")
_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_TOKEN = re.compile(rb"[A-Za-z0-9+/=_\-.~!@#%^&*()$:?|]{16,1024}\Z")


@lru_cache(1 << 14)
def meaning(name: bytes) -> str:
    """What a name promises: `password`, `weak` (a password, or something else), `secret`, or nothing."""
    words = [w.lower() for w in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _TAIL or words[-1].isdigit()):
        words.pop()
    if not words:
        return ""
    last, before = words[-1], words[-2] if len(words) > 1 else b""
    if last in _WEAK_PASSWORD_ENDS and not before:
        return "weak"
    if last in _PASSWORD_ENDS or last.endswith((b"password", b"passwd")):
        return "password"
    if last == b"word" and before == b"pass":  # PassWord
        return "password"
    if last == b"phrase" and before == b"pass":
        return "password"
    if last in (b"key", b"token") and (before in _OPEN_KEYS or b"public" in words):
        return ""
    if last in _SECRET_ENDS or last.endswith((b"secret", b"token")):
        return "secret"
    return "secret" if last == b"key" and before else ""


def _scrambled(value: bytes) -> bool:
    """Whether letters change between upper and lower case as often as random ones do, and names do not."""
    return len(_WORDS.findall(value)) - 1 >= 0.2 * len(value)


def _password(value: bytes, *, weak: bool, quoted: bool, config: bool) -> float:
    """How sure it is that a value assigned to a password is one."""
    folded = value.lower()
    if not 4 <= len(value) <= 200 or folded in _NO_PASSWORD or stands_in(value) or _CODE_VALUE.match(value):
        return 0.0
    if _DATE.match(value) or any(c <= 32 or c > 126 for c in value):
        return 0.0
    digits = sum(48 <= c <= 57 for c in value)
    letters = sum(65 <= c <= 90 or 97 <= c <= 122 for c in value)
    symbols = len(value) - digits - letters - sum(value.count(c) for c in (b"_", b"-", b".", b":"))
    if _SECRET_WORD.search(value) and digits + symbols < 3:
        return 0.3 if digits + symbols else 0.0
    if digits == len(value):
        return 0.5 if quoted and digits >= 6 and not weak else 0.3
    if digits and letters:
        if not quoted and not symbols and len(value) < 8 and (digits < 2 or not config):
            return 0.3  # `part2` may be a variable
        return 0.75
    if symbols and letters:
        return 0.6 if quoted or config else 0.3
    if _PLAIN.match(value) and len(value) >= 8 and not weak:
        return 0.5 if (quoted or config) and (_scrambled(value) or len(_WORDS.findall(value)) == 1) else 0.3
    if len(value) >= 8 and not weak and (quoted or config) and _scrambled(value):
        return 0.5
    return 0.2 if quoted else 0.0


def _secret(value: bytes, name: bytes) -> float:
    """How sure it is that a value assigned to a secret, a token or a key is one."""
    if not _TOKEN.match(value) or dull(value) or _TEMPLATE.search(value) or _REFERS.match(value):
        return 0.0
    if _UUID.match(value) and not stands_in(value):
        return 0.6 if name.lower().endswith((b"key", b"secret", b"token")) else 0.3
    return 0.8 if looks_random(value) else 0.0


def find(data: bytes) -> Iterator[Span]:
    """Passwords and secrets by the name they are assigned to."""
    search, at = compiled(_TRIGGER).search, 0
    while found := search(data, at):
        start, end = found.span()
        head = data[max(0, start - 48) : start]
        begin = start
        for byte in reversed(head):
            if not (byte in _NAME_BYTES):
                break
            begin -= 1
        stop = start
        while stop < end and data[stop] in _NAME_BYTES:
            stop += 1
        at = max(stop, start + 1)
        kind = meaning(data[begin:stop].strip(b"-."))
        if kind and (span := _value(data, begin, stop, kind)):
            yield span
            at = max(at, span.end)


_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def _value(data: bytes, begin: int, stop: int, kind: str) -> Span | None:
    """The value of the name data[begin:stop], if it is a secret."""
    found = _VALUE.match(data, stop, stop + 1200)
    if found is None:
        return None
    group = found.lastgroup or ""
    value = found[group]
    start, end = found.span(group)
    quoted = group != "bare"
    if found["op"] == b"," and not _paired(data, begin, stop, value if quoted else b"", b"\n" in data[stop:start]):
        return None
    if data[max(0, begin - 2) : begin] == b"::" and data[stop : stop + 1] == b'"':
        return None  # the name of a type: "AWS::IAM::AccessKey"
    line_start = data.rfind(b"\n", max(0, begin - 200), begin) + 1 or max(0, begin - 200)
    before = data[line_start:begin]
    if not quoted:
        # Values end before what cannot be part of them, and code goes on with a call, an index, an attribute.
        if data[end : end + 1] in (b"(", b"[", b"{", b"\\"):
            return None
        if found["space"] and not _bare_after_space(data, begin, stop, before):
            return None
        if found["op"] in (b"||", b"??", b"!=", b"==", b"==="):
            return None
        if found["op"] == b">" and data[end : end + 2] != b"</":
            return None  # a comparison, or a placeholder: <PASSWORD>
        if data[end : end + 1] == b"<" and data[end + 1 : end + 2].isupper():
            return None  # the value goes on with a placeholder
        value = value.rstrip(b".:")
        end = start + len(value)
    elif (
        found["space"]
        and (kind == "weak" or (kind == "secret" and group != "back"))
        and not before.endswith(b"#define ")
    ):
        return None  # "pass `x`" tells what to do
    if group == "double" and data[begin:stop].lower() == b"identified":
        return None
    if kind == "secret":
        if not quoted and _DOTTED.match(value) and not any(map(looks_random, value.split(b"."))):
            return None
        if found["op"] == b":" and data[max(0, begin - 1) : begin] == b":":
            return None  # arn:aws:secretsmanager:*:*:secret:name
        score = _secret(value, data[begin:stop])
        return Span("high_entropy", start, end, "assignment", score) if score else None
    tail = data[end : end + 1]
    config = _configured(found["space"], data[begin:stop], before, data[end : end + 1])
    score = _password(value, weak=kind == "weak", quoted=quoted, config=config)
    return Span("password", start, end, "assignment", score) if score else None


def _configured(space: bytes | None, name: bytes, before: bytes, after: bytes) -> bool:
    """Whether a value without quotes stands where only values stand: an option, a line of settings, a part of a URL."""
    if space is not None or name.startswith(b"--") or before.endswith(b"--") or after in (b"&", b";", b'"', b"'", b"<"):
        return True
    return after in (b"", b"\n", b"\r", b" ") and _CONFIG_START.match(before + name) is not None


def _paired(data: bytes, begin: int, stop: int, value: bytes, across_lines: bool) -> bool:
    """Whether `"name", "value"` is a pair and not two items of a list: first in a call, or a value with digits in it."""
    opening = data[begin - 1 : begin]
    if across_lines or not value or opening not in (b'"', b"'") or data[stop : stop + 1] != opening:
        return False
    return data[max(0, begin - 8) : begin - 1].rstrip(b" bru").endswith((b"(", b"(:")) or bool(_MIXED.search(value))


def _bare_after_space(data: bytes, begin: int, stop: int, before: bytes) -> bool:
    """Whether `name value` without an operator is an assignment: an option, Docker's ENV, netrc, SQL."""
    return (
        before.endswith(b"--")
        or data[begin : begin + 2] == b"--"
        or before.strip() == b"ENV"
        or (data[begin:stop] == b"password" and b"login " in before and b"machine " in before)
    )
