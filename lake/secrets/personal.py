"""Personal data: mail addresses, IP addresses, telephone, card and account numbers, names of authors."""

import re
from collections.abc import Iterator

from . import validators
from .spans import Span, compiled

_LOCAL = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'")
_DOMAIN = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,8}([A-Za-z]{2,24}|xn--[a-z0-9\-]{2,59})(?![\w\-]|\.\w)"
)
# Top-level domains: all of two letters that ISO 3166 or custom has, and the generic ones that addresses are seen in.
_CCTLD = (
    b"ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg "
    b"ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi "
    b"gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw "
    b"ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng "
    b"ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm "
    b"sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf "
    b"ws ye yt za zm zw"
)
_GTLD = (
    b"com net org edu gov mil int info biz name pro museum coop aero jobs mobi travel tel cat asia post xxx arpa app dev page "
    b"cloud online site website tech store shop blog xyz club space live life world today email systems solutions software "
    b"digital network agency company group team studio design media news group global science academy education university "
    b"institute foundation community social social center consulting services engineering technology computer codes bot "
    b"berlin hamburg koeln koln cologne bayern wien paris london amsterdam brussels vlaanderen swiss tokyo moscow nyc "
    b"ninja rocks guru wiki zone one top vip work works run sh ink law legal health care finance bank capital ventures "
    b"rip lol fun wtf gmbh ltd inc llc expert engineer"
)
_TLDS = frozenset(_CCTLD.split()) | frozenset(_GTLD.split())
_RESERVED_TLDS = frozenset(b"example test invalid localhost local internal lan localdomain home corp".split())
# Domains that only show where one goes. RFC 2606 and 6761 reserve example.*; the others are seen in documentation.
_SHOWN_DOMAINS = frozenset(
    b"foo.com bar.com foo.bar baz.com foo.org bar.org test.com test.org domain.com domain.tld yourdomain.com mydomain.com "
    b"your-domain.com yourcompany.com mycompany.com company.com email.com host.com server.com somewhere.com some.com site.com "
    b"mysite.com yoursite.com website.com abc.com xyz.com a.com b.com c.com x.com y.com z.com a.b b.c mail.tld somedomain.com "
    b"otherdomain.com foobar.com fake.com dummy.com blah.com acme.com acme.org nowhere.com nobody.com x.org b.co d.com".split()
)
_LOGINS = frozenset([b"git", b"hg", b"svn", b"bzr", b"gitolite", b"aur", b"www-data"])


def emails(data: bytes) -> Iterator[Span]:
    """Mail addresses outside the domains that are reserved for documentation."""
    at = data.find(b"@")
    while at >= 0:
        if at and data[at - 1] in _LOCAL and (found := _DOMAIN.match(data, at + 1, at + 256)):
            start = at
            low = max(0, at - 65)
            while start > low and data[start - 1] in _LOCAL:
                start -= 1
            start = _escape_end(data, start)
            while start < at and data[start] in b".'-+%":
                start += 1
            if score := _email(data, start, at, found):
                yield Span("email", start, found.end(), "email", score)
        at = data.find(b"@", at + 1)


def _escape_end(data: bytes, start: int) -> int:
    """`start`, or past the `n` of a `\\n` that stands before a word in quoted text."""
    if start and data[start - 1] == 92 and data[start : start + 1] in (b"n", b"t", b"r"):
        return start + 1
    return start


def _email(data: bytes, start: int, at: int, domain: "re.Match[bytes]") -> float:
    local, host, tld = data[start:at], domain[0].lower(), domain[1].lower()
    if not local or len(local) > 64 or local.endswith(b".") or local.startswith(b"%") or b".." in local:
        return 0.0
    after = data[domain.end() : domain.end() + 2]
    if data[max(0, start - 3) : start] == b"://" or (
        data[start - 1 : start] == b":" and data[max(0, start - 80) : start].rfind(b"://") >= 0
    ):
        return 0.0  # the user of a URL, or its password
    if local.lower() in _LOGINS or after[:1] == b"(" or (after[:1] == b":" and after[1:] in (b"/", b"~")):
        return 0.0
    labels = host.split(b".")
    if tld in _RESERVED_TLDS or any(label.startswith(b"example") for label in labels) or host in _SHOWN_DOMAINS:
        return 0.0
    if tld not in _TLDS and not tld.startswith(b"xn--"):
        return 0.3
    if validators.stands_in(local) or b"yourdomain" in host or len(labels[-2]) < 2:
        return 0.3
    return 0.9


