"""Looks at the server itself: raw pages of the list of bookings, and how long each answer took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.exchange import NoReply, Reply
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.paging import count, page_call
from airflow_provider_jicoo.api.rows import booking_problem, checked

PATH = "/v1/bookings"
REFUSALS = (errors.NotFoundError, errors.RejectedError, errors.ServerError, errors.UnexpectedAnswerError)
"""What a server may answer to a question that it was not made for; the others end the examination."""
UNANSWERED = (*REFUSALS, errors.PermissionDeniedError, errors.TransportError)
"""What may come of a question that the rest of the examination does not depend on."""
LIMITS = ("ratelimit", "rate-limit", "retry-after", "quota")
"""Parts of the names of headers that tell of a rate limit: none of Jicoo's is documented."""

WORDS_AT_MOST = 200


class Enough(Exception):
    """A reading took more requests than it may."""


@dataclass
class RequestLog:
    """What was seen of all answers.

    :param seconds: how long each answer took.
    :param limited: how many were refused by a rate limit.
    :param headers: the headers about a rate limit, with the value that came last.
    :param changed: the answer to the change that was sent last.
    :param left: how many requests may still be sent; None for any number.
    """

    seconds: list[float] = field(default_factory=list)
    limited: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    changed: Reply | None = None
    left: int | None = None

    def take(self, call: Call[Any], came: Reply | NoReply, seconds: float) -> None:
        """Take in an answer."""
        self.seconds.append(seconds)
        if call.method != "GET":
            self.changed = came if isinstance(came, Reply) else None
        if isinstance(came, Reply):
            self.limited += came.status == 429
            for name, value in came.headers.items():
                if any(part in name.lower() for part in LIMITS):
                    self.headers[name.lower()] = value


class WatchedClient(JicooClient):
    """A client that notes how long each answer took, and what it said of a rate limit. It reads one page at a time.

    :param watch: where to note it.
    """

    def __init__(self, *args: Any, watch: RequestLog, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, pages_at_once=1)
        self.watch = watch

    def _send_once(self, call: Call[Any]) -> Reply | NoReply:
        if self.watch.left is not None:
            if self.watch.left <= 0:
                raise Enough
            self.watch.left -= 1
        begin = time.monotonic()
        came = super()._send_once(call)
        self.watch.take(call, came, time.monotonic() - begin)
        return came


@dataclass
class Page:
    """A page of the list of bookings, or why there is none.

    :param asked: how many rows were asked for.
    :param came: how many came.
    :param rows: those that can be used.
    :param broken: what is wrong with each of the others.
    :param told: the paging fields.
    :param refused: why there is no page.
    """

    asked: int
    came: int = 0
    rows: list[Booking] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    told: Mapping[str, Any] = field(default_factory=dict)
    refused: errors.RequestError | None = None

    @property
    def uids(self) -> list[str]:
        """The ids of its rows."""
        return [row["uid"] for row in self.rows]

    @property
    def total(self) -> int | None:
        """How many rows the list has, as the server says."""
        return count(self.told.get("totalCount"))

    def column(self, name: str) -> list[str]:
        """Return a column of its rows."""
        return [str(row.get(name) or "") for row in self.rows]


class Look:
    """Looks at the list of bookings.

    :param client: sends the requests.
    :param tell: is told what is looked at now.
    """

    def __init__(self, client: WatchedClient, tell: Callable[[str], None]) -> None:
        self.client = client
        self.tell = tell

    def page(self, page: int = 1, size: int | None = None, **query: str) -> Page:
        """Ask for a page.

        :param page: its number, from 1.
        :param size: how many rows to ask for; by default as many as the client does.
        :param query: the filters, and ``order`` and ``sort``, which are by start and ascending where not given.
        """
        asked = size or self.client.paging.size
        call = page_call(Listing(PATH, {"order": "startedAt", "sort": "asc", **query}), self.client.paging, page, asked)
        try:
            answer = self.client.send(call)
        except REFUSALS as error:
            return Page(asked, refused=error)
        rows, broken = checked(answer["data"], booking_problem, page)
        told = {name: value for name, value in answer.items() if name != "data"}
        return Page(asked, len(answer["data"]), rows, [str(row) for row in broken], told)


def status_of(error: errors.RequestError) -> str:
    """Return how a request was refused, with the first of Jicoo's words.

    Not where it was about one booking: Jicoo may name the guest there.
    """
    said = f": {error.said}" if error.said and not error.path.startswith(f"{PATH}/") else ""
    return f"{error.status or 'no answer'}{said}"[:WORDS_AT_MOST]
