"""Take a plan over from whoever was at it before, and learn what they have left."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from airflow_provider_jicoo.bulk.apply.effects import InThread
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.journal import History, Journal, history
from airflow_provider_jicoo.bulk.apply.judge import messages
from airflow_provider_jicoo.bulk.apply.options import Options
from airflow_provider_jicoo.bulk.entries import Entries
from airflow_provider_jicoo.bulk.errors import JournalDamagedError, StoppedError
from airflow_provider_jicoo.bulk.files import StorePath
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan.file import PlanFile
from airflow_provider_jicoo.bulk.report import is_reported

log = logging.getLogger(__name__)
TAKEN = "another worker has taken this plan over, and goes on with it"


@dataclass(frozen=True)
class Left:
    """What earlier tries have left.

    :param entries: what is known of each booking, by uid.
    :param tries: how many there were.
    :param doubts_until: until when the requests of an earlier worker may still be at work, by the gate's clock.
    """

    entries: Entries
    tries: int
    doubts_until: float


class Takeover:
    """Takes a plan over: claims it, and waits until no other worker can be sending.

    :param path: the plan's.
    :param by: who takes it.
    :param doubt: seconds after its sending that the server may still be at work on a request of an earlier worker: the
        timeout of one that is alive, then the server's grace.
    """

    def __init__(
        self,
        path: StorePath,
        plan: PlanFile,
        options: Options,
        gate: Gate,
        journal: Journal,
        in_thread: InThread,
        *,
        by: str,
        doubt: float,
    ) -> None:
        self._path, self._plan, self._options = path, plan, options
        self._gate, self._journal, self._in_thread = gate, journal, in_thread
        self._by, self._doubt = by, doubt

    async def take(self) -> Left:
        """Claim the plan, wait until no other worker can be sending, and read what earlier ones have left.

        :raises StoppedError: another worker has it, or somebody has stopped it.
        :raises JournalDamagedError: what was sent is not known any more.
        :raises OSError: the journal cannot be read or written.
        """
        seen = await self._in_thread(history, self._journal.folder)
        if seen.stopped_by and seen.stopped_by == self._by:
            raise StoppedError(
                "somebody has stopped this plan by its control; a retry does not go on with it. To go on, a person "
                "takes the stop out of the control, and clears the task",
                permanent=True,
            )
        await self._in_thread(self._journal.claim, seen)
        claimed = self._gate.now()  # after claiming, which may take long: only now can anybody else see the claim
        await self._look()
        # After one lease, every worker that claimed at the same moment or earlier has looked again and seen this claim.
        alone = claimed + max(self._journal.lease_before, self._journal.lease if self._sends_messages() else 0.0)
        self._gate.let_messages_leave(alone)
        doubts_until = 0.0
        left = seen
        if not seen.released:
            log.info("waiting %.0f s for the lease of an earlier worker", self._journal.lease_before)
            await self._wait_as_owner(self._journal.lease_before)
            left = await self._in_thread(history, self._journal.folder)
            doubts_until = self._gate.now() + self._doubt
        elif self._options.on_doubt == "again":
            # A stopped run releases the plan, but requests that it sent a moment ago may still be at work.
            doubts_until = self._gate.now() + self._doubt
        await self._handle_damage(left, seen.claims)
        if seen.claims:
            _tell(left, seen.claims)
        return Left(left.entries, seen.claims, doubts_until)

    def _sends_messages(self) -> bool:
        """Tell whether any change of the plan messages a guest."""
        return bool(self._plan.header.get("guests_notified", 1))

    async def _look(self) -> None:
        """Look whether the plan is still ours.

        :raises StoppedError: it is not.
        """
        looked = self._gate.now()
        if not await self._in_thread(self._journal.mine):
            raise StoppedError(TAKEN)
        self._gate.renew(looked, self._journal.lease)

    async def _wait_as_owner(self, seconds: float) -> None:
        """Wait, and look now and then whether the plan is still ours."""
        until = self._gate.now() + seconds
        while (left := until - self._gate.now()) > 0:
            await asyncio.sleep(min(left, self._journal.lease / 3))
            await self._look()

    async def _handle_damage(self, left: History, claims: int) -> None:
        """Treat every change without an outcome as possibly sent, where a part of the journal is gone.

        :raises JournalDamagedError: a guest could be messaged twice.
        """
        if not claims and await self._in_thread(is_reported, self._path, self._plan.header["digest"]):
            left.damage.append("all of it is missing, though there is a report of this plan")
        if not left.damage:
            return
        damage = "; ".join(left.damage[:5])
        log.warning("the journal is damaged: %s. What it says nothing of is read back before it is sent", damage)
        silent = [planned for planned in self._plan if planned.uid not in left.entries]
        terms = self._plan.header["terms"]
        if self._options.on_doubt != "again" and any(messages(planned, terms) for planned in silent):
            raise JournalDamagedError(
                f"the journal {self._journal.folder} is damaged: {damage}. Whether the "
                "guests of the bookings that it says nothing of were messaged is not known. Look at these bookings, "
                'then make a new plan, or go on with on_doubt="again": what is read as not made is then sent'
            )
        left.entries.update((planned.uid, Entry(sends=1)) for planned in silent)


def _tell(left: History, claims: int) -> None:
    settled = sum(entry.outcome not in (None, Outcome.UNKNOWN) for entry in left.entries.values())
    log.info(
        "taking over from %d earlier tries: %s changes have an outcome, %s are in doubt",
        claims,
        f"{settled:,}",
        f"{len(left.entries) - settled:,}",
    )
