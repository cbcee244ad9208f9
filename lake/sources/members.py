"""What an archive says of one of its members, whatever its format; and how an archive is at fault."""

from dataclasses import dataclass

FILE, DIRECTORY, SYMLINK, HARDLINK, LOST = "file", "directory", "symlink", "hardlink", "lost"


@dataclass(frozen=True, slots=True)
class Member:
    """One member as its archive has it, nothing of it judged.

    kind: one of the above. at: where its content lies; for a lost one (reason, message). size: bytes of the content.
    target: what a link points to.
    """

    name: bytes
    kind: str
    executable: bool
    at: object
    size: int
    target: bytes = b""


class Fault(Exception):
    """An archive that cannot be read on: why in one word, and in a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
