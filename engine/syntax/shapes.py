"""What the text of an ast-grep match looks like beyond the literals in it: a name with its bracket right behind it.

`eval($$$A)` needs the word `eval`, but half of the files that hold the word hold no call of it (`model.eval()`, a
comment). A shape is asked of a content before it is parsed, and of every match after, so that what is not parsed has no
match by construction: not even in broken code, where a parser may think of a bracket that is not there.
"""

import re
from functools import lru_cache

# Languages in which a call is a name and then `(`.
_CALLS = {
    "C", "C#", "C++", "Dart", "Go", "Java", "JavaScript", "Kotlin", "PHP", "Python", "Ruby", "Rust", "Scala", "Swift",
    "Solidity", "TSX", "TypeScript",
}  # fmt: skip
# Languages in which a name right behind a single `.` is that of a member, so no call of that name alone.
_MEMBERS = {"Java", "JavaScript", "Python", "TSX", "TypeScript"}
# Between a name and its bracket: blanks and continued lines, whatever the language takes for them. A comment there is a
# node, which ast-grep does not skip.
_GAP = r"[^!-\[\]-~]*"
_CALL = re.compile(r"(?<![\w$])([A-Za-z_]\w*)\s*\(", re.ASCII)


@lru_cache(maxsize=256)
def shape(pattern: str, language: str) -> str:
    """A regular expression (RE2's and re's) found in any match of `pattern` and the two bytes before; "" for none.

    language: Linguist's name.
    """
    # A comment in a pattern is no part of what is matched.
    if language not in _CALLS or re.search(r"#|//|/\*", pattern):
        return ""
    calls = list(_CALL.finditer(pattern.strip()))
    if not calls:
        return ""
    call = max(calls, key=lambda found: len(found[1]))
    alone = call.start() == 0 and language in _MEMBERS
    before = r"(?:^|[^0-9A-Za-z_.]|\.\.)" if alone else "(?:^|[^0-9A-Za-z_])"
    return rf"{before}{call[1]}{_GAP}\("
