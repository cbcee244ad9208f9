"""Optional packages behind one shim that says how to install them."""

import importlib
from types import ModuleType

from .errors import MissingDependencyError

# package imported -> extra of pyproject.toml that brings it
EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "lancedb": "search",
    "altair": "plot",
    "vl_convert": "plot",
    "daft": "cluster",
    "s3fs": "s3",
    "pyorc": "swh",
}


def require(module: str) -> ModuleType:
    """Import `module`, or raise MissingDependencyError with the one line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".", maxsplit=1)[0]
        extra = EXTRAS.get(package)
        hint = f"pip install 'codelake[{extra}]'" if extra else f"pip install {package}"
        raise MissingDependencyError(f"this needs {package}, which is not installed: {hint}") from error
