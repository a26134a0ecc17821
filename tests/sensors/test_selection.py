"""The sensor that waits until enough bookings match a selection, and its trigger, against the sandbox."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from airflow.exceptions import AirflowRescheduleException, TaskDeferred

from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.sensors.bookings import BookingsSensor
from airflow_provider_jicoo.tasks.compat import AirflowFailException, AirflowSensorTimeout
from airflow_provider_jicoo.triggers.bookings import BookingsTrigger

MODES = ({"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True})
NAME = "Zahnarzt"

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def sensor():
    def make(selection=None, **arguments):
        arguments = {"deferrable": False, "poke_interval": 0.05, "timeout": 30, **arguments}
        return BookingsSensor(task_id="wait", selection=selection or Selection(name_matches=NAME), **arguments)

    return make


@pytest.fixture
def add(jicoo_sandbox):
    return lambda **fields: jicoo_sandbox.add_booking(**{"name": NAME, **fields})


@pytest.fixture(params=MODES, ids=["poke", "reschedule", "deferrable"])
def mode(request):
    return request.param


def rebuilt(trigger):
    """Send a trigger the way it takes to the triggerer."""
    path, kwargs = json.loads(json.dumps(trigger.serialize()))
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)(**kwargs)


async def events(trigger):
    return [event.payload async for event in trigger.run()]


class TestSensor:
    def test_enough_there_already(self, sensor, context, add, mode):
        made = [add()["uid"] for _ in range(3)]
        found = sensor(min_count=2, **mode).execute(context())
        assert len(found) == 2
        assert {booking["uid"] for booking in found} < set(made)

    def test_it_waits(self, sensor, context, add, jicoo_sandbox):
        threading.Timer(0.3, add).start()
        assert [booking["name"] for booking in sensor().execute(context())] == [NAME]
        assert jicoo_sandbox.count("GET") > 1

    def test_rescheduled(self, sensor, context):
        with pytest.raises(AirflowRescheduleException):
            sensor(mode="reschedule").execute(context())

    def test_its_timeout_says_what_was_seen(self, sensor, context, add):
        add()
        with pytest.raises(AirflowSensorTimeout, match="At the last poll, 1 of at least 2 bookings match"):
            sensor(min_count=2, timeout=0.2).execute(context())

    def test_a_passing_failure_is_survived(self, sensor, context, add, jicoo_sandbox, quick_retries):
        add()
        jicoo_sandbox.fail("server_error", times=quick_retries)
        assert sensor().execute(context())

    def test_templates(self, sensor, context, add, jicoo_sandbox):
        user = jicoo_sandbox.users[0]["uid"]
        add(status="cancel")
        uid = add(hosts=[{"userId": user, "role": "admin"}])["uid"]
        task = sensor(Selection(host_user_id="{{ params.user }}", name_matches=NAME), min_count="{{ params.count }}")
        made = context(params={"user": user, "count": 1})
        task.render_template_fields(made)
        assert [booking["uid"] for booking in task.execute(made)] == [uid]

    def test_where(self, sensor, context, add, jicoo_sandbox):
        uid = add(priority="high")["uid"]
        found = sensor(Selection(name_matches=NAME, where=lambda row: row["priority"] == "high")).execute(context())
        assert [booking["uid"] for booking in found] == [uid]

    def test_where_does_not_get_into_the_triggerer(self, sensor, context, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match="where is a Python function"):
            sensor(Selection(where=lambda row: True), deferrable=True).execute(context())
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"min_count": 0}, "min_count: 0 is not 1 or more"),
            ({"min_count": "few"}, "min_count: 'few' is not a whole number"),
            ({"selection": Selection(status="opened")}, "selection: status: 'opened' is none of"),
            ({"selection": Selection(name_matches="(")}, "selection: "),
            ({"selection": Selection(started_after="2031-01-01T10:00")}, "selection: .*has no offset"),
        ],
    )
    def test_bad_input(self, sensor, context, jicoo_sandbox, mode, arguments, words):
        with pytest.raises(AirflowFailException, match=words):
            sensor(**arguments, **mode).execute(context())
        assert jicoo_sandbox.count() == 0

    @pytest.mark.asyncio
    async def test_deferred_to_a_trigger_of_the_same_selection(self, sensor, context, add, jicoo_sandbox):
        soon = datetime.now(timezone.utc) + timedelta(days=3)
        user, event_type = jicoo_sandbox.users[0]["uid"], jicoo_sandbox.event_types[0]["uid"]
        selection = Selection(
            status="open",
            started_after=soon,
            started_before="2039-01-01T00:00:00Z",
            event_type_id=event_type,
            host_user_id=user,
            name_matches=NAME,
        )
        with pytest.raises(TaskDeferred) as caught:
            sensor(selection, deferrable=True, poke_interval=0.05).execute(context())

        trigger = rebuilt(caught.value.trigger)
        assert isinstance(trigger, BookingsTrigger)
        assert trigger.serialize() == caught.value.trigger.serialize()
        others = {"hosts": [{"userId": user, "role": "admin"}], "eventTypeId": event_type}
        add(**others, startedAt=soon - timedelta(days=1))
        add(**others, startedAt=soon + timedelta(days=1), status="cancel")
        uid = add(**others, startedAt=soon + timedelta(days=2))["uid"]
        assert await events(trigger) == [{"status": "success", "message": "1 of at least 1 bookings match"}]
        found = sensor(selection).execute_complete(context(), {"status": "success", "message": ""})
        assert [booking["uid"] for booking in found] == [uid]

    def test_deferred_with_uids(self, sensor, context, add):
        uids = [add(status="request")["uid"] for _ in range(2)]
        with pytest.raises(TaskDeferred) as caught:
            sensor(Selection(status="open", uids=json.dumps(uids)), deferrable=True).execute(context())
        assert rebuilt(caught.value.trigger).selection == {"status": "open", "uids": uids}


@pytest.mark.asyncio
class TestTrigger:
    async def test_success_later(self, add, jicoo_sandbox):
        task = asyncio.create_task(events(BookingsTrigger(1, 0.05, name_matches=NAME)))
        while jicoo_sandbox.count() < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        add()
        assert [event["status"] for event in await task] == ["success"]

    async def test_timeout(self):
        found = await events(BookingsTrigger(2, 100, time.time() + 0.2, name_matches=NAME))
        assert found == [{"status": "timeout", "message": "0 of at least 2 bookings match"}]

    async def test_a_refused_key(self, jicoo_sandbox):
        jicoo_sandbox.revoke_key()
        assert [event["status"] for event in await events(BookingsTrigger(1, 0.05))] == ["failed"]
        assert jicoo_sandbox.count() == 1

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "dropped"])
    async def test_its_pace_over_failures(self, jicoo_sandbox, quick_retries, fault):
        jicoo_sandbox.fail(fault, times=100_000)
        found = await events(BookingsTrigger(1, 0.25, time.time() + 1, name_matches=NAME))
        assert [event["status"] for event in found] == ["timeout"]
        assert quick_retries < jicoo_sandbox.count() <= quick_retries * 6

    async def test_it_stops_reading_at_enough(self, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=500)
        await events(BookingsTrigger(1, 0.05))
        assert jicoo_sandbox.count() == 1
