"""Carry out a plan: read each booking again, send what is still as planned, and know what became of each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.bulk import bar
from airflow_provider_jicoo.bulk.control import Control, ReadControl, Throttle, control_file, parse
from airflow_provider_jicoo.bulk.errors import BulkFailedError, PlanError, PlanMismatchError, StoppedError
from airflow_provider_jicoo.bulk.files import Folder
from airflow_provider_jicoo.bulk.journal import Entry, History, Journal, history, journal_of
from airflow_provider_jicoo.bulk.judge import blocked, call_of, differing, judge, outcome_of
from airflow_provider_jicoo.bulk.outcomes import BAD, FINAL, Outcome
from airflow_provider_jicoo.bulk.pace import Pace
from airflow_provider_jicoo.bulk.plan import Line, Lines, Plan
from airflow_provider_jicoo.bulk.progress import Progress, named
from airflow_provider_jicoo.bulk.report import Report, Timeline, write_report
from airflow_provider_jicoo.bulk.sender import SENDING, Item, ReadAgain, Sender, Sending, Withheld
from airflow_provider_jicoo.bulk.stop import Stop, in_a_thread
from airflow_provider_jicoo.bulk.tolerance import Tolerance, wave_sizes

CHUNK, LEAST_CHUNK = 1_000, 10
"""How many bookings are read again at once: at the most, and at a slow pace, where they wait long for their turn."""
FRESH = 20.0
"""Seconds after which a booking that waits for its turn is read once more: somebody may have edited it. Only once: at a
slow pace the reading waits for long as well, and what is read for ever is never changed."""
LEASE = 5.0
"""Seconds for which a worker may send after it has looked whether another one has taken the plan."""
SETTLE = 25.0
"""Seconds that a request may still be at work in the server after the lease of a worker that was killed."""
LAST_WAIT = 5.0
"""Seconds that a change in doubt waits at the most to be read back, once the run has ended."""
POLICY = RetryPolicy(attempts=10)
"""A bulk run is more patient than a single call: together the waits of a request come to a minute or two."""


@dataclass(frozen=True)
class Options:
    """How a plan is carried out.

    :param waves: sizes of the first waves, as counts or percentages of the plan; the rest comes last.
    :param tolerated_failures: how many may go wrong, as a count or a percentage of the plan.
    :param concurrency: how many requests are under way at once.
    :param on_stale: whether a booking that was edited since the plan was made is skipped, or ends the run.
    :param lease: as :data:`LEASE`.
    """

    waves: tuple[int | str, ...] = ("1", "1%", "10%")
    tolerated_failures: int | str = 0
    concurrency: int = 32
    on_stale: Literal["skip", "fail"] = "skip"
    lease: float = LEASE

    def __post_init__(self) -> None:
        wave_sizes(self.waves, 100)
        Tolerance(self.tolerated_failures)
        if self.on_stale not in ("skip", "fail"):
            raise PlanError(f"on_stale: {self.on_stale!r} is neither 'skip' nor 'fail'")
        if self.concurrency < 1:
            raise PlanError(f"concurrency: {self.concurrency!r} is not 1 or more")


def apply_plan(
    client: JicooClient,
    plan: Plan | Mapping[str, Any] | Folder,
    *,
    digest: str | None = None,
    options: Options | None = None,
    control: ReadControl | None = None,
    progress: Callable[[Progress], None] | None = None,
    every: float = 10.0,
    stop: Stop | None = None,
    open_path: Callable[[str], Folder] = Path,
) -> Report:
    """Carry out a plan, or go on with it where an earlier try was ended.

    :param client: a client of the Jicoo that the plan is for; its settings are used.
    :param plan: a plan, its manifest, or its path.
    :param digest: what was agreed to; needed with a path, otherwise by default the manifest's own.
    :param options: how.
    :param control: reads what the run is told while it runs; by default the file beside the plan.
    :param progress: called every ``every`` seconds and at the end; by default a bar where there is a terminal.
    :param stop: to end the run from outside.
    :param open_path: makes a path of a manifest's text.
    :return: the report, which is written beside the plan.
    :raises PlanMismatchError: the plan is not what was agreed to, is damaged, or is of another Jicoo.
    :raises BulkFailedError: something failed, is unknown or is beyond the tolerance; the report is written.
    :raises StoppedError: it was stopped, or another worker has taken over.
    :raises AuthenticationError: the key was refused; the rest was not attempted, the report is written.
    """
    path, agreed = _which(plan, digest, open_path)
    options = options or Options()
    with closing(Lines(path, agreed)) as lines:
        if lines.header["terms"]["baseUrl"] != client.settings.base_url:
            raise PlanMismatchError(
                f"{path} is a plan for {lines.header['terms']['baseUrl']}, not for {client.settings.base_url}"
            )
        run = Run(client, path, lines, options, control or control_file(path), stop or Stop())
        if progress is None and bar.on_a_terminal():
            with bar.applying() as progress:
                run.on_progress(progress, 0.5)
                return _finish(in_a_thread(run.run(), run.stop))
        run.on_progress(progress, every)
        return _finish(in_a_thread(run.run(), run.stop))


def _which(
    plan: Plan | Mapping[str, Any] | Folder, digest: str | None, open_path: Callable[[str], Folder]
) -> tuple[Folder, str]:
    if isinstance(plan, Plan):
        plan = plan.manifest
    if isinstance(plan, Mapping):
        if len(plan.get("shards", ())) > 1:
            raise PlanError(f"{plan['plan']} is a plan in shards: apply each of manifest['shards']")
        return open_path(plan["plan"]), digest or plan["digest"]
    if digest is None:
        raise PlanError(f"{plan}: with a path, give the digest that was agreed to")
    return plan, digest


def _finish(report: Report) -> Report:
    """Return a report of which all is well; raise for any other."""
    if isinstance(report.error, BulkFailedError):
        raise BulkFailedError(str(report), permanent=report.error.permanent)
    if report.error is not None:
        raise report.error
    if report.reason:
        raise StoppedError(f"{report.reason}. {report}")
    if not report.ok:
        raise BulkFailedError(str(report))
    return report


_Queue = asyncio.Queue["Item | asyncio.Event | None"]
"""Changes in their order, before each chunk of them what to set when its turn has come, and the end."""


class Run:
    """One try at a plan."""

    def __init__(
        self, client: JicooClient, path: Folder, lines: Lines, options: Options, control: ReadControl, stop: Stop
    ) -> None:
        self._settings = client.settings
        self._path = path
        self._lines = lines
        self._options = options
        self._read_control = control
        self.stop = stop
        self._tolerance = Tolerance(options.tolerated_failures)
        self._journal = Journal(journal_of(path, lines.header["digest"]), options.lease)
        self._entries: dict[str, Entry] = {}
        self._counts: Counter[Outcome] = Counter()
        self._buffer: list[dict[str, Any]] = []
        self._reason = ""
        self._error: Exception | None = None
        self._paused = False
        self._fresh_since = 0.0
        self._fenced = False
        self._lease_until = 0.0
        self._throttle = Throttle(Pace(client.settings.max_requests_per_second))
        self._timeline = Timeline()
        self._progress: Callable[[Progress], None] | None = None
        self._every = 10.0

    def on_progress(self, progress: Callable[[Progress], None] | None, every: float) -> None:
        """Set who is told how far the run is, and how often."""
        self._progress, self._every = progress, every

    async def run(self) -> Report:
        """Carry the plan out; return the report, which is written.

        :raises StoppedError: another worker has taken over, who writes the report.
        """
        self._go = asyncio.Event()
        self._over = asyncio.Event()
        self._renewed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._moved_out = {uid: asyncio.Event() for uid in self._lines.awaited}
        found = await self._take_over()
        self._entries = found.entries
        for entry in self._entries.values():
            if entry.outcome in FINAL:
                self._counts[entry.outcome] += 1
        for uid, moved in self._moved_out.items():
            if uid in self._entries and self._entries[uid].outcome in FINAL:
                moved.set()
        connections = self._options.concurrency + 16
        self._client = Sender(
            self._settings,
            policy=POLICY,
            connections=connections,
            pace=self._throttle,
            before=self._before,
            after=self._after,
            wait=self._wait,
        )
        async with self._client:
            await self._watched(self._all_waves())
        await self._close_journal()
        if self._fenced:
            raise StoppedError("another worker has taken this plan over, and goes on with it")
        report = await asyncio.to_thread(self._report, found.claims + 1)
        await self._tell()
        if self._error is not None and not isinstance(self._error, errors.JicooError):
            raise self._error
        return report

    async def _close_journal(self) -> None:
        try:
            await self._flush([])
            await self._look()
            if not self._fenced:
                await asyncio.to_thread(self._journal.release)
        except OSError as error:
            self._end(f"the journal cannot be written: {error}", error)

    async def _take_over(self) -> History:
        folder = journal_of(self._path, self._lines.header["digest"])
        found = await asyncio.to_thread(history, folder)
        await asyncio.to_thread(self._journal.claim, found)
        await self._look()
        if found.released:
            return found
        # The worker before may be alive, and may send until its lease is over.
        doubted = any(entry.outcome is None for entry in found.entries.values())
        await asyncio.sleep(self._journal.lease_before + (SETTLE if doubted else 0.0))
        await self._look()
        again = await asyncio.to_thread(history, folder)
        again.claims = found.claims
        return again

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, and meanwhile renew the lease, obey the control and tell how far it is."""
        watching = [asyncio.ensure_future(self._guard()), asyncio.ensure_future(self._tick())]
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait([working, *watching], return_when=asyncio.FIRST_COMPLETED)
            for watcher in watching:
                error = watcher.exception() if watcher.done() else None
                if error is not None:
                    # A control that cannot be understood, a disk that is full: end in order, then say so.
                    self._end(f"{error}", error if isinstance(error, OSError) else None)
            await working
        finally:
            for watcher in watching:
                watcher.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    # --- watching ----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look whether the plan is still ours; if so, sending is allowed for the time of a lease from before that."""
        before = time.monotonic()
        if await asyncio.to_thread(self._journal.mine):
            if time.monotonic() > self._lease_until + self._journal.lease:
                self._fresh_since = time.monotonic()  # it stood still
            self._lease_until = before + self._journal.lease
            self._renewed.set()
        else:
            self._fenced = True
            self._end("another worker has taken this plan over")

    async def _guard(self) -> None:
        while not self._fenced:
            await asyncio.sleep(self._journal.lease / 3)
            self._renewed.clear()
            await self._look()

    async def _tick(self) -> None:
        told, flushed = time.monotonic(), time.monotonic()
        while True:
            self._obey(parse(await asyncio.to_thread(self._read_control)))
            if self.stop.asked:
                self._end(self.stop.reason)
            now = time.monotonic()
            self._timeline.sample(
                now, sum(self._counts.values()), self._throttle.requests, self._throttle.refused, self._throttle.rate
            )
            if now - flushed >= 2.0 and self._buffer:
                flushed = now
                await self._flush([])
            if now - told >= self._every:
                told = now
                await self._tell()
            await asyncio.sleep(0.25)

    def _obey(self, control: Control) -> None:
        self._throttle.limit(control.max_requests_per_second)
        if control.state == "stop":
            self._end("it was told to stop")
        if control.state == "pause" and not self._ended:
            self._paused = True
            self._go.clear()
            return
        if self._paused:
            self._fresh_since = time.monotonic()
        self._paused = False
        self._go.set()

    async def _tell(self) -> None:
        if self._progress is not None:
            done = sum(self._counts.values())
            rate = self._timeline.rate()
            left = (len(self._lines) - done) / rate if rate else None
            progress = Progress(len(self._lines), named(self._counts), rate, left)
            # In a thread: whoever is told may write somewhere, and blocks nobody there.
            await asyncio.to_thread(self._progress, progress)

    @property
    def _ended(self) -> bool:
        return bool(self._reason)

    def _end(self, reason: str, error: Exception | None = None) -> None:
        """Take no new work, and let go of what waits to be sent. The first reason counts."""
        if not self._reason:
            self._reason, self._error = _printable(reason), error
        self._over.set()
        self._go.set()
        self._renewed.set()
        for moved in self._moved_out.values():
            moved.set()

    # --- working -----------------------------------------------------------------------------------------------------

    async def _all_waves(self) -> None:
        self._check_tolerance()
        queue: _Queue = asyncio.Queue()
        count = min(self._options.concurrency, len(self._lines))
        workers = [asyncio.ensure_future(self._work(queue)) for _ in range(count)]
        try:
            await self._produce(queue)
        except Withheld:
            pass
        except errors.JicooError as error:
            self._end(f"the planned bookings could not be read: {error}", error)
        except Exception as error:
            # What nobody thought of, and a full disk: the report is written nevertheless.
            self._end(f"{type(error).__name__}: {error}", error)
        finally:
            for _ in workers:
                queue.put_nowait(None)
            await asyncio.gather(*workers)

    async def _produce(self, queue: _Queue) -> None:
        """Read the bookings again, chunk by chunk, and announce and queue those that are still as planned."""
        for begins_wave, chunk in self._chunks():
            if self._ended:
                return
            ready = await self._still_as_planned(chunk)  # while those before are being sent
            if begins_wave:
                await queue.join()
            if self._ended:
                return
            await self._flush([item.line.uid for item in ready])
            begun = asyncio.Event()
            queue.put_nowait(begun)
            for item in ready:
                queue.put_nowait(item)
            await begun.wait()

    def _chunks(self) -> Iterator[tuple[bool, list[Line]]]:
        """Yield what is still to be done, and whether a wave begins with it."""
        start, most = 0, 5 * LEAST_CHUNK  # until it is known how fast they can be sent
        for size in wave_sizes(self._options.waves, len(self._lines)):
            begins, end = True, start + size
            while start < end:
                stop = min(start + self._chunk_size(most), end)
                most = min(CHUNK, 2 * most)
                chunk = [
                    line
                    for line in self._lines.read(start, stop)
                    if (entry := self._entries.get(line.uid)) is None or entry.outcome not in FINAL
                ]
                if chunk:
                    yield begins, chunk
                    begins = False
                start = stop

    def _chunk_size(self, most: int) -> int:
        # Those that are read next wait for those that are being sent: together for some seconds.
        rates = [rate for rate in (self._throttle.rate, self._timeline.rate() or None) if rate is not None]
        return min(CHUNK, most, *(max(LEAST_CHUNK, int(4 * rate)) for rate in rates))

    async def _still_as_planned(self, chunk: list[Line]) -> list[Item]:
        at = time.monotonic()
        now = await self._read(chunk)
        if not now and not self._entries:
            await self._check_account()
        ready = []
        for line in chunk:
            entry = self._entries.get(line.uid)
            doubted = entry is not None and entry.outcome in (None, Outcome.UNKNOWN)
            if self._to_be_sent(line, now.get(line.uid), doubted=doubted):
                ready.append(Item(line, at))
        return ready

    async def _read(self, lines: list[Line]) -> dict[str, Booking]:
        """Read bookings again.

        :raises Withheld: the run has ended meanwhile.
        """
        within = (min(line.started_at for line in lines), max(line.ended_at for line in lines))
        steps = lookup_bookings([line.uid for line in lines], within=within, absent_ok=True)
        return await self._client.run(steps)

    async def _check_account(self) -> None:
        """Tell bookings that are gone from those of another account: of these not one is there.

        :raises PlanMismatchError: they are of another account.
        """
        first = self._lines.read(0, min(CHUNK, len(self._lines)))
        if len(first) > 1 and not await self._read(first):
            raise PlanMismatchError(
                f"none of the first {len(first)} planned bookings exists for this API key: "
                "the plan is of another Jicoo account; nothing was sent"
            )

    def _to_be_sent(self, line: Line, booking: Booking | None, *, doubted: bool) -> bool:
        """Judge a booking that was read again; record where that settles it."""
        outcome, detail = judge(line, booking, doubted=doubted)
        if outcome is not None:
            self._record(line.uid, outcome, detail, None if booking is None else booking.get("updatedAt"))
        return outcome is None

    async def _work(self, queue: _Queue) -> None:
        while (item := await queue.get()) is not None:
            if isinstance(item, asyncio.Event):
                item.set()
            else:
                await self._send_in_order(item)
            queue.task_done()

    async def _send_in_order(self, item: Item) -> None:
        """Send a change when the bookings that are to leave its slot have left it."""
        for uid in item.line.waits_for:
            if uid in self._moved_out:
                await self._moved_out[uid].wait()
        held = None if self._ended else blocked(item.line, self._entries.get)
        if held is None:
            await self._send(item)
        else:
            self._record(item.line.uid, *held)

    async def _turn(self, sending: Sending) -> None:
        """Return when a change may leave.

        :raises Withheld: none may leave any more.
        :raises ReadAgain: its booking is to be read again first.
        """
        while not self._ended:
            if not self._go.is_set():
                await self._go.wait()
            elif time.monotonic() >= self._lease_until:
                await self._renewed.wait()
                await asyncio.sleep(0.01)
            elif not self._is_fresh(sending):
                raise ReadAgain
            else:
                return
        raise Withheld

    async def _before(self) -> None:
        sending = SENDING.get()
        assert sending is not None, "only changes are sent with anything but GET"
        if not self._may_leave(sending):
            await self._turn(sending)
        sending.sent = sending.doubted = True

    def _after(self, refused: bool) -> None:
        sending = SENDING.get()
        assert sending is not None, "as before it left"
        sending.doubted = not refused
        sending.ever_doubted |= sending.doubted

    async def _wait(self, seconds: float) -> None:
        """Wait for the pace, or to ask again.

        :raises Withheld: the run has ended. A change that is in doubt is read back nevertheless.
        """
        sending = SENDING.get()
        until = time.monotonic() + seconds
        if seconds and not self._ended:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._over.wait(), seconds)
        if self._ended:
            if sending is None or not sending.doubted:
                raise Withheld
            await asyncio.sleep(max(0.0, min(until - time.monotonic(), LAST_WAIT)))

    async def _send(self, item: Item) -> None:
        line = item.line
        sending = Sending(item)
        SENDING.set(sending)
        try:
            await self._exchange(call_of(line, self._lines.header["terms"]), sending)
        except Withheld:
            self._withhold(line.uid, sent=sending.sent)
        except (errors.AuthenticationError, errors.PermissionDeniedError) as error:
            self._end_refused(error)
            self._record(line.uid, Outcome.FAILED, str(error))
        except errors.RequestError as error:
            self._end_refused(error.__cause__)
            self._record(line.uid, outcome_of(error), str(error))
        except Exception as error:
            # What nobody thought of must leave neither this change nor those behind it without an outcome.
            outcome = Outcome.UNKNOWN if sending.sent else Outcome.FAILED
            self._record(line.uid, outcome, f"{type(error).__name__}: {error}")

    async def _exchange(self, call: Call[Booking], sending: Sending) -> None:
        line = sending.item.line
        while True:
            try:
                if not self._may_leave(sending):
                    await self._turn(sending)  # also before it takes its place in the pace
                booking = await self._client.send(call)
                break
            except ReadAgain:
                sending.read_again = True
                sending.item.read_at = time.monotonic()
                now = await self._read([line])
                if not self._to_be_sent(line, now.get(line.uid), doubted=sending.ever_doubted):
                    return
        if bookings.shows(booking, line.after):
            self._record(line.uid, Outcome.APPLIED, "", booking.get("updatedAt"))
        else:
            detail = f"Jicoo answered, but the booking does not show the change in {differing(line.after, booking)}"
            self._record(line.uid, Outcome.UNKNOWN, detail, booking.get("updatedAt"))

    def _may_leave(self, sending: Sending) -> bool:
        return (
            self._go.is_set() and time.monotonic() < self._lease_until and self._is_fresh(sending) and not self._reason
        )

    def _is_fresh(self, sending: Sending) -> bool:
        read_at = sending.item.read_at
        return read_at >= self._fresh_since and (sending.read_again or time.monotonic() - read_at < FRESH)

    def _end_refused(self, error: BaseException | None) -> None:
        """End where the key was refused, before that counts as a change that went wrong."""
        if isinstance(error, (errors.AuthenticationError, errors.PermissionDeniedError)):
            self._end(f"the API key was refused: {error}", error)

    def _withhold(self, uid: str, *, sent: bool) -> None:
        if not sent:
            # Announced, but never sent: not in doubt.
            self._entries.pop(uid, None)
            self._buffer.append({"uid": uid, "outcome": None})
        elif not self._fenced:
            # It would have been sent again only where it is known that it was not made.
            self._record(uid, Outcome.FAILED, "it was not made, and the run ended before it could be sent again")

    def _record(self, uid: str, outcome: Outcome, detail: str, updated_at: str | None = None) -> None:
        detail = _printable(detail)
        self._entries[uid] = Entry(outcome, updated_at, detail)
        self._counts[outcome] += 1
        made: dict[str, Any] = {"uid": uid, "outcome": outcome.value}
        if updated_at is not None:
            made["updatedAt"] = updated_at
        if detail:
            made["detail"] = detail
        self._buffer.append(made)
        moved = self._moved_out.get(uid)
        if moved is not None:
            moved.set()
        if outcome in BAD or outcome is Outcome.STALE:
            self._check_tolerance()

    def _check_tolerance(self) -> None:
        bad = sum(self._counts[outcome] for outcome in BAD)
        if self._options.on_stale == "fail" and self._counts[Outcome.STALE]:
            reason = f"{self._counts[Outcome.STALE]} bookings were edited since the plan was made"
            self._end(reason, BulkFailedError(reason, permanent=True))
        elif self._tolerance.exceeded(bad, len(self._lines)):
            reason = f"{bad} changes went wrong, and {self._options.tolerated_failures} are tolerated"
            for_good = self._tolerance.exceeded(self._counts[Outcome.REJECTED], len(self._lines))
            self._end(reason, BulkFailedError(reason, permanent=for_good))

    async def _flush(self, intents: list[str]) -> None:
        """Write outcomes and intents; return when they are durable."""
        async with self._writing:
            outcomes, self._buffer = self._buffer, []
            try:
                await asyncio.to_thread(self._journal.write, outcomes, intents)
            except BaseException:
                self._buffer[:0] = outcomes
                raise

    def _report(self, tries: int) -> Report:
        return write_report(
            self._path,
            self._lines,
            self._entries,
            timeline=self._timeline,
            requests=self._throttle.requests,
            refused=self._throttle.refused,
            tries=tries,
            reason=self._reason,
            error=self._error if isinstance(self._error, errors.JicooError) else None,
        )


def _printable(text: str) -> str:
    """Return a text that every file takes: what Jicoo says may have half of a surrogate pair in it."""
    return text.encode("utf-8", "replace").decode()
