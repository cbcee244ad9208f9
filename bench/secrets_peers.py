"""Spans that other tools find: `python secrets_peers.py TOOL < texts.json > spans.json`, run by `bench.secrets`.

Runs in an environment of its own (bench/peers-secrets.txt), so it imports nothing of CodeLake. In: a JSON array of
texts. Out: {"seconds": of the scan alone, "spans": for each text an array of [start, end] in characters}.
"""

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Spans = list[tuple[int, int]]


def kingfisher() -> Callable[[str], Spans]:
    """Kingfisher's own rules, findings it hides as parts of others included."""
    import kingfisher_sdk

    scanner = kingfisher_sdk.Scanner(kingfisher_sdk.Rules(cache=False))

    def scan(text: str) -> Spans:
        data = text.encode()
        spans = []
        for found in scanner.scan(data):
            start, end = found.location["start_offset"], found.location["end_offset"]
            spans.append((len(data[:start].decode(errors="ignore")), len(data[:end].decode(errors="ignore"))))
        return spans

    return scan


def detect_secrets() -> Callable[[str], Spans]:
    """All plugins with their defaults; a span is where the value stands in its line, or the line if it does not."""
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    path = Path(tempfile.mkdtemp(prefix="codelake-bench-")) / "file.txt"

    def scan(text: str) -> Spans:
        path.write_text(text)
        secrets = SecretsCollection()
        with default_settings():
            secrets.scan_file(str(path))
        lines = text.splitlines(keepends=True)
        spans = []
        for _, found in secrets:
            line = lines[found.line_number - 1]
            start = sum(map(len, lines[: found.line_number - 1]))
            column = line.find(found.secret_value or "\0")
            if column < 0:
                spans.append((start, start + len(line)))
            else:
                spans.append((start + column, start + column + len(found.secret_value)))
        return spans

    return scan


def presidio() -> Callable[[str], Spans]:
    """The recognisers that need no language model, for the kinds of personal data measured here."""
    logging.disable(logging.CRITICAL)
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
    )

    recognizers = [r() for r in (CreditCardRecognizer, EmailRecognizer, IbanRecognizer, IpRecognizer, PhoneRecognizer)]

    def scan(text: str) -> Spans:
        spans = []
        for recognizer in recognizers:
            results = recognizer.analyze(text, recognizer.supported_entities, None) or []
            spans += [(found.start, found.end) for found in results]
        return spans

    return scan


TOOLS = {"kingfisher": kingfisher, "detect-secrets": detect_secrets, "presidio": presidio}


def main() -> None:
    """Scan the texts with the tool that is named."""
    os.environ["TLDEXTRACT_CACHE"] = tempfile.mkdtemp(prefix="codelake-bench-")
    scan = TOOLS[sys.argv[1]]()
    texts = json.load(sys.stdin)
    for text in texts:
        scan(text)  # rules are compiled at their first use
    started = time.process_time()
    spans = [scan(text) for text in texts]
    json.dump({"seconds": time.process_time() - started, "spans": spans}, sys.stdout)


if __name__ == "__main__":
    main()
