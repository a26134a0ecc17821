"""What a booking is to become.

A change looks at one booking and says what is to be sent. Light to import: a DAG file makes changes, a task uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.models import Booking

Action = Literal["update", "reschedule", "cancel"]


@dataclass(slots=True)
class Target:
    """What one booking is to become.

    :param action: which endpoint does it.
    :param after: the fields that tell that it was done, in Jicoo's spelling.
    :param send: the body to send, where it is not ``after``.
    """

    action: Action
    after: dict[str, Any]
    send: dict[str, Any] | None = None


class Change:
    """Base of the changes. Their fields are templated where an operator is given one."""

    template_fields: ClassVar[tuple[str, ...]] = ()

    def target(self, booking: Booking) -> Target | None:
        """Return what the booking is to become, or None where it is to stay.

        :raises ValueError: it cannot become that.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return the change as JSON, for the header of a plan."""
        given = {name: getattr(self, name) for name in self.template_fields}
        return {
            "change": type(self).__name__,
            **{name: str(value) for name, value in given.items() if value is not None},
        }

    def __str__(self) -> str:
        """Return the change as Airflow's UI shows it."""
        values = ", ".join(f"{name}={value}" for name, value in self.describe().items() if name != "change")
        return f"{type(self).__name__}({values})"


class UpdateFields(Change):
    """Set fields, by Update Booking.

    :param fields: as of :class:`~airflow_provider_jicoo.operators.bookings.UpdateBookingOperator`, in either
        spelling; the words about messages belong to the plan instead.
    """

    template_fields = ("fields",)

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def target(self, booking: Booking) -> Target:
        """Return the fields, checked."""
        from airflow_provider_jicoo.api.models import UpdateBookingBody, body

        checked = body(UpdateBookingBody, self.fields, "UpdateFields")
        if checked.model_fields_set & {"update_message", "is_send_updates"}:
            raise ValueError("update_message and is_send_updates are given to the plan, not to UpdateFields")
        return Target("update", checked.wire())

    def describe(self) -> dict[str, Any]:
        """Return the names of the fields as JSON: their values may be words meant for a guest."""
        return {"change": "UpdateFields", "fields": ", ".join(self.fields)}


@dataclass
class ReplaceHost(Change):
    """Hand the booking from one host to another, by Update Booking. The other hosts and the role stay.

    :param from_user_id: user id of the host who leaves it; other bookings are left alone.
    :param to_user_id: user id of the host who takes over.
    """

    template_fields = ("from_user_id", "to_user_id")

    from_user_id: str
    to_user_id: str

    __str__ = Change.__str__

    def target(self, booking: Booking) -> Target | None:
        """Return the new hosts, with the documented fields alone: Jicoo may refuse a name or an address sent back."""
        from airflow_provider_jicoo.api.written import documented

        if not self.from_user_id or not self.to_user_id or self.from_user_id == self.to_user_id:
            raise ValueError(f"{self}: two different user ids are needed")
        hosts = booking.get("hosts", [])
        present = {host["userId"] for host in hosts}
        if self.from_user_id not in present:
            return None
        handed = [
            {**host, "userId": self.to_user_id} if host["userId"] == self.from_user_id else host
            for host in documented("hosts", hosts)
            if host["userId"] != self.from_user_id or self.to_user_id not in present
        ]
        return Target("update", {"hosts": handed})


