"""What a package says of its own licence, word for word, one candidate a line."""

import json
import re
from email.message import Message


def in_core_metadata(metadata: Message) -> str | None:
    """Of a Python package (METADATA, PKG-INFO; packaging.python.org, Core metadata), most trusted first."""
    expression = metadata.get("License-Expression")
    if expression and str(expression).strip():
        return str(expression).strip()
    lines = []
    named = str(metadata.get("License") or "").strip()
    if named and named.upper() != "UNKNOWN":
        # Some put the whole text here: its first line is its title.
        lines.append(named.splitlines()[0].strip())
    lines += [str(c).strip() for c in metadata.get_all("Classifier", []) if str(c).startswith("License ::")]
    return "\n".join(line for line in lines if line) or None


def in_package_json(data: bytes) -> str | None:
    """Of an npm package: `license`, or what packages of old have, objects of a type in `license` or `licenses`."""
    try:
        stated = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(stated, dict):
        return None
    lines = []
    for item in (stated.get("license"), stated.get("licenses")):
        for one in item if isinstance(item, list) else [item]:
            name = one.get("type") if isinstance(one, dict) else one
            if isinstance(name, str) and name.strip():
                lines.append(name.strip())
    return "\n".join(dict.fromkeys(lines)) or None


def in_debian_copyright(data: bytes) -> str | None:
    """Of a Debian package: the licence of `Files: *` (DEP 5), None if the file is of another form."""
    for paragraph in re.split(r"\n[ \t]*\n", data.decode("utf-8", "replace")):
        files = re.search(r"^Files:[ \t]*\*[ \t]*$", paragraph, re.MULTILINE | re.IGNORECASE)
        named = re.search(r"^License:[ \t]*(\S.*?)[ \t]*$", paragraph, re.MULTILINE | re.IGNORECASE)
        if files and named:
            return named[1]
    return None
