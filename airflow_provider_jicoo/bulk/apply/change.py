"""One change's way: judged, announced, sent, and read back until it is known what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.aio import AsyncJicooClient, WithheldError
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.exchange import Hurry, NoReply, Reply
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.retry import Fault, looks
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.judge import (
    call_of,
    judge_answer,
    judge_booking,
    left_in_doubt,
    not_read,
    not_seen,
    outcome_of,
)
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.options import Options
from airflow_provider_jicoo.bulk.apply.reading import Reader
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlannedChange

log = logging.getLogger(__name__)

_SOON = (0.2, 1.0, 2.5)
"""Seconds after an answer of success at which a booking that shows the state before is read first: an answer may show
the booking as it was, and a server may make the change a moment later."""


class Sending:
    """What all changes of a run share.

    :param client: sends them.
    :param terms: the terms of the plan.
    :param close: ends the run, and lets go of all that wait.
    :param grace: seconds that the server may still be at work on a request whose answer was lost.
    :param doubts_until: until when the requests of an earlier worker may still be at work, by a monotonic clock.
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
        close: Callable[[str, Exception | None], None],
        grace: float,
        doubts_until: float,
    ) -> None:
        self.client, self.gate, self.ledger, self.reader = client, gate, ledger, reader
        self.options, self.terms = options, terms
        self.close = close
        self.grace, self.doubts_until = grace, doubts_until
        self.sent_again = 0


