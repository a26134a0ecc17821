"""An imagined Jicoo that lists as it likes, as data: no socket, no clock."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from unittest import mock

from airflow_provider_jicoo.api import errors, sweep, times
from airflow_provider_jicoo.api.ahead import Answer, Flights
from airflow_provider_jicoo.api.listing import next_step, read
from airflow_provider_jicoo.api.paging import Paging

BEGIN = datetime(2031, 1, 1, tzinfo=timezone.utc)
OLDEST = "1970-01-02"


def booking(number, start, status="open", created=None):
    moment = BEGIN + timedelta(minutes=start)
    return {
        "uid": f"b{number}",
        "name": f"Booking {number}",
        "status": status,
        "startedAt": times.wire(moment),
        "endedAt": times.wire(moment + timedelta(minutes=30)),
        "updatedAt": times.wire(BEGIN),
        "createdAt": times.wire(BEGIN + timedelta(seconds=number if created is None else created)),
        "hosts": [{"userId": "h", "role": "admin"}],
    }


@dataclass
class Ways:
    """How it lists; the defaults are the documented ways. ``largest`` refuses a larger ``perPage`` than that.

    ``window`` is which times it lists: ``near`` lists ten days back and fifteen ahead where no times are asked for,
    ``ends`` ends so wherever one of them is not, ``from start`` lists fifteen days from the start, or from today, where
    no end is asked for, and ``span`` lists thirty days from there at the most. It
    refuses times outside of ``years``.
    """

    cap: int | None = None
    offset_by_asked: bool = False
    pages_by_asked: bool = False
    fixed: int | None = None
    largest: int | None = None
    first: int = 1
    totals: str = "true"
    behind: str = "empty"
    order: str = "honoured"
    start: str = "inclusive"
    end: str = "inclusive"
    without_status: str = "all"
    status: str = "honoured"
    requests: str = "refused"
    list_cap: int | None = None
    future_only: bool = False
    window: str = "all"
    years: tuple[int, int] | None = None


class Imagined:
    """Answers calls.

    :param rows: its bookings.
    :param ways: how it lists them.
    :param disturb: called with it after each answer.
    """

    def __init__(self, rows, ways, disturb=lambda server: None):
        self.rows, self.ways, self._disturb = list(rows), ways, disturb
        self.asked = []

    def answer(self, call):
        self.asked.append(dict(call.query))
        assert len(self.asked) < 3_000, f"it never ends: {self.ways}, {len(self.rows)} rows, {self.asked[-2:]}"
        try:
            return self._page(call.query)
        finally:
            self._disturb(self)

    def _page(self, query):
        ways, page, size = self.ways, int(query["page"]) - self.ways.first, int(query["perPage"])
        if page < 0:
            return refused(400, "page")
        if ways.largest is not None and size > ways.largest:
            return refused(422, "perPage")
        if query.get("status") == "request" and ways.requests == "refused":
            return refused(400, "status")
        asked = [int(query[name][:4]) for name in ("startedAt", "endedAt") if name in query]
        if ways.years is not None and not all(ways.years[0] <= year <= ways.years[1] for year in asked):
            return refused(422, "startedAt")
        rows = self._arranged(query)
        whole = len(rows)
        rows = rows[: ways.list_cap]
        if ways.totals == "capped":
            whole = len(rows)
        given = ways.fixed or min(size, ways.cap or size)
        if ways.totals == "unpaged":
            return {"data": rows}
        pages = max(1, math.ceil(len(rows) / given))
        if page >= pages and ways.behind == "last again":
            page = pages - 1
        if page >= pages and ways.behind in ("404", "422"):
            return refused(int(ways.behind), "page")
        at = page * (size if ways.offset_by_asked and not ways.fixed else given)
        part = rows[at : at + given]
        return {"data": part, **self._told(whole, part, page, size if ways.pages_by_asked else given)}

    def _told(self, whole, part, page, size):
        total, pages = whole, math.ceil(whole / size)
        return {
            "true": {"totalCount": total, "numberOfPages": pages},
            "capped": {"totalCount": total, "numberOfPages": pages},
            "none": {},
            "total only": {"totalCount": total},
            "pages only": {"numberOfPages": pages},
            "text": {"totalCount": str(total), "numberOfPages": str(pages)},
            "of page": {"totalCount": len(part), "numberOfPages": pages},
            "one page": {"totalCount": total, "numberOfPages": 1},
            "all": {"totalCount": len(self.rows), "numberOfPages": pages},
        }[self.ways.totals]

    def _arranged(self, query):
        ways = self.ways
        rows = [row for row in self.rows if self._has_status(row, query.get("status"))]
        rows = [row for row in rows if self._is_in_time(row, query.get("startedAt"), query.get("endedAt"))]
        column, direction = query["order"], query["sort"]
        if ways.order == "by uid":
            column, direction = "uid", "asc"
        elif ways.order == "by createdAt":
            column, direction = "createdAt", "asc"
        elif ways.order == "reversed":
            direction = "asc" if direction == "desc" else "desc"
        elif ways.order == "always asc":
            direction = "asc"
        if ways.order == "ties shuffled":
            random.shuffle(rows)
        return sorted(rows, key=lambda row: row[column], reverse=direction == "desc")

    def _has_status(self, row, asked):
        if asked is None or self.ways.status == "ignored":
            left_out = {"all": (), "open": ("request", "cancel"), "no cancel": ("cancel",), "no request": ("request",)}
            return row["status"] not in left_out[self.ways.without_status]
        return row["status"] == asked

    def _window(self, after, before):
        """Return the times that are listed, where these are asked for."""
        early, late = (times.wire(BEGIN + timedelta(days=days)) for days in (-10, 15))
        if self.ways.window == "near":
            return (early, late) if after is before is None else (after, before)
        if self.ways.window == "ends":
            return after or early, before or late
        if self.ways.window in ("from start", "span"):
            after = after or times.wire(BEGIN)
            days = 15 if self.ways.window == "from start" else 30
            end = times.wire(times.moment(after) + timedelta(days=days))
            if self.ways.window == "from start":
                return after, before or end
            return after, min(before or end, end)
        return after, before

    def _is_in_time(self, row, after, before):
        ways = self.ways
        after, before = self._window(after, before)
        if ways.future_only and after is before is None:
            return row["startedAt"] >= times.wire(BEGIN)
        if after is not None and ways.start != "ignored":
            after = times.moment(after) + timedelta(hours=9 if ways.start == "shifted" else 0)
            start = times.moment(row["startedAt"])
            if start < after or (ways.start == "exclusive" and start == after):
                return False
            if ways.start == "that day" and start >= after + timedelta(days=2):
                return False
        if before is not None and ways.end != "ignored":
            end = times.moment(row["endedAt"])
            if end > times.moment(before) or (ways.end == "exclusive" and end == times.moment(before)):
                return False
        return True


def refused(status, field):
    kind = errors.NotFoundError if status == 404 else errors.RejectedError
    return kind("refused", method="GET", path="/v1/bookings", status=status, errors={field: ["is wrong"]})


def read_all(server, listing, *, size=5, paging=None, chance=None, **options):
    """Read a list from an imagined Jicoo. Returns the rows; what fails, fails. The limit of pages is reached sooner.

    :param chance: random numbers; with them, requests are under way together, and are answered in any order.
    """
    transport = Sequential(server) if chance is None else Together(server, chance)
    with mock.patch.object(sweep, "PAGES_AT_MOST", 400):
        steps, found, answer = read(listing, paging or Paging(size), **options), [], None
        while (step := next_step(steps, answer)) is not None:
            answer = None
            if isinstance(step, list):
                found += step
            else:
                answer = transport.answer(step)
    return found


class Sequential:
    """Sends what is asked for, and nothing before its turn."""

    def __init__(self, server):
        self._server = server

    def answer(self, ask):
        return Answer(self._server.answer(ask.call))


class Request:
    """A request under way; ``came`` is its answer, once the server has come to it."""

    def __init__(self, call):
        self.call, self.came, self.is_answered = call, None, False


class Together:
    """Sends all that may be under way; the server comes to the requests in any order.

    Some of those that are sent before their turn fail.
    """

    def __init__(self, server, chance):
        self._server, self._chance = server, chance
        self._waiting = []
        self._flights = Flights(self._start, self._drop)

    def answer(self, ask):
        own = self._flights.take(ask)
        is_early = own is not None
        own = own or self._start(ask.call)
        while not own.is_answered:
            request = self._chance.choice(self._waiting)
            self._waiting.remove(request)
            request.came, request.is_answered = self._server.answer(request.call), True
            if request is not own and self._chance.random() < 0.01:
                request.came = None
        if own.came is None:
            return Answer(self._server.answer(ask.call))
        return Answer(own.came, is_early)

    def _start(self, call):
        request = Request(call)
        self._waiting.append(request)
        return request

    def _drop(self, request):
        if not request.is_answered and self._chance.random() < 0.5:  # the others have been sent already
            self._waiting.remove(request)
