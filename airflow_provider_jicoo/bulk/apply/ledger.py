"""What is known of each change of a run, and the one place that writes it to the journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

from airflow_provider_jicoo.bulk.apply.effects import InThread
from airflow_provider_jicoo.bulk.apply.journal import Journal, outcome_line
from airflow_provider_jicoo.bulk.outcomes import BAD, FINAL, Entry, Outcome


class Ledger:
    """Outcomes and intents of a run.

    To be made within the event loop that uses it. ``entries`` has what is known by uid: an entry without an outcome is
    in doubt. ``counts`` counts the outcomes, also those of earlier tries that are final; ``bad`` those of this try that
    went wrong, but for what an earlier try left in doubt.

    :param journal: where it is written.
    :param in_thread: runs what blocks.
    :param entries: what earlier tries have left.
    :param awaited: ids of the bookings that others wait for, to take their slots.
    """

    def __init__(
        self, journal: Journal, in_thread: InThread, entries: dict[str, Entry], awaited: Iterable[str]
    ) -> None:
        self.entries = entries
        self.counts: Counter[Outcome] = Counter()
        self.bad: Counter[Outcome] = Counter()
        self.adjusted = 0
        self._journal = journal
        self._in_thread = in_thread
        self._outcomes: list[dict[str, Any]] = []
        self._intents: list[str] = []
        self._writing = asyncio.Lock()
        self._slot_left = {uid: asyncio.Event() for uid in awaited}
        for uid, entry in entries.items():
            if entry.outcome in FINAL:
                self.counts[entry.outcome] += 1
                self.adjusted += entry.adjusted
                self._leave_slot(uid)

    def is_final(self, uid: str) -> bool:
        """Tell whether a change has an outcome that a further try leaves as it is."""
        entry = self.entries.get(uid)
        return entry is not None and entry.outcome in FINAL

    def in_doubt(self, uid: str) -> bool:
        """Tell whether an earlier try may have made a change, and nobody knows."""
        entry = self.entries.get(uid)
        return entry is not None and entry.outcome in (None, Outcome.UNKNOWN)

    @property
    def done(self) -> int:
        """How many changes have an outcome."""
        return sum(self.counts.values())

    def record(self, uid: str, entry: Entry, *, inherited: bool = False) -> None:
        """Record the outcome of a change.

        :param inherited: an earlier try left it in doubt: that it stays unknown is no sign that something goes wrong
            now.
        """
        assert entry.outcome is not None, f"{uid} is recorded without an outcome"
        entry.detail = _printable(entry.detail)
        self.entries[uid] = entry
        self.counts[entry.outcome] += 1
        self.adjusted += entry.adjusted
        if entry.outcome in BAD and not (inherited and entry.outcome is Outcome.UNKNOWN):
            self.bad[entry.outcome] += 1
        self._outcomes.append(outcome_line(uid, entry))
        self._leave_slot(uid)

    def withdraw(self, uid: str, *, inherited: bool = False) -> None:
        """Take an intent back: the change was announced, but never left.

        :param inherited: an earlier try left it in doubt. It was read as not made, but may be made yet: for a further
            try it stays in doubt.
        """
        self.entries.pop(uid, None)
        if not inherited:
            self._outcomes.append({"uid": uid, "outcome": None})

    async def announce(self, *uids: str) -> None:
        """Write that these are about to be sent; return when that is durable.

        Those who come while somebody else's is being written are written together.

        :raises OSError: it cannot be written.
        """
        self._intents += uids
        async with self._writing:
            if any(uid in self._intents for uid in uids):
                await self._write()

    async def flush(self) -> None:
        """Write what there is to write.

        :raises OSError: it cannot be written.
        """
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        intents, self._intents = self._intents, []
        try:
            await self._in_thread(self._journal.write, outcomes, intents)
        except BaseException:
            self._outcomes[:0], self._intents[:0] = outcomes, intents
            raise

    async def slot_left(self, uid: str) -> None:
        """Return when a booking that others wait for has an outcome, or the run has ended."""
        if uid in self._slot_left:
            await self._slot_left[uid].wait()

    def let_go(self) -> None:
        """Let go of all that wait for a slot: the run has ended."""
        for left in self._slot_left.values():
            left.set()

    def _leave_slot(self, uid: str) -> None:
        left = self._slot_left.get(uid)
        if left is not None:
            left.set()


def _printable(text: str) -> str:
    """Return a text that every file takes: what Jicoo says may have half of a surrogate pair in it."""
    return text.encode("utf-8", "replace").decode()
