"""What a long command ends with: what went in, what came out, what was left out and why, what failed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Arrival:
    """One visit that came in: its files, how many of them were read because they are new or changed, and what of
    that no earlier visit of any repository had."""

    repo_name: str
    visit_date: datetime
    revision_id: str | None
    files: int
    read_files: int
    new_blobs: int
    new_bytes: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """Counts by name, dropped files by reason, and (name, message) of each failure. seconds: wall clock.

    arrivals: the visits that came in. unexpected: how many of the drops are for a reason that is a fault of the input
    (corrupt, missing, hostile), not a rule.
    """

    title: str
    counts: Mapping[str, int]
    drops: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    unexpected: int = 0
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether everything asked for was done, and nothing was lost to a fault of the input."""
        return not self.failures and not self.unexpected

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
            "arrivals": [asdict(arrival) for arrival in self.arrivals],
            "seconds": round(self.seconds, 3),
        }
