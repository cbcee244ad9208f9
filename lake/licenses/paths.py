"""What a path says of the part its file plays in licensing: `role`."""

import re
from typing import Literal

Role = Literal["license", "notice", "readme", "manifest", "reuse", "sidecar", "history", "source"]

_CODE = re.compile(
    r"\.(?:py|pyi|js|jsx|ts|tsx|mjs|cjs|go|rs|c|h|cc|cpp|cxx|hpp|hh|java|kt|scala|rb|php|pl|pm|cs|swift|m|mm|sh|"
    r"ps1|lua|vue|"
    r"svelte|sql|css|scss|less|r|jl|ex|exs|erl|hs|ml|clj|dart|json|ya?ml|toml|xml|svg|ini|cfg|lock|template|tmpl|j2|in|"
    r"png|jpe?g|gif|ico|pdf|docx?|zip|gz|bat|cmake|gradle|proto|ipynb|csv|tsv|po|pot|mo|snap|ftl|aspx?|cshtml)$"
)
_LICENSE = re.compile(
    r"(?:.*[-_. ])?(?:un)?licen[cs]es?(?:[-_. ].*)?|copying(?:[-_. 0-9].*)?|(?:mit|gpl|lgpl|agpl|apache|bsd|mpl|"
    r"cc0|isc|wtfpl|zlib)"
    r"(?:[-_.]?v?[0-9][-0-9.]*)?(?:[-_.]?clause)?(?:\.txt|\.md)?|copyright(?:\.txt|\.md|\.rst)?|eula(?:[-_. ].*)?|"
    r"gfdl\S*|gpl-?\d\S*|lgpl-?\d\S*|artistic(?:\.txt)?|copyleft\S*|legal(?:\.txt|\.md)?"
)
_THIRD_PARTY = re.compile(
    r"(?:.*third.?party.*|notices?(?:\.(?:txt|md|rst))?|.*[-_.]notices?(?:\.(?:txt|md))?|acknowledge?ments?.*|"
    r"credits(?:\..*)?|"
    r"authors(?:\..*)?|contributors(?:\..*)?|patents(?:\..*)?)"
)
_README = re.compile(r"(?:.*[-_.])?read\.?me(?:[-_. ].*)?")
_HISTORY = re.compile(
    r"(?:changes|changelog|history|news|releases?|release[-_]?notes|whatsnew|changelogs?)(?:[-_. ].*)?"
)
_MANIFEST = re.compile(
    r"pyproject\.toml|setup\.cfg|setup\.py|pkg-info|metadata|package\.json|cargo\.toml|pom\.xml|.*\.pom|.*\.gemspec|"
    r"composer\.json|.*\.cabal|package\.ya?ml|description|.*\.nuspec|bower\.json|meta\.json|meta\.yml"
)


def role(path: str) -> Role:  # noqa: PLR0911
    """The part of the file at `path`, by its name alone.

    license: holds the terms of what is beside and below it. notice: tells of others' terms. sidecar: `NAME.license`,
    the tags of NAME. reuse: REUSE.toml, .reuse/dep5, debian/copyright. history: tells of the past.
    """
    folders, _, name = path.lower().rpartition("/")
    folder = folders.rpartition("/")[2]
    if name == "reuse.toml" or (name, folder) in {("dep5", ".reuse"), ("copyright", "debian")}:
        return "reuse"
    if _MANIFEST.fullmatch(name) and not (name == "metadata" and not folder.endswith(".dist-info")):
        return "manifest"
    if name.endswith(".license") and "." in name[:-8] and not _LICENSE.fullmatch(name[:-8]):
        return "sidecar"
    if _CODE.search(name):
        return "source"
    if _HISTORY.fullmatch(name):
        return "history"
    if _README.fullmatch(name):
        return "readme"
    if _THIRD_PARTY.fullmatch(name):
        return "notice"
    if _LICENSE.fullmatch(name) or folder in {"licenses", "licences"}:
        return "license"
    return "source"
