"""The bookings for dlt: one sweep, and the contacts of what changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from airflow_provider_jicoo.transfers.changes import Changed, Comparison, day, minutes
from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS, Row
from airflow_provider_jicoo.transfers.source_reader import BATCH, BIT, Reader

PROGRESS = 10_000
"""Bookings between two words in the log."""


class Batch(NamedTuple):
    """What is to be written, and of which bookings contacts are to be read or removed."""

    bookings: list[Changed]
    contacts_of: list[str]
    without_contacts: list[str]


class BookingReader(Reader):
    """Reads the bookings and their contacts."""

    def sweep(self) -> Iterator[Batch]:
        """Read the bookings, and yield those that changed."""
        options = self.options
        wanted = sum(BIT[name] for name in options.names if name in BIT)
        comparison = self.compare("bookings", wanted)
        batch = Batch([], [], [])

        def look(row: Row) -> Iterator[Batch]:
            nonlocal batch
            self._look(comparison, row, batch)
            if len(batch.bookings) >= BATCH or len(batch.contacts_of) >= BATCH:
                yield batch
                batch = Batch([], [], [])

        whole = yield from self.is_whole(self._bookings, look, comparison, "bookings")
        if whole:
            self._find_missing(comparison, batch)
        else:
            comparison.keep_missing()
        yield batch
        self.keep("bookings", comparison)
        self.tell(f"bookings: all {self.report.seen.get('bookings', 0):,} looked at")

    def _bookings(self) -> Iterator[Row]:
        from airflow_provider_jicoo.api.bookings import list_bookings

        window = self.options.window
        # By creation rows move least while they are read; by start the reading can end where the window ends.
        listing = list_bookings(started_at=window.since, order_by="createdAt" if window.until is None else "startedAt")
        listing = replace(listing, before=window.until, any_order=True)
        for number, booking in enumerate(self.client.iterate(listing, on_unproven="fail"), 1):
            yield dict(booking)
            if number % PROGRESS == 0:
                self.tell(f"bookings: {number:,} looked at")

    def _look(self, comparison: Comparison, row: Row, batch: Batch) -> None:
        """Compare a booking, and put it where it is to be written."""
        from airflow_provider_jicoo.api import times

        uid, start = row["uid"], minutes(times.moment(row["startedAt"]))
        digest = self.digest("bookings", row)
        todo, before = comparison.see(uid, digest, start)
        self.count("bookings", "seen")
        if todo & BIT["bookings"]:
            batch.bookings.append(Changed(row, digest))
            self.count("bookings", "changed" if before is not None and before.loaded & 1 else "added")
            self.report.days |= {day(start)} | ({day(before.start)} if before is not None else set())
        if todo & BIT["contacts"]:
            batch.contacts_of.append(uid)

    def _find_missing(self, comparison: Comparison, batch: Batch) -> None:
        """See what became of the bookings that a whole sweep has not shown."""
        window = self.options.window
        missing = dict(comparison.missing())
        for uid in [uid for uid, known in missing.items() if not window.is_open and not window.holds(known.start)]:
            comparison.forget(uid)  # its time has gone by
            del missing[uid]
        # All bookings are shown where all are looked at. Others may have been moved out of the window.
        moved = {} if window.is_open else self._look_up(list(missing))
        for uid, known in missing.items():
            if uid in moved:
                self._look(comparison, moved[uid], batch)
                comparison.forget(uid)
                continue
            todo = comparison.remove(uid)
            if todo & BIT["bookings"]:
                gone = {"uid": uid}
                batch.bookings.append(Changed(gone, self.digest("bookings", {**gone, "gone": True}), gone=True))
                self.count("bookings", "deleted")
                self.report.days.add(day(known.start))
            if todo & BIT["contacts"]:
                batch.without_contacts.append(uid)
                self.count("contacts", "deleted")

    def _look_up(self, uids: list[str]) -> dict[str, Row]:
        """Read bookings one by one; those that do not exist are not among them."""
        from airflow_provider_jicoo.api.bookings import get_booking

        found = self.many.send([get_booking(uid) for uid in uids])
        return {uid: dict(booking) for uid, booking in zip(uids, found, strict=True) if booking is not None}

    def booking_table(self, batch: Batch) -> Iterator[Any]:
        """Yield the table of a batch."""
        from airflow_provider_jicoo.transfers.arrow import table

        yield table(BOOKINGS, batch.bookings, history=self.options.history)

    def contact_table(self, batch: Batch) -> Iterator[Any]:
        """Read the contacts of a batch, and yield their table."""
        from airflow_provider_jicoo.api.bookings import get_booking_contacts
        from airflow_provider_jicoo.transfers.arrow import table
        from airflow_provider_jicoo.transfers.resources import contact_rows

        uids = batch.contacts_of
        answers = self.many.send([get_booking_contacts(uid) for uid in uids])
        changes = []
        without = list(batch.without_contacts)
        for uid, contacts in zip(uids, answers, strict=True):
            if not contacts:
                without.append(uid)
            for row in contact_rows(uid, contacts or []):
                changes.append(Changed(row, self.digest("contacts", row)))
        self.count("contacts", "seen", len(changes))
        self.count("contacts", "changed", len(changes))
        for uid in without:
            gone = {"bookingUid": uid}
            changes.append(Changed(gone, self.digest("contacts", {**gone, "gone": True}), gone=True))
        if uids:
            self.tell(f"contacts: of {len(uids):,} more bookings")
        yield table(CONTACTS, changes, history=self.options.history)
