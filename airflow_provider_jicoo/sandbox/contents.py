"""What is in a sandbox: to look at, to add to, and to change without a request."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.sandbox import availability, bookings, damage, data, event_types, schedules
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.state import State


class Contents:
    """The bookings, users, event types, schedules, invitations and teams of a sandbox.

    :param state: what it remembers.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def now(self) -> datetime:
        """The sandbox's time, in UTC."""
        return self._state.clock()

    def bookings(self) -> list[Row]:
        """Return every booking as the API gives it, in the order of creation."""
        with self._state.lock:
            return copy.deepcopy(list(self._state.rows.bookings.values()))

    def booking(self, uid: str) -> Row:
        """Return one booking.

        :raises KeyError: there is none.
        """
        with self._state.lock:
            return copy.deepcopy(self._state.rows.bookings[uid])

    def contacts(self, uid: str) -> list[Row]:
        """Return the guests of a booking.

        :raises KeyError: there is no such booking.
        """
        with self._state.lock:
            return copy.deepcopy(self._state.rows.contacts[uid])

    @property
    def users(self) -> list[Row]:
        """The users (hosts): ``uid``, ``name``, ``email`` and ``role``."""
        return copy.deepcopy(list(self._state.rows.users.values()))

    @property
    def event_types(self) -> list[Row]:
        """The event types, in fields of the sandbox's own: Jicoo's are not known."""
        return copy.deepcopy(list(self._state.rows.event_types.values()))

    @property
    def schedules(self) -> list[Row]:
        """Every schedule as the API gives it, in the order of creation."""
        with self._state.lock:
            return copy.deepcopy(list(self._state.rows.schedules.values()))

    @property
    def invitations(self) -> list[Row]:
        """The invitations into the organization, in fields of the sandbox's own: Jicoo's are not known."""
        with self._state.lock:
            return copy.deepcopy(list(self._state.rows.invitations.values()))

    @property
    def teams(self) -> list[Row]:
        """The teams, in fields of the sandbox's own: Jicoo's are not known."""
        return copy.deepcopy(list(self._state.rows.teams.values()))

    def add_schedule(self, **fields: Any) -> Row:
        """Add a schedule without a request.

        :param fields: fields of the schedule, in camelCase; the rest has defaults. A time may be an aware datetime.
        :returns: the schedule.
        """
        with self._state.changing():
            schedule = schedules.fresh(self._state, fields)
            self._state.keep("schedule", schedule)
            return copy.deepcopy(schedule)

    def add_user(self, *, name: str = "Jane Roe", email: str | None = None, role: str = "member") -> Row:
        """Add a user without a request and an invitation.

        :returns: the user.
        """
        with self._state.changing():
            uid = data.text(self._state.chance, data.USER_LETTERS, 28)
            user = {"uid": uid, "name": name, "email": email or f"{uid.lower()}@example.co.jp", "role": role}
            self._state.keep("user", user)
            return copy.deepcopy(user)

    def add_event_type(self, *, name: str = "Consultation", **fields: Any) -> Row:
        """Add an event type without a request.

        :param fields: fields as in :attr:`event_types`; the rest is as of the first of them.
        :returns: the event type.
        :raises TypeError: an event type has no such field.
        """
        with self._state.changing():
            first = next(iter(self._state.rows.event_types.values()))
            unknown = sorted(fields.keys() - first.keys())
            if unknown:
                raise TypeError(f"an event type has no field {', '.join(unknown)}; it has {', '.join(first)}")
            made = copy.deepcopy({**first, "uid": self._state.new_uid(), "name": name, **fields})
            self._state.keep("event_type", made)
            return copy.deepcopy(made)

    def add_team(self, *, uid: str, name: str = "A team") -> Row:
        """Add a team without a request.

        :returns: the team.
        """
        with self._state.changing():
            team = {"uid": uid, "name": name}
            self._state.keep("team", team)
            return dict(team)

    def hosts(self, event_type_id: str) -> list[Row]:
        """Return the hosts of an event type as the API gives them; none where there is no such event type."""
        with self._state.lock:
            event_type = self._state.rows.event_types.get(event_type_id)
            return event_types.hosts(self._state, event_type) if event_type else []

    def free_slots(self, event_type_id: str, start: str, end: str) -> list[Row]:
        """Return the slots of an event type that start from ``start`` to ``end`` (ISO 8601), however long that is."""
        with self._state.lock:
            event_type = self._state.rows.event_types[event_type_id]
            return list(event_types.slots(self._state, event_type, times.moment(start), times.moment(end)))

    def availability_calendars(self, user_id: str) -> list[Row]:
        """Return the availability calendars of a user."""
        return availability.calendars(user_id)

    def add_booking(self, *, contacts: Sequence[Row] = ({},), **fields: Any) -> Row:
        """Add a booking without a request; nobody is messaged.

        :param contacts: its guests; what is left out of one has a default.
        :param fields: fields of the booking, in camelCase; the rest has defaults. A time may be an aware datetime.
        :returns: the booking.
        """
        with self._state.changing():
            booking = bookings.fresh(self._state, fields)
            self._state.put(booking, [bookings.contact(booking, **guest) for guest in contacts], by="guest")
            return copy.deepcopy(booking)

    def edit(self, uid: str, **fields: Any) -> Row:
        """Change a booking behind the client's back, as somebody else does; ``updatedAt`` moves, nobody is messaged.

        :param fields: any fields, in camelCase. A time may be an aware datetime.
        :returns: the booking as it is now.
        :raises KeyError: there is no such booking.
        """
        with self._state.changing():
            before = self._state.rows.bookings[uid]
            after = bookings.complete(before, fields)
            moved = {"updatedAt": self._state.stamp(before, after)}
            fields = {name: after[name] for name in fields}
            return copy.deepcopy(self._state.change(uid, moved | fields, by="guest"))

    def touch_all(self) -> None:
        """Let ``updatedAt`` of every booking move and nothing else, as a nightly job may do."""
        with self._state.changing():
            for booking in list(self._state.rows.bookings.values()):
                self._state.put({**booking, "updatedAt": self._state.later_than(booking["updatedAt"])})

    def approve(self, uid: str) -> Row:
        """Approve a booking that waits for it, as a host does on Jicoo's website; nobody is messaged.

        Jicoo has no endpoint for that. With a sandbox that runs as a process: ``POST /sandbox/approve/{uid}``.

        :returns: the booking, now open.
        :raises KeyError: there is no such booking.
        :raises ValueError: it does not wait for approval.
        """
        return copy.deepcopy(bookings.approve(self._state, uid))

    def break_row(self, uid: str, how: str) -> None:
        """Let a booking come out damaged, alone and in lists; what is stored stays whole.

        :param how: ``surrogate``, ``no-startedAt``, ``uid=7``, ``hosts=null``, ...; see
            :func:`~airflow_provider_jicoo.sandbox.damage.damaged`.
        :raises KeyError: there is no such booking.
        :raises ValueError: there is no such damage.
        """
        with self._state.lock:
            damage.damaged(self._state.rows.bookings[uid], how)
            self._state.broken[uid] = how

    def mend_row(self, uid: str) -> None:
        """Take a damage back."""
        with self._state.lock:
            self._state.broken.pop(uid, None)

    def delete(self, uid: str) -> None:
        """Remove a booking.

        :raises KeyError: there is none.
        """
        self._state.remove(uid)
