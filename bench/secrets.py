"""Secrets and personal data against detect-secrets, Kingfisher and Presidio: `python -m bench.secrets [--json]`.

Quality is of the frozen set of `bench/secrets_data.py`: recall is the share of planted values of which at least half
the characters are found; a false hit is a hard negative with any finding. Presidio looks for personal data only, the
other two for secrets only, so each is also held against us on its own kinds. Speed is of real files, on one core.

The peers run in another environment: `python3 -m venv peers && peers/bin/pip install -r bench/peers-secrets.txt`, then
`--peers peers/bin/python`.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

from codelake.lake.secrets import LEVELS, scan

from . import Figure, show
from .language import real_files
from .secrets_data import PII, SEED, Case, generate

Spans = Sequence[Sequence[int]]
PEERS = ("detect-secrets", "kingfisher", "presidio")
SLOW_MEGABYTES = 3  # of files for the peers, which take minutes for more


def ours(level: str = "default", *, kingfisher: bool = False) -> Callable[[str], Spans]:
    """Our spans of a text."""

    def find(text: str) -> Spans:
        return [(f.start_offset, f.end_offset) for f in scan(text, level=level, kingfisher=kingfisher)]  # type: ignore[arg-type]

    return find


def hit(case: Case, spans: Spans) -> bool:
    """Whether at least half of each planted value is found."""
    return all(
        2 * sum(max(0, min(end, e) - max(start, s)) for s, e in spans) >= end - start for start, end in case.spans
    )


def whole(case: Case, spans: Spans) -> bool:
    """Whether each planted value lies in one span."""
    return all(any(s <= start and end <= e for s, e in spans) for start, end in case.spans)


def quality(cases: Sequence[Case], spans: Sequence[Spans]) -> dict[str, float]:
    """Percentages: recall of all, of secrets, of personal data, of each kind; whole values; false hits by family."""
    total: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for case, there in zip(cases, spans, strict=True):
        if case.positive:
            names = (
                "recall",
                "recall, personal data" if case.kind in PII else "recall, secrets",
                f"recall, {case.kind}",
            )
            for name in names:
                total[name] += 1
                found[name] += hit(case, there)
            total["whole values"] += 1
            found["whole values"] += whole(case, there)
        else:
            for name in ("false hits", f"false hits, {case.family}"):
                total[name] += 1
                found[name] += bool(there)
    return {name: 100 * found[name] / number for name, number in total.items()}


def peer_spans(python: str, tool: str, texts: list[str]) -> tuple[list[Spans], float]:
    """What a tool finds in texts, and the processor seconds it took."""
    script = Path(__file__).with_name("secrets_peers.py")
    done = subprocess.run(
        [python, "-I", str(script), tool], input=json.dumps(texts), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"bench.secrets: {tool} ends with {done.returncode} in {python}: {done.stderr[-400:]}")
    answer = json.loads(done.stdout)
    return answer["spans"], answer["seconds"]


def measure(python: str | None, seed: int = SEED) -> tuple[dict[str, dict[str, float]], list[Figure]]:
    """Quality by tool, and the figures against the peers that ran."""
    cases = list(generate(seed))
    table = {f"codelake, {level}": quality(cases, [ours(level)(c.text) for c in cases]) for level in LEVELS}
    texts = [data.decode(errors="replace") for _, data in real_files()]
    size = sum(len(t.encode()) for t in texts) / 1e6
    started = process_time()
    for text in texts:
        scan(text)
    speed = size / (process_time() - started)
    few, few_size = [], 0.0
    for text in texts[::7]:
        if few_size < SLOW_MEGABYTES:
            few.append(text)
            few_size += len(text.encode()) / 1e6
    figures = []
    for tool in PEERS if python else ():
        spans, _ = peer_spans(python or "", tool, [c.text for c in cases])
        table[tool] = quality(cases, spans)
        _, seconds = peer_spans(python or "", tool, few)
        own = "recall, personal data" if tool == "presidio" else "recall, secrets"
        mine = table["codelake, default"]
        figures += [_figure(n, mine[n], "%", tool, table[tool][n]) for n in ("recall", own, "false hits")]
        figures.append(_figure("speed", speed, "MB/s", tool, few_size / seconds))
    return table, figures or [_figure("speed", speed, "MB/s", "target", 20.0)]


def _figure(name: str, value: float, unit: str, peer: str, peer_value: float) -> Figure:
    return Figure(bench="secrets", figure=name, value=value, unit=unit, peer=peer, peer_value=max(peer_value, 1e-9))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--peers", help="Python of the environment with the peers")
    parser.add_argument("--seed", type=int, default=SEED, help="another set; figures are of the default")
    options = parser.parse_args()
    table, figures = measure(options.peers, options.seed)
    if not options.json:
        tools = list(table)
        print(f"{'percent':<44}" + "".join(f"{t:>20}" for t in tools))
        for name in table[tools[0]]:
            print(f"{name:<44}" + "".join(f"{table[t][name]:>20.1f}" for t in tools))
    show(figures, as_json=options.json)


if __name__ == "__main__":
    main()
