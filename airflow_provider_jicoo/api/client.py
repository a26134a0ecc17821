"""Send calls with requests."""

from __future__ import annotations

import http.cookiejar
import logging
import re
import ssl
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

import msgspec
import requests
import urllib3

from airflow_provider_jicoo.api.adapter import Adapter
from airflow_provider_jicoo.api.ahead import AT_ONCE, Answer, Ask, Flights
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.ceiling import Ceiling
from airflow_provider_jicoo.api.errors import (
    NotFoundError,
    RejectedError,
    RequestError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
)
from airflow_provider_jicoo.api.exchange import NoReply, Received, Reply, Sleep, exchange
from airflow_provider_jicoo.api.kept import keeper
from airflow_provider_jicoo.api.listing import next_step, read
from airflow_provider_jicoo.api.paging import Paging, fit, paging_of
from airflow_provider_jicoo.api.reading import DEADLINE, PIECE, Body, BodyError, is_small, too_slow, without_body
from airflow_provider_jicoo.api.retry import ONCE, Fault, RetryPolicy
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import Settings

T = TypeVar("T")
log = logging.getLogger(__name__)

_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,  # refused, unreachable, name not found
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    ssl.SSLCertVerificationError,  # any other SSL error may come after the request has left
)
_OBJECT = re.compile(r"^(<[^>]*>|\w+\([^)]*\)): ")
_FAILED = (requests.RequestException, urllib3.exceptions.HTTPError)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # Told not to follow a redirect, requests prepares for it nevertheless, and fails where its address is rubbish.
        return None


