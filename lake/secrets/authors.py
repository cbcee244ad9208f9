"""Names of persons in copyright lines, author tags and sign-offs; they are looked for if asked for only."""

import re
from collections.abc import Iterator

from .spans import Span, compiled

_CAPITAL = rb"(?:[A-Z]|\xc3[\x80-\x9e]|\xc4[\x80-\xbf]|\xc5[\x80-\xbf])"
_WORD = _CAPITAL + rb"(?:['\-]?(?:[a-z]|[\xc3-\xc5][\x80-\xbf]|" + _CAPITAL + rb")){0,24}\.?"
_PARTICLE = rb"(?:van|von|de|der|den|del|della|da|dos|di|du|la|le|bin|al|el|ter|zu)"
_PERSON = _WORD + rb"(?:[ ](?:" + _PARTICLE + rb"[ ]){0,2}" + _WORD + rb"){1,3}"
_YEARS = rb"\d{4}(?:[ \t]*[-,][ \t]*\d{2,4})*[ ,]*"
_AUTHOR = (
    rb"(?:(?i:copyright)(?:[ \t]*(?i:\(c\)|\xc2\xa9|&copy;))?[ \t,]*(?:" + _YEARS + rb")?(?:(?i:by)[ \t]+)?"
    rb"|(?:\(c\)|\xc2\xa9)[ \t]*" + _YEARS + rb"(?:by[ \t]+)?|(?:@|\\)author[ \t:]+"
    rb"|(?i:\bauthors?|\bmaintainer|\bcreated by|\bwritten by|\bcontributed by)[ \t]*[:=]?[ \t]*[\"'\[]{0,2}"
    rb"|__author__[ \t]*=[ \t]*[\"']|(?:Signed-off|Reviewed|Acked|Tested|Reported|Co-authored)-by:[ \t]*)"
    rb"(" + _PERSON + rb")"
)
_ORGANISATION = re.compile(
    rb"\b(?:Inc|Ltd|LLC|Corp|Corporation|GmbH|Foundation|Team|Project|Contributors?|Developers?|Authors?|University|"
    rb"Institute|Software|Systems|Technologies|Company|Group|Limited|Laborator(?:y|ies)|Labs|Consortium|Association|"
    rb"Community|Research|Center|Centre|Department|License|Licence|All Rights|The|Google|Microsoft|Apple|IBM|Intel|"
    rb"NVIDIA|Facebook|Meta|Amazon|Red Hat|Oracle|Mozilla|Apache|Free|Holders?|Notice|Statement|Act|Owner|Regents|"
    rb"Committee|Organi[sz]ation|AG|SE|SA|BV|AB|Example|Partners|Networks|Data|Open|Source|Documentation|Copyrights?|"
    rb"Rights|Year|Name|First|Last|Your|Public)\b"
)


def find(data: bytes) -> Iterator[Span]:
    """Names of persons in copyright lines, author tags and sign-offs; names of organisations are left."""
    for found in compiled(_AUTHOR).finditer(data):
        start, end = found.span(1)
        if not _ORGANISATION.search(data, start, end) and not data[end : end + 16].lstrip(b" ,.").startswith(
            (b"Inc", b"GmbH", b"Ltd", b"LLC")
        ):
            yield Span("author", start, end, "author", 0.7)
