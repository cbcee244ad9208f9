"""Licences of files: what each states, what holds for each file of a tree, and what may be combined with what."""

from .detect import detect
from .findings import DETECTOR, VERSION, Finding, expression

__all__ = ["DETECTOR", "VERSION", "Finding", "detect", "expression"]