@dataclass
class ShiftTime(Change):
    """Move the booking in time, by Update Booking; its length stays.

    The wall clock counts, in the booking's own time zone and across daylight saving: ``minutes=1440`` is the same
    time on the next day, also where that day has 23 hours. A wall clock that daylight saving skips becomes the one an
    hour later.

    :param minutes: by so many minutes on the wall clock; negative for earlier.
    :param to_date: to this day, ``2027-03-16``, at the same wall clock.
    """

    template_fields = ("minutes", "to_date")

    minutes: int | str | None = None
    to_date: date | str | None = None

    __str__ = Change.__str__

    def target(self, booking: Booking) -> Target:
        """Return the new start and end."""
        from airflow_provider_jicoo.api import times

        if (self.minutes is None) == (self.to_date is None):
            raise ValueError(f"{self}: give either minutes or to_date")
        start, end = times.moment(booking["startedAt"]), times.moment(booking["endedAt"])
        clock = start.astimezone(times.zone(booking.get("timeZone") or ""))
        moved = self._moved(clock).replace(fold=0)
        again = moved.replace(fold=1)
        # Of two equal hours the one it is in now. Where an hour is skipped, the offsets are the other way round.
        if clock.fold and _offset(again) < _offset(moved):
            moved = again
        # Through UTC, since arithmetic on a zoned datetime is on its wall clock.
        new_start = times.moment(moved)
        return Target("update", {"startedAt": times.wire(new_start), "endedAt": times.wire(new_start + (end - start))})

    def _moved(self, clock: datetime) -> datetime:
        if self.minutes is not None:
            return clock + timedelta(minutes=_whole(self.minutes))
        day = self.to_date if isinstance(self.to_date, date) else date.fromisoformat(str(self.to_date))
        return clock.replace(year=day.year, month=day.month, day=day.day)


def _whole(minutes: object) -> int:
    if isinstance(minutes, (int, str)) and not isinstance(minutes, bool):
        try:
            return int(minutes)
        except ValueError:
            pass  # said below
    raise ValueError(f"minutes: {minutes!r:.100} is not a whole number")


def _offset(clock: datetime) -> timedelta:
    return clock.utcoffset() or timedelta(0)


@dataclass
class Reschedule(Change):
    """Move the booking to a free slot, by Reschedule Booking. Jicoo messages the guest.

    :param started_at: the new start; without an offset it is read as a wall clock in ``time_zone``.
    :param time_zone: IANA name; by default the booking's own.
    """

    template_fields = ("started_at", "time_zone")

    started_at: datetime | str
    time_zone: str | None = None

    __str__ = Change.__str__

    def target(self, booking: Booking) -> Target:
        """Return the new start."""
        from airflow_provider_jicoo.api.bookings import reschedule_booking

        zone = self.time_zone or booking["timeZone"]
        body = dict(reschedule_booking(booking["uid"], started_at=self.started_at, time_zone=zone).body or {})
        # That the booking takes over the time zone is not documented: the start alone tells whether it was moved.
        return Target("reschedule", {"startedAt": body["startedAt"]}, send=body)


@dataclass
class Cancel(Change):
    """Cancel the booking. It cannot be undone, and Jicoo messages the guest."""

    __str__ = Change.__str__

    def target(self, booking: Booking) -> Target:
        """Return the status."""
        return Target("cancel", {"status": "cancel"}, send={})


class ByFunction(Change):
    """What a Python function of one booking says: a change, or None to leave the booking alone."""

    def __init__(self, function: Callable[[Booking], Change | None]) -> None:
        self._function = function

    def target(self, booking: Booking) -> Target | None:
        """Ask the function.

        :raises ValueError: it gave neither a change nor None.
        """
        from msgspec import json

        # It may edit what it is given, and hand that back as the new value: what is there now must stay known.
        change = self._function(json.decode(json.encode(booking)))
        if change is None:
            return None
        if not isinstance(change, Change):
            raise ValueError(f"the change function returned a {type(change).__name__}, neither a change nor None")
        return change.target(booking)

    def describe(self) -> dict[str, Any]:
        """Return the function's name as JSON."""
        return {
            "change": "function",
            "function": getattr(self._function, "__qualname__", type(self._function).__name__),
        }


def as_change(change: Change | Callable[[Booking], Change | None]) -> Change:
    """Return a change, or a function of one booking as a change.

    :raises ValueError: it is neither.
    """
    if isinstance(change, Change):
        return change
    if callable(change):
        return ByFunction(change)
    raise ValueError(f"change: {change!r} is neither a change (UpdateFields, ReplaceHost, ...) nor a function")
