"""The literals that every match of an ast-grep pattern contains.

ast-grep parses the pattern as code, with `$` of a meta-variable replaced by a character that the language takes for a
letter, and compares trees (strictness "smart", crates/core/src/match_tree): a named node without children must be there
with its type and its text, while of an unnamed one (a keyword, a bracket) only the type is compared, some may be absent,
and in broken code it may be MISSING, that is without text.
"""

import re
from functools import lru_cache

from .literals import ANYTHING, Plan, both, literal
from .scm import WORDS, is_word

MAX_PATTERN = 1 << 13  # characters; a longer pattern says nothing

# Linguist's name of a language, its name in ast-grep 0.51, and what stands for `$` (`impl_lang_expando!`).
_LANGUAGES = {
    "C": ("c", "\U00010000"),
    "C#": ("csharp", "µ"),
    "C++": ("cpp", "\U00010000"),
    "CSS": ("css", "_"),
    "Dart": ("dart", "$"),
    "Elixir": ("elixir", "µ"),
    "Go": ("go", "µ"),
    "HCL": ("hcl", "µ"),
    "HTML": ("html", "z"),
    "Haskell": ("haskell", "µ"),
    "JSON": ("json", "$"),
    "Java": ("java", "$"),
    "JavaScript": ("javascript", "$"),
    "Kotlin": ("kotlin", "µ"),
    "Lua": ("lua", "$"),
    "Nix": ("nix", "_"),
    "PHP": ("php", "µ"),
    "Python": ("python", "µ"),
    "Ruby": ("ruby", "µ"),
    "Rust": ("rust", "µ"),
    "Scala": ("scala", "$"),
    "Shell": ("bash", "$"),
    "Solidity": ("solidity", "$"),
    "Swift": ("swift", "µ"),
    "TSX": ("tsx", "$"),
    "TypeScript": ("typescript", "$"),
    "YAML": ("yaml", "$"),
}

_SIGIL = re.compile(r"(\$+)([A-Z_]?)")


@lru_cache(maxsize=512)
def pattern_plan(pattern: str, language: str | None) -> Plan:
    """What any text holds in which the ast-grep pattern matches; ANYTHING for a pattern or language not known here.

    language: Linguist's name of the language that is parsed.
    """
    if language not in _LANGUAGES or len(pattern) > MAX_PATTERN:
        return ANYTHING
    from ast_grep_py import SgNode, SgRoot

    name, sigil = _LANGUAGES[language]
    words = WORDS.get(language, frozenset())
    nodes: list[SgNode] = [SgRoot(_processed(pattern, sigil), name).root()]
    found: list[Plan] = []
    while nodes:
        node = nodes.pop()
        text = node.text()
        if re.fullmatch(rf"(?:{re.escape(sigil)})+\w*", text):  # a meta-variable, or nearly one
            continue
        children = node.children()
        if children:
            nodes += children
        elif node.is_named() and sigil not in text and "\ufffd" not in text:
            found.append(literal(text, word=node.kind() in words and is_word(text)))
    return both(found)


def _processed(pattern: str, sigil: str) -> str:
    """The pattern as ast-grep parses it (`pre_process_pattern`)."""
    return _SIGIL.sub(
        lambda found: (sigil if found[2] or len(found[1]) == 3 else "$") * len(found[1]) + found[2], pattern
    )
