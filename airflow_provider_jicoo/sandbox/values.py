"""Values as a person writes them in an option: ``50ms``, ``2.5s``, ``5m``, ``2%``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: str | float) -> float:
    """Read a length of time: a number of seconds, or a text such as ``50ms``, ``0.5s``, ``5m``, ``9h`` or ``30d``.

    :raises ValueError: it is none, or below 0.
    """
    text = str(value)
    unit = next((unit for unit in UNITS if text.endswith(unit)), "")
    try:
        number = float(text.removesuffix(unit)) * UNITS.get(unit, 1.0)
    except ValueError:
        number = float("nan")
    if number < 0:
        raise ValueError(f"{text!r} must not be below 0")
    if not number < float("inf"):
        raise ValueError(f"{text!r} is not a time such as 50ms or 0.5s")
    return number


def share(value: str) -> float:
    """Read a share, ``2%`` or ``0.02``, as a number from 0 to 1.

    :raises ValueError: it is none.
    """
    try:
        part = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        part = -1
    if not 0 <= part <= 1:
        raise ValueError(f"{value!r} is not a share such as 2% or 0.02")
    return part


def count(value: str) -> int:
    """Read a whole number from 1.

    :raises ValueError: it is none.
    """
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"{value!r} is not a whole number from 1")
    return number


def one_of(value: str, known: Iterable[str], what: str) -> str:
    """Return a value that is one of those known.

    :param what: what it is, for the error.
    :raises ValueError: it is none of them; names the nearest.
    """
    names = list(known)
    if value in names:
        return value
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"no {what} {value!r}; {hint}there are {', '.join(names)}")
