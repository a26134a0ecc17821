"""What was told or handled of bookings, as it is stored."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from airflow_provider_jicoo.events.parts import CursorLostError

REFRESH = timedelta(hours=1)
"""How old the stored cursor may become while nothing happens: the next process then asks for that much more."""
_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_ENTRY = re.compile(rf".+ {_MOMENT} {_MOMENT} [0-9a-f]+", re.DOTALL)
"""What :class:`~airflow_provider_jicoo.api.booking_changes.Seen` says of an entry: one of another form compares with
nothing."""


def is_entry(text: str) -> bool:
    """Tell whether this can be the entry of a booking."""
    return _ENTRY.fullmatch(text) is not None


class Cursor(NamedTuple):
    """What was told or handled.

    :param since: when the last sweep began of which all was.
    :param entries: the entry of each booking, by uid, as it was then.
    """

    since: datetime
    entries: dict[str, str]

    def stored(self) -> dict[str, Any]:
        """Return it as JSON."""
        # Neighbours that are alike compress better.
        by_start = sorted(self.entries.items(), key=lambda each: each[1])
        return {"since": self.since.isoformat(), "entries": dict(by_start)}


def cursor_of(stored: dict[str, Any]) -> Cursor:
    """Read a stored cursor.

    :raises CursorLostError: it is none.
    """
    try:
        since = datetime.fromisoformat(stored["since"])
        entries = dict(stored["entries"].items())
        is_one = since.tzinfo is not None and all(map(is_entry, entries.values()))
    except (KeyError, TypeError, ValueError, AttributeError):
        is_one = False
    if not is_one:
        raise CursorLostError("what is stored as the cursor is none")
    return Cursor(since, entries)
