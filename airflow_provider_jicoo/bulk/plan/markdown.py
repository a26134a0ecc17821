"""Texts of other people in Markdown: they show as they are, and are never taken for markup.

For GitHub's Markdown as Airflow's UI, Jupyter and rich read it. Raw HTML is no way out: Airflow leaves it out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 80
"""Characters of one text that are shown at the most."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
"""Categories of characters that show nothing, or change what stands around them: direction marks, half a pair."""
_MARKUP = re.compile(
    r"[*`\[|~$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word it is a letter as any other
    r"|<(?=[A-Za-z/!?])"
    r"|&(?=#?\w+;)"
    r"|\\(?=[!-/:-@\[-`{-~]|$)"
    r"|(?<=\{)[{%#]"  # Airflow renders what a mapped task is given as a template
)
# In code nothing can be escaped, and in a table even there a pipe ends the cell.
_NOT_IN_CODE = re.compile(r"[`|]|(?<=\{)[{%#]")
# Renderers make links of these in any text, even where their punctuation is escaped, but not in code. And the arrow
# stands between what is and what will be.
_LINK = re.compile(r"→|www\.|://|@|mailto:|xmpp:", re.IGNORECASE)
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


def text(value: object, most: int = LONGEST) -> str:
    """Return a text on one line, at most so many characters of it."""
    shown = _cut(value, most)
    return code(shown, most) if _LINK.search(shown) else words(shown)


def words(value: str) -> str:
    """Return a text of the user's own on one line, whole; addresses in it may become links."""
    return _isolated(_MARKUP.sub(r"\\\g<0>", _visible(value))) or "(empty)"


def code(value: object, most: int = LONGEST) -> str:
    """Return an id as code, at most so many characters of it."""
    shown = _NOT_IN_CODE.sub(lambda match: _named(match[0]), _cut(value, most))
    return f"`{shown or '(empty)'}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose columns are aligned in a terminal too.

    :param rows: cells of Markdown.
    """
    widths = [max(3, *(width(row[column]) for row in (head, *rows))) for column in range(len(head))]
    rule = ["-" * size for size in widths]
    return [
        f"| {' | '.join(cell + ' ' * (size - width(cell)) for cell, size in zip(row, widths, strict=True))} |"
        for row in (head, rule, *rows)
    ]


def width(value: str) -> int:
    """Return how many columns of a terminal a text takes: two for a Japanese character."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in value
    )


def _cut(value: object, most: int) -> str:
    # Cut before anything looks at it: an id may have 60,000 characters.
    shown = _visible(str(value)[: 4 * most])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _visible(value: str) -> str:
    spaced = " ".join(value.split())
    return "".join(char if unicodedata.category(char) not in _HIDDEN else _named(char) for char in spaced)


def _named(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _isolated(value: str) -> str:
    """Keep a text from right to left from turning the arrow and the names around it."""
    if any(unicodedata.bidirectional(char) in ("R", "AL") for char in value):
        return f"{_ISOLATE}{value}{_END_ISOLATE}"
    return value
