"""What the commands of several modules share: an option, an exit status."""

from typing import Any

import click

# Done, but something was lost to a fault of the input.
EXIT_INCOMPLETE = 3


def json_option(function: Any) -> Any:
    """`--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)
