"""One try at a plan, from taking it over to the report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from airflow_provider_jicoo.api.aio import AsyncJicooClient, WithheldError
from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.apply.change import Change
from airflow_provider_jicoo.bulk.apply.control import ReadControl, Throttle
from airflow_provider_jicoo.bulk.apply.crew import Crew
from airflow_provider_jicoo.bulk.apply.delivery import Sender, StepAside
from airflow_provider_jicoo.bulk.apply.effects import Effects
from airflow_provider_jicoo.bulk.apply.feed import Feed
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.journal import Journal
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.options import Options
from airflow_provider_jicoo.bulk.apply.pace import Pace
from airflow_provider_jicoo.bulk.apply.reading import Reader
from airflow_provider_jicoo.bulk.apply.settle import Settler
from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.bulk.apply.takeover import TAKEN, Left, Takeover
from airflow_provider_jicoo.bulk.apply.watch import Watch
from airflow_provider_jicoo.bulk.apply.way import WayError
from airflow_provider_jicoo.bulk.documents import Approval
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.bulk.files import StorePath
from airflow_provider_jicoo.bulk.journal_files import journal_of
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan.file import PlanFile
from airflow_provider_jicoo.bulk.progress import Progress
from airflow_provider_jicoo.bulk.report import Report, Timeline, write_report

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One try at a plan.

    :param settings: key, address and limits of the client.
    :param path: the plan's.
    :param plan: its changes.
    :param control: reads what the run is told while it runs.
    :param stop: ends it from outside.
    :param by: who runs it.
    :param approval: who agreed to it, and when; None where nobody was asked.
    :param tell: called with the progress every ``tell_every`` seconds, and at the end; None for nobody.
    :param effects: clock, threads, network and chance; by default those of this machine.
    """

    settings: Settings
    path: StorePath
    plan: PlanFile
    options: Options
    control: ReadControl
    stop: Stop
    by: str
    approval: Approval | None
    tell: Callable[[Progress], None] | None
    tell_every: float
    effects: Effects = field(default_factory=Effects)

    async def run(self) -> Report:
        """Carry the plan out; return the report, which is written.

        :raises StoppedError: another worker has taken over, who writes the report; or somebody has stopped the plan.
        :raises JournalDamagedError: what was sent is not known any more.
        :raises OSError: the journal or the report cannot be read or written.
        """
        timeline, gate = Timeline(), Gate(self.effects.clock)
        folder = journal_of(self.path, self.plan.header["digest"])
        journal = Journal(folder, self.options.lease, self.approval, token=self.effects.token())
        takeover = Takeover(
            self.path,
            self.plan,
            self.options,
            gate,
            journal,
            self.effects.in_thread,
            by=self.by,
            doubt=self.settings.timeout + self.settings.server_grace,
        )
        work = _Work(self, gate, journal, timeline, await takeover.take())
        await work.carry_out()
        is_written = await work.write_down()
        if gate.lost:
            raise StoppedError(TAKEN)
        try:
            # Before the release: the next worker starts right after it, and its report must replace this one, not be
            # replaced by it.
            report = await self.effects.in_thread(work.report)
        finally:
            if is_written:
                await work.release()
        await work.tell()
        if gate.error is not None and not isinstance(gate.error, JicooError):
            raise gate.error
        return report


