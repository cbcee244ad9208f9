"""Errors a user can act on: each names the thing, the place and the fix."""


class CodeLakeError(Exception):
    """Base of every error CodeLake raises on purpose; the command line prints it without a traceback."""


class LakeError(CodeLakeError):
    """The lake itself: not a lake, a newer format, read-only, a failed commit, no space."""


class SourceError(CodeLakeError):
    """A source that cannot be read: unknown scheme, missing folder, broken metadata."""


class QueryError(CodeLakeError):
    """SQL that DuckDB refuses, with the nearest table or column named."""


class StreamError(CodeLakeError):
    """A query, tokenizer or state that cannot be streamed as asked."""


class ModelError(CodeLakeError):
    """A recipe, configuration or checkpoint that cannot be used."""


class MissingDependencyError(CodeLakeError, ImportError):
    """An optional package is absent; the message is the command that installs it."""


def nearest(name: str, known: "list[str] | tuple[str, ...]", count: int = 3) -> list[str]:
    """The names in `known` closest to `name`, best first, ignoring case."""
    import difflib

    folded = {k.casefold(): k for k in known}
    return [folded[m] for m in difflib.get_close_matches(name.casefold(), list(folded), n=count, cutoff=0.5)]
