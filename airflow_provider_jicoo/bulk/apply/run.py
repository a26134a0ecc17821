"""One try at a plan, from taking it over to the report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.aio import AsyncJicooClient, WithheldError
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.apply.change import Change, Sending
from airflow_provider_jicoo.bulk.apply.control import ReadControl, Throttle
from airflow_provider_jicoo.bulk.apply.effects import Effects
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.journal import History, Journal, history
from airflow_provider_jicoo.bulk.apply.judge import blocked_by_slot, messages
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.options import Options
from airflow_provider_jicoo.bulk.apply.pace import Pace
from airflow_provider_jicoo.bulk.apply.reading import Reader
from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.bulk.apply.watch import Watch
from airflow_provider_jicoo.bulk.apply.waves import Tolerance, wave_sizes
from airflow_provider_jicoo.bulk.documents import Approval
from airflow_provider_jicoo.bulk.errors import BulkFailedError, JournalDamagedError, StoppedError
from airflow_provider_jicoo.bulk.files import StorePath
from airflow_provider_jicoo.bulk.journal_files import journal_of
from airflow_provider_jicoo.bulk.outcomes import BAD, Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlanFile, PlannedChange
from airflow_provider_jicoo.bulk.progress import Progress
from airflow_provider_jicoo.bulk.report import Report, Timeline, is_reported, write_report

log = logging.getLogger(__name__)

_FIRST = 2
"""Changes under way at once at the beginning; each answer lets one more begin, so that a limit that nobody knows is met
by few requests and not by all that may be under way at once."""

_Queue = asyncio.Queue["Change | asyncio.Event | None"]
"""Changes in their order, before each chunk of them what to set when its turn has come, and the end."""


class Run:
    """One try at a plan.

    :param settings: key, address and limits of the client.
    :param path: the plan's.
    :param lines: its changes.
    :param control: reads what the run is told while it runs.
    :param stop: ends it from outside.
    :param by: who runs it.
    :param approval: who agreed to it, and when; None where nobody was asked.
    :param tell: called with the progress every ``tell_every`` seconds, and at the end; None for nobody.
    :param effects: clock, threads, network and chance; by default those of this machine.
    """

    def __init__(
        self,
        settings: Settings,
        path: StorePath,
        lines: PlanFile,
        options: Options,
        *,
        control: ReadControl,
        stop: Stop,
        by: str,
        approval: Approval | None,
        tell: Callable[[Progress], None] | None,
        tell_every: float,
        effects: Effects | None = None,
    ) -> None:
        self._settings = settings
        self._path = path
        self._lines = lines
        self._options = options
        self._control, self._stop, self._by = control, stop, by
        self._tell, self._tell_every = tell, tell_every
        self._approval = approval
        self._effects = effects = effects or Effects()
        self._journal = Journal(
            journal_of(path, lines.header["digest"]), options.lease, approval, token=effects.token()
        )
        self._throttle = Throttle(Pace(settings.max_requests_per_second, jitter=effects.random.random))
        self._timeline = Timeline()
        self._tolerance = Tolerance(options.tolerated_failures)

    async def run(self) -> Report:
        """Carry the plan out; return the report, which is written.

        :raises StoppedError: another worker has taken over, who writes the report; or somebody has stopped the plan.
        :raises JournalDamagedError: what was sent is not known any more.
        """
        self._gate = Gate(self._effects.clock)
        found = await self._take_over()
        self._ledger = Ledger(self._journal, self._effects.in_thread, found.entries, self._lines.awaited)
        self._watch = Watch(
            self._gate,
            self._ledger,
            self._journal,
            self._throttle,
            self._timeline,
            self._effects.in_thread,
            total=len(self._lines),
            by=self._by,
            control=self._control,
            stop=self._stop,
            tell=self._tell,
            tell_every=self._tell_every,
            tick=self._options.timing.tick,
        )
        client = AsyncJicooClient(
            self._settings,
            policy=replace(self._options.timing.policy, jitter=self._effects.random.random),
            pace=self._throttle,
            # Those under way, those that are read back meanwhile, and the readings: none waits for a connection, since
            # it was let through for this moment.
            transport=self._effects.transport(self._settings, 2 * self._options.concurrency + 16),
            clock=self._effects.clock,
        )
        async with client:
            self._reader = Reader(
                client,
                self._gate,
                self._lines,
                most=self._options.timing.chunk,
                known=bool(self._ledger.entries),
                last_wait=self._options.timing.last_wait,
            )
            self._sending = Sending(
                client,
                self._gate,
                self._ledger,
                self._reader,
                self._options,
                terms=self._lines.header["terms"],
                close=self._watch.close,
                grace=self._settings.server_grace,
                doubts_until=self._doubts_until,
            )
            self._watch.sent_again = lambda: self._sending.sent_again
            await self._watched(self._all_waves())
        await self._close_journal()
        if self._gate.lost:
            raise StoppedError("another worker has taken this plan over, and goes on with it")
        report = await self._effects.in_thread(self._report, found.claims + 1)
        await self._watch.tell()
        if self._gate.error is not None and not isinstance(self._gate.error, errors.JicooError):
            raise self._gate.error
        return report

    async def _close_journal(self) -> None:
        try:
            await self._ledger.flush()
            await self._watch.look()
            if not self._gate.lost:
                await self._effects.in_thread(self._journal.release)
        except OSError as error:
            self._watch.close(f"the journal cannot be written: {error}", error)

    # --- taking over -------------------------------------------------------------------------------------------------

    async def _take_over(self) -> History:
        """Claim the plan, wait until no other worker can be sending, and read what earlier ones have left."""
        folder = journal_of(self._path, self._lines.header["digest"])
        found = await self._effects.in_thread(history, folder)
        if found.stopped_by and found.stopped_by == self._by:
            raise StoppedError(
                "somebody has stopped this plan by its control; a retry does not go on with it. To go on, a person "
                "clears the task",
                permanent=True,
            )
        claimed = self._effects.clock()
        await self._effects.in_thread(self._journal.claim, found)
        await self._look_alone()
        # Whoever claims at the same moment, or sends by an earlier claim, has seen this one when the lease is over.
        alone = claimed + max(self._journal.lease_before, self._journal.lease if self._sends_messages() else 0.0)
        self._gate.let_messages_leave(alone)
        self._doubts_until = 0.0
        again = found
        if not found.released:
            log.info("waiting %.0f s for the lease of an earlier worker", self._journal.lease_before)
            await self._wait_as_owner(self._journal.lease_before)
            again = await self._effects.in_thread(history, folder)
            self._doubts_until = self._effects.clock() + self._settings.server_grace
        again.claims = found.claims
        if not found.claims and await self._effects.in_thread(is_reported, self._path, self._lines.header["digest"]):
            again.damage.append("all of it is missing, though there is a report of this plan")
        self._mind_damage(again)
        if again.claims:
            settled = sum(entry.outcome not in (None, Outcome.UNKNOWN) for entry in again.entries.values())
            log.info(
                "taking over from %d earlier tries: %s changes have an outcome, %s are in doubt",
                again.claims,
                f"{settled:,}",
                f"{len(again.entries) - settled:,}",
            )
        return again

    def _sends_messages(self) -> bool:
        """Tell whether any change of the plan messages a guest."""
        return bool(self._lines.header.get("guests_notified", 1))

    async def _look_alone(self) -> None:
        looked = self._effects.clock()
        if not await self._effects.in_thread(self._journal.mine):
            raise StoppedError("another worker has taken this plan over, and goes on with it")
        self._gate.renew(looked, self._journal.lease)

    async def _wait_as_owner(self, seconds: float) -> None:
        """Wait, and look now and then whether the plan is still ours."""
        until = self._effects.clock() + seconds
        while (left := until - self._effects.clock()) > 0:
            await asyncio.sleep(min(left, self._journal.lease / 3))
            await self._look_alone()

    def _mind_damage(self, found: History) -> None:
        """Where a part of the journal is gone, anything without an outcome may have been sent.

        :raises JournalDamagedError: a guest could be messaged twice.
        """
        if not found.damage:
            return
        damage = "; ".join(found.damage[:5])
        log.warning("the journal is damaged: %s. What it says nothing of is read back before it is sent", damage)
        open_uids = [line for line in self._lines if line.uid not in found.entries]
        if self._options.on_doubt != "again" and any(messages(line, self._lines.header["terms"]) for line in open_uids):
            raise JournalDamagedError(
                f"the journal {journal_of(self._path, self._lines.header['digest'])} is damaged: {damage}. Whether the "
                "guests of the bookings that it says nothing of were messaged is not known. Look at these bookings, "
                'then make a new plan, or go on with on_doubt="again": what is read as not made is then sent'
            )
        found.entries.update((line.uid, Entry(sends=1)) for line in open_uids)

    # --- working -----------------------------------------------------------------------------------------------------

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, and meanwhile renew the lease, obey the control and tell how far it is."""
        watching = [asyncio.ensure_future(self._watch.keep_lease()), asyncio.ensure_future(self._watch.tick())]
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait([working, *watching], return_when=asyncio.FIRST_COMPLETED)
            for watcher in watching:
                error = watcher.exception() if watcher.done() else None
                if error is not None:
                    # A control that cannot be understood, a disk that is full: end in order, then say so.
                    self._watch.close(f"{error}", error if isinstance(error, OSError) else None)
            await working
        finally:
            for watcher in watching:
                watcher.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _all_waves(self) -> None:
        await self._obey_first()
        queue: _Queue = asyncio.Queue()
        self._workers: set[asyncio.Task[None]] = set()
        self._asides: set[asyncio.Task[None]] = set()
        self._most_workers = min(self._options.concurrency, max(1, len(self._lines)))
        for _ in range(min(_FIRST, self._most_workers)):
            self._hire(queue)
        try:
            await self._produce(queue)
        except WithheldError:
            pass
        except errors.JicooError as error:
            self._watch.close(f"the planned bookings could not be read: {error}", error)
        except Exception as error:
            # What nobody thought of, and a full disk: the report is written nevertheless.
            self._watch.close(f"{type(error).__name__}: {error}", error)
        finally:
            queue.put_nowait(None)
            while pending := {*self._workers, *self._asides}:
                await asyncio.gather(*pending)
                # Theirs takes the loop's next turn, which from Python 3.12 on never comes where all were done already.
                self._workers -= pending
                self._asides -= pending

    async def _obey_first(self) -> None:
        try:
            await self._watch.obey()
        except (errors.JicooError, OSError) as error:
            self._watch.close(f"{error}", error if isinstance(error, OSError) else None)

    def _hire(self, queue: _Queue) -> None:
        worker = asyncio.ensure_future(self._work(queue))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _produce(self, queue: _Queue) -> None:
        """Read the bookings again, chunk by chunk, and announce and queue those that are still as planned."""
        for wave, chunk in self._chunks():
            if self._gate.closed:
                return
            ready = await self._still_as_planned(chunk)  # while those before are being sent
            if wave:
                await queue.join()
                if wave > 1 and not self._gate.closed:
                    log.info("wave %d begins, after %s changes", wave, f"{self._ledger.done:,}")
            if self._gate.closed:
                return
            # What messages a guest is announced one by one, when it leaves: what a killed worker has announced is in
            # doubt, and what is in doubt is not sent.
            quiet = [change for change in ready if not change.messages]
            if quiet:
                await self._ledger.announce(*(change.line.uid for change in quiet))
                for change in quiet:
                    change.announced = True
            begun = asyncio.Event()
            queue.put_nowait(begun)
            for change in ready:
                queue.put_nowait(change)
            await begun.wait()

    def _chunks(self) -> Iterator[tuple[int, list[PlannedChange]]]:
        """Yield what is still to be done, and the number of the wave that begins with it, else 0."""
        start, most = 0, 5 * self._options.timing.least_chunk  # until it is known how fast they can be sent
        for wave, size in enumerate(wave_sizes(self._options.waves, len(self._lines)), 1):
            begins, end = wave, start + size
            while start < end:
                stop = min(start + self._chunk_size(most), end)
                most = min(self._options.timing.chunk, 2 * most)
                chunk = [line for line in self._lines.read(start, stop) if not self._ledger.is_final(line.uid)]
                if chunk:
                    yield begins, chunk
                    begins = 0
                start = stop

    def _chunk_size(self, most: int) -> int:
        # Those that are read next wait for those that are being sent: together for some seconds.
        rates = [rate for rate in (self._throttle.rate, self._timeline.rate() or None) if rate is not None]
        timing = self._options.timing
        return min(timing.chunk, most, *(max(timing.least_chunk, int(4 * rate)) for rate in rates))

    async def _still_as_planned(self, chunk: list[PlannedChange]) -> list[Change]:
        terms = self._lines.header["terms"]
        listed = [line for line in chunk if not self._options.reads_each(messages=messages(line, terms))]
        at = self._effects.clock()
        now = await self._reader.many(listed) if listed else {}
        here = {line.uid for line in listed}
        ready = []
        for line in chunk:
            change = Change(self._sending, line, at if line.uid in here else None, messages=messages(line, terms))
            if change.read_at is None or (change.inherited and change.messages):
                ready.append(change)
                continue
            entry = change.judge(now.get(line.uid))
            if entry is None:
                ready.append(change)
            elif entry.outcome is Outcome.UNCHANGED:
                # A list may lag behind, and show a booking as it was before the change that an undo is to take back.
                change.read_at = None
                ready.append(change)
            else:
                self._record(change, entry)
        return ready

    async def _work(self, queue: _Queue) -> None:
        while (item := await queue.get()) is not None:
            if isinstance(item, asyncio.Event):
                item.set()
                queue.task_done()
            elif item.messages:
                await self._send_aside(item, queue)
            else:
                await self._send(item, queue)
                if item.watching is None:
                    queue.task_done()
                elif len(self._asides) >= self._options.concurrency:
                    await asyncio.wait([item.watching])
        queue.put_nowait(None)  # for the next worker

    async def _send_aside(self, change: Change, queue: _Queue) -> None:
        """Send a change in a task of its own: where it has to be read back for long, the worker goes on meanwhile."""
        change.aside = asyncio.Event()
        task = self._aside(self._send(change, queue), queue)
        waiting = asyncio.ensure_future(change.aside.wait())
        # Not more in doubt than under way at once: a server that answers nothing must not be sent the whole plan.
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not task.done() and len(self._asides) >= self._options.concurrency:
            await asyncio.wait([task])

    def _aside(self, work: Coroutine[Any, Any, None], queue: _Queue) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._asides.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._asides.discard(task)
            queue.task_done()

        task.add_done_callback(ended)
        return task

    async def _send(self, change: Change, queue: _Queue) -> None:
        """Send a change when the bookings that are to leave its slot have left it, and record what became of it."""
        line = change.line
        for uid in line.waits_for:
            await self._ledger.slot_left(uid)
        held = None if self._gate.closed else blocked_by_slot(line, self._ledger.entries.get)
        if held is not None:
            self._record(change, Entry(held[0], None, held[1], sends=change.sends))
            return
        try:
            came = await change.deliver()
        except OSError as error:
            self._watch.close(f"the journal cannot be written: {error}", error)
            return
        if not change.refused:
            self._grow(queue)
        if came is None:
            if change.announced:
                self._ledger.withdraw(line.uid, inherited=change.inherited)
        elif isinstance(came, Entry):
            self._record(change, came)
        elif change.aside is not None:
            change.aside.set()
            self._record(change, await change.watch(came))
        else:
            change.watching = self._aside(self._watch_change(change, came), queue)

    async def _watch_change(self, change: Change, booking: Any) -> None:
        self._record(change, await change.watch(booking))

    def _grow(self, queue: _Queue) -> None:
        if len(self._workers) < self._most_workers:
            self._hire(queue)

    def _record(self, change: Change, entry: Entry) -> None:
        self._ledger.record(change.line.uid, entry, inherited=change.inherited)
        if entry.outcome in BAD or entry.outcome is Outcome.STALE:
            self._check_tolerance()

    def _check_tolerance(self) -> None:
        bad, stale = sum(self._ledger.bad.values()), self._ledger.counts[Outcome.STALE]
        if self._options.on_stale == "fail" and stale:
            reason = f"{stale} bookings were edited since the plan was made"
            self._watch.close(reason, BulkFailedError(reason, permanent=True))
        elif self._tolerance.exceeded(bad, len(self._lines)):
            reason = f"{bad} changes went wrong, and {self._options.tolerated_failures} are tolerated"
            for_good = self._tolerance.exceeded(self._ledger.counts[Outcome.REJECTED], len(self._lines))
            self._watch.close(reason, BulkFailedError(reason, permanent=for_good))

    def _report(self, tries: int) -> Report:
        return write_report(
            self._path,
            self._lines,
            self._ledger.entries,
            timeline=self._timeline,
            requests=self._throttle.requests,
            refused=self._throttle.refused,
            sent_again=self._sending.sent_again,
            approval=self._approval,
            tries=tries,
            reason=self._gate.reason,
            error=self._gate.error if isinstance(self._gate.error, errors.JicooError) else None,
        )