_OCTET = rb"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rb"\b" + _OCTET + rb"(?:\." + _OCTET + rb"){3}\b"
_IPV6 = rb"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}(?:\d)?"
_CARD = rb"\b(?:[2-6]\d{3}[ \-]?\d{4}[ \-]?\d{4}[ \-]?\d{4}|3[47]\d\d[ \-]?\d{6}[ \-]?\d{5}|3(?:0[0-5]|[68]\d)\d[ \-]?\d{6}[ \-]?\d{4})\b"
_IBAN = rb"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"
_PHONE = (
    rb"(?:\+|\b00)[1-9]\d{0,2}[ .\-/]?(?:\(\d{1,5}\)[ .\-/]?)?\d{1,5}(?:[ .\-/]?\d{2,5}){1,5}\b"
    rb"|\(\d{3}\)[ .\-]?\d{3}[ .\-]\d{4}\b|\b[2-9]\d\d[.\- ][2-9]\d\d[.\- ]\d{4}\b|\b1[\-. ][2-9]\d\d[.\-][2-9]\d\d[.\-]\d{4}\b"
)
_NUMBERS = rb"(?:^|[^\w.])(?:" + b"|".join([_IPV4, _IPV6, _CARD, _IBAN, _PHONE]) + rb")"


def numbers(data: bytes) -> Iterator[Span]:
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
    if data[start] >= 65:
        return _iban(data, start)
    if data[start + 4 : start + 5] == b":":
        return _ipv6(data, start)
    if b"." in data[start + 1 : start + 4] and (span := _ipv4(data, start)):
        return span
    return _card(data, start) or _phone(data, start)


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


def _ipv4(data: bytes, start: int) -> Span | None:
    found = compiled(_IPV4).match(data, start, start + 16)
    if not found:
        return None
    end = found.end()
    after = data[end : end + 2]
    if (
        (after[:1] == b"." and after[1:].isalnum())
        or after[:1].isalnum()
        or after[:1] == b"_"
        or not validators.global_ipv4(found[0])
    ):
        return None
    before = data[max(0, start - 2) : start]
    if (before[-1:] in (b"-", b"_", b"/") and before[:1].isalnum()) or (after[:1] == b"-" and after[1:].isalpha()):
        return None  # linux-2.6.35.9, Chrome/9.1.2.3, 1.2.3.4-py3
    context = _context(data, start)
    if _VERSIONED.search(context):
        return None
    parts = [int(p) for p in found[0].split(b".")]
    addressed = (
        _ADDRESSED.search(context) is not None or (after[:1] == b":" and after[1:].isdigit()) or after[:1] == b"/"
    )
    if len(set(parts)) < 3 or (parts[3] == 0 and after[:1] == b"/"):  # typed to show an address, or a network's
        return Span("ipv4", start, end, "ipv4", 0.4)
    small = sum(p <= 20 for p in parts)
    if small >= 3 or parts[0] < 5 or (parts[0] < 10 and parts[1] <= 20):  # as versions are
        return Span("ipv4", start, end, "ipv4", 0.5 if addressed and small < 4 else 0.3)
    return Span("ipv4", start, end, "ipv4", 0.9 if addressed else 0.7)


def _ipv6(data: bytes, start: int) -> Span | None:
    found = compiled(_IPV6).match(data, start, start + 40)
    if not found or data[start - 1 : start] in (b":", b"-"):
        return None
    text = found[0].rstrip(b":") if not found[0].endswith(b"::") else found[0]
    end = start + len(text)
    if data[end : end + 1].isalnum() or data[end : end + 1] in (b"_", b":") or text.count(b":") < 3:
        return None
    if sum(bool(p) for p in text.split(b":")) < 3 or not validators.global_ipv6(text):
        return None
    return Span("ipv6", start, end, "ipv6", 0.9)


