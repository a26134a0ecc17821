"""A watcher against a model of Jicoo and of Airflow: whatever happens, every change that is still to be seen is told.

The model changes bookings while a sweep reads them, page by page, so that a sweep shows some as they were and leaves
some out; lets time pass; and kills the watcher at any moment: before Airflow has its events, with some of them, and
with all but before its cursor is stored.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta, timezone

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.booking_changes import GONE_AT_MOST, period, seen, start_of
from airflow_provider_jicoo.events.cursor import cursor_of
from airflow_provider_jicoo.events.stores import Cursors
from airflow_provider_jicoo.events.watcher import Watcher

pytestmark = pytest.mark.once

BEGIN = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
FULL = os.environ.get("JICOO_LOAD") == "1"


class Memory:
    """A store of texts; it may be told to fail."""

    def __init__(self):
        self.texts = {}
        self.is_broken = False

    async def read(self, name):
        if self.is_broken:
            raise ConnectionError("no database")
        return self.texts.get(name)

    async def write(self, name, text):
        if self.is_broken:
            raise ConnectionError("no database")
        self.texts[name] = text


class FakeSweep:
    """What a sweep shows, with the world behind it to look up what it lacks."""

    def __init__(self, began, asked, rows, world):
        self.began, self.asked, self.rows, self.world = began, asked, rows, world
        self.number = 0
        self.takers = []
        self.wanted_since = None
        self.looked_up = []

    async def look_up(self, uids):
        uids = list(uids)
        self.looked_up += uids
        return {uid: seen(self.world[uid]) if uid in self.world else None for uid in uids}

    def ask_again(self, since):
        self.wanted_since = since if self.wanted_since is None else min(since, self.wanted_since)


class Model(RuleBasedStateMachine):
    @initialize(horizon=st.sampled_from([None, 5]), count=st.integers(0, 4))
    def begin(self, horizon, count):
        self.now = BEGIN
        self.world = {}
        self.number = 0
        self.horizon = horizon
        self.store = Memory()
        self.events = []  # what Airflow has, in its order
        self.view = None  # the entry of each booking, as the events say; None before there is a cursor
        self.removed = 0  # since the last look
        self.start_up()
        for _ in range(count):
            self.book_one(2)

    def start_up(self):
        self.since = None
        self.watcher = Watcher(Cursors(self.store, "jicoo"), lambda change: True, self.horizon, 3)
        if not self.store.texts:
            self.view = None

    # --- what happens at Jicoo ---

    def stamp(self):
        return times.wire(self.now.replace(microsecond=0))  # as where times are cut to seconds

    @rule(days=st.integers(-1, 9))
    def book(self, days):
        self.book_one(days)

    def book_one(self, days):
        self.number += 1
        start = self.now + timedelta(days=days, hours=1)
        self.world[f"b{self.number}"] = {
            "status": "open",
            "startedAt": times.wire(start),
            "endedAt": times.wire(start + timedelta(hours=1)),
            "hosts": [],
            "priority": 0,
            "createdAt": self.stamp(),
            "updatedAt": self.stamp(),
        }

    @precondition(lambda self: self.world)
    @rule(data=st.data(), what=st.sampled_from(["update", "move", "cancel", "remove"]), days=st.integers(-3, 9))
    def change(self, data, what, days):
        self.change_one(data, what, days)

    def change_one(self, data, what, days):
        uid = data.draw(st.sampled_from(sorted(self.world)))
        row = dict(self.world[uid], updatedAt=self.stamp())
        if what == "remove":
            if self.removed < GONE_AT_MOST:
                self.removed += 1
                del self.world[uid]
            return
        if what == "move":
            start = self.now + timedelta(days=days, minutes=30)
            row |= {"startedAt": times.wire(start), "endedAt": times.wire(start + timedelta(hours=1))}
        elif what == "cancel":
            row["status"] = "cancel"
        else:
            row["priority"] += 1
        self.world[uid] = row

    @rule(minutes=st.sampled_from([0, 1, 60, 24 * 60, 5 * 24 * 60]))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes, seconds=0.2)

    # --- what the poller does ---

    def sweep(self, during=None):
        """Read the list in two pages, with something happening between; what moves from the second to the first is
        left out, what moves the other way comes twice."""
        began = self.now
        asked = period(self.since or began, began, self.horizon)

        def page():
            listed = {uid: seen(row) for uid, row in self.world.items()}
            listed = {uid: row for uid, row in listed.items() if asked.has(start_of(row.entry))}
            return dict(sorted(listed.items(), key=lambda each: (start_of(each[1].entry), each[0])))

        first = page()
        half = len(first) // 2
        rows = dict(list(first.items())[:half])
        if during is not None:
            during()
            self.now += timedelta(seconds=2)
        rows |= dict(list(page().items())[half:])
        return FakeSweep(began, asked, rows, self.world)

    def told(self, sweep, kept=None, *, stores=True):
        """Let the watcher tell of a sweep. Airflow keeps all its events, or as many as ``kept``: then it is killed."""
        changes = asyncio.run(self.watcher.take(sweep))
        self.removed = 0
        if self.view is None:
            self.view = dict(self.watcher._cursor.entries)
        for change in changes if kept is None else changes[:kept]:
            self.events.append(change)
            if change.entry is None:
                self.view.pop(change.uid, None)
            else:
                self.view[change.uid] = change.entry
        if kept is None and stores:
            for watcher, cursor in sweep.takers:
                asyncio.run(watcher.store(cursor))
        self.since = sweep.wanted_since or sweep.began
        return changes

    @rule(data=st.data(), happens=st.integers(0, 3))
    def poll(self, data, happens):
        def during():
            for _ in range(happens):
                if self.world and data.draw(st.booleans()):
                    what = data.draw(st.sampled_from(["update", "move", "cancel", "remove"]))
                    self.change_one(data, what, data.draw(st.integers(-3, 9)))
                else:
                    self.book_one(data.draw(st.integers(-1, 9)))

        self.told(self.sweep(during))

    @rule(kept=st.integers(0, 3))
    def killed_with_some_events_in_the_database(self, kept):
        self.told(self.sweep(), kept)
        self.start_up()

    @rule()
    def killed_before_the_cursor_was_stored(self):
        self.told(self.sweep(), stores=False)
        self.start_up()

    @rule()
    def killed_between_two_polls(self):
        self.start_up()

    @rule(begins=st.lists(st.integers(-1, 2), max_size=3), days=st.integers(1, 6))
    def down_for_days(self, begins, days):
        self.start_up()
        for begin in begins:
            self.book_one(begin)
        self.now += timedelta(days=days)
        self.look()

    @rule()
    def the_database_is_away(self):
        self.store.is_broken = True
        if self.watcher._cursor is not None:
            self.told(self.sweep())
        self.store.is_broken = False

    def told_since(self):
        """When the last sweep began of which all was told, as far as the watcher can know it; None at the first one."""
        cursor = self.watcher._cursor
        if cursor is None and self.store.texts:
            cursor = cursor_of(asyncio.run(Cursors(self.store, "jicoo").load()))
        return None if cursor is None else cursor.since

    # --- what must hold ---

    @rule()
    def quiet(self):
        self.look()

    def look(self):
        """With nothing happening, all is told within two sweeps; then nothing is told any more."""
        self.now += timedelta(seconds=1)
        since = self.told_since()
        sweep = self.sweep()
        self.told(sweep)
        while sweep.wanted_since is not None:
            sweep = self.sweep()
            self.told(sweep)
        # All that began since the day before the last time that all was told, however long nobody looked.
        asked = period(since or sweep.began, sweep.began, self.horizon)
        for uid, row in self.world.items():
            entry = seen(row).entry
            if asked.has(start_of(entry)):
                assert self.view.get(uid) == entry, (uid, self.view.get(uid), entry)
        # Of those it remembers it also tells that they are gone, or moved to where no sweep looks. One that was told of
        # just before a kill it does not remember: that it is gone before the next sweep cannot be seen by anybody.
        for uid, entry in self.watcher._cursor.entries.items():
            if sweep.asked.has(start_of(entry)):
                assert uid in self.world, (uid, entry)
                assert seen(self.world[uid]).entry == entry == self.view[uid]
        again = self.sweep()
        assert self.told(again) == []
        assert again.looked_up == []

    @invariant()
    def what_is_told_again_has_the_same_id(self):
        """In the consumer's table, whose key is the id, no change of a booking stands twice."""
        table = {}
        for change in self.events:
            table.setdefault(change.id, change)
            assert (table[change.id].uid, table[change.id].entry) == (change.uid, change.entry)

    @invariant()
    def the_memory_is_bounded(self):
        cursor = self.watcher._cursor
        if cursor is not None:
            assert len(cursor.entries) <= self.number


