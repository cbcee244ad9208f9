"""Detection on a file of this machine, for the command line."""

from pathlib import Path

from ...engine.errors import SourceError
from .. import encodings
from .detect import detect
from .findings import Finding


def findings_of(path: Path) -> list[Finding]:
    """What the file states. Raises SourceError for one that cannot be read as text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"license detect: cannot read {path}: {error.strerror}") from error
    encoding = encodings.detect(data)
    if encoding is None:
        raise SourceError(f"license detect: {path} is not text in an encoding that can be told; convert it to UTF-8")
    return detect(str(path), encodings.decode(data, encoding))
