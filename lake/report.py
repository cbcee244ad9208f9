"""What a long command ends with: what went in, what came out, what was left out and why, what failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Report:
    """Counts by name, dropped files by reason, and (name, message) of each failure. seconds: wall clock."""

    title: str
    counts: Mapping[str, int]
    drops: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0

    def __getitem__(self, name: str) -> int:
        """The count called `name`."""
        return self.counts[name]

    def to_dict(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "title": self.title,
            "counts": dict(self.counts),
            "drops": dict(self.drops),
            "failures": [{"name": name, "message": message} for name, message in self.failures],
            "seconds": round(self.seconds, 3),
        }
