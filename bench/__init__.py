"""Side-by-side measurements: `python -m bench.NAME [--json]` runs us and a peer on the same work, answers checked."""

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure of ours beside the peer's. ratio: ours divided by the peer's."""

    bench: str
    figure: str
    value: float
    unit: str
    peer: str
    peer_value: float

    @property
    def ratio(self) -> float:
        return self.value / self.peer_value


def alternate(ours: Callable[[], object], peer: Callable[[], object], *, times: int) -> tuple[float, float]:
    """Median seconds of each of two functions, called in turn so that a noisy machine disturbs both alike."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for function, into in zip((ours, peer), seconds, strict=True):
            started = perf_counter()
            function()
            into.append(perf_counter() - started)
    return median(seconds[0]), median(seconds[1])


def show(figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the figures as a table, or as one JSON object a line."""
    if as_json:
        for figure in figures:
            print(json.dumps(asdict(figure) | {"ratio": round(figure.ratio, 4)}))
        return
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    width = max(len(f.figure) for f in figures)
    for f in figures:
        print(f"{f.figure:<{width}}  {f.value:>12,.3f} {f.unit:<8} {f.peer}: {f.peer_value:,.3f}  ratio {f.ratio:.3f}")
