"""The literals that every match of an ast-grep pattern contains.

ast-grep parses the pattern as code, with another letter for the `$` of a meta-variable, and compares trees
(strictness "smart", crates/core/src/match_tree): a named node without children must be there with its type and its
text. Of an unnamed one (a keyword, a bracket) only the type is compared; after `$$$` it need not be there, and in
broken code it may be MISSING, that is without text.
"""

import re
from functools import lru_cache

from .literals import ANYTHING, Plan, both, literal
from .words import IDENTIFIERS, KEYWORDS, is_word

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

_REPLACEMENT = "\ufffd"  # in a text that was not UTF-8 it stands for other bytes
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
    variable = re.compile(rf"(?:{re.escape(sigil)})+\w*")  # or nearly one
    identifiers, keywords = IDENTIFIERS.get(language, frozenset()), KEYWORDS.get(language, frozenset())
    found: list[Plan] = []
    nodes: list[SgNode] = [SgRoot(_processed(pattern, sigil), name).root()]
    while nodes:
        after_many = False
        for node in nodes.pop().children():
            text, kind = node.text(), node.kind()
            if variable.fullmatch(text):
                after_many = text.startswith(sigil * 3)
            elif node.is_named():
                after_many = False
                if not node.is_leaf():
                    nodes.append(node)
                elif sigil not in text and _REPLACEMENT not in text:
                    found.append(literal(text, word=kind in identifiers and is_word(text)))
            elif kind == text and kind in keywords and not after_many:
                found.append(literal(text, word=True))
    return both(found)


def _processed(pattern: str, sigil: str) -> str:
    """The pattern as ast-grep parses it (`pre_process_pattern`)."""
    return _SIGIL.sub(
        lambda found: (sigil if found[2] or len(found[1]) == 3 else "$") * len(found[1]) + found[2], pattern
    )
