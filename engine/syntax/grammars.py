"""Which grammar reads a language: from Linguist's names, as in the column `language`, to tree-sitter and ast-grep."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ..errors import QueryError, nearest

if TYPE_CHECKING:
    from tree_sitter import Language

# Linguist's name, or one in its manner for what it does not know -> the grammar in tree-sitter-language-pack 0.13.
_GRAMMARS = {
    "1C Enterprise": "bsl", "ActionScript": "actionscript", "Ada": "ada", "Agda": "agda", "Apex": "apex",
    "Arduino": "arduino", "Assembly": "asm", "Astro": "astro", "Beancount": "beancount", "BibTeX": "bibtex",
    "Bicep": "bicep", "BitBake": "bitbake", "C": "c", "C#": "csharp", "C++": "cpp", "CMake": "cmake",
    "COBOL": "cobol", "CPON": "cpon", "CSS": "css", "CSV": "csv", "Cairo": "cairo", "Cap'n Proto": "capnp",
    "Chatito": "chatito", "Clarity": "clarity", "Clojure": "clojure", "Comment": "comment",
    "Common Lisp": "commonlisp", "Cuda": "cuda", "D": "d", "DTD": "dtd", "Dart": "dart", "Dockerfile": "dockerfile",
    "Doxygen": "doxygen", "EJS": "embeddedtemplate", "Elixir": "elixir", "Elm": "elm", "Emacs Lisp": "elisp",
    "Erlang": "erlang", "F#": "fsharp", "F# Signature": "fsharp_signature", "FIRRTL": "firrtl", "Fennel": "fennel",
    "Fortran": "fortran", "Fortran Free Form": "fortran", "FunC": "func", "GDScript": "gdscript", "GLSL": "glsl",
    "GN": "gn", "GStreamer Launch": "gstlaunch", "Gettext Catalog": "po", "Git Attributes": "gitattributes",
    "Git Commit": "gitcommit", "Gleam": "gleam", "Go": "go", "Go Checksums": "gosum", "Go Module": "gomod",
    "GraphQL": "graphql", "Groovy": "groovy", "HCL": "hcl", "HLSL": "hlsl", "HTML": "html", "HTML+EEX": "heex",
    "HTML+ERB": "embeddedtemplate", "Hack": "hack", "Hare": "hare", "Haskell": "haskell", "Haxe": "haxe",
    "Hyprlang": "hyprlang", "INI": "ini", "ISPC": "ispc", "Ignore List": "gitignore", "JSDoc": "jsdoc",
    "JSON": "json", "JSON with Comments": "json", "Janet": "janet", "Java": "java", "Java Properties": "properties",
    "JavaScript": "javascript", "Jsonnet": "jsonnet", "Julia": "julia", "KDL": "kdl", "Kconfig": "kconfig",
    "Kotlin": "kotlin", "LLVM": "llvm", "Linker Script": "linkerscript", "Lua": "lua", "Lua Pattern": "luap",
    "LuaDoc": "luadoc", "Luau": "luau", "MATLAB": "matlab", "Magik": "magik", "Makefile": "make",
    "Markdown": "markdown", "Markdown Inline": "markdown_inline", "Mermaid": "mermaid", "Meson": "meson",
    "NetLinx": "netlinx", "Nim": "nim", "Ninja": "ninja", "Nix": "nix", "Not Quite C": "nqc", "OCaml": "ocaml",
    "OCaml Interface": "ocaml_interface", "Objective-C": "objc", "Odin": "odin", "Open Policy Agent": "rego",
    "Org": "org", "PEM": "pem", "PHP": "php", "PSV": "psv", "Pascal": "pascal", "Perl": "perl",
    "Pip Requirements": "requirements", "Pony": "pony", "Portable Game Notation": "pgn", "PowerShell": "powershell",
    "Printf": "printf", "Prisma": "prisma", "Protocol Buffer": "proto", "Puppet": "puppet",
    "PureScript": "purescript", "Python": "python", "Python Manifest": "pymanifest", "QML": "qmljs",
    "QML Directory": "qmldir", "R": "r", "RON": "ron", "Racket": "racket", "Readline Config": "readline",
    "Ruby": "ruby", "Rust": "rust", "SCSS": "scss", "SPARQL": "sparql", "SQL": "sql", "SVG": "xml", "Scala": "scala",
    "Scheme": "scheme", "Shell": "bash", "Smali": "smali", "Smithy": "smithy", "Solidity": "solidity",
    "Squirrel": "squirrel", "Starlark": "starlark", "Svelte": "svelte", "Swift": "swift", "SystemVerilog": "verilog",
    "TOML": "toml", "TSV": "tsv", "TSX": "tsx", "TableGen": "tablegen", "Tcl": "tcl", "TeX": "latex",
    "Terraform": "terraform", "Thrift": "thrift", "Tree-sitter Query": "query", "Tree-sitter Test": "test",
    "Twig": "twig", "TypeScript": "typescript", "Typst": "typst", "Udev Rules": "udev", "Ungrammar": "ungrammar",
    "Unix Assembly": "asm", "Uxntal": "uxntal", "V": "v", "VHDL": "vhdl", "Verilog": "verilog", "Vim script": "vim",
    "Vue": "vue", "WGSL": "wgsl", "WebAssembly": "wat", "WebAssembly Script": "wast", "XCompose": "xcompose",
    "XML": "xml", "XML Property List": "xml", "YAML": "yaml", "Yuck": "yuck", "Zig": "zig", "fish": "fish",
    "re2c": "re2c", "reStructuredText": "rst",
}  # fmt: skip
# Grammars that are inside ast-grep-py 0.51, by their name there. Asked for another name it panics.
_AST_GREP = {
    "bash", "c", "cpp", "csharp", "css", "dart", "elixir", "go", "haskell", "hcl", "html", "java", "javascript", "json",
    "kotlin", "lua", "markdown", "nix", "php", "python", "ruby", "rust", "scala", "solidity", "swift", "tsx",
    "typescript", "yaml", "zig",
}  # fmt: skip
# What people say, beside Linguist's names and those of the grammars.
_ALIASES = {
    "c-sharp": "C#", "cc": "C++", "cs": "C#", "cxx": "C++", "docker": "Dockerfile", "erb": "HTML+ERB", "ex": "Elixir",
    "golang": "Go", "hs": "Haskell", "js": "JavaScript", "jsonc": "JSON with Comments", "jsx": "JavaScript",
    "kt": "Kotlin", "lisp": "Common Lisp", "md": "Markdown", "ml": "OCaml", "mk": "Makefile", "node": "JavaScript",
    "objective c": "Objective-C", "obj-c": "Objective-C", "pl": "Perl", "protobuf": "Protocol Buffer",
    "ps1": "PowerShell", "py": "Python", "python3": "Python", "rb": "Ruby", "rs": "Rust", "sh": "Shell",
    "sol": "Solidity", "tf": "Terraform", "ts": "TypeScript", "viml": "Vim script", "yml": "YAML", "zsh": "Shell",
}  # fmt: skip


@dataclass(frozen=True)
class Grammar:
    """One language's grammar. name: Linguist's. tree_sitter, ast_grep: its names there, None where it is not."""

    name: str
    tree_sitter: str
    ast_grep: str | None

    @property
    def trusted(self) -> bool:
        """Whether the grammar is in wide use, so that it need not be kept from the session's own process.

        That for COBOL never ends on a line of something else.
        """
        return self.ast_grep is not None

    @property
    def language(self) -> "Language":
        """The loaded grammar."""
        return _load(self.tree_sitter)


@cache
def _load(name: str) -> "Language":
    from tree_sitter_language_pack import get_language

    return get_language(name)  # type: ignore[arg-type]


@cache
def _names() -> dict[str, str]:
    """Every name that is accepted, in lower case -> the language's own name."""
    names = {grammar: language for language, grammar in reversed(_GRAMMARS.items())}
    names |= {"embeddedtemplate": "HTML+ERB", "json": "JSON", "asm": "Assembly", "xml": "XML", "verilog": "Verilog"}
    return {known.casefold(): language for known, language in (names | _ALIASES | {n: n for n in _GRAMMARS}).items()}


def languages() -> list[str]:
    """The names of all languages that have a grammar."""
    return sorted(_GRAMMARS, key=str.casefold)


def known(language: str) -> bool:
    """Whether there is a grammar for `language`."""
    return language.strip().casefold() in _names()


@lru_cache(maxsize=4096)
def grammar(language: str) -> Grammar:
    """The grammar of a language, called by Linguist's name, the grammar's own or a common alias, in any case.

    Raises QueryError that lists near names.
    """
    try:
        name = _names()[language.strip().casefold()]
    except KeyError:
        close = list(dict.fromkeys(_names()[n] for n in nearest(language.strip(), list(_names()))))
        near = f"near: {', '.join(close)}" if close else "codelake_languages() lists those that have one"
        raise QueryError(
            f"no grammar for the language {language!r}; {near}. With strict := false its files give NULL"
        ) from None
    found = _GRAMMARS[name]
    return Grammar(name, found, found if found in _AST_GREP else None)
