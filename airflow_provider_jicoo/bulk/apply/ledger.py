"""What is known of each change of a run, and the one place that writes it to the journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.bulk.apply.change import Change
from airflow_provider_jicoo.bulk.apply.effects import InThread
from airflow_provider_jicoo.bulk.apply.journal import Journal, outcome_line
from airflow_provider_jicoo.bulk.apply.way import Event
from airflow_provider_jicoo.bulk.documents import OutcomeLine
from airflow_provider_jicoo.bulk.entries import Entries
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome


class Ledger:
    """Outcomes and intents of a run.

    To be made within the event loop that uses it. ``entries`` has what is known by uid: an entry without an outcome is
    in doubt. ``counts`` counts the outcomes, including final ones of earlier tries; ``bad`` those of this try that
    count as failures, without changes that an earlier try left in doubt. ``sent_again`` is how often a change was sent
    again or read back.

    :param journal: where it is written.
    :param in_thread: runs what blocks.
    :param entries: what earlier tries have left.
    :param awaited: ids of the bookings that others wait for, to take their slots.
    """

    def __init__(self, journal: Journal, in_thread: InThread, entries: Entries, awaited: Iterable[str]) -> None:
        self.entries = entries
        self.counts: Counter[Outcome] = Counter()
        self.bad: Counter[Outcome] = Counter()
        self.adjusted = 0
        self.sent_again = 0
        self._journal = journal
        self._in_thread = in_thread
        self._outcomes: list[OutcomeLine] = []
        self._intents: list[str] = []
        self._writing = asyncio.Lock()
        self._slot_left = {uid: asyncio.Event() for uid in awaited}
        for uid, entry in entries.items():
            if entry.outcome is not None and entry.outcome.is_final:
                self.counts[entry.outcome] += 1
                self.adjusted += entry.adjusted
                self._leave_slot(uid)

    def is_final(self, uid: str) -> bool:
        """Tell whether a change has an outcome that a further try leaves as it is."""
        entry = self.entries.get(uid)
        return entry is not None and entry.outcome is not None and entry.outcome.is_final

    def in_doubt(self, uid: str) -> bool:
        """Tell whether an earlier try may have made a change, and nobody knows.

        Also what has failed, if it was sent: a server may have made it after it was read back.
        """
        entry = self.entries.get(uid)
        if entry is None:
            return False
        return entry.outcome in (None, Outcome.UNKNOWN) or (entry.outcome is Outcome.FAILED and entry.sends > 0)

    @property
    def done(self) -> int:
        """How many changes have an outcome."""
        return sum(self.counts.values())

    def record(self, change: Change, entry: Entry) -> None:
        """Record what became of a change.

        What an earlier try left in doubt and stays unknown is no sign that something goes wrong now.

        :raises WayError: it cannot have become that.
        """
        assert entry.outcome is not None, f"{change.uid} is recorded without an outcome"
        was_announced, may_have_arrived = change.is_announced, change.may_have_arrived
        change.ends(entry.outcome)
        match entry.outcome:
            case Outcome.APPLIED | Outcome.UNCHANGED | Outcome.STALE:
                pass
            case Outcome.REJECTED | Outcome.FAILED:
                self.bad[entry.outcome] += 1
            case Outcome.UNKNOWN:
                self.bad[entry.outcome] += not change.is_inherited
            case Outcome.NOT_ATTEMPTED:
                self.entries.pop(change.uid, None)
                if was_announced and may_have_arrived:
                    # What an earlier try left in doubt was read as not made, but may be made yet: it stays in doubt.
                    # The intent of this try, which has not sent it, would count as one sending more.
                    entry = replace(entry, outcome=Outcome.UNKNOWN)
                    self._outcomes.append(outcome_line(change.uid, entry))
                elif was_announced:
                    self._outcomes.append({"uid": change.uid, "outcome": None})
                return
            case _:
                assert_never(entry.outcome)
        entry.detail = _printable(entry.detail)
        self.entries[change.uid] = entry
        self.counts[entry.outcome] += 1
        self.adjusted += entry.adjusted
        self._outcomes.append(outcome_line(change.uid, entry))
        self._leave_slot(change.uid)

    async def announce(self, changes: Sequence[Change]) -> None:
        """Write the intents of some changes; return when they are durable.

        Intents that arrive while a segment is being written go together into the next one: one fsync for all of them.

        :raises OSError: it cannot be written.
        """
        self._intents += [change.uid for change in changes]
        async with self._writing:
            if any(change.uid in self._intents for change in changes):
                await self._write()
        for change in changes:
            change.happens(Event.ANNOUNCE)

    async def flush(self) -> None:
        """Write the outcomes and intents that are not in the journal yet.

        :raises OSError: the journal cannot be written.
        """
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        intents, self._intents = self._intents, []
        writing = asyncio.ensure_future(self._in_thread(self._journal.write, outcomes, intents))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The thread cannot be cancelled. The next write has to wait for it: both would write the same segment.
            await asyncio.wait([writing])
            raise
        finally:
            if not writing.done() or writing.cancelled() or writing.exception() is not None:
                self._outcomes[:0], self._intents[:0] = outcomes, intents

    def slot_left(self, uid: str) -> asyncio.Event | None:
        """Return what is set once a booking that others wait for has an outcome; None where nobody waits for it."""
        return self._slot_left.get(uid)

    def _leave_slot(self, uid: str) -> None:
        left = self._slot_left.get(uid)
        if left is not None:
            left.set()


def _printable(text: str) -> str:
    """Return a text that every file takes: what Jicoo says may have half of a surrogate pair in it."""
    return text.encode("utf-8", "replace").decode()
