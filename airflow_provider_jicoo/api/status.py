"""How a booking's status may be written."""

from __future__ import annotations

from typing import Any

CANCELLED = ("cancel", "cancelled", "canceled")
"""How a cancelled booking's status may be written: Jicoo's pages have ``cancel``, and ``Cancelled`` in their prose."""


def is_cancelled(status: Any) -> bool:
    """Tell whether a status says that the booking is cancelled."""
    return status == "cancel" or (isinstance(status, str) and status.lower() in CANCELLED)


def documented_status(status: Any) -> Any:
    """Return a status as Jicoo documents it: ``cancel`` for every way of writing that; any other as it is."""
    return "cancel" if is_cancelled(status) else status
