"""What was told or handled of bookings, as it is stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from airflow_provider_jicoo.events.parts import CursorLostError

REFRESH = timedelta(hours=1)
"""How old the stored cursor may become while nothing happens: the next process then asks for that much more."""


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
        entries = {str(uid): str(entry) for uid, entry in stored["entries"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CursorLostError("what is stored as the cursor is none") from None
    return Cursor(since, entries)