# Without shrinking: that of a rule-based machine takes longer than the machine, and the steps are printed anyhow.
Model.TestCase.settings = settings(
    max_examples=1_500 if FULL else 60,
    stateful_step_count=60 if FULL else 30,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),
)
TestModel = pytest.mark.timeout(3_600 if FULL else 120)(Model.TestCase)


def test_a_sweep_that_goes_back_for_another_watcher_tells_nothing_old_again():
    """One that was away for days asks the sweep that all share to go back as far; the others have forgotten those."""
    now = BEGIN
    world = {
        name: {
            "status": "open",
            "startedAt": times.wire(now + timedelta(hours=hours)),
            "endedAt": times.wire(now + timedelta(hours=hours + 1)),
            "createdAt": times.wire(now),
            "updatedAt": times.wire(now),
        }
        for name, hours in (("long past", -72), ("to come", 72))
    }
    watcher = Watcher(None, lambda change: True, None, 3)

    def sweep(since):
        asked = period(since, now, None)
        rows = {uid: seen(row) for uid, row in world.items() if asked.has(times.wire(times.moment(row["startedAt"])))}
        return FakeSweep(now, asked, rows, world)

    def told(since):
        return [change.uid for change in asyncio.run(watcher.take(sweep(since)))]

    assert told(now) == []
    assert told(now - timedelta(days=7)) == []
    world["to come"]["updatedAt"] = times.wire(now + timedelta(minutes=1))
    assert told(now - timedelta(days=7)) == ["to come"]
