"""Re-reads the planned bookings chunk by chunk, judges and announces them, and hands them out wave after wave."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.bulk.apply.change import Change
from airflow_provider_jicoo.bulk.apply.crew import Crew
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.judge import is_behind, is_part, messages
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.options import Options
from airflow_provider_jicoo.bulk.apply.reading import Reader
from airflow_provider_jicoo.bulk.apply.settle import Settler
from airflow_provider_jicoo.bulk.apply.waves import wave_sizes
from airflow_provider_jicoo.bulk.apply.way import Event, State
from airflow_provider_jicoo.bulk.outcomes import Outcome
from airflow_provider_jicoo.bulk.plan.file import PlanFile, PlannedChange

log = logging.getLogger(__name__)


class Feed:
    """Hands the changes of a plan to a crew, as far as no earlier try has settled them.

    :param rates: returns how many changes per second there may be, by whatever limits them now; empty while nothing is
        known.
    """

    def __init__(
        self,
        plan: PlanFile,
        options: Options,
        gate: Gate,
        ledger: Ledger,
        reader: Reader,
        crew: Crew,
        settler: Settler,
        *,
        rates: Callable[[], list[float]],
    ) -> None:
        self._plan, self._options = plan, options
        self._gate, self._ledger = gate, ledger
        self._reader, self._crew, self._settler = reader, crew, settler
        self._rates = rates

    async def hand_out_all(self) -> None:
        """Hand out all waves, each when the one before it is done; return when the run has ended or all is taken.

        :raises RequestError: the bookings cannot be read.
        :raises WithheldError: the run has ended while they were read.
        :raises OSError: the journal cannot be written.
        """
        for wave, chunk in self._chunks():
            if self._gate.closed:
                return
            changes = await self._still_as_planned(chunk)  # while those before are being sent
            if wave:
                await self._crew.all_done()
                if wave > 1 and not self._gate.closed:
                    log.info("wave %d begins, after %s changes", wave, f"{self._ledger.done:,}")
            if self._gate.closed:
                return
            # Changes that message a guest are announced one by one, right before they leave: whatever a killed worker
            # has announced is in doubt, and a messaging change in doubt is not sent. So are those still to be re-read.
            may_leave = [change for change in changes if change.state in (State.JUDGED, State.TO_REPEAT)]
            await self._ledger.announce([change for change in may_leave if not self._leaves(change)])
            await self._crew.hand_out(changes)

    def _chunks(self) -> Iterator[tuple[int, list[PlannedChange]]]:
        """Yield what is still to be done, and the number of the wave that begins with it, else 0."""
        start, most = 0, 5 * self._options.timing.least_chunk  # until it is known how fast they can be sent
        for wave, size in enumerate(wave_sizes(self._options.waves, len(self._plan)), 1):
            begins, end = wave, start + size
            while start < end:
                stop = min(start + self._chunk_size(most), end)
                most = min(self._options.timing.chunk, 2 * most)
                chunk = [planned for planned in self._plan.read(start, stop) if not self._ledger.is_final(planned.uid)]
                if chunk:
                    yield begins, chunk
                    begins = 0
                start = stop

    def _chunk_size(self, most: int) -> int:
        # A chunk waits until the one before it is sent. Four seconds' worth keeps what was read fresh.
        timing = self._options.timing
        return min(timing.chunk, most, *(max(timing.least_chunk, int(4 * rate)) for rate in self._rates()))

    async def _still_as_planned(self, chunk: list[PlannedChange]) -> list[Change]:
        """Return the changes of a chunk that are to be handed out, and record what became of the others.

        Those that are not read one by one right before they leave are read here.
        """
        changes = [self._change(planned) for planned in chunk]
        listed = [change for change in changes if not self._options.reads_each(messages=change.messages)]
        at = self._gate.now()
        now = await self._reader.many([change.planned for change in listed]) if listed else {}
        # A messaging change that an earlier try left in doubt is read back over the server's grace, not judged here.
        for change in listed:
            if not (change.state is State.LEFT_IN_DOUBT and self._leaves(change)):
                change.read_at = at
                entry = change.judge(now.get(change.uid), skip_stamp=self._options.on_stamp == "skip")
                if entry is None:
                    change.happens(Event.AS_PLANNED)
                elif entry.outcome is Outcome.UNCHANGED or _may_be_otherwise(change, now.get(change.uid)):
                    # A lagging list may show the booking as it was before the change that this undo takes back: read
                    # the booking itself before calling it unchanged.
                    change.read_at = None
                else:
                    self._settler.settle(change, entry)
        return [change for change in changes if not change.is_over]

    def _leaves(self, change: Change) -> bool:
        return self._options.leaves(messages=change.messages)

    def _change(self, planned: PlannedChange) -> Change:
        doubt = self._ledger.entries[planned.uid] if self._ledger.in_doubt(planned.uid) else None
        return Change(planned, messages=messages(planned, self._plan.header["terms"]), doubt=doubt)


def _may_be_otherwise(change: Change, read: Booking | RequestError | None) -> bool:
    """Tell whether a booking may be other than a list shows it: as gone, as before the plan, or a part of it."""
    if isinstance(read, RequestError):
        return False
    if read is not None and is_part(change.planned, read):
        return True
    return not change.may_have_arrived and (read is None or is_behind(change.planned, read))
