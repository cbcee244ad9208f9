"""What stands in or beside a licence that is not part of it and may restrict it.

Inside a licence's text almost nothing may be added: names, and words for "the Software". Beside it, in a licence file,
there is much that restricts nothing (credits, titles, third parties); there it takes a phrase of restriction.
"""

import re
from bisect import bisect_left

from .findings import ADDED, COMMONS_CLAUSE, NON_COMMERCIAL, Finding
from .notices import Said, say
from .texts import Match
from .tokens import Words

# Phrases that have a name, wherever they stand.
_COMMONS = re.compile(
    r"\bcommons clause(?: license)? (?:condition|restriction)|subject to the commons clause|"
    r"does not include and the license does not grant to you the right to sell"
)
_NON_COMMERCIAL = re.compile(
    r"\b(?:non ?commercial(?:ly)? (?:use|usage|purposes?|research|redistribution|only|users?|academic|scientific|"
    r"educational)|"
    r"(?:for|only|strictly|solely) non ?commercial|"
    r"(?:not|no|never|nor) (?:\w+ ){0,8}?(?:for|in|to) (?:any |a |the )?commercial(?:ly)? (?:use|usage|purposes?|"
    r"gain|advantage|products?|applications?|exploitation|settings?|projects?)?|"
    r"(?:no|not for) commercial (?:use|usage|purposes?|exploitation|redistribution)|"
    r"commercial(?:ly)? (?:use|usage|purposes?|redistribution|exploitation|users?|"
    r"entities) (?:\w+ ){0,6}?(?:prohibited|forbidden|not (?:permitted|allowed|granted)|requires?|"
    r"without (?:\w+ ){0,3}permission|must (?:obtain|purchase|buy|pay|contact))|"
    r"(?:academic|research|educational|personal|private|evaluation)(?: (?:and|or) (?:academic|research|"
    r"educational|personal|private|evaluation|teaching))? (?:use|purposes?) only|"
    r"free (?:of charge )?for (?:personal|private|academic|educational|non profit)(?: (?:and|or) \w+)? use)\b"
)
# A sentence that takes something away.
_RESTRICTS = re.compile(
    r"\b(?:(?:may|must|shall|can|will|should) (?:only|not|never|neither)|cannot|can t|not (?:be )?(?:permitted|"
    r"allowed|used|use|granted|authori[sz]ed|"
    r"sold|sell|distribute\w*|redistribute\w*|modif\w*|copied|copy|reproduced?|transferr?ed|deployed)|prohibit\w*|"
    r"forbid\w*|forbidden|disallow\w*|restricted to|(?<!no )restrictions? (?:appl\w+|that|on)|"
    r"exclud(?:ed|ing) from|except (?:that|by|if|with|when)|(?:use|purposes?|users?|members|"
    r"version) only|only (?:for|if|by|when|to|be|with|within|after|in connection)|"
    r"unless|provided (?:that|further|however)|(?:must|shall) (?:be|also|first|obtain|pay|contact|include|agree|"
    r"display|give|notify|provide|not|send|share|publish|credit|purchase|keep|make|only|\w+)|"
    r"required? to|requires? (?:a|an|the|prior|written|separate|explicit|express|that)|(?:prior|written|express|"
    r"explicit) (?:written )?(?:consent|permission|approval|agreement)|"
    r"good not evil|(?:pay|purchase|royalt\w+|fee|fees|subscription)\b|additional (?:terms|restrictions?|conditions?)|"
    r"following (?:additional |further |extra )?(?:restrictions?|terms)|"
    r"terminate\w* (?:if|when|upon)|revoke\w*|competing|competitors?|military|weapons?|surveillance)\b"
)
# Disclaimers, titles and common remarks: these restrict nobody.
_HARMLESS = re.compile(
    r"\b(?:warrant(?:y|ies)|liab(?:le|ility)|merchantability|as is|damages|fitness for)\b|"
    r"^(?:see|refer to|for (?:more|further)|please see)\b|"
    r"\b(?:unless|except)(?: where| when| as| if)? (?:otherwise|explicitly|noted|listed|stated|specified|"
    r"indicated|expressly)\b|"
    r"you may not use this (?:file|software|work) except in compliance|unless required by applicable law|"
    r"\bnames? .{0,120}\b(?:shall|may|must|can) not be used (?:in (?:any )?(?:advertising|publicity)|"
    r"to (?:endorse|promote|advertise))|"
    r"\bused (?:in advertising|to endorse|in publicity)\b|\badvertising or otherwise to promote\b|"
    r"\bthese (?:requirements|conditions) apply to the modified work|trademark|"
    r"creative commons|verbatim copies of this license document|"
    r"everyone is permitted to copy and distribute verbatim"
)
# Words that change what a sentence of a licence means, however few are added or taken away.
_TURNING = frozenset(
    [
        "not",
        "no",
        "non",
        "never",
        "nor",
        "only",
        "except",
        "excluding",
        "unless",
        "without",
        "cannot",
        "must",
        "prohibited",
        "forbidden",
        "restricted",
        "restriction",
        "restrictions",
        "commercial",
        "noncommercial",
        "military",
        "government",
        "academic",
        "research",
        "personal",
        "evil",
        "prior",
        "fee",
        "pay",
        "payment",
        "royalty",
        "sell",
        "sold",
        "unmodified",
        "registered",
        "licensed",
        "internal",
        "evaluation",
        "educational",
        "nonprofit",
        "individuals",
        "approval",
        "consent",
        "competing",
        "competitive",
    ]
)
_TAKEN = frozenset(
    [
        "not",
        "no",
        "without",
        "restriction",
        "free",
        "sublicense",
        "sell",
        "modify",
        "distribute",
        "use",
        "copy",
        "merge",
        "publish",
        "royalty",
        "irrevocable",
        "perpetual",
    ]
)
_LONG = 10  # words added in one place that are more than a name; "the University of California, Berkeley" has five


