"""Runs alongside the changes: renews the lease, obeys the control, reports progress."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.bulk.apply.control import ReadControl, Throttle, parse
from airflow_provider_jicoo.bulk.apply.effects import InThread
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.journal import Journal
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.options import Timing
from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.bulk.progress import Progress, named
from airflow_provider_jicoo.bulk.report import Timeline

log = logging.getLogger(__name__)


class Watch:
    """Keeps a run's lease, obeys its control, and tells how far it is.

    :param in_thread: runs what blocks.
    :param timing: how often it reads the control, and flushes outcomes to the journal.
    :param total: planned changes.
    :param by: who runs it, noted at a stop.
    :param tell: called with the progress, or None.
    :param tell_every: seconds between two calls of it.
    """

    def __init__(
        self,
        gate: Gate,
        ledger: Ledger,
        journal: Journal,
        throttle: Throttle,
        timeline: Timeline,
        in_thread: InThread,
        *,
        timing: Timing,
        total: int,
        by: str,
        control: ReadControl,
        stop: Stop,
        tell: Callable[[Progress], None] | None,
        tell_every: float,
    ) -> None:
        self._gate, self._ledger, self._journal = gate, ledger, journal
        self._throttle, self._timeline = throttle, timeline
        self._in_thread = in_thread
        self._total, self._by = total, by
        self._control, self._stop = control, stop
        self._tell, self._tell_every = tell, tell_every
        self._timing = timing
        self._ceiling: float | None = None

    async def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what the control says, then the work, and keep watch beside it.

        A control that cannot be understood, or a disk that is full, ends the work in order.
        """
        watching = [asyncio.ensure_future(self._keep_lease())]
        try:
            # Before the first tick, not concurrently with it: both would obey the same stop and write it down.
            await self._obey_first()
            watching.append(asyncio.ensure_future(self._tick()))
            working = asyncio.ensure_future(work())
            await asyncio.wait([working, *watching], return_when=asyncio.FIRST_COMPLETED)
            for watcher in watching:
                error = watcher.exception() if watcher.done() else None
                if error is not None:
                    self._end(error)
            await working
        finally:
            for watcher in watching:
                watcher.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _obey_first(self) -> None:
        """Do what the control says before anything is sent."""
        try:
            await self._obey()
        except (JicooError, OSError) as error:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        # A time-out of an object store has no text.
        self._gate.close(str(error) or type(error).__name__, error if isinstance(error, OSError) else None)

    async def look(self) -> None:
        """Look whether the plan is still ours; if so, sending is allowed for the time of a lease from before that.

        :raises OSError: the journal cannot be read.
        """
        before = self._gate.now()
        if await self._in_thread(self._journal.mine):
            self._gate.renew(before, self._journal.lease)
        else:
            self._gate.lose()

    async def _keep_lease(self) -> None:
        """Look again and again, until another worker has taken the plan."""
        while not self._gate.lost:
            await asyncio.sleep(self._journal.lease / 3)
            await self.look()

    async def _obey(self) -> None:
        """Do what the control and a stop from outside say now.

        :raises PlanError: the control cannot be understood.
        :raises OSError: it cannot be read.
        """
        control = parse(await self._in_thread(self._control))
        if control.max_requests_per_second != self._ceiling:
            self._ceiling = control.max_requests_per_second
            said = "no ceiling" if self._ceiling is None else f"at most {self._ceiling:g} requests per second"
            log.info("told by the control: %s from now on", said)
        self._throttle.limit(self._ceiling)
        if control.state == "stop" and not self._gate.closed:
            await self._in_thread(self._journal.note_stop, self._by)
            reason = "it was told to stop"
            self._gate.close(reason, StoppedError(reason, permanent=True))
        if self._stop.asked:
            self._gate.close(self._stop.reason)
        if control.state == "pause":
            if self._gate.pause():
                log.info("paused at %s of %s changes", f"{self._ledger.done:,}", f"{self._total:,}")
        elif self._gate.go_on():
            log.info("going on after the pause")

    async def _tick(self) -> None:
        """Obey, sample, write and tell, again and again."""
        told = flushed = self._gate.now()
        while True:
            await self._obey()
            now = self._gate.now()
            self._timeline.sample(
                now, self._ledger.done, self._throttle.requests, self._throttle.refused, self._throttle.rate
            )
            if now - flushed >= self._timing.flush:
                flushed = now
                await self._ledger.flush()
            if now - told >= self._tell_every:
                told = now
                await self.tell()
            await asyncio.sleep(self._timing.tick)

    async def tell(self) -> None:
        """Tell how far the run is."""
        if self._tell is None:
            return
        done, rate = self._ledger.done, self._timeline.rate(self._gate.now(), self._ledger.done)
        progress = Progress(
            self._total,
            named(self._ledger.counts),
            rate,
            (self._total - done) / rate if rate and not self._gate.paused else None,
            adjusted=self._ledger.adjusted,
            sent_again=self._ledger.sent_again,
            paused=self._gate.paused,
            timeline=self._timeline.json(),
        )
        # In a thread: the callback may do blocking I/O.
        await self._in_thread(self._tell, progress)
