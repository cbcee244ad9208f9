"""CodeLake: source code as a lake you query with SQL, a dataset you can defend, and a model you can train.

import codelake

with codelake.open("my-lake") as lake:
    lake.ingest("./checkout", "pyenv:")
    lake.curate()
    lake.sql("SELECT language, count(*) FROM code GROUP BY ALL ORDER BY 2 DESC").show()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Lake, open
    from .engine import VERSION as __version__
    from .engine.errors import (
        CodeLakeError,
        LakeError,
        MissingDependencyError,
        ModelError,
        QueryError,
        SourceError,
        StreamError,
    )

__all__ = [
    "CodeLakeError",
    "Lake",
    "LakeError",
    "MissingDependencyError",
    "ModelError",
    "QueryError",
    "SourceError",
    "StreamError",
    "__version__",
    "open",
]


def __getattr__(name: str) -> Any:
    # Everything heavy is imported at first use, so that `import codelake` stays under 0.3 s.
    if name in {"Lake", "open"}:
        from . import api

        return getattr(api, name)
    if name == "__version__":
        from .engine import VERSION

        return VERSION
    if name in __all__:
        from .engine import errors

        return getattr(errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
