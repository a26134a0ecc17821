"""What the sandbox remembers: bookings, their guests, and who was messaged; in memory, and in a file."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.sandbox import data
from airflow_provider_jicoo.sandbox.data import Row

Kind = Literal["create", "cancel", "reschedule", "update"]
Section = Literal["user", "event_type", "schedule", "invitation"]

ARRANGING = ("status", "startedAt", "endedAt", "createdAt")
"""The fields that decide whether and where a booking stands in a list."""


@dataclass(frozen=True)
class Message:
    """One message to one guest. Holds no personal data.

    :param uid: the booking.
    :param kind: what the message tells.
    :param at: when, in UTC, by the sandbox's clock.
    :param guest: which of the booking's contacts, from 0.
    :param request: number of the request that caused it, from 1.
    """

    uid: str
    kind: Kind
    at: datetime
    guest: int
    request: int


class State:
    """Bookings, contacts and messages. Take ``lock`` around anything that belongs together.

    :param bookings: how many bookings to make, where the file holds none yet.
    :param seed: seed of the data.
    :param now: the moment to spread the data around; the sandbox's clock starts there. None for the real one.
    :param file: SQLite file that keeps all of it over a restart.
    """

    def __init__(self, bookings: int, seed: int, now: datetime | None = None, file: Path | None = None) -> None:
        self.lock = threading.RLock()
        self._seed = seed
        self._now = now and now.astimezone(timezone.utc)
        self._file = None if file is None else _File(file)
        kept = None if self._file is None else self._file.read()
        if kept is None:
            self.reset(bookings, seed)
        else:
            self._start(*kept)

    def reset(self, bookings: int, seed: int) -> None:
        """Forget everything and make new data."""
        with self.lock:
            self._seed = seed
            fresh = data.make(bookings, seed, self._now or datetime.now(timezone.utc))
            self._start(fresh, [])
            if self._file is not None:
                self._file.begin_again(fresh)

    def _start(self, start: data.Data, messages: list[Message]) -> None:
        self._clock = (self._now or datetime.now(timezone.utc), time.monotonic())
        self.chance = random.Random(f"new {self._seed}")
        self.users = start.users
        self.event_types = start.event_types
        self.bookings = start.bookings
        self.contacts = start.contacts
        self.schedules = start.schedules
        self.invitations = start.invitations
        self.teams = start.teams
        self.messages = messages
        self._listed: dict[tuple[str | None, ...], list[str]] = {}
        self._of_host: dict[str, set[str]] = {}
        for booking in self.bookings.values():
            self._index(booking)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def clock(self) -> datetime:
        """Return the sandbox's time, in UTC."""
        start, ticks = self._clock
        return start + timedelta(seconds=time.monotonic() - ticks)

    def now(self) -> str:
        """Return the sandbox's time, as the API writes it."""
        return times.wire(self.clock())

    def new_uid(self) -> str:
        """Return a uid that nothing has."""
        while True:
            uid = data.text(self.chance, data.UID_LETTERS, 12)
            if not any(uid in rows for rows in (self.bookings, self.schedules, self.invitations)):
                return uid

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep the changes in here together in the file, and everybody else from changing anything."""
        with self.lock:
            if self._file is None:
                yield
            else:
                with self._file.transaction():
                    yield

    def put(self, booking: Row, contacts: list[Row] | None = None) -> None:
        """Add a booking or replace it. Its guests stay where None are given."""
        uid = booking["uid"]
        with self.changing():
            before = self.bookings.get(uid)
            if before is not None:
                self._unindex(before)
            self.bookings[uid] = booking
            self._index(booking)
            if before is None or any(before[field] != booking[field] for field in ARRANGING):
                self._listed.clear()
            if contacts is not None:
                self.contacts[uid] = contacts
            if self._file is not None:
                self._file.write("booking", uid, booking)
                if contacts is not None:
                    self._file.write("contacts", uid, contacts)

    def remove(self, uid: str) -> None:
        """Remove a booking and its guests.

        :raises KeyError: there is none.
        """
        with self.changing():
            self._unindex(self.bookings.pop(uid))
            self.contacts.pop(uid, None)
            self._listed.clear()
            if self._file is not None:
                self._file.remove("booking", uid)
                self._file.remove("contacts", uid)

    def keep(self, section: Section, row: Row) -> None:
        """Add a row that is no booking, or replace it."""
        with self.changing():
            self._rows(section)[row["uid"]] = row
            if self._file is not None:
                self._file.write(section, row["uid"], row)

    def drop(self, section: Section, uid: str) -> None:
        """Remove a row that is no booking.

        :raises KeyError: there is none.
        """
        with self.changing():
            del self._rows(section)[uid]
            if self._file is not None:
                self._file.remove(section, uid)

    def _rows(self, section: Section) -> dict[str, Row]:
        by_section = {
            "user": self.users,
            "event_type": self.event_types,
            "schedule": self.schedules,
            "invitation": self.invitations,
        }
        return by_section[section]

    def change(self, uid: str, fields: Row) -> Row:
        """Change some fields of a booking; ``updatedAt`` moves only where one of them is another value than before.

        :returns: the booking as it is now.
        :raises KeyError: there is no such booking.
        """
        with self.changing():
            before = self.bookings[uid]
            after = {**before, **copy.deepcopy(fields)}
            if after == before:
                return before
            if "updatedAt" not in fields:
                after["updatedAt"] = self.later_than(before["updatedAt"])
            self.put(after)
            return after

    def tell(self, uid: str, kind: Kind, request: int) -> None:
        """Note that each guest of the booking would get a message now."""
        with self.changing():
            for guest in range(len(self.contacts[uid])):
                message = Message(uid, kind, self.clock(), guest, request)
                self.messages.append(message)
                if self._file is not None:
                    kept = {**asdict(message), "at": message.at.isoformat()}
                    self._file.write("message", f"{len(self.messages):09d}", kept)

    def listed(self, status: str | None, started: str | None, ended: str | None, order: str, sort: str) -> list[str]:
        """Return the uids of a list, in its order. The times are as the API writes them."""
        # A sweep through the pages of 100,000 bookings would sort them a thousand times otherwise.
        asked = (status, started, ended, order, sort)
        with self.lock:
            if asked not in self._listed:
                rows = (
                    (booking[order], uid)
                    for uid, booking in self.bookings.items()
                    if (status is None or booking["status"] == status)
                    and (started is None or booking["startedAt"] >= started)
                    and (ended is None or booking["endedAt"] <= ended)
                )
                if len(self._listed) >= 50:
                    self._listed.clear()
                self._listed[asked] = [uid for _, uid in sorted(rows, reverse=sort == "desc")]
            return self._listed[asked]

    def is_free(self, hosts: list[str], start: str, end: str, *, besides: str | None = None) -> bool:
        """Say whether none of these hosts has another open booking that overlaps."""
        with self.lock:
            return not any(
                uid != besides and self.bookings[uid]["startedAt"] < end and start < self.bookings[uid]["endedAt"]
                for host in hosts
                for uid in self._of_host.get(host, ())
            )

    def later_than(self, moment: str) -> str:
        """Return the time, or where it is not later than ``moment``, the next millisecond after that."""
        # Two changes within one millisecond must not look like one.
        return max(self.now(), times.wire(times.moment(moment) + timedelta(milliseconds=1)))

    def _index(self, booking: Row) -> None:
        if booking["status"] == "open":
            for host in booking["hosts"]:
                self._of_host.setdefault(host["userId"], set()).add(booking["uid"])

    def _unindex(self, booking: Row) -> None:
        for host in booking["hosts"]:
            self._of_host.get(host["userId"], set()).discard(booking["uid"])


class _File:
    """The SQLite file: one table of JSON, so that a further section needs no further table."""

    def __init__(self, path: Path) -> None:
        # Used by the server's thread and the test's; State.lock keeps them apart.
        self._sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A change has to outlive this process, not the machine; waiting for the disk would cost the speed.
        self._sql.execute("PRAGMA synchronous = OFF")
        self._sql.execute(
            "CREATE TABLE IF NOT EXISTS kept (section TEXT, id TEXT, json TEXT, PRIMARY KEY (section, id))"
        )
        self._depth = 0

    def close(self) -> None:
        self._sql.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._depth == 0:
            self._sql.execute("BEGIN")
        self._depth += 1
        try:
            yield
        except BaseException:
            if self._depth == 1:
                self._sql.execute("ROLLBACK")
            raise
        else:
            if self._depth == 1:
                self._sql.execute("COMMIT")
        finally:
            self._depth -= 1

    def write(self, section: str, key: str, value: Any) -> None:
        self._sql.execute(
            "INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET json = excluded.json",
            (section, key, json.dumps(value)),
        )

    def remove(self, section: str, key: str) -> None:
        self._sql.execute("DELETE FROM kept WHERE section = ? AND id = ?", (section, key))

    def begin_again(self, start: data.Data) -> None:
        with self.transaction():
            self._sql.execute("DELETE FROM kept")
            for section, rows in (
                ("user", start.users),
                ("event_type", start.event_types),
                ("booking", start.bookings),
                ("contacts", start.contacts),
                ("schedule", start.schedules),
                ("invitation", start.invitations),
                ("team", start.teams),
            ):
                for key, value in rows.items():
                    self.write(section, key, value)

    def read(self) -> tuple[data.Data, list[Message]] | None:
        sections: dict[str, dict[str, Any]] = {}
        for section, key, value in self._sql.execute("SELECT section, id, json FROM kept ORDER BY rowid"):
            sections.setdefault(section, {})[key] = json.loads(value)
        if not sections:
            return None
        return (
            data.Data(
                sections["user"],
                sections["event_type"],
                sections.get("booking", {}),
                sections.get("contacts", {}),
                sections.get("schedule", {}),
                sections.get("invitation", {}),
                sections.get("team", {}),
            ),
            [
                Message(**{**kept, "at": datetime.fromisoformat(kept["at"])})
                for _, kept in sorted(sections.get("message", {}).items())
            ],
        )