def named(said: Said) -> list[Finding]:
    """Restrictions with a name of their own, of which a mention is enough."""
    found = []
    for pattern, spdx in ((_COMMONS, COMMONS_CLAUSE), (_NON_COMMERCIAL, NON_COMMERCIAL)):
        if match := pattern.search(said.words):
            a, b = said.place(match.start(), match.end())
            found.append(Finding(spdx, a, b, 0.9, f"restriction:{match[0][:60]}"))
    return found


def outside(said: Said) -> list[Finding]:
    """Restrictions in what a licence file has beside its licence texts."""
    found = named(said)
    if found:
        return found
    for match in _RESTRICTS.finditer(said.words):
        around = said.words[max(0, match.start() - 200) : match.end() + 200]
        if _HARMLESS.search(around):
            continue
        a, b = said.place(match.start(), match.end())
        return [Finding(ADDED, a, b, 0.7, f"restriction:{match[0][:60]}")]
    return []


def inside(counted: Words, match: Match) -> list[Finding]:
    """What was added within a licence's text, or taken out of it, if it changes the terms."""
    found: list[Finding] = []
    for start, end in match.added:
        a, b = int(counted.starts[start]), int(counted.ends[end - 1])
        said = say(counted.text, a, b)
        wide = say(
            counted.text,
            int(counted.starts[max(match.start, start - 4)]),
            int(counted.ends[min(match.end, end + 4) - 1]),
        )
        if special := named(wide):
            found += [Finding(f.spdx, a, b, f.score, f"added:{said.words[:60]}") for f in special]
            continue
        own = said.words.split()
        if _spelling(own, match) or _HARMLESS.search(said.words) or _endorsing(counted, match, start, end):
            continue
        long = end - start >= _LONG and not _names(counted.text[a:b])
        if _TURNING.intersection(own) or (long and (match.known.kind != "header" or _RESTRICTS.search(said.words))):
            found.append(Finding(ADDED, a, b, 0.8, f"added:{said.words[:60]}"))
    first, last = int(counted.starts[match.start]), int(counted.ends[match.end - 1])
    for a, b in counted.statements[bisect_left(counted.statements, (first, 0)) :]:
        if a >= last:
            break
        found += outside(say(counted.text, a, b))
    for gone in match.missing:
        if _TAKEN.intersection(gone) and not _replaced(gone, match, counted):
            found.append(Finding(ADDED, first, last, 0.8, f"removed:{' '.join(gone)[:60]}"))
    return found


def _spelling(own: list[str], match: Match) -> bool:
    """Whether added words only spell differently what is missing."""
    joined = "".join(own)
    return any("".join(gone) == joined for gone in match.missing)


_ENDORSING = re.compile(r"\bneither the name|\bnor the names|\bendorse or promote|\bin advertising|\bthe names? of\b")
_LIMITS = frozenset(
    [
        "only",
        "except",
        "excluding",
        "unless",
        "without",
        "commercial",
        "noncommercial",
        "non",
        "must",
        "shall",
        "cannot",
        "prohibited",
        "forbidden",
        "restricted",
        "military",
        "evil",
        "fee",
        "pay",
        "payment",
        "royalty",
        "sell",
    ]
)


def _endorsing(counted: Words, match: Match, start: int, end: int) -> bool:
    """Whether the words stand in the clause about using names for promotion, and add no more than names to it."""
    low, high = max(match.start, start - 8), min(match.end, end + 12)
    near = " ".join(counted.said(low, high))
    limits = _LIMITS.intersection(counted.said(start, end))
    return end - start < 2 * _LONG and not limits and _ENDORSING.search(near) is not None


def _names(text: str) -> bool:
    """Whether a text is names of people and bodies: most words begin with a capital."""
    own = [w for w in re.findall(r"[^\W\d_]+", text) if w.lower() not in _SMALL]
    return not own or sum(w[0].isupper() for w in own) >= 0.7 * len(own)


_SMALL = frozenset(
    ["of", "and", "the", "for", "at", "in", "on", "or", "by", "its", "their", "a", "an", "inc", "ltd", "llc", "co"]
)


def _replaced(gone: tuple[str, ...], match: Match, counted: Words) -> bool:
    joined = "".join(gone)
    return any("".join(counted.said(a, b)) == joined for a, b in match.added)
