"""What goes on beside the work: the lease is renewed, the control obeyed, and progress told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from airflow_provider_jicoo.bulk.apply.control import ReadControl, Throttle, parse
from airflow_provider_jicoo.bulk.apply.effects import InThread
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.journal import Journal
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.bulk.progress import Progress, named
from airflow_provider_jicoo.bulk.report import Timeline

log = logging.getLogger(__name__)

_FLUSH = 2.0
"""Seconds after which outcomes are written also where nothing else is."""


class Watch:
    """Keeps a run's lease, obeys its control, and tells how far it is.

    :param in_thread: runs what blocks.
    :param total: planned changes.
    :param by: who runs it, noted at a stop.
    :param tell: called with the progress; None for nobody.
    :param tell_every: seconds between two calls of it.
    :param tick: seconds between two looks at the control.
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
        total: int,
        by: str,
        control: ReadControl,
        stop: Stop,
        tell: Callable[[Progress], None] | None,
        tell_every: float,
        tick: float,
    ) -> None:
        self._gate, self._ledger, self._journal = gate, ledger, journal
        self._throttle, self._timeline = throttle, timeline
        self._in_thread = in_thread
        self._total, self._by = total, by
        self._control, self._stop = control, stop
        self._tell, self._tell_every, self._tick = tell, tell_every, tick
        self._ceiling: float | None = None
        self.sent_again: Callable[[], int] = lambda: 0

    async def look(self) -> None:
        """Look whether the plan is still ours; if so, sending is allowed for the time of a lease from before that.

        :raises OSError: the journal cannot be read.
        """
        before = self._gate.now()
        if await self._in_thread(self._journal.mine):
            self._gate.renew(before, self._journal.lease)
        else:
            self._gate.lose()
            self._ledger.let_go()

    async def keep_lease(self) -> None:
        """Look again and again, until another worker has taken the plan."""
        while not self._gate.lost:
            await asyncio.sleep(self._journal.lease / 3)
            await self.look()

    async def obey(self) -> None:
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
            self.close(reason, StoppedError(reason, permanent=True))
        if self._stop.asked:
            self.close(self._stop.reason)
        if control.state == "pause":
            if self._gate.pause():
                log.info("paused at %s of %s changes", f"{self._ledger.done:,}", f"{self._total:,}")
        elif self._gate.go_on():
            log.info("going on after the pause")

    def close(self, reason: str, error: Exception | None = None) -> None:
        """Take no new work, and let go of what waits to be sent. The first reason counts."""
        self._gate.close(reason, error)
        self._ledger.let_go()

    async def tick(self) -> None:
        """Obey, sample, write and tell, again and again."""
        told = flushed = self._gate.now()
        while True:
            await self.obey()
            now = self._gate.now()
            self._timeline.sample(
                now, self._ledger.done, self._throttle.requests, self._throttle.refused, self._throttle.rate
            )
            if now - flushed >= _FLUSH:
                flushed = now
                await self._ledger.flush()
            if now - told >= self._tell_every:
                told = now
                await self.tell()
            await asyncio.sleep(self._tick)

    async def tell(self) -> None:
        """Tell how far the run is."""
        if self._tell is None:
            return
        done, rate = self._ledger.done, self._timeline.rate()
        progress = Progress(
            self._total,
            named(self._ledger.counts),
            rate,
            (self._total - done) / rate if rate and not self._gate.paused else None,
            adjusted=self._ledger.adjusted,
            sent_again=self.sent_again(),
            paused=self._gate.paused,
        )
        # In a thread: whoever is told may write somewhere, and blocks nobody there.
        await self._in_thread(self._tell, progress)
