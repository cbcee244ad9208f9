"""What is a symbol in a language: the kinds, and one tree-sitter query a grammar, `queries/<grammar>.scm`.

Captures that a query may use:

    @function @method @class …   the node of a definition, by its kind (DEFINITIONS) or @declaration; with
        @name                    its name, which may be written with its owner: `A::b`, `Foo.prototype.bar`
        @owner                   the type it belongs to, where that stands elsewhere: a Go receiver, a Kotlin extension
    @scope                       qualifies the names in it and is no definition itself: `impl Foo`; with @name
    @package                     a module that all that follows is in: `package a.b;`; with @name
    @skip                        no definition, whatever later patterns say of the node
    @call                        a call, with the @name called and, if it has a @receiver, a node that begins with that
    @import                      what is imported, the module it is @from, the @name taken of it, an @alias
    @group                       imports that have in common what they are @from: `use a::{b, c}`
    @docstring                   documentation that is the first thing in a definition, or in the file
    @comment                     documentation, if it ends on the line above a definition or above its @attribute lines
    @attribute                   what may stand between such a comment and its definition

Of several patterns for one node the first in the file holds. Settings of a pattern, by `#set!`:

    name TEXT                    the @name of an import that stands nowhere: "*", "default"
    last                         the last part of what an import is @from is the name taken of it
    plain                        the name as it is written, dots and all
    merge                        definitions of one name that follow each other are one: the equations of Haskell
    outside                      not in a function
    capitals                     a constant, if its name is in capitals
    absolute                     a name that what encloses does not stand before
    nested                       a @package in the one before, not in its place
    marker REGEX                 only a @comment that begins so

A query that begins with `; inherits: <grammar>` goes on with the patterns of that grammar.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tree_sitter import Parser, Query
from tree_sitter_language_pack import get_language

# Kind -> what it stands for in every language.
DEFINITIONS = {
    "function": "function, procedure, subroutine; also an anonymous one that is given a name",
    "method": "function of a type: constructors, operators and signatures in an interface too",
    "class": "class, record, singleton object",
    "struct": "struct",
    "union": "union",
    "enum": "enumeration",
    "interface": "interface, protocol, concept, class of Haskell, module type of OCaml",
    "trait": "trait",
    "type": "type alias, algebraic type",
    "module": "module, namespace, package",
    "constant": "constant of a module, declared to be one or by a name in capitals where that is the habit",
    "variable": "variable of a module",
    "macro": "macro",
}
# Kind -> what else there is.
OTHERS = {
    "declaration": "definition without its body: a prototype of C, an overload of TypeScript, `val` of OCaml",
    "import": "module, or name of a module, that the file takes in",
    "call": "call of something by its name",
    "file": "the content itself, with the module's docstring; its name is the outcome: ok; syntax-error, match-limit: "
    "symbols may be missing; too-large, failed: all are",
}

# Linguist's language -> its grammars, tried in turn until one parses without an error.
GRAMMARS: Mapping[str, tuple[str, ...]] = {
    "C": ("c",),
    "C#": ("csharp",),
    "C++": ("cpp",),
    "Go": ("go",),
    "Haskell": ("haskell",),
    "Java": ("java",),
    "JavaScript": ("javascript",),
    "Kotlin": ("kotlin",),
    "Lua": ("lua",),
    "OCaml": ("ocaml", "ocaml_interface"),
    "PHP": ("php",),
    "Perl": ("perl",),
    "Python": ("python",),
    "R": ("r",),
    "Ruby": ("ruby",),
    "Rust": ("rust",),
    "Scala": ("scala",),
    "Shell": ("bash",),
    "Swift": ("swift",),
    "TSX": ("tsx",),
    "TypeScript": ("typescript",),
}

_ASIDE = ("scope", "package", "skip", "group", "docstring", "comment", "attribute")
_ROLES = frozenset({*DEFINITIONS, "declaration", "call", "import", *_ASIDE})
_INHERITS = re.compile(r"; inherits: (\w+)\n")


@dataclass(frozen=True)
class Rules:
    """The query of one grammar; by pattern its role, and its settings."""

    parser: Parser
    query: Query
    roles: tuple[str, ...]
    settings: tuple[dict[str, str | None], ...]


@cache
def rules(grammar: str) -> Rules:
    """The rules of a grammar of GRAMMARS."""
    language = get_language(grammar)  # type: ignore[arg-type]
    text = query_text(grammar).encode()
    query = Query(language, text.decode())
    roles = []
    for pattern in range(query.pattern_count):
        body = text[query.start_byte_for_pattern(pattern) : query.end_byte_for_pattern(pattern)].decode()
        (role,) = _ROLES.intersection(re.findall(r"@(\w+)", body))
        roles.append(role)
    settings = tuple(query.pattern_settings(pattern) for pattern in range(query.pattern_count))
    return Rules(Parser(language), query, tuple(roles), settings)


def query_text(grammar: str) -> str:
    """The whole query of a grammar, with what it inherits."""
    text = files(__package__).joinpath("queries", f"{grammar}.scm").read_text(encoding="utf-8")
    inherited = _INHERITS.match(text)
    return text + (query_text(inherited[1]) if inherited else "")
