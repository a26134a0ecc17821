"""Arguments of operators and sensors: what was given, and what a template made of it.

A template renders everything to text, so that numbers, booleans and lists may arrive as such.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from airflow_provider_jicoo.api.arguments import as_json, as_list

__all__ = [
    "NOT_GIVEN",
    "Masked",
    "NotGiven",
    "as_bool",
    "as_float",
    "as_int",
    "as_json",
    "as_list",
    "as_span",
    "only_given",
    "unrendered",
]


class NotGiven(enum.Enum):
    """The type of :data:`NOT_GIVEN`."""

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        """Return the word that Airflow's UI shows."""
        return str(self.value)

    __str__ = __repr__


NOT_GIVEN: Final = NotGiven.NOT_GIVEN
"""An argument that was not given. None is a value: it sets a field to null."""


class Masked:
    """A rendered value that Airflow's UI must not show: it shows the text of it, which is ``***``.

    :param value: the value itself.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        """Return ``***``."""
        return "***"

    __repr__ = __str__


def only_given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, with what templates made of them turned back.

    :raises ValueError: a template rendered a None to the text ``None``.
    """
    return {name: unrendered(name, value) for name, value in fields.items() if value is not NOT_GIVEN}


def unrendered(name: str, value: Any) -> Any:
    """Return a value as it was given.

    :raises ValueError: a template rendered a None to the text ``None``.
    """
    if isinstance(value, Masked):
        value = value.value
    if value == "None":
        raise ValueError(
            f"{name}: a template rendered None to the text 'None'; "
            "set render_template_as_native_obj=True on the DAG to send null, or leave the argument out"
        )
    return value


def as_bool(name: str, value: Any) -> Any:
    """Turn ``"true"`` and ``"false"``, in any case, into a boolean; return anything else as it is."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value


def as_int(name: str, value: Any) -> Any:
    """Turn a text of digits into a number; return anything else as it is.

    :raises ValueError: it is neither a whole number nor None.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    try:
        return int(str(value))
    except ValueError:
        raise ValueError(f"{name}: {value!r} is not a whole number") from None


def as_float(name: str, value: Any) -> float:
    """Turn a text of a number into the number.

    :raises ValueError: it is none.
    """
    try:
        if isinstance(value, bool):
            raise ValueError  # to Python, True is 1
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: {value!r:.100} is not a number") from None


def as_span(name: str, value: Any) -> timedelta | None:
    """Turn a number of seconds, or its text, into a span of time; None and an empty text are none.

    :raises ValueError: it is no span, or not more than zero.
    """
    if value is None or value == "":
        return None
    try:
        span = value if isinstance(value, timedelta) else timedelta(seconds=as_float(name, value))
    except OverflowError:
        span = timedelta(0)
    except ValueError:
        raise ValueError(f"{name}: {value!r} is neither a timedelta nor a number of seconds") from None
    if span <= timedelta(0):
        raise ValueError(f"{name}: {value!r} is not more than zero seconds")
    return span
