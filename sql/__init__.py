"""Every SQL statement of CodeLake longer than a line, one statement a file."""

from importlib.resources import files


def load(name: str) -> str:
    """Return the text of `sql/<name>.sql`, for example `load("curate/code")`.

    Raises FileNotFoundError for a name that is not there.
    """
    return files(__name__).joinpath(*f"{name}.sql".split("/")).read_text(encoding="utf-8")


def names(folder: str) -> list[str]:
    """The names of the statements in a folder, sorted: `names("reports")` -> ["age", …]."""
    found = (item.name for item in files(__name__).joinpath(folder).iterdir())
    return sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql"))
