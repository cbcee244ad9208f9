"""Syntax patterns over code: literals that any match needs, parsing by processes, and the functions that SQL sees."""
