"""The webhooks of the sandbox: a signed request to one address at every change that Jicoo has an event for.

Which change is which event, and when it is sent again, stands in :mod:`~airflow_provider_jicoo.sandbox.choices`. What
is documented of Jicoo's: https://developer.jicoo.com/doc-356016; of the body https://developer.jicoo.com/doc-355758.

The signature is made here, and not with ``api.signature``: the sandbox shares no code with what it is there to test.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import http.client
import json
import random
import ssl
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Literal, get_args

from airflow_provider_jicoo.sandbox import choices, values
from airflow_provider_jicoo.sandbox.data import Row

WebhookFault = Literal["delay", "drop", "duplicate", "reorder"]
SENDERS = 8
"""How many are sent at once; nothing promises an order."""
DELAY_SECONDS = 2.0


@dataclass(frozen=True)
class Delivery:
    """One request that was sent. Holds no personal data.

    :param uid: the booking.
    :param event: name of the event.
    :param attempt: which one of this event, from 1; a duplicate counts for itself.
    :param status: what the receiver answered; None where it could not be reached or did not answer.
    :param at: when it was answered, in UTC, by the machine's clock.
    """

    uid: str
    event: str
    attempt: int
    status: int | None
    at: datetime


@dataclass(order=True)
class _Due:
    at: float
    number: int
    uid: str = field(compare=False)
    event: str = field(compare=False)
    body: bytes = field(compare=False, repr=False)
    attempt: int = field(default=1, compare=False)


class Webhooks:
    """Sends events to one address, from threads of its own.

    :param url: where to.
    :param secret: what to sign with.
    :param faults: ``NAME=SHARE`` each, as ``duplicate=10%``; ``delay`` and ``reorder`` take ``,seconds=3`` behind it.
    :param retries: seconds to wait before it is sent again, for each time that it is.
    :param seed: seed of the shares.
    :param clock: returns the sandbox's time, as the API writes it.
    :param remember: keep every request for :attr:`deliveries`.
    :raises ValueError: the address is none, the secret is empty, or there is no such fault.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        faults: Iterable[str] = (),
        retries: Sequence[float] = choices.WEBHOOK_RETRIES,
        seed: int = 0,
        clock: Callable[[], str],
        remember: bool = True,
    ) -> None:
        if not secret.strip():
            raise ValueError("the webhook's secret is empty")
        self.secret = secret
        self._url = _checked(url)
        self._faults = dict(map(_fault, faults))
        self._retries = tuple(retries)
        self._chance = random.Random(f"webhooks {seed}")
        self._clock = clock
        self._changed = threading.Condition()
        self._due: list[_Due] = []
        self._count = 0
        self._at_work = 0
        self._threads: list[threading.Thread] = []
        self._is_stopping = False
        self.deliveries: deque[Delivery] = deque(maxlen=None if remember else 0)

    def start(self) -> None:
        """Start to send, what happened before too."""
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._send_all, name=f"jicoo-webhooks-{number}", daemon=True)
            for number in range(SENDERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop to send; what is still to be sent is not. A request at work may take :data:`choices.WEBHOOK_TIMEOUT`."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def forget(self) -> None:
        """Forget what was sent and what is to be sent."""
        with self._changed:
            self._due.clear()
            self.deliveries.clear()
            self._changed.notify_all()

    def settle(self, timeout: float) -> bool:
        """Wait until every event was delivered or given up, and say whether that is so.

        :param timeout: seconds to wait at the most.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._due and not self._at_work, timeout)

    def ring(self, before: Row | None, after: Row, contacts: list[Row], by: Literal["guest", "host"]) -> None:
        """Send the event of a change, where there is one.

        :param before: the booking as it was; None where there was none.
        :param after: the booking as it is.
        :param contacts: its guests.
        :param by: who changed it.
        """
        event = event_of(before, after, by)
        if event is None:
            return
        body = _body(event, after, contacts, self._clock())
        with self._changed:
            if self._draws("drop"):
                return
            for _ in range(1 + self._draws("duplicate")):
                at = time.monotonic()
                at += self._faults.get("delay", (0, 0.0))[1] if self._draws("delay") else 0
                # Between none and all of the time: what happens meanwhile overtakes it.
                at += self._faults["reorder"][1] * self._chance.random() if self._draws("reorder") else 0
                self._count += 1
                heapq.heappush(self._due, _Due(at, self._count, after["uid"], event, body))
            self._changed.notify_all()

    def _draws(self, fault: WebhookFault) -> bool:
        return fault in self._faults and self._chance.random() < self._faults[fault][0]

    def _send_all(self) -> None:
        while (due := self._next()) is not None:
            status = None
            try:
                status = self._send(due.body)
            finally:
                self._note(due, status)

    def _next(self) -> _Due | None:
        """Wait for what is due; None where no more is sent."""
        with self._changed:
            while not self._is_stopping:
                wait = self._due[0].at - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    self._at_work += 1
                    return heapq.heappop(self._due)
                self._changed.wait(wait)
        return None

    def _note(self, due: _Due, status: int | None) -> None:
        with self._changed:
            self._at_work -= 1
            self.deliveries.append(Delivery(due.uid, due.event, due.attempt, status, datetime.now(timezone.utc)))
            is_taken = status is not None and 200 <= status < 300
            if not is_taken and due.attempt <= len(self._retries):
                at = time.monotonic() + self._retries[due.attempt - 1]
                heapq.heappush(self._due, replace(due, at=at, attempt=due.attempt + 1))
            self._changed.notify_all()

    def _send(self, body: bytes) -> int | None:
        """Send a request, and return the status of the answer; None where there was none."""
        target = urllib.parse.urlunsplit(("", "", self._url.path or "/", self._url.query, ""))
        connection = _connection(self._url)
        try:
            # Signed at every attempt, by the machine's clock whatever the sandbox's: else it would be refused as stale.
            headers = {"content-type": "application/json", "Jicoo-Webhook-Signature": signed(body, self.secret)}
            connection.request("POST", target, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def signed(body: bytes, secret: str) -> str:
    """Return the header of a body that is sent now."""
    moment = str(int(time.time()))
    digest = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def event_of(before: Row | None, after: Row, by: Literal["guest", "host"]) -> str | None:
    """Return the name of the event that a change of a booking is; None where Jicoo has none for it."""
    was, now = before and before["status"], after["status"]
    if now == "open":
        if was != "open":
            return "guest_booked"
        if before and any(before[name] != after[name] for name in ("startedAt", "endedAt")):
            return f"{by}_rescheduled"
    elif now == "cancel" and was in ("open", "request"):
        return f"{after['cancelledBy'] or by}_cancelled"
    return None


def _body(event: str, booking: Row, contacts: list[Row], now: str) -> bytes:
    guest = contacts[0] if contacts else {"name": "", "email": "", "answers": []}
    as_it_is = ("uid", "status", "timeZone", "startedAt", "endedAt", "createdAt", "updatedAt")
    content = {
        "createdAt": now,
        "event": event,
        "object": {
            **{name: booking[name] for name in as_it_is},
            "eventTypeUid": booking["eventTypeId"],
            **{name: booking[name] for name in ("cancelReason", "cancelledAt", "cancelledBy")},
            "contact": {"email": guest["email"], "name": guest["name"]},
            "answers": guest["answers"],
            "tracking": {f"utm_{name}": None for name in ("campaign", "source", "medium", "content", "term")},
        },
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _checked(url: str) -> urllib.parse.SplitResult:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("the webhook's address must be as https://airflow.example.com/hook, without a user in it")
    _ = parts.port  # a ValueError where it is no number
    return parts


def _connection(url: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, url.port, timeout=choices.WEBHOOK_TIMEOUT, context=context)
    return http.client.HTTPConnection(host, url.port, timeout=choices.WEBHOOK_TIMEOUT)


def _fault(text: str) -> tuple[WebhookFault, tuple[float, float]]:
    """Read a fault: its name, its share and its seconds."""
    first, _, rest = text.partition(",")
    name, _, share = first.partition("=")
    known: dict[str, WebhookFault] = {each: each for each in get_args(WebhookFault)}
    fault = known[values.one_of(name, known, "webhook fault")]
    option, _, length = rest.partition("=")
    if rest and (option != "seconds" or fault not in ("delay", "reorder")):
        raise ValueError(f"the webhook fault {fault} has no option {option!r}; delay and reorder have seconds")
    return fault, (values.share(share), values.seconds(length) if rest else DELAY_SECONDS)
