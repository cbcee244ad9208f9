"""`python -m codelake`: the command line."""

from .cli import main

main()
