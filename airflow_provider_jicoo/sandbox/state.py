"""What the sandbox remembers: bookings, their guests, and who was messaged; in memory, and in a file."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
import threading
import time
from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.sandbox import damage, data
from airflow_provider_jicoo.sandbox.data import Row, Section
from airflow_provider_jicoo.sandbox.diary import Diary
from airflow_provider_jicoo.sandbox.past import Past
from airflow_provider_jicoo.sandbox.quirks import Quirks
from airflow_provider_jicoo.sandbox.quirks.listing import LateList, LateRead
from airflow_provider_jicoo.sandbox.quirks.quirk import Asked
from airflow_provider_jicoo.sandbox.quirks.wire import ClockAhead

Kind = Literal["create", "cancel", "reschedule", "update"]
Who = Literal["guest", "host"]
OnChange = Callable[[Row | None, Row, list[Row], Who], None]
"""Told of a booking: what it was, None where there was none; what it is now; its guests; and who changed it."""

REHEARSAL: ContextVar[bool] = ContextVar("airflow_provider_jicoo.rehearsal", default=False)
"""Whether what is asked now is only answered as if it were done; nothing is kept of it."""

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


@dataclass(frozen=True)
class Change:
    """One change of one booking that was carried out, also where it changed nothing.

    :param uid: the booking; of a reschedule that made a new one the old.
    :param kind: which change.
    :param at: when, in UTC, by the sandbox's clock.
    :param request: number of the request that caused it, from 1.
    :param is_messaged: whether its guests were messaged.
    """

    uid: str
    kind: Kind
    at: datetime
    request: int
    is_messaged: bool


class State:
    """Bookings, contacts and messages. Take ``lock`` around anything that belongs together.

    :param bookings: how many bookings to make, where the file holds none yet.
    :param seed: seed of the data.
    :param now: the moment to spread the data around; the sandbox's clock starts there. None for the real one.
    :param file: SQLite file that keeps all of it over a restart.
    :param remember: keep every change in :attr:`changes`.
    """

    def __init__(
        self,
        bookings: int,
        seed: int,
        now: datetime | None = None,
        file: Path | None = None,
        *,
        remember: bool = True,
    ) -> None:
        self.lock = threading.RLock()
        self._quirks = Quirks()
        self.changes: deque[Change] = deque(maxlen=None if remember else 0)
        self.on_change: OnChange = lambda before, after, contacts, by: None
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
        self.rows = start
        self.messages = messages
        self.changes.clear()
        self.broken: dict[str, str] = {}
        self._past = Past()
        self._listed: dict[Asked, list[str]] = {}
        self._diary = Diary(start.bookings.values())

    @property
    def quirks(self) -> Quirks:
        """How this Jicoo behaves differently."""
        return self._quirks

    @quirks.setter
    def quirks(self, quirks: Quirks) -> None:
        with self.lock:
            self._quirks = quirks
            self._listed.clear()
            self._past.forget()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def clock(self) -> datetime:
        """Return the sandbox's time, in UTC."""
        start, ticks = self._clock
        return start + timedelta(seconds=time.monotonic() - ticks + self.quirks.value(ClockAhead, 0))

    def now(self) -> str:
        """Return the sandbox's time, as the API writes it."""
        return times.wire(self.clock())

    def new_uid(self, request: int | None = None) -> str:
        """Return a uid that nothing has.

        :param request: number of a request: it gets the same uid when it is rehearsed and when it is carried out.
        """
        chance = self.chance if request is None else random.Random(f"new {self._seed} {request}")
        while True:
            uid = data.text(chance, data.UID_LETTERS, 12)
            if not any(uid in rows for rows in (self.rows.bookings, self.rows.schedules, self.rows.invitations)):
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

    def _passes(self, section: str, uid: str, before: Row | None) -> None:
        self._past.note(section, uid, before, max(self.quirks.value(LateList, 0), self.quirks.value(LateRead, 0)))

    def put(self, booking: Row, contacts: list[Row] | None = None, by: Who = "host") -> None:
        """Add a booking or replace it. Its guests stay where None are given."""
        uid = booking["uid"]
        if REHEARSAL.get():
            return
        with self.changing():
            before = self.rows.bookings.get(uid)
            self._passes("booking", uid, before)
            if before is not None:
                self._diary.remove(before)
            self.rows.bookings[uid] = booking
            self._diary.add(booking)
            if before is None or any(before[field] != booking[field] for field in ARRANGING):
                self._listed.clear()
            if contacts is not None:
                self.rows.contacts[uid] = contacts
            if self._file is not None:
                self._file.write("booking", uid, booking)
                if contacts is not None:
                    self._file.write("contacts", uid, contacts)
            self.on_change(before, booking, self.rows.contacts.get(uid, []), by)

    def remove(self, uid: str) -> None:
        """Remove a booking and its guests.

        :raises KeyError: there is none.
        """
        with self.changing():
            self._passes("booking", uid, self.rows.bookings[uid])
            self._diary.remove(self.rows.bookings.pop(uid))
            self.rows.contacts.pop(uid, None)
            self._listed.clear()
            if self._file is not None:
                self._file.remove("booking", uid)
                self._file.remove("contacts", uid)

    def keep(self, section: Section, row: Row) -> None:
        """Add a row that is no booking, or replace it."""
        if REHEARSAL.get():
            return
        with self.changing():
            self._passes(section, row["uid"], self.rows.of(section).get(row["uid"]))
            self.rows.of(section)[row["uid"]] = row
            if self._file is not None:
                self._file.write(section, row["uid"], row)

    def drop(self, section: Section, uid: str) -> None:
        """Remove a row that is no booking.

        :raises KeyError: there is none.
        """
        if REHEARSAL.get():
            return
        with self.changing():
            self._passes(section, uid, self.rows.of(section)[uid])
            del self.rows.of(section)[uid]
            if self._file is not None:
                self._file.remove(section, uid)

    def change(self, uid: str, fields: Row, by: Who = "host") -> Row:
        """Change some fields of a booking; ``updatedAt`` moves only where one of them is another value than before.

        :returns: the booking as it is now.
        :raises KeyError: there is no such booking.
        """
        with self.changing():
            before = self.rows.bookings[uid]
            after = {**before, **copy.deepcopy(fields)}
            if after == before:
                return before
            if "updatedAt" not in fields:
                after["updatedAt"] = self.stamp(before, after)
            self.put(after, by=by)
            return after

    def note(self, uid: str, kind: Kind, request: int, *, tell: bool) -> None:
        """Note that a change was carried out.

        :param tell: whether each guest of the booking would get a message now.
        """
        if REHEARSAL.get():
            return
        with self.changing():
            self.changes.append(Change(uid, kind, self.clock(), request, tell))
            for guest in range(len(self.rows.contacts[uid]) if tell else 0):
                message = Message(uid, kind, self.clock(), guest, request)
                self.messages.append(message)
                if self._file is not None:
                    kept = {**asdict(message), "at": message.at.isoformat()}
                    self._file.write("message", f"{len(self.messages):09d}", kept)

    def listed(self, asked: Asked) -> list[str]:
        """Return the uids of a list of bookings, in its order."""
        with self.lock:
            past = self._past.different("booking", self.quirks.value(LateList, 0))
            # A sweep through the pages of 100,000 bookings would sort them a thousand times otherwise.
            if asked not in self._listed:
                if len(self._listed) >= 50:
                    self._listed.clear()
                self._listed[asked] = _in_order(self.quirks, self.rows.bookings, self.rows.bookings, asked)
            now = self._listed[asked]
            if not past:
                return now
            seen = self.seen("booking")
            return _in_order(self.quirks, [*(uid for uid in now if uid not in past), *past], seen, asked)

    def seen(self, section: Section | Literal["booking"]) -> Mapping[str, Row]:
        """Return the rows of a section as a list shows them now."""
        rows = self.rows.bookings if section == "booking" else self.rows.of(section)
        past = self._past.different(section, self.quirks.value(LateList, 0))
        if not past:
            return rows
        if section == "booking":  # looked up only: the list knows which of them were there
            return ChainMap(past, rows)  # type: ignore[arg-type]
        return {uid: row for uid, row in {**rows, **past}.items() if row is not None}

    def read(self, uid: str) -> Row | None:
        """Return a booking as it is shown alone; None where there is none, or was none."""
        past = self._past.different("booking", self.quirks.value(LateRead, 0))
        return past[uid] if uid in past else self.rows.bookings.get(uid)

    def guests_of(self, path: str) -> list[Row]:
        """Return the contacts of the booking that a path is about; none where it is about none."""
        parts = path.split("/")
        return self.rows.contacts.get(parts[3], []) if len(parts) > 3 and parts[2] == "bookings" else []

    def shown(self, row: Row) -> Any:
        """Return a row as it goes out."""
        shown = self.quirks.show(row, self.rows.users)
        how = self.broken.get(row.get("uid", "")) if self.broken else None
        return shown if how is None else damage.damaged(shown, how)

    def is_free(self, hosts: list[str], start: str, end: str, *, besides: str | None = None) -> bool:
        """Say whether none of these hosts has another open booking that overlaps."""
        with self.lock:
            others = (self.rows.bookings[uid] for uid in self._diary.of(hosts) if uid != besides)
            return not any(other["startedAt"] < end and start < other["endedAt"] for other in others)

    def stamp(self, before: Row, after: Row) -> str:
        """Return the ``updatedAt`` of a row that changes now."""
        return self.quirks.stamp(self.later_than(before["updatedAt"]), before, after)

    def later_than(self, moment: str) -> str:
        """Return the time, or where it is not later than ``moment``, the next millisecond after that."""
        # Two changes within one millisecond must not look like one.
        return max(self.now(), times.wire(times.moment(moment) + timedelta(milliseconds=1)))


def _in_order(quirks: Quirks, uids: Iterable[str], rows: Mapping[str, Row | None], asked: Asked) -> list[str]:
    found = (
        (row[asked.order], uid)
        for uid, row in ((uid, rows[uid]) for uid in uids)
        if row is not None
        and (asked.status is None or row["status"] == asked.status)
        and (asked.started is None or row["startedAt"] >= asked.started)
        and (asked.ended is None or row["endedAt"] <= asked.ended)
        and quirks.lists(row, asked)
    )
    return [uid for _, uid in sorted(found, reverse=asked.sort == "desc")]


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
