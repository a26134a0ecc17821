"""Sizes given as a count or as a percentage: waves, and the failures that are tolerated."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from airflow_provider_jicoo.bulk.errors import PlanError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)(%?)")


def _parse_size(name: str, given: int | str) -> tuple[float, bool]:
    found = _SIZE.fullmatch(str(given).strip())
    if found is None or isinstance(given, bool):
        raise PlanError(f"{name}: {given!r} is neither a count such as 10 nor a percentage such as '2%'")
    value, percent = float(found[1]), bool(found[2])
    if percent and value > 100:
        raise PlanError(f"{name}: {given!r} is more than 100%")
    if not percent and value != int(value):
        raise PlanError(f"{name}: {given!r} is not a whole count")
    return value, percent


def wave_sizes(waves: Iterable[int | str], total: int) -> list[int]:
    """Return how many changes each wave has; the last one has the rest.

    A percentage is of the whole plan, rounded up. A wave larger than what is left has what is left.

    :param waves: counts or percentages, as ``("1", "1%", "10%")``.
    :raises PlanError: one is none, or is zero.
    """
    if isinstance(waves, str) or not isinstance(waves, Iterable):
        raise PlanError(f"waves: {waves!r} is no list of sizes such as ('1', '1%', '10%'); () is one wave of all")
    sizes = []
    left = total
    for given in waves:
        value, percent = _parse_size("waves", given)
        if value == 0:
            raise PlanError(f"waves: {given!r} is an empty wave")
        size = min(left, math.ceil(total * value / 100 - 1e-9) if percent else int(value))
        if size:
            sizes.append(size)
        left -= size
    return [*sizes, left] if left else sizes


class Tolerance:
    """How many changes may go wrong before the run stops.

    A percentage is of the whole plan and is not rounded: of 50 changes, 1 % tolerates none, 2 % one.

    :param given: a count or a percentage, as ``0`` or ``"2%"``.
    :raises PlanError: it is neither.
    """

    def __init__(self, given: int | str) -> None:
        self._value, self._percent = _parse_size("tolerated_failures", given)

    def exceeded(self, bad: int, total: int) -> bool:
        """Tell whether so many of so many are too many."""
        return bad * 100 > self._value * total if self._percent else bad > self._value
