"""Names as languages write them, `std::vector<int>::size`, as one name with dots, `std.vector.size`."""

import re
from functools import lru_cache

# A longer qualified name is NULL: of thousands of scopes one in the other they would take memory by the square.
MAX_QUALIFIED = 1000
# What is longer is an expression or a literal, not a name that people write; it is kept as it stands.
MAX_WRITTEN = 256

# Names repeat: a file calls the same few functions again and again.
_CACHED = 1 << 16
_MAX_ARGUMENTS = 8
_SEPARATOR = re.compile(r"::|->|[?!&]\.|!!\.|[\\.]")
# A callee may be `object:method` of Lua or `object#method` of OCaml besides.
_CALL_SEPARATOR = re.compile(rf"{_SEPARATOR.pattern}|(?<=\w)[:#]")
_ARGUMENTS = re.compile(r"<[^<>]*>")
_BRACKETED = re.compile(r"\[[^\[\]]*\]")
_OPERATOR = re.compile(r"\boperator\b\s*[^\w\s].*|\boperator\s+\w[^(]*", re.DOTALL)
_CHAIN = re.compile(rf"[\w$@~%&#']+[?!]*(?:(?:{_CALL_SEPARATOR.pattern})[\w$@~#']+[?!]*)*")


@lru_cache(_CACHED)
def named(text: bytes) -> tuple[str, str]:
    """The last part of a name, and all of it with a dot for each separator, without type arguments and white space."""
    name = text.decode("utf-8", "replace")
    if name.isidentifier() or len(text) > MAX_WRITTEN:
        return name, name
    if name.startswith("`"):
        return (quoted := name.strip("`")), quoted
    # `A::operator->`: the operators of C++ are written with the characters of separators and brackets.
    operator = _OPERATOR.search(name)
    owner = "".join((name[: operator.start()] if operator else name).split())
    if not operator and not any(c.isalnum() or c == "_" for c in owner):
        return owner, owner
    owner = _BRACKETED.sub("", _without_arguments(owner)).removeprefix("&")
    parts = [part for part in _SEPARATOR.split(owner) if part]
    if operator:
        parts.append(" ".join(operator[0].split()))
    return (parts[-1], ".".join(parts)) if parts else (name, name)


@lru_cache(_CACHED)
def chain(text: bytes) -> str | None:
    """A callee that is names and what separates them, with dots; None for any other expression."""
    if len(text) > MAX_WRITTEN:
        return None
    callee = _without_arguments("".join(text.decode("utf-8", "replace").split()))
    # `Vec::<u8>::new`
    callee = callee.replace("::::", "::").removeprefix("::").removeprefix("\\")
    return ".".join(part for part in _CALL_SEPARATOR.split(callee) if part) if _CHAIN.fullmatch(callee) else None


def joined(*parts: str | None) -> str | None:
    """The parts that are not empty with dots between them; None if one is None or all is longer than MAX_QUALIFIED."""
    if None in parts:
        return None
    text = ".".join(part for part in parts if part)
    return text if len(text) <= MAX_QUALIFIED else None


def _without_arguments(name: str) -> str:
    """`Map<K, List<V>>` -> `Map`, as deep as people write types."""
    if "<" in name:
        for _ in range(_MAX_ARGUMENTS):
            name = _ARGUMENTS.sub("", name)
    return name
