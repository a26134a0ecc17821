"""Which bookings a task has handled, kept where every Airflow lets a task write: in Variables.

To write all of them after each booking would take megabytes. So there is a cursor of all, and beside it a list of those
that were handled since it was written, which is small. A second process of the same task takes the list over; the first
one sees that before it notes another booking.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.events.cursor import Cursor, cursor_of, is_entry
from airflow_provider_jicoo.events.parts import CursorLostError

if TYPE_CHECKING:
    from airflow_provider_jicoo.events.stores import Variables

NOTED_AT_MOST = 200
"""Bookings in the list, of some hundred bytes each, before the cursor of all is written anew."""


class TakenOverError(JicooError):
    """Another process handles the same bookings."""


class HasEntry(Protocol):
    """A booking and what it is compared by."""

    @property
    def uid(self) -> str:
        """The booking."""

    @property
    def entry(self) -> str | None:
        """Its entry; None where it does not exist any more."""


class Handled:
    """What was handled; ``cursor`` says it, None at the first use.

    :param variables: where it is kept.
    :param name: what the Variables' names begin with.
    :param owner: who handles bookings now: another text for each process.
    """

    def __init__(self, variables: Variables, name: str, owner: str) -> None:
        self._variables = variables
        self._name = name
        self._list = f"{name}.since"
        self._owner = owner
        self._noted: dict[str, str | None] = {}
        self.cursor: Cursor | None = None

    def open(self) -> None:
        """Read what was handled, and take over.

        :raises CursorLostError: it cannot be read.
        """
        try:
            stored = self._variables.load(self._name)
            self.cursor = None if stored is None else cursor_of(stored)
            noted = {} if stored is None else self._read_list().get("handled", {})
            for uid, entry in noted.items():
                if entry is not None and not is_entry(entry):
                    raise ValueError(entry)
                self._enter(uid, entry)
        except (ValueError, TypeError, AttributeError) as error:
            raise CursorLostError(
                f"which bookings this task has handled cannot be read from the Variables {self._name} and {self._list} "
                f"({error if isinstance(error, CursorLostError) else 'the list is none'}): restore them; or delete "
                "both, and the next run is a first use, for which `begin` says what counts as handled"
            ) from None
        self._noted = noted
        self._write_list()

    def begin(self, cursor: Cursor) -> Cursor:
        """Write what counts as handled at the first use, and return it."""
        self.write(cursor)
        return cursor

    def note(self, booking: HasEntry) -> None:
        """Note that a booking was handled.

        :raises TakenOverError: another process has taken over.
        """
        self._check()
        self._enter(booking.uid, booking.entry)
        self._noted[booking.uid] = booking.entry
        if len(self._noted) >= NOTED_AT_MOST and self.cursor is not None:
            self.write(self.cursor)
        else:
            self._write_list()

    def write(self, cursor: Cursor) -> None:
        """Write the cursor of all, and empty the list.

        :raises TakenOverError: another process has taken over.
        """
        self._check()
        self._variables.save(self._name, cursor.stored())
        self.cursor = cursor
        self._noted = {}
        self._write_list()

    def _enter(self, uid: str, entry: str | None) -> None:
        if self.cursor is None:
            return
        if entry is None:
            self.cursor.entries.pop(uid, None)
        else:
            self.cursor.entries[uid] = entry

    def _check(self) -> None:
        owner = self._read_list().get("owner")
        if owner != self._owner:
            raise TakenOverError(
                "another process of this task handles the same bookings by now, and this one stops, so that none is "
                "handled twice: let only one run at a time (max_active_runs=1 on the DAG, max_active_tis_per_dag=1 on "
                "the task)"
            )

    def _read_list(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._variables.read(self._list) or "{}")
        return found

    def _write_list(self) -> None:
        self._variables.write(self._list, json.dumps({"owner": self._owner, "handled": self._noted}))