class _Work:
    """The work that a try has to do once the plan is its own.

    :param left: what earlier tries have left.
    """

    def __init__(self, run: Run, gate: Gate, journal: Journal, timeline: Timeline, left: Left) -> None:
        options, effects, plan = run.options, run.effects, run.plan
        self._run, self._gate, self._journal, self._timeline = run, gate, journal, timeline
        self._tries = left.tries + 1
        self._throttle = Throttle(Pace(run.settings.max_requests_per_second, jitter=effects.random.random))
        self._ledger = Ledger(journal, effects.in_thread, left.entries, plan.awaited)
        self._done_before = self._ledger.done
        self._watch = Watch(
            gate,
            self._ledger,
            journal,
            self._throttle,
            timeline,
            effects.in_thread,
            timing=options.timing,
            total=len(plan),
            by=run.by,
            control=run.control,
            stop=run.stop,
            tell=run.tell,
            tell_every=run.tell_every,
        )
        self._client = AsyncJicooClient(
            run.settings,
            policy=replace(options.timing.policy, jitter=effects.random.random),
            pace=self._throttle,
            # Enough for all sends, as many read-backs, and the re-reads: the pace has assigned each request its moment,
            # and waiting for a free connection would miss it.
            transport=effects.transport(run.settings, 2 * options.concurrency + 16),
            clock=gate.now,
        )
        reader = Reader(
            self._client,
            gate,
            plan,
            most=options.timing.chunk,
            known=bool(left.entries),
            last_wait=options.timing.last_wait,
        )
        self._sender = Sender(
            self._client,
            gate,
            self._ledger,
            reader,
            options,
            terms=plan.header["terms"],
            grace=run.settings.server_grace,
            doubts_until=left.doubts_until,
        )
        self._settler = Settler(self._ledger, gate, options, len(plan))
        self._crew = Crew(self._see_through, min(options.concurrency, max(1, len(plan))))
        self._feed = Feed(plan, options, gate, self._ledger, reader, self._crew, self._settler, rates=self._rates)

    async def carry_out(self) -> None:
        """Apply the plan, and meanwhile renew the lease, obey the control and report progress."""
        async with self._client:
            await self._watch.beside(self._all_waves)

    async def write_down(self) -> bool:
        """Flush the journal, and look whether the plan is still ours; return whether everything was written."""
        try:
            await self._ledger.flush()
            await self._watch.look()
        except OSError as error:
            self._gate.close(f"the journal cannot be written: {error}", error)
            return False
        return True

    def report(self) -> Report:
        """Write the report.

        :raises OSError: it cannot be written.
        """
        return write_report(
            self._run.path,
            self._run.plan,
            self._ledger.entries,
            timeline=self._timeline,
            requests=self._throttle.requests,
            refused=self._throttle.refused,
            sent_again=self._ledger.sent_again,
            approval=self._run.approval,
            tries=self._tries,
            reason=self._gate.reason,
            error=self._gate.error if isinstance(self._gate.error, JicooError) else None,
        )

    async def release(self) -> None:
        """Release the plan, so that the next worker need not wait for this one's lease."""
        try:
            await self._run.effects.in_thread(self._journal.release)
        except OSError as error:
            log.warning("a further try waits for the lease of this one, whose end cannot be written: %s", error)

    async def tell(self) -> None:
        """Report the final progress."""
        await self._watch.tell()

    async def _all_waves(self) -> None:
        self._crew.begin()
        try:
            await self._feed.hand_out_all()
        except WithheldError:
            pass
        except JicooError as error:
            self._gate.close(f"the planned bookings could not be read: {error}", error)
        except Exception as error:
            # Unforeseen errors and a full disk: the report is written all the same.
            self._gate.close(f"{type(error).__name__}: {error}", error)
        finally:
            await self._crew.finish()

    async def _see_through(self, change: Change, step_aside: StepAside) -> bool:
        """Bring a change to its end, and tell whether that lets one more be under way."""
        try:
            entry = await self._sender.deliver(change, step_aside)
            self._settle(change, entry)
        except OSError as error:
            self._gate.close(f"the journal cannot be written: {error}", error)
            return False
        except Exception as error:
            # If this coroutine died, the changes queued behind it would wait for ever.
            self._gate.close(f"{type(error).__name__}: {error}", error)
            return False
        return entry.outcome not in (Outcome.FAILED, Outcome.NOT_ATTEMPTED)

    def _settle(self, change: Change, entry: Entry) -> None:
        try:
            self._settler.settle(change, entry)
        except WayError as error:
            log.exception("booking %s", change.uid)
            self._settler.settle(change, change.broken(error))

    def _rates(self) -> list[float]:
        """Return how many changes per second there may be: by the pace, and by what was done lately."""
        rates = [] if self._throttle.rate is None else [self._throttle.rate]
        done = self._ledger.done
        # Until some are done, the rate reflects only the start-up waits: the lease, the first re-read, a wave of one.
        if done - self._done_before >= self._run.options.timing.least_chunk:
            rates.append(self._timeline.rate(self._gate.now(), done))
        return rates
