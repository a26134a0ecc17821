"""Send a change, and find out what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.aio import AsyncJicooClient, WithheldError
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.exchange import Hurry, NoReply, Reply
from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.retry import Fault, looks
from airflow_provider_jicoo.bulk.apply.change import Change
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.judge import (
    blocked_by_slot,
    call_of,
    is_behind,
    judge_answer,
    left_in_doubt,
    not_seen,
    outcome_of,
)
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.options import Options
from airflow_provider_jicoo.bulk.apply.reading import Reader
from airflow_provider_jicoo.bulk.apply.way import Event, State
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome

log = logging.getLogger(__name__)
StepAside = Callable[[], None]


class Sender:
    """Sends the changes of a run.

    :param client: sends them.
    :param terms: the terms of the plan.
    :param grace: seconds that the server may still be at work on a request whose answer was lost.
    :param doubts_until: until when the requests of an earlier worker may still be at work, by the gate's clock.
    """

    def __init__(
        self,
        client: AsyncJicooClient,
        gate: Gate,
        ledger: Ledger,
        reader: Reader,
        options: Options,
        *,
        terms: Mapping[str, Any],
        grace: float,
        doubts_until: float,
    ) -> None:
        self.gate, self.ledger, self.reader, self.options = gate, ledger, reader, options
        self._client, self._terms = client, terms
        self._grace, self._doubts_until = grace, doubts_until

    async def deliver(self, change: Change, step_aside: StepAside) -> Entry:
        """Send a change as soon as it may leave, and return what became of it.

        :param step_aside: called once the change waits for its read-back, so that other changes can use its place.
        :raises OSError: the journal cannot be written.
        """
        try:
            held = await self._held_by_slot(change)
            if held is not None:
                return held
            if change.state is State.LEFT_IN_DOUBT and self.options.leaves(messages=change.messages):
                left = await self._watch_what_is_left(change, step_aside)
                if left is not None:
                    return left
            return await self._send(change, step_aside)
        except OSError:
            raise
        except Exception as error:
            # An unforeseen error must not leave this change, or those queued behind it, without an outcome.
            log.debug("booking %s", change.uid, exc_info=error)
            return change.broken(error)

    async def _held_by_slot(self, change: Change) -> Entry | None:
        """Wait until the bookings that are to leave its slot have an outcome; return its own where they stay in it."""
        for uid in change.planned.waits_for:
            left = self.ledger.slot_left(uid)
            if left is not None:
                await self.gate.wait_for(left)
        held = None if self.gate.closed else blocked_by_slot(change.planned, self.ledger.entries.get)
        return None if held is None else change.entry(*held)

    async def _send(self, change: Change, step_aside: StepAside) -> Entry:
        call = call_of(change.planned, self._terms, self.options.on_doubt)
        call.known = lambda: change.booking
        try:
            booking = await self._client.send(call, ChangePassage(self, change, step_aside))
        except WithheldError:
            return change.settled or change.withheld()
        except errors.RequestError as error:
            self._end_run_if_key_refused(error, error.__cause__)
            outcome = outcome_of(error)
            if isinstance(error, errors.NotFoundError) and await self._is_there(change):
                outcome = Outcome.FAILED  # a proxy without its server, say: a further try may come through
            return change.entry(outcome, str(error))
        except PlanMismatchError as error:
            self.gate.close(str(error), error)
            return change.withheld()
        entry = self._by_answer(change, booking)
        if entry is not None:
            return entry
        change.happens(Event.AS_BEFORE)
        step_aside()
        return await self._watch(change, booking)

    async def _is_there(self, change: Change) -> bool:
        try:
            return await self.reader.one(change.planned) is not None
        except errors.RequestError:
            return False

    def _by_answer(self, change: Change, booking: Booking, *, is_read: bool = False) -> Entry | None:
        entry = judge_answer(change.planned, booking, is_read=is_read)
        if entry is not None:
            entry.sends = change.sends
        return entry

    async def _watch(self, change: Change, booking: Booking) -> Entry:
        """Read a booking for a while: an answer of success showed it as before.

        :param booking: as it was answered.
        """
        now: Booking | None = booking
        waited = 0.0
        soon = (at for at in self.options.timing.soon if at < self._grace)
        for at in sorted({*soon, *looks(self._grace)}):
            is_last = self.gate.closed
            await self.gate.wait(at - waited)
            waited = at
            try:
                now = await self.reader.one(change.planned)
            except errors.RequestError as error:
                self._end_run_if_key_refused(error)
            else:
                entry = None if now is None else self._by_answer(change, now, is_read=True)
                if entry is not None:
                    if entry.adjusted:
                        # Another value that shows this late may be an edit since: an undo must not take it back.
                        entry.stored = None
                    return entry
            if is_last or now is None:
                break
        entry = not_seen(change.planned, now, waited)
        entry.sends = change.sends
        return entry

    async def _watch_what_is_left(self, change: Change, step_aside: StepAside) -> Entry | None:
        """Read back what an earlier try has left in doubt for as long as the server may still be at work on it.

        :return: what became of it; None where it was not made and is to be sent.
        """
        began = self.gate.now()
        pending = max(0.0, self._doubts_until - began)
        for at in [0.0, *(looks(pending) if pending else ())]:
            step_aside()
            await self.gate.wait(began + at - self.gate.now())
            entry = await self.read_and_judge(change)
            if entry is not None:
                return entry
            if self.gate.closed:
                break
        if self.options.on_doubt == "again" and not self.gate.closed:
            change.happens(Event.AS_PLANNED)
            return None
        return change.entry(Outcome.UNKNOWN, left_in_doubt(self.gate.now() - began))

    async def read_and_judge(self, change: Change) -> Entry | None:
        """Read the booking of a change by itself; return what it has come to, None where it is as planned.

        One that is gone, or is shown as it was before it was planned, is read again a moment later.
        """
        read: Booking | errors.RequestError | None = None
        waited = 0.0
        for at in (0.0, *self.options.timing.soon):
            await self.gate.wait(at - waited)
            waited = at
            change.read_at = self.gate.now()
            try:
                read = await self.reader.one(change.planned)
            except errors.RequestError as error:
                self._end_run_if_key_refused(error)
                read = error
            if isinstance(read, errors.RequestError) or self.gate.closed:
                break
            # Whether a change was made that may have been is told by the fields.
            if read is not None and (change.may_have_arrived or not is_behind(change.planned, read)):
                break
        return change.judge(read, skip_stamp=self.options.on_stamp == "skip")

    def _end_run_if_key_refused(self, *found: BaseException | None) -> None:
        """End the run where the key was refused, before that counts as a change that went wrong."""
        for error in found:
            if isinstance(error, (errors.AuthenticationError, errors.PermissionDeniedError)):
                self.gate.close(f"the API key was refused: {error}", error)


class ChangePassage:
    """The :class:`~airflow_provider_jicoo.api.aio.Passage` of one change: when it leaves, and what comes back."""

    __slots__ = ("_change", "_sender", "_step_aside")

    def __init__(self, sender: Sender, change: Change, step_aside: StepAside) -> None:
        self._sender, self._change, self._step_aside = sender, change, step_aside

    async def ready(self, call: Call[Any]) -> bool:
        """Return once it may take its place in the pace: the gate is open, and its booking was read lately."""
        if call.method == "GET":
            return True
        if self._change.state is State.IN_DOUBT:
            self._change.happens(Event.AS_PLANNED)  # it was read back, or it would not be sent again
        return await self._is_ready()

    async def leave(self, call: Call[Any]) -> bool:
        """Return whether it leaves: announced in the journal, and all that :meth:`ready` asks for still so."""
        change = self._change
        if call.method == "GET":
            return True
        while True:
            if not change.is_announced:
                await self._sender.ledger.announce([change])
            if self._may_leave():
                break
            if not await self._is_ready():
                return False
        change.happens(Event.LEAVE)
        change.sends += 1
        return True

    def returned(self, call: Call[Any], received: Reply | NoReply) -> None:
        """Note whether this sending may have made it: what was refused, for now or for good, or never left, did not."""
        if call.method == "GET":
            return
        event = _event_of(received)
        self._change.happens(event)
        if event in (Event.HELD_BACK, Event.DENIAL):
            self._change.sends -= 1

    async def wait(self, call: Call[Any], seconds: float, why: str) -> Hurry | None:
        """Wait, but not beyond the end of the run; what is in doubt is read back once more then."""
        change, gate = self._change, self._sender.gate
        if why:
            log.debug("%s %s: %s", call.method, call.path, why)
            self._sender.ledger.sent_again += 1
            change.rereads = 0  # each sending may read its booking once more
            if change.state is State.ANSWERED:
                change.happens(Event.UNCLEAR)
            if change.state is State.IN_DOUBT and change.messages:
                self._step_aside()
        until = gate.now() + seconds
        await gate.wait(seconds)
        if not gate.closed:
            return None
        if why and change.state is State.IN_DOUBT:
            await asyncio.sleep(max(0.0, min(until - gate.now(), self._sender.options.timing.last_wait)))
        return Hurry.HURRY

    async def _is_ready(self) -> bool:
        while not self._may_leave():
            if not await self._sender.gate.opens(messages=self._change.messages):
                return False
            if not self._is_fresh() and not await self._read_again():
                return False
        return True

    def _may_leave(self) -> bool:
        return self._sender.gate.is_open(messages=self._change.messages) and self._is_fresh()

    def _is_fresh(self) -> bool:
        change, gate = self._change, self._sender.gate
        if change.read_at is None or change.read_at < gate.fresh_since:
            return False
        return change.rereads > 0 or gate.now() - change.read_at < self._sender.options.timing.fresh

    async def _read_again(self) -> bool:
        """Read its booking again; return whether it is still to be sent."""
        change, sender = self._change, self._sender
        if change.read_at is not None:
            change.rereads += 1
        entry = await sender.read_and_judge(change)
        if entry is None:
            change.happens(Event.AS_PLANNED)
            return True
        # What cannot be read because the run has ended is withheld.
        if entry.outcome is not Outcome.FAILED or not sender.gate.closed:
            change.settled = entry
        return False


def _event_of(received: Reply | NoReply) -> Event:
    """Say what an answer, or its absence, tells of a change that left."""
    if isinstance(received, Reply):
        if received.status == 429:
            return Event.HELD_BACK
        if received.status == 408 or received.status >= 500:
            return Event.LOST
        return Event.ANSWER if received.status < 300 else Event.DENIAL
    match received.fault:
        case Fault.NOT_SENT:
            return Event.HELD_BACK
        case Fault.NO_ANSWER | Fault.TOO_LARGE | Fault.TOO_SLOW:
            return Event.LOST
        case _:
            return assert_never(received.fault)
