"""What one watcher has not told yet, and the cursor that says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_jicoo.api.booking_changes import (
    BookingChange,
    absent,
    changes,
    check_gone,
    past,
    period,
    start_of,
)
from airflow_provider_jicoo.events.cursor import REFRESH, Cursor, cursor_of
from airflow_provider_jicoo.events.parts import CursorLostError

if TYPE_CHECKING:
    from airflow_provider_jicoo.events.stores import Cursors
    from airflow_provider_jicoo.events.sweeping import Sweep

log = logging.getLogger(__name__)

TOLD_AT_ONCE = 500
"""Events told of one sweep at the most; the next sweep follows at once. Airflow stores them one by one, and takes a
watcher for dead whose events of one sweep are not all stored after five minutes."""


class Watcher:
    """Tells what happened to bookings since it last did, from sweep to sweep.

    The cursor in memory moves with what is told. The stored one follows when :meth:`store` is called for one of the
    sweep's ``takers``.

    :param cursors: where the cursor is kept; None to keep it in memory alone.
    :param wants: tells which changes are to be told.
    :param horizon_days: that of the sweeps.
    :param max_failures: how often in a row the stored cursor may be impossible to read, or a booking to look up.
    """

    def __init__(
        self,
        cursors: Cursors | None,
        wants: Callable[[BookingChange], bool],
        horizon_days: int | None,
        max_failures: int,
    ) -> None:
        self._cursors = cursors
        self._wants = wants
        self._horizon_days = horizon_days
        self._max_failures = max_failures
        self._failures = 0
        self._cursor: Cursor | None = None
        self._stored: Cursor | None = None
        self._doubted: int | None = None

    async def take(self, sweep: Sweep) -> list[BookingChange]:
        """Return what is to be told of a sweep.

        Where something fails, nothing is told and nothing forgotten: the next sweep shows it again.

        :raises Exception: the last of too many failures in a row.
        """
        try:
            told = await self._take(sweep)
        except Exception as error:
            self._failures += 1
            if self._failures >= self._max_failures:
                raise
            log.warning("Could not compare the bookings with those before; the next sweep will: %s", error)
            return []
        self._failures = 0
        return told

    async def _take(self, sweep: Sweep) -> list[BookingChange]:
        if self._doubted is not None and sweep.number > self._doubted:
            self._doubted = None
        before = self._cursor or await self._load()
        if before is None:
            log.info("Begins with %d bookings: of these only what happens from now on is told", len(sweep.rows))
            self._move(sweep, Cursor(sweep.began, {uid: row.entry for uid, row in sweep.rows.items()}))
            return []
        lower = period(before.since, sweep.began, self._horizon_days).lower
        looked_up = await sweep.look_up(absent(before.entries, sweep.rows, sweep.asked))
        check_gone(before.entries, looked_up)
        # A shared sweep goes back as far as any watcher needs: what began earlier than this one looks was forgotten.
        ours = {uid: row for uid, row in sweep.rows.items() if uid in before.entries or start_of(row.entry) >= lower}
        rows = {**ours, **looked_up}
        found = sorted(changes(before.entries, rows), key=lambda change: change.updated_at or "~")
        wanted = [change for change in found if self._wants(change)]
        told, left = wanted[:TOLD_AT_ONCE], wanted[TOLD_AT_ONCE:]
        untold = {change.uid for change in left}
        entries = before.entries
        gone = [uid for uid, row in rows.items() if row is None and uid in entries and uid not in untold]
        if found or gone:
            news = {uid: row.entry for uid, row in rows.items() if row is not None and uid not in untold}
            entries = {**entries, **news}
            for uid in gone:
                del entries[uid]
        if left or sweep.asked.lower > lower:
            sweep.ask_again(before.since)
            since = before.since
        else:
            since = sweep.began
            old = set(past(entries, lower))
            if old:
                entries = {uid: entry for uid, entry in entries.items() if uid not in old}
        self._move(sweep, Cursor(since, entries))
        return told

    async def _load(self) -> Cursor | None:
        if self._cursors is None:
            return None
        try:
            stored = await self._cursors.load()
            self._stored = None if stored is None else cursor_of(stored)
        except CursorLostError as error:
            log.error("The cursor is lost (%s): what happened since it was written is not told", error)
            return None
        return self._stored

    def _move(self, sweep: Sweep, cursor: Cursor) -> None:
        self._cursor = cursor
        sweep.takers.append((self, cursor))

    def doubt(self, number: int) -> None:
        """Store nothing before a sweep with a higher number than this was seen.

        Where events did not reach the database, Airflow does not say whose. It shows no further sweep to the watcher
        that it takes for dead. But sweeps which that one had seen already count as accepted, and their cursors say that
        it told what was lost.
        """
        self._doubted = number

    async def store(self, cursor: Cursor) -> None:
        """Store a cursor whose events are in the database."""
        stored = self._stored
        is_stored = stored is not None and stored.entries is cursor.entries and cursor.since - stored.since < REFRESH
        if self._cursors is None or self._doubted is not None or is_stored:
            return
        try:
            await self._cursors.save(await asyncio.to_thread(cursor.stored))
        except Exception as error:
            # Only that more would be told twice after a restart: the cursor of the next sweep says all that this does.
            log.warning("The cursor could not be stored; the next one will be: %s: %s", type(error).__name__, error)
            return
        self._stored = cursor
