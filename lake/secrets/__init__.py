"""Secrets and personal data in source code: find them, and write something else in their place.

`scan(text)` gives findings, `redact(text, findings)` the text without them, `clean(text)` both with what a second scan
still finds. Pure functions of their arguments: no state, no network, any string, linear time.
"""

from .redact import Redaction, clean, redact
from .replacements import Fakes
from .scan import LEVELS, NOTHING, VERSION, Allow, Finding, Level, scan

__all__ = ["LEVELS", "NOTHING", "VERSION", "Allow", "Fakes", "Finding", "Level", "Redaction", "clean", "redact", "scan"]
