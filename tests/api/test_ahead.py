"""Pages are read many at once: quickly, gently, and never more of them than is right."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.ahead import AT_ONCE, Window
from airflow_provider_jicoo.api.bookings import list_bookings
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.errors import ServerError
from airflow_provider_jicoo.api.retry import RetryPolicy
from tests.api.imagined import Imagined, Ways, booking

SIZE = 5
COUNT = 300
PAGES = COUNT // SIZE
PROOFS = 8
"""How many requests a whole reading takes at the most beside those of its pages."""
LATENCY = 0.02
EVERYTHING = replace(list_bookings(order_by="createdAt"), any_order=True)


class Crowd:
    """A server of bookings that takes its time, and notes how many requests were under way together.

    :param refuse: says of the number under way and of the query whether to refuse, and with which status.
    """

    def __init__(self, reply, count=COUNT, *, refuse=None, disturb=None):
        self.jicoo = Imagined([booking(number, number * 60) for number in range(count)], Ways())
        self._reply, self._refuse, self._disturb = reply, refuse, disturb
        self._lock = threading.Lock()
        self.under_way = self.answered = 0
        self.together = []
        self.burst = []
        self.refused = []
        self.pages = []

    def __call__(self, request, number):
        query = dict(parse_qsl(urlsplit(request.split(b" ", 2)[1].decode()).query))
        with self._lock:
            self.under_way += 1
            self.together.append(self.under_way)
            self.burst.append((self.answered, self.under_way))
            status = None if self._refuse is None else self._refuse(self, query)
        time.sleep(LATENCY)
        with self._lock:
            self.under_way -= 1
            self.answered += 1
            if status is not None:
                self.refused.append(status)
                return self._reply('{"message": "no"}', status=f"{status} No")
            self.pages.append(int(query["page"]))
            answer = self.jicoo.answer(Call("GET", "/v1/bookings", query=query))
            if self._disturb is not None:
                self._disturb(self)
        if isinstance(answer, Exception):
            return self._reply('{"message": "no"}', status=f"{answer.status} No")
        return self._reply(json.dumps({**answer, "errors": {}}))


@pytest.fixture
def read(wire, reply, connect):
    """Read a list from a :class:`Crowd`, and return the rows and the crowd."""

    def read(listing=EVERYTHING, *, stop_after=None, count=COUNT, refuse=None, disturb=None, **options):
        crowd = Crowd(reply, count, refuse=refuse, disturb=disturb)
        driver = connect(wire(crowd).url, page_size=SIZE, **options)
        rows = []
        iterator = driver.iterate(listing)
        for row in iterator:
            rows.append(row["uid"])
            if len(rows) == stop_after:
                break
        iterator.close()
        return rows, crowd

    return read


def test_many_pages_are_under_way_together(read):
    rows, crowd = read()
    assert rows == [f"b{number}" for number in range(COUNT)]
    assert 8 <= max(crowd.together) <= AT_ONCE


def test_it_takes_no_more_requests_than_one_at_a_time(read):
    _, crowd = read()
    _, alone = read(pages_at_once=1)
    assert max(alone.together) == 1
    assert len(crowd.pages) == len(alone.pages)


def test_the_first_burst_is_gentle(read):
    """One request, then two, four, ...: never more under way than a few for each that was answered."""
    _, crowd = read()
    assert all(under_way <= answered + 1 for answered, under_way in crowd.burst)


def test_a_ceiling_is_kept(read):
    begin = time.monotonic()
    rows, crowd = read(count=100, rate=50)
    assert len(rows) == 100
    assert time.monotonic() - begin >= (len(crowd.pages) - 1) / 50


def test_a_server_that_refuses_many_at_once_gets_fewer(read):
    rows, crowd = read(refuse=lambda crowd, query: 429 if crowd.under_way > 4 else None)
    assert rows == [f"b{number}" for number in range(COUNT)]
    assert 0 < len(crowd.refused) <= 2 * AT_ONCE
    assert max(crowd.together[len(crowd.together) // 2 :]) <= AT_ONCE // 2


def test_a_server_that_refuses_all_but_one_at_once_is_read_one_page_at_a_time(read):
    rows, crowd = read(refuse=lambda crowd, query: 429 if crowd.under_way > 1 else None)
    assert rows == [f"b{number}" for number in range(COUNT)]
    assert len(crowd.refused) <= 2 * AT_ONCE


def test_a_server_that_fails_at_depth_is_not_hammered(read):
    crowds = []

    def refuse(crowd, query):
        crowds.append(crowd)
        return 500 if int(query["page"]) > 20 else None

    policy = RetryPolicy(attempts=4, base=0.01, floor=0.01)
    with pytest.raises(ServerError):
        read(refuse=refuse, policy=policy)
    assert len(crowds[0].refused) <= AT_ONCE + policy.attempts


def test_a_page_that_fails_is_sent_again_and_the_others_stand(read):
    failing = {"17": 1, "23": 3}

    def refuse(crowd, query):
        page = query["page"]
        if failing.get(page):
            failing[page] -= 1
            return 500
        return None

    rows, crowd = read(refuse=refuse)
    assert rows == [f"b{number}" for number in range(COUNT)]
    assert len(crowd.refused) == 4
    assert len(crowd.pages) <= PAGES + PROOFS


def test_a_reader_that_stops_leaves_a_few_pages_unused(read):
    for stop_after in (1, SIZE, 3 * SIZE, 150):
        _, crowd = read(stop_after=stop_after)
        time.sleep(2 * LATENCY)
        assert len(crowd.pages) <= -(-stop_after // SIZE) + AT_ONCE
        assert stop_after > SIZE or len(crowd.pages) == 1


@pytest.mark.parametrize("wanted", [7, 48, 150, 290])
def test_the_order_ends_the_reading_and_a_handful_of_pages_is_read_beyond(read, wanted):
    last = booking(0, wanted * 60)["startedAt"]
    listing = replace(list_bookings(), before=times.moment(last), any_order=True)
    rows, crowd = read(listing)
    _, alone = read(listing, pages_at_once=1)
    assert rows == [f"b{number}" for number in range(wanted)]
    assert len(crowd.pages) <= len(alone.pages) + 3


@pytest.mark.parametrize("limit", [1, 5, 6, 150])
def test_with_a_limit_no_page_is_read_beyond(read, limit):
    rows, crowd = read(list_bookings(limit=limit))
    _, alone = read(list_bookings(limit=limit), pages_at_once=1)
    assert len(rows) == limit
    assert len(crowd.pages) == len(alone.pages)


def test_rows_that_move_meanwhile_are_found(read):
    """A row leaves the front after 20 pages: each page behind it then begins one row later."""

    def disturb(crowd):
        if len(crowd.pages) == 20:
            crowd.jicoo.rows.pop(3)

    rows, crowd = read(disturb=disturb)
    assert sorted(rows) == sorted(f"b{number}" for number in range(COUNT))
    assert len(crowd.pages) > 2 * PAGES, "it was read again"


def test_rows_that_join_meanwhile_cost_no_second_sweep(read):
    def disturb(crowd):
        if len(crowd.pages) in (20, 40):
            crowd.jicoo.rows.append(booking(1_000 + len(crowd.pages), 10**5))

    rows, crowd = read(disturb=disturb)
    assert set(rows) >= {f"b{number}" for number in range(COUNT)}
    assert len(rows) == len(set(rows)) == COUNT + 2
    assert len(crowd.pages) <= PAGES + PROOFS + 2 * AT_ONCE


def test_a_second_reading_begins_with_what_the_first_has_learnt(wire, reply, connect):
    crowd = Crowd(reply)
    driver = connect(wire(crowd).url, page_size=SIZE)
    list(driver.iterate(EVERYTHING))
    first = len(crowd.together)
    list(driver.iterate(EVERYTHING))
    assert max(crowd.together[first : first + AT_ONCE]) >= 8


# --- the window -------------------------------------------------------------------------------------------------------


def test_the_window_doubles_in_each_round_trip_up_to_the_most():
    window = Window()
    sizes = []
    for _ in range(6):
        sizes.append(window.size)
        for _ in range(window.size):
            window.answered()
    assert sizes == [1, 2, 4, 8, 16, 16]


def test_of_many_that_were_refused_together_one_tells_all():
    window = Window()
    for _ in range(20):
        window.answered()
    falls = window.falls
    for _ in range(10):
        window.refused(falls)
    assert window.size == 8
    window.refused(window.falls)
    assert window.size == 4


def test_after_each_refusal_it_grows_more_slowly():
    window, needed = Window(), []
    for _ in range(4):
        while window.size < 4:
            window.answered()
        window.refused(window.falls)
        answers = 0
        while window.size < 4:
            window.answered()
            answers += 1
        needed.append(answers)
    assert needed == sorted(needed)
    assert needed[-1] >= 16


def test_a_window_of_one_stays_one():
    window = Window(1)
    for _ in range(20):
        window.answered()
    assert window.size == 1
