"""The trigger that waits for free slots: what it says, how often it asks, and that it holds no secret."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import time

import pytest

from airflow_provider_jicoo.triggers.base import Verdict
from airflow_provider_jicoo.triggers.event_types import AvailableSchedulesTrigger, judge

pytestmark = pytest.mark.usefixtures("jicoo_connection")

GIVEN = {
    "event_type_id": "e1",
    "period_start": "2031-03-03T09:00",
    "period_end": "2031-03-13T09:30",
    "time_zone": "Asia/Tokyo",
    "min_slots": 2,
    "min_capacity": 3,
    "weekdays": ["mon", "tue"],
    "hours": ["9:00", "18:00"],
    "below": True,
    "poll_interval": 7.0,
    "deadline": 1924905600.25,
    "jicoo_conn_id": "other",
}


@pytest.fixture
def trigger(jicoo_sandbox):
    jicoo_sandbox.reset(bookings=0)

    def make(**more):
        """At nine and at half past nine: two slots of four."""
        uid = jicoo_sandbox.event_types[0]["uid"]
        none = dict.fromkeys(("min_slots", "min_capacity", "weekdays", "hours", "deadline"))
        period = {"event_type_id": uid, "period_end": "2031-03-03T09:30", "jicoo_conn_id": "jicoo_default"}
        return AvailableSchedulesTrigger(
            **{**GIVEN, **none, **period, "below": False, "min_slots": 1, "poll_interval": 0.05, **more}
        )

    return make


async def events(trigger):
    """Run a trigger to its end, as the triggerer does, and return what its events say."""
    return [event.payload async for event in trigger.run()]


class TestSerialisation:
    def test_round_trip(self):
        before = AvailableSchedulesTrigger(**GIVEN)
        path, kwargs = json.loads(json.dumps(before.serialize()))
        assert kwargs == GIVEN
        module, name = path.rsplit(".", 1)
        after = getattr(importlib.import_module(module), name)(**kwargs)
        assert type(after) is AvailableSchedulesTrigger
        assert after.serialize() == before.serialize()

    def test_the_arguments_are_flat_json(self):
        for name, value in AvailableSchedulesTrigger(**GIVEN).serialize()[1].items():
            values = value if isinstance(value, list) else [value]
            assert all(isinstance(each, (str, int, float, bool, type(None))) for each in values), name

    def test_airflow_stores_it(self):
        from airflow.serialization.serialized_objects import BaseSerialization

        kwargs = AvailableSchedulesTrigger(**GIVEN).serialize()[1]
        assert BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(kwargs)))) == kwargs

    def test_no_secret_in_it(self, trigger, jicoo_sandbox):
        made = trigger()
        assert jicoo_sandbox.api_key not in repr(made) + json.dumps(made.serialize())


@pytest.mark.parametrize(
    ("slots", "room", "min_slots", "min_capacity", "enough"),
    [
        (0, 0, 1, None, False),
        (1, 1, 1, None, True),
        (5, 5, None, 6, False),
        (5, 6, None, 6, True),
        (5, 5, 5, 6, False),
        (4, 6, 5, 6, False),
        (5, 6, 5, 6, True),
    ],
)
def test_judge(slots, room, min_slots, min_capacity, enough):
    one = judge(slots, room, min_slots, min_capacity, below=False)
    other = judge(slots, room, min_slots, min_capacity, below=True)
    assert (one.verdict is Verdict.REACHED) is enough
    assert (other.verdict is Verdict.REACHED) is not enough
    assert {one.verdict, other.verdict} == {Verdict.REACHED, Verdict.WAITING}


@pytest.mark.asyncio
class TestEvents:
    async def test_success(self, trigger, jicoo_sandbox):
        message = "2 free slots have room for 8 bookings; waiting for at least 1 slots"
        assert await events(trigger()) == [{"status": "success", "message": message}]
        assert [event["status"] for event in await events(trigger(min_capacity=9, below=True))] == ["success"]

    async def test_narrowed(self, trigger):
        found = await events(trigger(hours=["9:30", "10:00"], weekdays=["mon"], min_slots=1))
        assert found[0]["message"].startswith("1 free slots")

    async def test_success_later(self, trigger, jicoo_sandbox):
        task = asyncio.create_task(events(trigger(min_capacity=8, below=True)))
        while jicoo_sandbox.count() < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        hosts = [{"userId": jicoo_sandbox.event_types[0]["hosts"][0], "role": "admin"}]
        jicoo_sandbox.add_booking(hosts=hosts, startedAt="2031-03-03T00:00Z", endedAt="2031-03-03T00:30Z")
        assert [event["status"] for event in await task] == ["success"]

    async def test_timeout(self, trigger):
        begin = time.time()
        found = await events(trigger(min_slots=3, poll_interval=100, deadline=begin + 0.5))
        assert [event["status"] for event in found] == ["timeout"]
        assert "2 free slots" in found[0]["message"]
        assert 0.5 <= time.time() - begin < 10, "the deadline goes before the interval"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"period_end": "2030-01-01T00:00"},
            {"event_type_id": "a/b"},
            {"time_zone": "nowhere"},
            {"weekdays": ["someday"]},
            {"hours": ["9:00"]},
        ],
    )
    async def test_what_cannot_be_right(self, trigger, jicoo_sandbox, wrong):
        assert [event["status"] for event in await events(trigger(**wrong))] == ["failed"]
        assert jicoo_sandbox.count() == 0

    async def test_no_such_event_type(self, trigger):
        found = await events(trigger(event_type_id="nothing", period_end="2031-04-03T00:00"))
        assert [event["status"] for event in found] == ["failed"]
        assert "404" in found[0]["message"]

    async def test_a_refused_key(self, trigger, jicoo_sandbox):
        made = trigger()
        jicoo_sandbox.revoke_key()
        found = await events(made)
        assert [event["status"] for event in found] == ["failed"]
        assert jicoo_sandbox.api_key not in found[0]["message"]
        assert jicoo_sandbox.count() == 1

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "cut_body", "dropped"])
    async def test_a_passing_failure_is_survived(self, trigger, jicoo_sandbox, quick_retries, fault):
        made = trigger()
        jicoo_sandbox.fail(fault, times=quick_retries)
        assert [event["status"] for event in await events(made)] == ["success"]

    async def test_it_is_paced_also_over_failures(self, trigger, jicoo_sandbox, quick_retries):
        made = trigger(poll_interval=0.25)
        jicoo_sandbox.fail("server_error", times=100_000)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(events(made), 1)
        assert jicoo_sandbox.count() <= quick_retries * 5
