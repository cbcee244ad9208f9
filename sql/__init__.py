"""Every SQL statement of CodeLake longer than a line, one statement a file."""

from importlib.resources import files


def load(name: str) -> str:
    """Return the text of `sql/<name>.sql`, for example `load("curate/code")`.

    Raises FileNotFoundError for a name that is not there.
    """
    return files(__name__).joinpath(*f"{name}.sql".split("/")).read_text(encoding="utf-8")


def names(folder: str) -> list[str]:
    """The names of the statements in a folder, sorted: `names("reports")` -> ["age", …]; none for an absent folder."""
    root = files(__name__).joinpath(folder)
    found = (item.name for item in root.iterdir()) if root.is_dir() else ()
    return sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql"))


def load_all(folder: str) -> list[str]:
    """The text of every statement in `sql/<folder>`, in the order of their names."""
    return [load(f"{folder}/{name}") for name in names(folder)]