class Change:
    """A planned change on its way. It is the passage of its own request.

    :param line: the planned change.
    :param read_at: when its booking was read again, by a monotonic clock; None where that is still to be done.
    :param messages: whether it messages a guest.

    ``booking`` is its booking as it was read last, of which nothing must show in what Jicoo says. ``aside`` is set once
    it waits to be read back, so that others can go on meanwhile; ``watching`` is what reads it for a while after an
    answer that showed the state before.
    """

    __slots__ = (
        "_run",
        "_slow_reads",
        "announced",
        "aside",
        "booking",
        "ever_in_doubt",
        "in_doubt",
        "inherited",
        "left",
        "line",
        "messages",
        "read_at",
        "refused",
        "sends",
        "settled",
        "watching",
    )

    def __init__(self, run: Sending, line: PlannedChange, read_at: float | None, *, messages: bool) -> None:
        self._run = run
        self._slow_reads = 0
        self.line = line
        self.read_at = read_at
        self.booking: Mapping[str, Any] | None = None
        self.messages = messages
        known = run.ledger.entries.get(line.uid)
        self.inherited = run.ledger.in_doubt(line.uid)
        self.sends = known.sends if known is not None and self.inherited else 0
        self.announced = False
        self.in_doubt = False
        self.ever_in_doubt = self.inherited
        self.left = False
        self.refused = False
        self.settled: Entry | None = None
        self.aside: asyncio.Event | None = None
        self.watching: asyncio.Task[None] | None = None

    # --- its way -----------------------------------------------------------------------------------------------------

    async def deliver(self) -> Entry | Booking | None:
        """Send it, and return what became of it.

        :return: the outcome; or the booking as it was answered, where it shows the state before and is to be read for a
            while (:meth:`watch`); or None where it never left and the run has ended.
        :raises OSError: the journal cannot be written.
        """
        if self.inherited and self.messages:
            left = await self._watch_what_is_left()
            if left is not None:
                return left
        try:
            call = call_of(self.line, self._run.terms, self._run.options.on_doubt)
            call = replace(call, known=lambda: self.booking)
            booking = await self._run.client.send(call, passage=self)
        except WithheldError:
            return self.settled or self._withheld()
        except errors.RequestError as error:
            self._refuse(error, error.__cause__)
            return self._entry(outcome_of(error), str(error))
        except PlanMismatchError as error:
            self._run.close(str(error), error)
            return None
        except OSError:
            raise
        except Exception as error:
            return self._not_thought_of(error)
        try:
            return self._judged(booking) or booking
        except Exception as error:
            return self._not_thought_of(error)

    def _not_thought_of(self, error: Exception) -> Entry:
        """What nobody thought of must leave neither this change nor those behind it without an outcome.

        Its text may be anything, a booking's too: it is for whoever turns DEBUG on.
        """
        log.debug("booking %s", self.line.uid, exc_info=error)
        outcome = Outcome.UNKNOWN if self.ever_in_doubt else Outcome.FAILED
        return self._entry(outcome, f"{type(error).__name__}; the log has its text at DEBUG")

    def _judged(self, booking: Booking) -> Entry | None:
        entry = judge_answer(self.line, booking)
        if entry is not None:
            entry.sends = self.sends
        return entry

    def _entry(self, outcome: Outcome, detail: str) -> Entry:
        if outcome is Outcome.FAILED and self.inherited:
            outcome = Outcome.UNKNOWN  # that this sending did nothing says nothing of the one before
        return Entry(outcome, None, detail, sends=self.sends)

    def _refuse(self, *found: BaseException | None) -> None:
        """End the run where the key was refused, before that counts as a change that went wrong."""
        for error in found:
            if isinstance(error, (errors.AuthenticationError, errors.PermissionDeniedError)):
                self._run.close(f"the API key was refused: {error}", error)

    def _withheld(self) -> Entry | None:
        # It would have been sent again only where it is known that it was not made.
        done = "it was not made, and the run ended before it could be sent again"
        return self._entry(Outcome.FAILED, done) if self.left else None

    async def watch(self, booking: Booking) -> Entry:
        """Read the booking for a while: an answer of success showed it as before.

        :param booking: as it was answered.
        """
        now: Booking | None = booking
        waited = 0.0
        for at in sorted({*(at for at in _SOON if at < self._run.grace), *looks(self._run.grace)}):
            hurry = self._run.gate.closed
            await self._run.gate.wait(at - waited)
            waited = at
            try:
                now = await self._run.reader.one(self.line)
            except errors.RequestError as error:
                self._refuse(error)
            else:
                found = None if now is None else self._judged(now)
                if found is not None:
                    return found
            if hurry or now is None:
                break
        entry = not_seen(self.line, now, waited)
        entry.sends = self.sends
        return entry

    async def _watch_what_is_left(self) -> Entry | None:
        """Read back what an earlier try has left in doubt for as long as the server may still be at work on it.

        :return: what became of it; None where it was not made and is to be sent.
        """
        began = self._run.gate.now()
        pending = max(0.0, self._run.doubts_until - began)
        for at in [0.0, *(looks(pending) if pending else ())]:
            self._step_aside()
            await self._run.gate.wait(began + at - self._run.gate.now())
            entry = await self._read_and_judge()
            if entry is not None:
                return entry
            if self._run.gate.closed:
                break
        if self._run.options.on_doubt == "again" and not self._run.gate.closed:
            return None
        return self._entry(Outcome.UNKNOWN, left_in_doubt(self._run.gate.now() - began))

    def _step_aside(self) -> None:
        if self.aside is not None:
            self.aside.set()

    async def _read_and_judge(self) -> Entry | None:
        self.read_at = self._run.gate.now()
        try:
            booking = await self._run.reader.one(self.line)
        except errors.RequestError as error:
            self._refuse(error)
            return self.judge(error)
        return self.judge(booking)

    def judge(self, read: Booking | errors.RequestError | None) -> Entry | None:
        """Say what it has come to by its booking as it was read; None where it is to be sent.

        :param read: the booking, None where it does not exist, or why it cannot be read.
        """
        in_doubt = self.ever_in_doubt
        if isinstance(read, errors.RequestError):
            entry: Entry | None = not_read(read, in_doubt=in_doubt)
        else:
            self.booking = read
            entry = judge_booking(self.line, read, in_doubt=in_doubt, skip_stamp=self._run.options.on_stamp == "skip")
        if entry is not None:
            entry.sends = self.sends
        return entry

    # --- the passage of its request ----------------------------------------------------------------------------------

    async def ready(self, call: Call[Any]) -> bool:
        """Return once it may take its place in the pace: the gate is open, and its booking was read lately."""
        if call.method == "GET":
            return True
        while not self._may_leave():
            if not await self._run.gate.opens(messages=self.messages):
                return False
            if not self._is_fresh() and not await self._read_again():
                return False
        return True

    async def leave(self, call: Call[Any]) -> bool:
        """Return whether it leaves: announced in the journal, and all that :meth:`ready` asks for still so."""
        if call.method == "GET":
            return True
        while True:
            if not self.announced:
                await self._run.ledger.announce(self.line.uid)
                self.announced = True
            if self._may_leave():
                break
            if not await self.ready(call):
                return False
        self.sends += 1
        self.left = True
        self.in_doubt = self.ever_in_doubt = True
        return True

    def returned(self, call: Call[Any], came: Reply | NoReply) -> None:
        """Note whether it may have arrived: what was refused for now, or never left, did not."""
        if call.method == "GET":
            return
        self.refused = came.status == 429 if isinstance(came, Reply) else came.fault is Fault.NOT_SENT
        if self.refused:
            self.sends -= 1
            self.in_doubt = False
            self.ever_in_doubt = self.inherited or self.sends > 0

    async def wait(self, call: Call[Any], seconds: float, why: str) -> Hurry | None:
        """Wait, but not beyond the end of the run; what is in doubt is read back once more then."""
        if why:
            log.debug("%s %s: %s", call.method, call.path, why)
            self._run.sent_again += 1
            if self.in_doubt and self.messages:
                self._step_aside()
        until = self._run.gate.now() + seconds
        await self._run.gate.wait(seconds)
        if not self._run.gate.closed:
            return None
        if self.in_doubt and why:
            await asyncio.sleep(max(0.0, min(until - self._run.gate.now(), self._run.options.timing.last_wait)))
        return Hurry.HURRY

    def _may_leave(self) -> bool:
        return self._run.gate.is_open(messages=self.messages) and self._is_fresh()

    def _is_fresh(self) -> bool:
        if self.read_at is None or self.read_at < self._run.gate.fresh_since:
            return False
        return self._slow_reads > 0 or self._run.gate.now() - self.read_at < self._run.options.timing.fresh

    async def _read_again(self) -> bool:
        """Read its booking again; return whether it is still to be sent."""
        if self.read_at is not None:
            self._slow_reads += 1
        entry = await self._read_and_judge()
        if entry is None:
            return True
        if entry.outcome is not Outcome.FAILED or not self._run.gate.closed:
            self.settled = entry
        return False