class JicooClient:
    """Jicoo's API, one request at a time in each thread. Threads may share a client: it has one pool.

    Long lists are read many pages at once, in threads of its own.

    ::

        with JicooClient(Settings("sk_live_...")) as jicoo:
            booking = jicoo.send(bookings.get_booking("mzgdPJVBb7RE"))

    :param settings: key, address and limits.
    :param policy: how often and how long to try.
    :param connections: how many connections to keep open.
    :param pages_at_once: how many pages of a list may be under way at once, each in a thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        policy: RetryPolicy | None = None,
        connections: int = 32,
        pages_at_once: int = AT_ONCE,
    ) -> None:
        self._settings = settings
        self._policy = replace(policy or RetryPolicy(), server_grace=settings.server_grace)
        self._secrets = (settings.secret,)
        self._keep = keeper(settings.debug_answers, self._secrets)
        self._paging = paging_of(settings, pages_at_once)
        self._ceiling = Ceiling(settings.max_requests_per_second)
        self._session = _Session()
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))
        self._session.headers.update(settings.headers(f"requests/{requests.__version__}"))
        adapter = Adapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._fix_environment()

    def _fix_environment(self) -> None:
        """Look up proxy and CA bundle once instead of with each request, and leave ``~/.netrc`` out of it."""
        found = self._session.merge_environment_settings(self._settings.base_url, {}, None, None, None)
        # Plain http is for this machine alone, and a proxy would get the key in the open.
        if self._settings.base_url.startswith("https:"):
            self._session.proxies.update(found["proxies"])
        self._session.verify = found["verify"]
        self._session.trust_env = False

    @property
    def settings(self) -> Settings:
        """Key, address and limits."""
        return self._settings

    @property
    def paging(self) -> Paging:
        """How the server pages lists, as far as this client has learnt it."""
        return self._paging

    @discreet
    def send(self, call: Call[T]) -> T:
        """Send a call and return the ``data`` of its answer.

        :raises RequestError: the subclass says what to do about it.
        """
        return self._exchange(call, self._policy)

    def _exchange(self, call: Call[T], policy: RetryPolicy) -> T:
        steps = exchange(call, policy, self._secrets, self._keep)
        came: Received = None
        try:
            while True:
                step = steps.send(came)
                if isinstance(step, Sleep):
                    log.warning("%s %s: %s", call.method, call.path, step.why)
                    time.sleep(step.seconds)
                    came = None
                else:
                    came = self._send_once(step)
        except StopIteration as end:
            result: T = end.value
            return result

    @discreet
    def iterate(
        self, listing: Listing[T], *, on_unproven: str | None = None, warnings: list[str] | None = None
    ) -> Iterator[T]:
        """Yield the rows of a list, page by page, each row once, and prove that they are all of it.

        :param on_unproven: what to do where that cannot be proved: ``fail``, after all rows that there are, or
            ``warn``; by default as the settings say.
        :param warnings: list to append warnings to; by default they are logged.
        :raises UnprovenListError: the list may lack rows; what was yielded before stays valid.
        :raises RequestError: as :meth:`send`; what was yielded before stays valid.
        """
        steps = read(listing, self._paging, on_unproven=on_unproven or self._settings.on_unproven, warnings=warnings)
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="jicoo")
        flights = Flights(lambda call: pool.submit(self._send_early, call), Future.cancel)
        answer: Answer | None = None
        try:
            while (step := next_step(steps, answer)) is not None:
                answer = None
                if isinstance(step, Ask):
                    answer = self._answer(step, flights.take(step))
                else:
                    yield from step
        finally:
            flights.close()
            pool.shutdown(wait=False)  # what is under way may hang, and nobody needs it

    def _answer(self, ask: Ask, flight: Future[Any] | None) -> Answer:
        came = None if flight is None else flight.result()
        is_early = came is not None
        if came is None:
            came = self._send_or_refused(ask.call, self._policy)
        return Answer(came, is_early)

    def _send_early(self, call: Call[Any]) -> Any:
        """Return the answer to a call that is sent before its turn; None where it has to be sent again then."""
        falls = self._paging.window.falls
        try:
            return self._send_or_refused(call, ONCE)
        except RequestError:
            self._paging.window.refused(falls)
            return None

    def _send_or_refused(self, call: Call[Any], policy: RetryPolicy) -> Any:
        try:
            return self._exchange(call, policy)
        except (NotFoundError, RejectedError) as error:
            return error
        except ServerError as error:
            if not call.is_optional:
                raise
            return error

    @discreet
    def run(self, steps: Generator[list[Call[Any]], list[Any], T]) -> T:
        """Send the calls that ``steps`` yields, send it their results, and return what it returns.

        A result that does not exist is the :class:`~airflow_provider_jicoo.api.errors.NotFoundError`, one that cannot
        be read the :class:`~airflow_provider_jicoo.api.errors.UnexpectedAnswerError`; one of an optional call that was
        refused, or at which the server failed, is that error.

        :raises RequestError: as :meth:`send`.
        """
        try:
            calls = next(steps)
            while True:
                calls = steps.send([self._send_or_absent(call) for call in calls])
        except StopIteration as end:
            result: T = end.value
            return result

    def _send_or_absent(self, call: Call[Any]) -> Any:
        while True:
            size = self._paging.size
            try:
                return self.send(call)
            except (NotFoundError, UnexpectedAnswerError) as error:
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

    def _send_once(self, call: Call[Any]) -> Reply | NoReply:
        time.sleep(self._ceiling.reserve(time.monotonic()))
        until = time.monotonic() + DEADLINE * self._settings.timeout
        headers = self._settings.key_header()
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            with self._session.request(
                call.method,
                self._settings.base_url + call.path,
                params=fit(call, self._paging) or None,
                data=None if call.body is None else msgspec.json.encode(call.body),
                headers=headers,
                timeout=(self._settings.timeout, self._settings.timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._read(response, until)
        except _FAILED as error:
            cause = _root(error)
            if isinstance(cause, _NEVER_SENT):
                return NoReply(Fault.NOT_SENT, _reason(cause))
            if time.monotonic() >= until:
                return NoReply(Fault.TOO_SLOW, str(too_slow(self._settings.timeout)))
            return NoReply(Fault.NO_ANSWER, _reason(cause))

    def _read(self, response: requests.Response, until: float) -> Reply | NoReply:
        """Read the body of an answer.

        :param until: when its time is over, on the monotonic clock.
        :raises requests.RequestException: it breaks off. Also urllib3's HTTPError.
        """
        status, headers, raw = response.status_code, response.headers, response.raw
        try:
            if is_small(headers):
                return Reply(status, headers, raw.read(decode_content=False), time.time())
            body = Body(headers)
            while piece := raw.read(PIECE, decode_content=False):
                body.feed(piece)
            return Reply(status, headers, body.whole(), time.time())
        except BodyError as error:
            return without_body(status, headers, error)
        except _FAILED:
            if time.monotonic() < until:
                raise
            return without_body(status, headers, too_slow(self._settings.timeout))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> JicooClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _root(error: BaseException) -> BaseException:
    """Return urllib3's error in one of requests', which wraps it, sometimes in a MaxRetryError."""
    inner = error.args[0] if error.args else None
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        inner = error.reason
    return _root(inner) if isinstance(inner, BaseException) else error


def _reason(cause: BaseException) -> str:
    """Name the cause, in words only where they are this machine's: a server's may name a guest, and so may an address.

    Also without the object in front of urllib3's messages.
    """
    is_ours = isinstance(cause, OSError) and not isinstance(cause, requests.RequestException)
    if not is_ours and not isinstance(cause, (*_NEVER_SENT, urllib3.exceptions.ReadTimeoutError)):
        return type(cause).__name__
    text = _OBJECT.sub("", str(cause)).split(" (Caused by", 1)[0]
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__