def _card(data: bytes, start: int) -> Span | None:
    found = compiled(_CARD).match(data, start, start + 20)
    if not found:
        return None
    groups, end = re.split(rb"[ \-]", found[0]), found.end()
    digits = b"".join(groups)
    if not validators.luhn(digits) or digits in validators.DOCUMENTED or not _issued(digits):
        return None
    separated = len(groups) > 1
    if separated and (
        (b" " in found[0] and b"-" in found[0]) or sorted(map(len, groups)) not in ([4, 4, 4, 4], [4, 5, 6], [4, 4, 6])
    ):
        return None
    if len(set(digits)) < 4 or len(set(groups)) < len(groups) - 1:
        return None
    before, after = data[max(0, start - 1) : start], data[end : end + 2]
    if before in (b".", b"-", b"+") or (after[:1] in (b"-", b".") and after[1:].isdigit()):
        return None
    prose = before in (b" ", b"\n") and data[max(0, start - 2) : start - 1] not in (b",", b"(", b" ")
    if _CARD_NAMED.search(_context(data, start)):
        return Span("credit_card", start, end, "credit_card", 0.95)
    if separated:
        table = _TABLE_BEFORE.search(data, max(0, start - 8), start) or _TABLE_AFTER.match(data, end)
        return None if table else Span("credit_card", start, end, "credit_card", 0.75)  # of code points, of ids
    return Span("credit_card", start, end, "credit_card", 0.75 if before in b"\"'>;:=" or prose else 0.4)


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


def _iban(data: bytes, start: int) -> Span | None:
    length = validators.iban_length(data[start : start + 2])
    if not length:
        return None
    compact, end = bytearray(), start
    while len(compact) < length and end < len(data):
        byte = data[end]
        if byte != 32:
            compact.append(byte)
        elif data[end - 1] == 32:
            return None
        end += 1
    text = bytes(compact)
    if (
        data[end : end + 1].isalnum()
        or not text.isalnum()
        or not text.isupper()
        or text in validators.DOCUMENTED
        or not validators.iban(text)
    ):
        return None
    return Span("iban", start, end, "iban", 0.95)


_CALLED = re.compile(
    rb"phone|tel\b|tel[:;=\"'>]|telefon|mobile|mobil\b|cell\b|fax|\bcall|whatsapp|sms|contact|\breach|\bring\b|dial\b|hotline|handy|emergency"
)
# Country codes (ITU-T E.164) with the digits a whole number has, where they are fixed closer than the plan's 15.
_COUNTRY = {b"1": (11, 11), b"7": (11, 11), b"33": (11, 11), b"34": (11, 11), b"44": (11, 13), b"49": (9, 15), b"39": (9, 13), b"31": (11, 12),
            b"86": (12, 13), b"91": (12, 12), b"81": (11, 13), b"55": (12, 13), b"61": (11, 12), b"48": (11, 11), b"41": (11, 12)}  # fmt: skip
_CODES = frozenset(
    b"1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 "
    b"93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 "
    b"243 244 245 246 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 "
    b"351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 "
    b"502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 "
    b"685 686 687 688 689 690 691 692 850 852 853 855 856 880 886 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 "
    b"977 992 993 994 995 996 998".split()
)


def _phone(data: bytes, start: int) -> Span | None:
    found = compiled(_PHONE).match(data, start, start + 32)
    if not found:
        return None
    text, end = found[0], found.end()
    after, before = data[end : end + 2], data[max(0, start - 2) : start]
    if (
        after[:1].isalnum()
        or after[:1] == b"_"
        or (after[:1] in b".-/:" and after[1:].isdigit())
        or before[-1:] in (b"-", b"/", b"_")
        or (text[:1].isdigit() and len(text) == 12 and text[3] != text[7])  # DFARS 252.227-7013
    ):
        return None
    digits = bytes(c for c in text if 48 <= c <= 57)
    told = _CALLED.search(_context(data, start, 64)) is not None
    if text[:1] == b"+" or digits[:2] == b"00":
        if digits[:2] == b"00":
            digits = digits[2:]
            if not told:
                return Span("phone", start, end, "phone", 0.3)
        return _international(data, start, end, text, digits, told=told)
    if len(digits) == 11:
        digits = digits[1:]
    if digits[3:6] == b"555" or digits[:3] == b"555" or not _nanp(digits) or validators.stands_in(digits):
        return None
    if told:
        return Span("phone", start, end, "phone", 0.9)
    if b" " in text and b"(" not in text:
        return Span("phone", start, end, "phone", 0.3)
    quoted = before[-1:] in (b'"', b"'", b">") and after[:1] in (b'"', b"'", b"<")
    return Span("phone", start, end, "phone", 0.6 if quoted or text[:1] == b"(" or b"-" in text else 0.3)


def _nanp(digits: bytes) -> bool:
    """Whether 10 digits are a number of the North American plan: area and exchange begin with 2 to 9, neither is N11."""
    return len(digits) == 10 and digits[0] >= 50 and digits[3] >= 50 and digits[1:3] != b"11" and digits[4:6] != b"11"


