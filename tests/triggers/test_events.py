"""The trigger of bookings against the sandbox, run as Airflow's triggerer runs it, with and without shared streams."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.booking_changes import period
from airflow_provider_jicoo.api.errors import InvalidRequestError, RateLimitError
from airflow_provider_jicoo.events import sweeping, watcher
from airflow_provider_jicoo.triggers.events import BookingEventTrigger
from tests.events.airflow_like import Database, FakeVariables, triggerer, until

HAS_SHARED = importlib.util.find_spec("airflow.triggers.shared_stream") is not None
pytestmark = pytest.mark.usefixtures("jicoo_connection", "variables", "quickly")
FULL = os.environ.get("JICOO_LOAD") == "1"
QUICK = 0.05


@pytest.fixture
def variables(monkeypatch):
    import airflow.sdk

    made = FakeVariables()
    monkeypatch.setattr(airflow.sdk, "Variable", made)
    return made


@pytest.fixture
def quickly(monkeypatch):
    """Intervals shorter than users may choose."""
    from airflow_provider_jicoo.events import arguments

    checked = arguments.checked_number
    monkeypatch.setattr(arguments, "checked_number", lambda name, value, least: checked(name, value, 0))


@pytest.fixture
def jicoo_sandbox_options():
    return {"bookings": 12}


@pytest.fixture(params=["alone", pytest.param("shared", marks=pytest.mark.skipif(not HAS_SHARED, reason="no streams"))])
def is_shared(request):
    return request.param == "shared"


def trigger(**more):
    return BookingEventTrigger(**{"poll_interval": QUICK, **more})


async def settled(sandbox, sweeps=2):
    """Wait until so many more sweeps have ended."""
    count = sandbox.count()
    await until(lambda: sandbox.count() >= count + sweeps * 4)


def told(database, asset="a"):
    return [(payload["event"], payload["uid"]) for where, payload in database.events if where == asset]


class TestArguments:
    def test_round_trip(self):
        from airflow.serialization.serialized_objects import BaseSerialization
        from airflow.triggers.base import BaseEventTrigger

        made = BookingEventTrigger("other", ("cancelled", "booked"), 30, 90, ["b", "a", "b"], 5)
        path, kwargs = made.serialize()
        assert kwargs == {
            "jicoo_conn_id": "other",
            "events": ["booked", "cancelled"],
            "poll_interval": 30.0,
            "horizon_days": 90,
            "event_type_ids": ["a", "b"],
            "max_failures": 5,
        }
        stored = BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(kwargs))))
        assert stored == kwargs
        again = BookingEventTrigger(**stored)
        assert again.serialize() == (path, kwargs)
        assert BaseEventTrigger.hash(path, again.serialize()[1]) == BaseEventTrigger.hash(path, kwargs)
        same = BookingEventTrigger("other", ["booked", "cancelled"], 30.0, 90.0, ("a", "b"), 5)
        assert BaseEventTrigger.hash(*same.serialize()) == BaseEventTrigger.hash(path, kwargs)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"events": ["moved"]}, "events: 'moved' is none of booked, updated, rescheduled, cancelled"),
            ({"events": []}, "events: there are none"),
            ({"event_type_ids": [3]}, "event_type_ids: 3 is not an id"),
            ({"event_type_ids": []}, "event_type_ids: there are none"),
            ({"poll_interval": "soon"}, "poll_interval: 'soon' is not a number of 0 or more"),
            ({"horizon_days": float("nan")}, "horizon_days: nan is not a number"),
            ({"max_failures": True}, "max_failures: True is not a number"),
        ],
    )
    def test_what_cannot_be_right_is_said_where_the_dag_is_parsed(self, arguments, said):
        with pytest.raises(InvalidRequestError, match=said):
            BookingEventTrigger(**arguments)

    def test_no_key_is_in_it(self, jicoo_sandbox):
        assert jicoo_sandbox.api_key not in repr(trigger()) + json.dumps(trigger().serialize())


def test_the_interval_has_a_floor(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(InvalidRequestError, match=r"poll_interval: 0\.5 is not a number of 1 or more"):
        BookingEventTrigger(poll_interval=0.5)


@pytest.mark.asyncio
class TestTelling:
    async def test_what_happens_is_told(self, jicoo_sandbox, is_shared):
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox)
            assert database.events == []  # what was there before is not told
            uid = jicoo_sandbox.add_booking()["uid"]
            await until(lambda: told(database) == [("booked", uid)])
            jicoo_sandbox.edit(uid, name="Another title")
            await until(lambda: told(database)[1:] == [("updated", uid)])
            jicoo_sandbox.edit(uid, startedAt="2027-01-04T01:00:00.000Z", endedAt="2027-01-04T01:30:00.000Z")
            await until(lambda: told(database)[2:] == [("rescheduled", uid)])
            jicoo_sandbox.edit(uid, status="cancel")
            await until(lambda: told(database)[3:] == [("cancelled", uid)])
            await settled(jicoo_sandbox)
            assert len(database.events) == 4

    async def test_the_payload(self, jicoo_sandbox, is_shared):
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox)
            booking = jicoo_sandbox.add_booking()
            await until(lambda: database.events)
        ((_, payload),) = database.events
        assert len(payload.pop("id")) == 32
        assert payload == {
            "event": "booked",
            "uid": booking["uid"],
            "status": "open",
            "started_at": booking["startedAt"],
            "updated_at": booking["updatedAt"],
            "event_type_id": booking["eventTypeId"],
            "jicoo_conn_id": "jicoo_default",
        }

    async def test_only_what_is_asked_for(self, jicoo_sandbox, is_shared):
        database = Database()
        one, other = jicoo_sandbox.add_booking(eventTypeId="one")["uid"], None
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(events=["cancelled"]), "cancels")
            airflow.start(trigger(event_type_ids=["two"]), "twos")
            await settled(jicoo_sandbox, 4)  # of both
            other = jicoo_sandbox.add_booking(eventTypeId="two")["uid"]
            jicoo_sandbox.edit(one, status="cancel")
            await until(lambda: len(database.events) == 2)
            await settled(jicoo_sandbox)
        assert told(database, "cancels") == [("cancelled", one)]
        assert told(database, "twos") == [("booked", other)]

    async def test_a_restart_goes_on_where_it_was(self, jicoo_sandbox, is_shared):
        database = Database()
        early = jicoo_sandbox.add_booking()["uid"]
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox, 3)
        made = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.edit(early, status="cancel")
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await until(lambda: len(database.events) == 2)
            await settled(jicoo_sandbox)
        assert sorted(told(database)) == sorted([("booked", made), ("cancelled", early)])

    async def test_events_that_did_not_reach_the_database_are_told_again(self, jicoo_sandbox, is_shared):
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox, 3)
            airflow.persists = False
            uid = jicoo_sandbox.add_booking()["uid"]
            await until(lambda: airflow._queue)
            if is_shared:
                await settled(jicoo_sandbox, 3)  # nor does a later sweep move the cursor
        assert database.events == []
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await until(lambda: told(database) == [("booked", uid)])

    async def test_more_than_airflow_stores_at_once(self, jicoo_sandbox, is_shared, monkeypatch):
        monkeypatch.setattr(watcher, "TOLD_AT_ONCE", 3)
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(poll_interval=0.4), "a")
            await settled(jicoo_sandbox, 3)
            made = {jicoo_sandbox.add_booking()["uid"] for _ in range(10)}
            await until(lambda: len(database.events) >= 10)
            await settled(jicoo_sandbox)
        assert len(database.events) == 10
        assert {uid for _, uid in told(database)} == made

    async def test_nothing_is_left_open(self, jicoo_sandbox, is_shared, monkeypatch):
        from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook

        closed = []
        close = JicooAsyncHook.close

        async def watched(hook):
            await close(hook)
            closed.append(hook)

        monkeypatch.setattr(JicooAsyncHook, "close", watched)
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox)
        assert len(closed) == 1


@pytest.mark.asyncio
class TestErrors:
    async def test_a_failing_jicoo_is_asked_once_in_an_interval(self, jicoo_sandbox, is_shared, quick_retries, caplog):
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            jicoo_sandbox.fail("server_error", status=500, times=10_000)
            task = airflow.start(trigger(poll_interval=0.2, max_failures=100), "a")
            before = jicoo_sandbox.count()
            await asyncio.sleep(1.0)
            # 0, 0.2, 0.6, then 1.4 s: the waits double.
            assert 1 <= (jicoo_sandbox.count() - before) / quick_retries <= 4
            assert not task.done()
        assert "Sweep 1 of 100 failed; the next in" in caplog.text

    async def test_it_goes_on_when_jicoo_does(self, jicoo_sandbox, is_shared, quick_retries):
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox, 3)
            jicoo_sandbox.fail("server_error", times=quick_retries)
            uid = jicoo_sandbox.add_booking()["uid"]
            await until(lambda: told(database) == [("booked", uid)])

    async def test_one_that_cannot_be_looked_up_keeps_back_no_other(
        self, jicoo_sandbox, is_shared, quick_retries, caplog
    ):
        """It was moved beyond the horizon, so that no list shows it, and Jicoo fails at it."""

        def when(days):
            start = datetime.now(timezone.utc) + timedelta(days=days)
            return {"startedAt": times.wire(start), "endedAt": times.wire(start + timedelta(hours=1))}

        moved, other = (jicoo_sandbox.add_booking(**when(5))["uid"] for _ in range(2))
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            task = airflow.start(trigger(horizon_days=30, max_failures=2), "a")
            await settled(jicoo_sandbox, 3)
            jicoo_sandbox.fail("server_error", path="/v1/bookings/{uid}", times=10_000)
            jicoo_sandbox.edit(moved, **when(60))
            await until(lambda: caplog.text.count("Could not look up a booking") > 3)
            jicoo_sandbox.edit(other, name="Another")
            await until(lambda: told(database) == [("updated", other)])
            assert not task.done()
            jicoo_sandbox.heal()
            await until(lambda: told(database)[1:] == [("rescheduled", moved)])

    async def test_what_cannot_be_looked_up_is_tried_once_for_all_watchers(self, monkeypatch):
        tried = []

        async def nothing(hook, uids):
            tried.extend(uids)
            return {}

        monkeypatch.setattr(sweeping, "_look_up", nothing)
        now = datetime.now(timezone.utc)
        sweep = sweeping.Sweep(0, now, period(now, now, None), {}, None)
        assert [await sweep.look_up(["a"]) for _ in range(2)] == [{}, {}]
        assert tried == ["a"]

    async def test_it_gives_up_after_so_many_failures(self, jicoo_sandbox, is_shared, quick_retries):
        from airflow_provider_jicoo.api.errors import RequestError

        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            jicoo_sandbox.fail("server_error", status=500, times=10_000)
            task = airflow.start(trigger(max_failures=3), "a")
            with pytest.raises(RequestError):
                await asyncio.wait_for(task, 30)
            assert jicoo_sandbox.count() == 3 * quick_retries

    async def test_a_refused_key_is_said_and_a_new_one_is_taken(
        self, jicoo_sandbox, jicoo_connection, is_shared, caplog
    ):
        jicoo_connection(password="sk_live_wrongwrongwrong")
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(max_failures=1_000), "a")
            await until(lambda: "Jicoo refuses the API key" in caplog.text)
            assert "sk_live_wrong" not in caplog.text
            jicoo_connection()
            await until(lambda: "Begins with" in caplog.text or "of these only" in caplog.text)

    async def test_a_key_that_may_not_list(self, jicoo_sandbox, jicoo_connection, is_shared, caplog):
        jicoo_connection(password=jicoo_sandbox.forbidden_key)
        async with triggerer(Database(), is_shared=is_shared) as airflow:
            airflow.start(trigger(max_failures=1_000), "a")
            await until(lambda: "The API key may not list bookings" in caplog.text)

    async def test_a_missing_connection_is_waited_for(self, jicoo_sandbox, is_shared, caplog, monkeypatch):
        connection = os.environ.pop("AIRFLOW_CONN_JICOO_DEFAULT")
        async with triggerer(Database(), is_shared=is_shared) as airflow:
            airflow.start(trigger(max_failures=1_000), "a")
            await until(lambda: "Sweep 2 of 1000 failed" in caplog.text)
            monkeypatch.setenv("AIRFLOW_CONN_JICOO_DEFAULT", connection)
            await until(lambda: "of these only" in caplog.text)

    async def test_another_teams_key_cancels_nothing(self, jicoo_sandbox, is_shared, caplog):
        """All bookings are gone at once for the key."""
        made = [jicoo_sandbox.add_booking()["uid"] for _ in range(11)]
        database = Database()
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(max_failures=1_000), "a")
            await settled(jicoo_sandbox, 3)
            for uid in made:
                jicoo_sandbox.delete(uid)
            await until(lambda: "do not exist any more for this API key" in caplog.text)
            await settled(jicoo_sandbox)
        assert database.events == []

    async def test_a_store_that_is_away_costs_a_repeat_and_no_event(self, jicoo_sandbox, variables, caplog):
        database = Database()
        async with triggerer(database, is_shared=False) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox, 3)
            variables.fail_at = 1
            uid = jicoo_sandbox.add_booking()["uid"]
            await until(lambda: "The cursor could not be stored" in caplog.text)
            variables.fail_at = None
        async with triggerer(database, is_shared=False) as airflow:
            airflow.start(trigger(), "a")
            await settled(jicoo_sandbox, 3)
        assert set(told(database)) == {("booked", uid)}
        assert len({payload["id"] for _, payload in database.events}) == 1


@pytest.mark.asyncio
@pytest.mark.skipif(not HAS_SHARED, reason="Airflow has no shared streams before 3.3")
class TestShared:
    async def test_twenty_watchers_cost_the_requests_of_one(self, jicoo_sandbox):
        async def requests_of(watchers):
            database = Database()
            async with triggerer(database, is_shared=True) as airflow:
                for number in range(watchers):
                    airflow.start(trigger(poll_interval=0.3), f"asset {number}")
                await settled(jicoo_sandbox, 1)
                begin = jicoo_sandbox.count()
                uid = jicoo_sandbox.add_booking()["uid"]
                await until(lambda: len(database.events) == watchers)
                assert {uid for _, payload in database.events} == {uid}
                return jicoo_sandbox.count() - begin

        one = await requests_of(1)
        assert await requests_of(20) <= one + 10  # one sweep more, at the most

    async def test_each_watcher_has_a_cursor_of_its_own(self, jicoo_sandbox):
        """A late one misses nothing that the others were told while it was away."""
        database = Database()
        async with triggerer(database, is_shared=True) as airflow:
            airflow.start(trigger(), "a")
            airflow.start(trigger(), "b")
            await settled(jicoo_sandbox, 3)
        async with triggerer(database, is_shared=True) as airflow:
            airflow.start(trigger(), "a")
            uid = jicoo_sandbox.add_booking()["uid"]
            await until(lambda: told(database, "a") == [("booked", uid)])
            await settled(jicoo_sandbox)
            airflow.start(trigger(), "b")
            await until(lambda: told(database, "b") == [("booked", uid)])

    async def test_a_watcher_that_is_dead_for_airflow_does_not_move_its_cursor(self, jicoo_sandbox):
        """Airflow takes a watcher for dead whose events are not confirmed in time, and starts it anew."""
        from airflow.triggers.shared_stream import AckTimeout

        database = Database()
        async with triggerer(database, is_shared=True, ack_timeout=0.3) as airflow:
            task = airflow.start(trigger(), "a")
            await settled(jicoo_sandbox, 3)
            airflow.persists = False
            uid = jicoo_sandbox.add_booking()["uid"]
            with pytest.raises(AckTimeout):
                await asyncio.wait_for(task, 30)
            airflow._queue.clear()
            airflow.persists = True
            airflow.start(trigger(), "a")
            await until(lambda: told(database) == [("booked", uid)])

    async def test_the_others_go_on_when_one_is_dead_for_airflow(self, jicoo_sandbox):
        from airflow.triggers.shared_stream import AckTimeout

        database = Database()
        async with triggerer(database, is_shared=True, ack_timeout=0.3) as airflow:
            dead, alive = airflow.start(trigger(), "dead"), airflow.start(trigger(), "alive")
            await settled(jicoo_sandbox, 3)
            airflow.lost.add("dead")
            uid = jicoo_sandbox.add_booking()["uid"]
            with pytest.raises(AckTimeout):
                await asyncio.wait_for(dead, 30)
            before = dict(database.stores["alive"])
            await until(lambda: database.stores["alive"] != before)
            assert not alive.done()
        async with triggerer(database, is_shared=True) as airflow:
            airflow.start(trigger(), "dead")
            airflow.start(trigger(), "alive")
            await until(lambda: told(database, "dead") == [("booked", uid)])
            await settled(jicoo_sandbox)
        assert told(database, "alive") == [("booked", uid)]

    async def test_one_trigger_that_watches_two_assets(self, jicoo_sandbox):
        """Airflow makes one of triggers with the same arguments."""
        from types import SimpleNamespace

        database = Database()
        made = trigger()
        stores = [database.store("a")._by_name["a"], database.store("b")._by_name["b"]]
        made.asset_state_store = SimpleNamespace(_by_name=dict(zip("ab", stores, strict=True)))

        async def one():
            async for _ in made.run():
                return

        task = asyncio.create_task(one())
        await settled(jicoo_sandbox, 2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert database.stores["a"] == database.stores["b"] != {}


@pytest.mark.asyncio
@pytest.mark.timeout(600 if FULL else 120)
async def test_every_change_is_found_while_it_sweeps_and_while_it_is_down(jicoo_sandbox, is_shared, caplog):
    """Bookings are made, moved and cancelled all the time, and the triggerer is killed again and again."""
    import random

    caplog.set_level(logging.WARNING)
    dice = random.Random(11)
    database = Database()
    made = []
    lives, changes = (25, 40) if FULL else (4, 12)

    async def happen():
        for _ in range(changes):
            act = dice.random()
            if act < 0.5 or not made:
                made.append(await asyncio.to_thread(lambda: jicoo_sandbox.add_booking()["uid"]))
            else:
                uid = dice.choice(made)
                days = f"2027-01-{dice.randrange(1, 29):02}T{dice.randrange(24):02}"
                fields = {"startedAt": f"{days}:00:00.000Z", "endedAt": f"{days}:30:00.000Z"}
                fields = {"status": "cancel"} if act > 0.8 else fields
                await asyncio.to_thread(jicoo_sandbox.edit, uid, **fields)
            await asyncio.sleep(dice.random() * 0.02)

    async with triggerer(database, is_shared=is_shared) as airflow:
        airflow.start(trigger(), "a")
        await settled(jicoo_sandbox, 3)
    for _ in range(lives):
        await happen()  # while it is down
        async with triggerer(database, is_shared=is_shared) as airflow:
            airflow.start(trigger(), "a")
            await happen()  # while it sweeps
            await asyncio.sleep(dice.random() * 0.3)

    def last_told(uid):
        payloads = [payload for _, payload in database.events if payload["uid"] == uid]
        return [(payload["status"], payload["started_at"], payload["updated_at"]) for payload in payloads][-1:]

    def is_all_told():
        now = {row["uid"]: row for row in jicoo_sandbox.bookings()}
        return all(
            last_told(uid) == [(now[uid]["status"], now[uid]["startedAt"], now[uid]["updatedAt"])] for uid in made
        )

    async with triggerer(database, is_shared=is_shared) as airflow:
        airflow.start(trigger(), "a")
        await until(is_all_told)
        await settled(jicoo_sandbox, 2)
        count = len(database.events)
        await settled(jicoo_sandbox, 2)
        assert len(database.events) == count
    # None twice in a table with the id as its key.
    table = {payload["id"]: payload for _, payload in database.events}
    seen = [
        (each["event"], each["uid"], each["status"], each["started_at"], each["updated_at"]) for each in table.values()
    ]
    assert len(seen) == len(set(seen))
    assert {each["uid"] for each in table.values()} == set(made)


def test_the_longest_wait_after_an_error():
    assert sweeping._wait(Exception(), 60.0, 1) == 60.0
    assert sweeping._wait(Exception(), 60.0, 3) == 240.0
    assert sweeping._wait(Exception(), 60.0, 500) == 3600.0
    assert sweeping._wait(Exception(), 7200.0, 5) == 7200.0


def test_what_jicoo_asks_for_is_waited_up_to_a_day():
    """A poller that was asked to wait for years would be silent for years."""

    def asked(seconds):
        return RateLimitError("too many", method="GET", path="/v1/bookings", status=429, retry_after=seconds)

    assert sweeping._wait(asked(7200.0), 60.0, 1) == 7200.0
    assert sweeping._wait(asked(1e300), 60.0, 1) == 86_400.0
    assert sweeping._wait(asked(1e300), 200_000.0, 1) == 200_000.0
