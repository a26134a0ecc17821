"""Texts in a CSV file that a spreadsheet may open: none of them is a formula there, and each comes back as it was.

A spreadsheet takes a text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return for a formula, also
between quotes, and a guest may call themselves ``=HYPERLINK(...)``. Such a text is written with an apostrophe before
it; so is one that begins with an apostrophe, so that what begins with one is always one longer than it was.
"""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a formula begins. The wide forms are taken for the narrow ones where Japanese is typed."""
_MARKED = (*_FORMULA, "'")


def harmless(text: str) -> str:
    """Return a text as it is written: with an apostrophe before it where a spreadsheet might calculate it."""
    return f"'{text}" if text.startswith(_MARKED) else text


def original(text: str) -> str:
    """Return what :func:`harmless` was given."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_MARKED) else text


def quoted(text: str) -> str:
    """Return a text as a field of a CSV file, always in quotes: what is not in quotes and empty is null."""
    return '"' + harmless(text).replace('"', '""') + '"'