def _international(data: bytes, start: int, end: int, text: bytes, digits: bytes, *, told: bool) -> Span | None:
    code = next((digits[:n] for n in (1, 2, 3) if digits[:n] in _CODES), b"")
    national = bytes(c for c in re.sub(rb"\(0\)", b"", text) if 48 <= c <= 57)
    low, high = _COUNTRY.get(code, (9, 15))
    if not code or not low <= len(national.removeprefix(b"00")) <= high or validators.stands_in(digits[-7:]):
        return None
    if code == b"1" and (not _nanp(digits[1:]) or digits[4:7] == b"555" or digits[1:4] == b"555"):
        return None
    separated = len(text) - 1 > len(digits)
    if text.count(b".") == 1 and not re.search(rb"[ \-/(]", text):
        return None  # +1.23456789012 is a number
    if told:
        return Span("phone", start, end, "phone", 0.95)
    if separated and re.match(rb"\+?\d*", text)[0].lstrip(b"+0") not in _CODES:  # type: ignore[index]
        return Span("phone", start, end, "phone", 0.3)  # +375711-0864541 is a place on earth
    quoted = not start or data[start - 1 : start] in (b'"', b"'", b">", b":", b"`")
    return Span(
        "phone", start, end, "phone", 0.8 if separated or quoted else 0.6 if data[start - 1 : start] == b" " else 0.3
    )


# Names: in copyright lines, author tags and sign-offs. Off unless asked for.
_CAPITAL = rb"(?:[A-Z]|\xc3[\x80-\x9e]|\xc4[\x80-\xbf]|\xc5[\x80-\xbf])"
_WORD = _CAPITAL + rb"(?:['\-]?(?:[a-z]|[\xc3-\xc5][\x80-\xbf]|" + _CAPITAL + rb")){0,24}\.?"
_PARTICLE = rb"(?:van|von|de|der|den|del|della|da|dos|di|du|la|le|bin|al|el|ter|zu)"
_PERSON = _WORD + rb"(?:[ ](?:" + _PARTICLE + rb"[ ]){0,2}" + _WORD + rb"){1,3}"
_AUTHOR = (
    rb"(?:(?i:copyright)(?:[ \t]*(?i:\(c\)|\xc2\xa9|&copy;))?[ \t,]*(?:\d{4}(?:[ \t]*[-,][ \t]*\d{2,4})*[ ,]*)?(?:(?i:by)[ \t]+)?"
    rb"|(?:\(c\)|\xc2\xa9)[ \t]*\d{4}(?:[ \t]*[-,][ \t]*\d{2,4})*[ ,]*(?:by[ \t]+)?"
    rb"|(?:@|\\)author[ \t:]+|(?i:\bauthors?|\bmaintainer|\bcreated by|\bwritten by|\bcontributed by)[ \t]*[:=]?[ \t]*[\"'\[]{0,2}"
    rb"|__author__[ \t]*=[ \t]*[\"']|(?:Signed-off|Reviewed|Acked|Tested|Reported|Co-authored)-by:[ \t]*)"
    rb"(" + _PERSON + rb")"
)
_ORGANISATION = re.compile(
    rb"\b(?:Inc|Ltd|LLC|Corp|Corporation|GmbH|Foundation|Team|Project|Contributors?|Developers?|Authors?|University|Institute|"
    rb"Software|Systems|Technologies|Company|Group|Limited|Laborator(?:y|ies)|Labs|Consortium|Association|Community|Research|"
    rb"Center|Centre|Department|License|Licence|All Rights|The|Google|Microsoft|Apple|IBM|Intel|NVIDIA|Facebook|Meta|Amazon|"
    rb"Red Hat|Oracle|Mozilla|Apache|Free|Holders?|Notice|Statement|Act|Owner|Regents|Committee|Organi[sz]ation|AG|SE|SA|BV|AB|"
    rb"Example|Partners|Networks|Data|Open|Source|Copyright|Documentation|Copyrights?|Rights|Year|Name|First|Last|Your|Public)\b"
)


def authors(data: bytes) -> Iterator[Span]:
    """Names of persons in copyright lines, author tags and sign-offs; names of organisations are left."""
    for found in compiled(_AUTHOR).finditer(data):
        start, end = found.span(1)
        if not _ORGANISATION.search(data, start, end) and not data[end : end + 16].lstrip(b" ,.").startswith(
            (b"Inc", b"GmbH", b"Ltd", b"LLC")
        ):
            yield Span("author", start, end, "author", 0.7)
