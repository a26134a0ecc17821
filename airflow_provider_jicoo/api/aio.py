"""Send calls, many at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, TypeVar

import msgspec

from airflow_provider_jicoo.api.ahead import AT_ONCE, Answer, Ask, Flights
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.ceiling import Ceiling, PaceLike
from airflow_provider_jicoo.api.errors import (
    NotFoundError,
    RejectedError,
    RequestError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
)
from airflow_provider_jicoo.api.exchange import Hurry, NoReply, Received, Reply, Sleep, exchange
from airflow_provider_jicoo.api.kept import keeper
from airflow_provider_jicoo.api.listing import next_step, read
from airflow_provider_jicoo.api.paging import Paging, fit, paging_of
from airflow_provider_jicoo.api.retry import ONCE, RetryPolicy
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.api.transport import AiohttpTransport, Transport

T = TypeVar("T")
log = logging.getLogger(__name__)


class WithheldError(Exception):
    """A request was not sent: its passage did not let it leave."""


class Passage(Protocol):
    """What somebody who sends a call decides while it is under way: may it leave, and how long to wait.

    The calls that are asked about are the one that is sent, and those that read it back.
    """

    async def ready(self, call: Call[Any]) -> bool:
        """Return once a request may take its place in the pace; False where it is not to leave any more."""

    async def leave(self, call: Call[Any]) -> bool:
        """Return at the last moment, its place in the pace having come, whether a request leaves."""

    def returned(self, call: Call[Any], came: Reply | NoReply) -> None:
        """Note what came of a request that left."""

    async def wait(self, call: Call[Any], seconds: float, why: str) -> Hurry | None:
        """Wait; return :attr:`~airflow_provider_jicoo.api.exchange.Hurry.HURRY` where there is no time for more.

        :param why: what is waited for; empty where it is the pace.
        """


class Free:
    """The passage of requests that nobody holds up."""

    async def ready(self, call: Call[Any]) -> bool:
        """Let it leave."""
        return True

    async def leave(self, call: Call[Any]) -> bool:
        """Let it leave."""
        return True

    def returned(self, call: Call[Any], came: Reply | NoReply) -> None:
        """Do nothing."""

    async def wait(self, call: Call[Any], seconds: float, why: str) -> Hurry | None:
        """Wait, and say why."""
        if why:
            log.warning("%s %s: %s", call.method, call.path, why)
        await asyncio.sleep(seconds)
        return None


FREE = Free()
_ABSENT = (NotFoundError, UnexpectedAnswerError)
_FAILED = (RejectedError, ServerError, TransportError)


class AsyncJicooClient:
    """Jicoo's API, many requests at once. To be made and used within one event loop.

    ::

        async with AsyncJicooClient(Settings("sk_live_...")) as jicoo:
            booking = await jicoo.send(bookings.get_booking("mzgdPJVBb7RE"))

    :param settings: key, address and limits.
    :param policy: how often and how long to try.
    :param connections: how many connections there may be at once.
    :param pace: says when each request may leave; by default the ceiling of ``settings`` alone.
    :param transport: the network; by default aiohttp's, with so many connections.
    :param clock: what the pace is measured by, in seconds; by default this machine's, which is a loop's time too.
    :param pages_at_once: how many pages of a list may be under way at once.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        policy: RetryPolicy | None = None,
        connections: int = 100,
        pace: PaceLike | None = None,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        pages_at_once: int = AT_ONCE,
    ) -> None:
        self._settings = settings
        self._policy = replace(policy or RetryPolicy(), server_grace=settings.server_grace)
        self._secrets = (settings.secret,)
        self._keep = keeper(settings.debug_answers, self._secrets)
        self._paging = paging_of(settings, pages_at_once)
        self._pace = pace or Ceiling(settings.max_requests_per_second)
        self._turn = asyncio.Lock()
        self._transport = transport or AiohttpTransport(settings, connections)
        self._clock = clock

    @property
    def settings(self) -> Settings:
        """Key, address and limits."""
        return self._settings

    @property
    def paging(self) -> Paging:
        """How the server pages lists, as far as this client has learnt it."""
        return self._paging

    @discreet
    async def send(self, call: Call[T], passage: Passage = FREE) -> T:
        """Send a call and return the ``data`` of its answer.

        :param passage: holds it up while it is under way; by default nothing does.
        :raises RequestError: the subclass says what to do about it.
        :raises WithheldError: its passage did not let it leave.
        """
        return await self._exchange(call, passage, self._policy)

    async def _exchange(self, call: Call[T], passage: Passage, policy: RetryPolicy) -> T:
        steps = exchange(call, policy, self._secrets, self._keep)
        came: Received = None
        try:
            while True:
                step = steps.send(came)
                if isinstance(step, Sleep):
                    came = await passage.wait(call, step.seconds, step.why)
                else:
                    came = await self._send_once(step, passage)
        except StopIteration as end:
            result: T = end.value
            return result

    @discreet
    async def iterate(
        self, listing: Listing[T], *, on_unproven: str | None = None, warnings: list[str] | None = None
    ) -> AsyncIterator[T]:
        """Yield the rows of a list, page by page, each row once, and prove that they are all of it.

        :param on_unproven: what to do where that cannot be proved: ``fail``, after all rows that there are, or
            ``warn``; by default as the settings say.
        :param warnings: list to append warnings to; by default they are logged.
        :raises UnprovenListError: the list may lack rows; what was yielded before stays valid.
        :raises RequestError: as :meth:`send`; what was yielded before stays valid.
        """
        async for rows in self.iterate_pages(listing, on_unproven=on_unproven, warnings=warnings):
            for row in rows:
                yield row

    @discreet
    async def iterate_pages(
        self, listing: Listing[T], *, on_unproven: str | None = None, warnings: list[str] | None = None
    ) -> AsyncIterator[list[T]]:
        """Yield the rows of a list as :meth:`iterate` does, those of a page together: of many rows in less time."""
        steps = read(listing, self._paging, on_unproven=on_unproven or self._settings.on_unproven, warnings=warnings)
        flights = Flights(lambda call: asyncio.create_task(self._send_early(call)), asyncio.Task.cancel)
        answer: Answer | None = None
        try:
            while (step := next_step(steps, answer)) is not None:
                answer = None
                if isinstance(step, Ask):
                    answer = await self._answer(step, flights.take(step))
                else:
                    yield step
        finally:
            flights.close()

    async def _answer(self, ask: Ask, flight: asyncio.Task[Any] | None) -> Answer:
        came = None if flight is None else await flight
        is_early = came is not None
        if came is None:
            came = await self._send_or_refused(ask.call, self._policy)
        return Answer(came, is_early)

    async def _send_early(self, call: Call[Any]) -> Any:
        """Return the answer to a call that is sent before its turn; None where it has to be sent again then."""
        falls = self._paging.window.falls
        try:
            return await self._send_or_refused(call, ONCE)
        except RequestError:
            self._paging.window.refused(falls)
            return None

    async def _send_or_refused(self, call: Call[Any], policy: RetryPolicy) -> Any:
        try:
            return await self._exchange(call, FREE, policy)
        except (NotFoundError, RejectedError) as error:
            return error
        except ServerError as error:
            if not call.is_optional:
                raise
            return error

    @discreet
    async def run(self, steps: Generator[list[Call[Any]], list[Any], T], passage: Passage = FREE) -> T:
        """Send the calls that ``steps`` yields at once, send it their results, and return what it returns.

        A result that does not exist is the :class:`~airflow_provider_jicoo.api.errors.NotFoundError`, one that cannot
        be read the :class:`~airflow_provider_jicoo.api.errors.UnexpectedAnswerError`; one of an optional call that was
        refused, or at which the server failed, is that error.

        :param passage: as for :meth:`send`, of all of them.
        :raises RequestError: as :meth:`send`.
        :raises WithheldError: as :meth:`send`.
        """
        try:
            calls = next(steps)
            while True:
                results = await asyncio.gather(
                    *(self._send_or_absent(call, passage) for call in calls), return_exceptions=True
                )
                for call, failed in zip(calls, results, strict=True):
                    allowed = (*_ABSENT, *_FAILED) if call.is_optional else _ABSENT
                    if isinstance(failed, BaseException) and not isinstance(failed, allowed):
                        raise failed
                calls = steps.send(results)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send_or_absent(self, call: Call[Any], passage: Passage) -> Any:
        while True:
            size = self._paging.size
            try:
                return await self.send(call, passage)
            except _ABSENT as error:
                return error
            except RejectedError as error:
                if call.page is not None and self._paging.halve(size, error, call.query):
                    continue
                if not call.is_optional:
                    raise
                return error
            except (ServerError, TransportError) as error:
                if not call.is_optional:
                    raise
                return error

    async def _send_once(self, call: Call[Any], passage: Passage) -> Reply | NoReply:
        if not await passage.ready(call):
            raise WithheldError
        if self._pace.rate is not None:
            # One coroutine holds a reservation at a time: with 32 reserved, a slow-down after a 429 could not delay the
            # 31 slots already handed out.
            async with self._turn:
                await passage.wait(call, self._pace.reserve(self._clock()), "")
        if not await passage.leave(call):
            raise WithheldError
        sent = self._clock()
        body = None if call.body is None else msgspec.json.encode(call.body)
        came = await self._transport.ask(call.method, call.path, fit(call, self._paging), body)
        passage.returned(call, came)
        if isinstance(came, Reply):
            self._pace.answered(came.status, came.retry_after, sent, self._clock())
        else:
            self._pace.answered(None, None, sent, self._clock())
        return came

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncJicooClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
