"""The event types: periods in pieces, what is refused before a request, and changes whose outcome is in doubt."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jicoo.api import availability, errors, event_types, paths, times
from airflow_provider_jicoo.api.errors import AmbiguousOutcomeError, InvalidRequestError, NotFoundError
from airflow_provider_jicoo.api.event_types import WINDOW, list_available_schedules, pieces

START = datetime(2031, 3, 3, tzinfo=timezone.utc)
WEEK = timedelta(days=7)


class Server:
    """Slots that an imagined Jicoo has, and how it reads the two ends of a period."""

    def __init__(self, starts, ends="both"):
        self.starts = starts
        self.ends = ends
        self.periods = []

    def answer(self, call):
        begin, end = (times.moment(value) for value in call.query.values())
        self.periods.append((begin, end))
        assert timedelta(0) < end - begin <= WEEK
        slots = [
            {"startedAt": times.wire(start), "remainingCapacity": 1}
            for start in sorted(self.starts)
            if begin <= start <= end
            and (start > begin or self.ends in ("both", "first"))
            and (start < end or self.ends in ("both", "last"))
        ]
        return {"data": slots}

    def run(self, steps):
        calls = next(steps)
        try:
            while True:
                calls = steps.send([self.answer(call) for call in calls])
        except StopIteration as end:
            return [times.moment(slot["startedAt"]) for slot in end.value]

    def slots(self, start, end, **more):
        return self.run(list_available_schedules("e1", period_start=start, period_end=end, **more))


class TestPieces:
    @given(st.integers(min_value=1, max_value=200 * 86_400))
    def test_they_cover_the_period_once(self, seconds):
        end = START + timedelta(seconds=seconds)
        made = pieces(START, end)
        assert made[0][0] == START
        assert made[-1][1] == end
        assert all(first[1] == second[0] for first, second in pairwise(made))
        assert all(timedelta(0) < last - first <= WINDOW for first, last in made)
        assert len(made) == -(-seconds // (7 * 86_400))

    @pytest.mark.parametrize(
        ("length", "count"),
        [
            (timedelta(seconds=1), 1),
            (WEEK, 1),
            (WEEK + timedelta(milliseconds=1), 2),
            (2 * WEEK, 2),
            (timedelta(days=10), 2),
            (timedelta(days=200), 29),
        ],
    )
    def test_at_the_limit(self, length, count):
        assert len(pieces(START, START + length)) == count

    @given(
        st.integers(min_value=1, max_value=200 * 86_400),
        st.lists(st.integers(min_value=0, max_value=200 * 86_400), max_size=30),
        st.sampled_from(["both", "first", "last"]),
    )
    def test_each_slot_comes_once(self, seconds, offsets, ends):
        """Slots anywhere and on each seam, however the ends of a period are read."""
        end = START + timedelta(seconds=seconds)
        seams = {START + number * WEEK for number in range(30)}
        server = Server({*seams, *(START + timedelta(seconds=offset) for offset in offsets)}, ends)
        expected = [
            start
            for start in sorted(server.starts)
            if START <= start <= end and (start > START or ends != "last") and (start < end or ends != "first")
        ]
        assert server.slots(START, end) == expected

    @pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe"])
    @pytest.mark.parametrize("month", [3, 4, 10, 11])
    def test_over_a_change_of_the_clocks(self, zone, month):
        """Wall clocks of a zone: the seams are seven times 24 hours apart, and none of the slots is lost or doubled."""
        first = datetime(2031, month, 1, tzinfo=ZoneInfo(zone))
        last = datetime(2031, month, 29, tzinfo=ZoneInfo(zone))
        begin = first.astimezone(timezone.utc)
        hours = int((last.astimezone(timezone.utc) - begin).total_seconds()) // 3600
        starts = {begin + timedelta(minutes=30 * number) for number in range(2 * hours + 1)}
        server = Server(starts)
        found = server.slots(f"2031-{month:02d}-01T00:00", f"2031-{month:02d}-29T00:00", time_zone=zone)
        assert found == sorted(starts)
        assert server.periods[0][0] == begin

    def test_two_slots_at_one_moment_stay_two(self):
        """Only what an earlier piece has given is left out."""
        steps = list_available_schedules("e1", period_start=START, period_end=START + 2 * WEEK)
        (first, second) = next(steps)
        twice = [{"startedAt": times.wire(START + WEEK), "of": name} for name in "ab"]
        with pytest.raises(StopIteration) as end:
            steps.send([{"data": twice}, {"data": twice}])
        assert end.value.value == twice
        assert first.query["periodEnd"] == second.query["periodStart"]

    def test_the_same_moment_written_otherwise(self):
        steps = list_available_schedules("e1", period_start=START, period_end=START + 2 * WEEK)
        next(steps)
        pages = [[{"startedAt": "2031-03-10T00:00:00Z"}], [{"startedAt": "2031-03-10T09:00:00.000+09:00"}]]
        with pytest.raises(StopIteration) as end:
            steps.send([{"data": page} for page in pages])
        assert end.value.value == [{"startedAt": "2031-03-10T00:00:00Z"}]

    def test_slots_that_do_not_say_when_are_kept(self):
        steps = list_available_schedules("e1", period_start=START, period_end=START + 2 * WEEK)
        next(steps)
        with pytest.raises(StopIteration) as end:
            steps.send([{"data": [{}, {"startedAt": None}]}, {"data": [{}]}])
        assert end.value.value == [{}, {"startedAt": None}, {}]

    def test_other_names_of_the_parameters(self):
        steps = list_available_schedules(
            "e1", period_start=START, period_end=START + WEEK, parameters=("startedAt", "endedAt")
        )
        (call,) = next(steps)
        assert call.query == {"startedAt": "2031-03-03T00:00:00.000Z", "endedAt": "2031-03-10T00:00:00.000Z"}

    def test_on_the_sandbox(self, connect, jicoo):
        """Slots begin with each Monday in Tokyo, and so do the pieces: each seam has one."""
        uid = jicoo.event_types[0]["uid"]
        end = START + timedelta(days=24)
        found = connect(jicoo.url, key=jicoo.api_key).run(
            list_available_schedules(uid, period_start=START, period_end=end)
        )
        assert found == jicoo.free_slots(uid, START.isoformat(), end.isoformat())
        assert sum(slot["startedAt"].startswith("2031-03-10T00:00") for slot in found) == 1
        assert jicoo.count("GET") == 4

    def test_no_such_event_type(self, connect, jicoo):
        with pytest.raises(NotFoundError):
            connect(jicoo.url, key=jicoo.api_key).run(
                list_available_schedules("nothing", period_start=START, period_end=START + 3 * WEEK)
            )


HOUR = ("2031-03-03T00:00Z", "2031-03-03T01:00Z")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: event_types.update_event_type_host("e1", "u1", priority=4), "Update Event Type Host: priority: .*3"),
        (lambda: event_types.update_event_type_host("e1", "u1", priority=-1), "priority: .*0"),
        (lambda: event_types.update_event_type_host("e1", "u1", priority="2"), "priority: .*integer"),
        (lambda: event_types.update_event_type_host("e1", "u1", priority=True), "priority: .*integer"),
        (lambda: event_types.update_event_type_host("e/1", "u1", priority=1), "event_type_id 'e/1' is not an id"),
        (lambda: event_types.update_event_type_host("e1", "..", priority=1), "uid '..' is not an id"),
        (lambda: event_types.create_event_type_host("e1", user_id="u1", priority=4), "Create .*priority: .*3"),
        (lambda: event_types.create_event_type_host("e1"), "user_id is required"),
        (lambda: event_types.create_event_type_host("e1", user_id="u1", role="owner"), "role: .*'admin'"),
        (lambda: event_types.create_event_type_host("e1", user_id="u1", user_type="guest"), "user_type: .*notifyHost"),
        (lambda: event_types.create_event_type_host("e1", user_id="u1", prio=1), "unknown field 'prio'; did you mean"),
        (lambda: event_types.delete_event_type_host("e1", ""), "uid '' is not an id"),
        (lambda: event_types.get_event_type(None), "event_type_id None is not an id"),
        (lambda: event_types.list_event_types(limit=-1), "List Event Types: limit: 0 or more, not -1"),
        (lambda: event_types.list_event_types(limit=True), "limit: 0 or more"),
        (lambda: event_types.list_event_types(team_id="a team"), "team_id 'a team' is not a team such as"),
        (lambda: event_types.list_event_type_hosts("e1", limit="5"), "List Event Type Hosts: limit: 0 or more"),
        (lambda: event_types.validate_guest("t", "e1", name="A", email="nobody"), "email: not an e-mail address"),
        (lambda: event_types.validate_guest("t", "e1", name="", email="a@example.com"), "name: "),
        (lambda: event_types.validate_guest("a/b", "e1", name="A", email="a@example.com"), "team_id 'a/b'"),
        (lambda: availability.list_user_availability_calendars(""), "user_id '' is not an id"),
        (lambda: availability.get_user_availability_calendar("a b"), "uid 'a b' is not an id"),
    ],
)
def test_refused_before_a_request(make, words):
    with pytest.raises(InvalidRequestError, match=words):
        make()


@pytest.mark.parametrize(
    ("start", "end", "zone", "words"),
    [
        (HOUR[1], HOUR[0], None, "period_end 2031-03-03T00:00:00.000Z is not after period_start 2031-03-03T01"),
        (HOUR[0], HOUR[0], None, "is not after"),
        ("2031-03-03T00:00", HOUR[1], None, "period_start: '2031-03-03T00:00' has no offset"),
        (HOUR[0], "soon", None, "period_end: 'soon' is not a moment"),
        ("2031-03-03T00:00", HOUR[1], "Asia/Tokio", "did you mean 'Asia/Tokyo'"),
    ],
)
def test_a_period_that_cannot_be(start, end, zone, words):
    with pytest.raises(InvalidRequestError, match=words):
        next(list_available_schedules("e1", period_start=start, period_end=end, time_zone=zone))


def test_the_guest_is_in_no_error(connect, jicoo):
    with pytest.raises(InvalidRequestError) as refused:
        event_types.validate_guest("t", "e1", name="Stefanie Zweig", email="zweig(at)example.com")
    assert "weig" not in str(refused.value)


def test_a_key_that_may_not_list_event_types_is_told_what_to_do(connect, jicoo):
    driver = connect(jicoo.url, key=jicoo.forbidden_key)
    with pytest.raises(errors.PermissionDeniedError, match=r"name the event types by hand.*/t/<team>/e/<id>") as caught:
        list(driver.iterate(event_types.list_event_types()))
    assert caught.value.status == 403
    with pytest.raises(errors.PermissionDeniedError) as other:
        driver.send(event_types.get_event_type("e1"))
    assert "by hand" not in str(other.value)


def test_an_inferred_path_is_put_right_in_one_place(monkeypatch):
    monkeypatch.setitem(paths.INFERRED, "delete_event_type_host", "/v1/hosts/{event_type_id}/{uid}")
    assert event_types.delete_event_type_host("e1", "u1").path == "/v1/hosts/e1/u1"


class TestInDoubt:
    """The change is made, the answer lost; or it is not made. Read back, each ends as if nothing had happened."""

    @pytest.fixture
    def there(self, jicoo):
        event_type = jicoo.event_types[0]
        stranger = next(user["uid"] for user in jicoo.users if user["uid"] not in event_type["hosts"])
        return event_type["uid"], event_type["hosts"][0], stranger

    @pytest.mark.parametrize("fault", ["dropped", "dropped_before", "cut_body", "server_error"])
    def test_update(self, connect, jicoo, there, fault):
        jicoo.fail(fault, method="PATCH")
        found = connect(jicoo.url, key=jicoo.api_key).send(
            event_types.update_event_type_host(there[0], there[1], priority=3)
        )
        assert found == jicoo.hosts(there[0])[0]
        assert found["priority"] == 3

    @pytest.mark.parametrize("fault", ["dropped", "dropped_before", "cut_body", "server_error"])
    def test_create(self, connect, jicoo, there, fault):
        jicoo.fail(fault, method="POST")
        found = connect(jicoo.url, key=jicoo.api_key).send(
            event_types.create_event_type_host(there[0], user_id=there[2])
        )
        assert found == jicoo.hosts(there[0])[-1]
        assert [host["uid"] for host in jicoo.hosts(there[0])].count(there[2]) == 1

    @pytest.mark.parametrize("fault", ["dropped", "dropped_before", "server_error"])
    def test_delete(self, connect, jicoo, there, fault):
        jicoo.fail(fault, method="DELETE")
        assert (
            connect(jicoo.url, key=jicoo.api_key).send(event_types.delete_event_type_host(there[0], there[1])) is None
        )
        assert there[1] not in [host["uid"] for host in jicoo.hosts(there[0])]

    def test_a_host_who_may_be_on_another_page(self, connect, wire, reply):
        page = b'{"data": [{"uid": "u1"}], "errors": {}, "numberOfPages": 2}'
        server = wire(
            lambda request, number: reply(status="503 Busy") if request.startswith(b"DELETE") else reply(page)
        )
        with pytest.raises(AmbiguousOutcomeError, match="list the hosts of event type e1"):
            connect(server.url).send(event_types.delete_event_type_host("e1", "u2"))


class TestIsItOnTheList:
    """The list of hosts that is read where nobody knows whether a change was made."""

    @pytest.mark.parametrize(
        ("page", "whole"),
        [
            ({"totalCount": 2}, True),
            ({"totalCount": 3, "count": 2, "currentPage": 1}, False),
            ({"numberOfPages": 1}, True),
            ({"numberOfPages": 2}, False),
            ({}, False),
        ],
    )
    def test_who_is_not_on_it(self, page, whole):
        page = {"data": [{"uid": "u1"}, {"uid": "u2"}], **page}
        gone = event_types.delete_event_type_host("e1", "u3").read_back.done(page)
        made = event_types.create_event_type_host("e1", user_id="u3").read_back.done(page)
        assert (gone, made) == ((True, False) if whole else (None, None))

    @pytest.mark.parametrize(("priority", "done"), [(1, True), (2, None)])
    def test_a_host_of_another_priority_was_not_made_by_this_request(self, priority, done):
        page = {"data": [{"uid": "u1", "role": "member", "priority": priority}], "totalCount": 1}
        assert event_types.create_event_type_host("e1", user_id="u1", priority=1).read_back.done(page) is done


def test_a_slot_that_is_no_object():
    steps = list_available_schedules("e1", period_start=START, period_end=START + WEEK)
    next(steps)
    with pytest.raises(errors.UnexpectedAnswerError, match="a free slot is a str"):
        steps.send([{"data": ["2031-03-03T00:00:00Z"]}])


def test_an_override_with_another_name_in_it(monkeypatch):
    monkeypatch.setitem(paths.INFERRED, "available_schedules", "/v1/event_types/{uid}/slots")
    with pytest.raises(InvalidRequestError, match=r"it can have \{event_type_id\}"):
        next(list_available_schedules("e1", period_start=START, period_end=START + WEEK))


class TestSlotsAreProved:
    """How free slots come is documented nowhere: an answer that tells of more than it gives is not taken for all."""

    def test_an_answer_that_comes_in_pages(self, wire, reply, connect):
        slots = [{"startedAt": times.wire(START + timedelta(hours=hour))} for hour in range(50)]

        def answer(request, number):
            page = int(re.search(rb"page=(\d+)", request)[1]) if b"page=" in request else 1
            part = slots[(page - 1) * 20 : page * 20]
            return reply(json.dumps({"data": part, "totalCount": 50, "count": len(part), "numberOfPages": 3}))

        server = wire(answer)
        steps = list_available_schedules("e1", period_start=START, period_end=START + WEEK)
        assert connect(server.url).run(steps) == slots
        assert len(server.requests) == 3

    def test_an_answer_that_tells_of_more_and_never_gives_it(self, wire, reply, connect):
        slots = [{"startedAt": times.wire(START)}]
        server = wire(reply(json.dumps({"data": slots, "totalCount": 50, "numberOfPages": 3})))
        steps = list_available_schedules("e1", period_start=START, period_end=START + WEEK)
        with pytest.raises(errors.UnprovenListError, match=r"tells of 50 slots .* and gives 1"):
            connect(server.url).run(steps)

    def test_slots_of_another_period(self):
        steps = list_available_schedules("e1", period_start=START, period_end=START + WEEK)
        next(steps)
        with pytest.raises(errors.UnprovenListError, match="does not know the parameters periodStart and periodEnd"):
            steps.send([{"data": [{"startedAt": times.wire(START + 2 * WEEK)}]}])

    def test_slots_of_the_rest_of_a_day_are_left_out(self):
        steps = list_available_schedules("e1", period_start=START, period_end=START + WEEK)
        next(steps)
        inside, outside = ({"startedAt": times.wire(START + timedelta(hours=hour))} for hour in (1, -1))
        with pytest.raises(StopIteration) as end:
            steps.send([{"data": [outside, inside]}])
        assert end.value.value == [inside]
