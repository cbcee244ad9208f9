"""Every SQL statement of CodeLake longer than a line, one statement a file."""

from importlib.resources import files


def load(name: str) -> str:
    """Return the text of `sql/<name>.sql`, for example `load("curate/code")`.

    Raises FileNotFoundError for a name that is not there.
    """
    return files(__name__).joinpath(*f"{name}.sql".split("/")).read_text(encoding="utf-8")


def load_all(folder: str) -> dict[str, str]:
    """Name -> text of every statement in `sql/<folder>`, by name; empty for a folder that is not there."""
    root = files(__name__).joinpath(folder)
    found = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
    return {name[:-4]: load(f"{folder}/{name[:-4]}") for name in found if name.endswith(".sql")}
