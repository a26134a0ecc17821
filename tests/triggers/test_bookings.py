"""The trigger against the sandbox: what it says, how often it asks, and that it leaves nothing open."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import importlib
import json
import socket
import time

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.transport import Server
from airflow_provider_jicoo.triggers.bookings import BookingStatusTrigger, Verdict, judge

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def trigger():
    def make(*uids, statuses=("open",), fail_on=("cancel",), poll_interval=0.05, deadline=None, **more):
        return BookingStatusTrigger(list(uids), list(statuses), list(fail_on), poll_interval, deadline, **more)

    return make


@pytest.fixture
def sessions(monkeypatch):
    """The pools of connections that were opened, to see whether they were closed."""
    opened = []
    begin = Server.__init__

    def watched(server, settings):
        begin(server, settings)
        opened.append(server.pool)

    monkeypatch.setattr(Server, "__init__", watched)
    return opened


async def events(trigger):
    """Run a trigger to its end, as the triggerer does, and return the events it gave."""
    return [event async for event in trigger.run()]


async def run_for(trigger, seconds):
    """Run a trigger for so many seconds; returns its events."""
    found = []

    async def run():
        async for event in trigger.run():
            found.append(event)

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(run(), seconds)
    return found


class TestSerialisation:
    @pytest.mark.parametrize("deadline", [None, 1924905600.25])
    def test_round_trip(self, trigger, deadline):
        before = trigger("a", "b", statuses=("open", "cancel"), fail_on=(), deadline=deadline, jicoo_conn_id="other")

        path, kwargs = json.loads(json.dumps(before.serialize()))
        module, name = path.rsplit(".", 1)
        after = getattr(importlib.import_module(module), name)(**kwargs)

        assert type(after) is BookingStatusTrigger
        assert after.serialize() == before.serialize()
        fields = ("uids", "statuses", "fail_on", "poll_interval", "deadline", "jicoo_conn_id")
        assert [getattr(after, field) for field in fields] == [getattr(before, field) for field in fields]

    def test_the_arguments_are_flat_json(self, trigger):
        _, kwargs = trigger("a", deadline=1.5).serialize()
        for name, value in kwargs.items():
            values = value if isinstance(value, list) else [value]
            assert all(isinstance(each, (str, int, float, bool, type(None))) for each in values), name
        assert json.loads(json.dumps(kwargs)) == kwargs

    def test_airflow_stores_it(self, trigger):
        from airflow.serialization.serialized_objects import BaseSerialization

        _, kwargs = trigger("a", "b", deadline=1.5).serialize()
        assert BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(kwargs)))) == kwargs

    def test_no_secret_in_it(self, trigger, jicoo_sandbox):
        made = trigger("a")
        assert jicoo_sandbox.api_key not in repr(made) + json.dumps(made.serialize())


@pytest.mark.asyncio
async def test_one_that_cannot_be_read_is_waited_for_and_named(trigger, jicoo_sandbox):
    uids = [jicoo_sandbox.add_booking()["uid"] for _ in range(4)]
    jicoo_sandbox.break_row(uids[2], "surrogate")
    (event,) = await events(trigger(*uids, deadline=1.0))
    assert event.payload["status"] == "timeout"
    assert f"booking {uids[2]} is unreadable" in event.payload["message"]
    jicoo_sandbox.mend_row(uids[2])
    (event,) = await events(trigger(*uids))
    assert event.payload["status"] == "success"


class TestJudge:
    @pytest.mark.parametrize(
        ("now", "verdict", "reason"),
        [
            (["open", "open"], Verdict.REACHED, "all 2 are open"),
            (["open", "request"], Verdict.WAITING, "1 of 2 are not open: booking 1 is request"),
            (["request", "cancel"], Verdict.LOST, "booking 1 is cancel can no longer become open"),
            (["cancel", "open"], Verdict.LOST, "booking 0 is cancel can no longer become open"),
            (["open", "new"], Verdict.WAITING, "1 of 2 are not open: booking 1 is new"),
        ],
    )
    def test_verdicts(self, now, verdict, reason):
        found = judge({str(uid): {"status": status} for uid, status in enumerate(now)}, ["open"], ["cancel"])
        assert (found.verdict, found.reason) == (verdict, reason)

    def test_thousands_fit_in_a_line(self):
        found = judge({f"u{uid}": {"status": "request"} for uid in range(5000)}, ["open"], [])
        assert "u4, 4995 more are request" not in found.reason
        assert found.reason.endswith("booking u4 is request, 4995 more are request")

    def test_a_booking_without_a_status(self):
        assert judge({"a": {}}, ["open"], ["cancel"]).verdict is Verdict.WAITING


@pytest.mark.asyncio
class TestEvents:
    async def test_success(self, trigger, jicoo_sandbox):
        uids = [jicoo_sandbox.add_booking()["uid"] for _ in range(3)]
        found = await events(trigger(*uids))
        assert found == [TriggerEvent({"status": "success", "message": "all 3 are open"})]

    async def test_success_later(self, trigger, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        task = asyncio.create_task(events(trigger(uid)))
        while jicoo_sandbox.count() < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        jicoo_sandbox.edit(uid, status="open")
        assert [event.payload["status"] for event in await task] == ["success"]

    async def test_failed(self, trigger, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(status="cancel")["uid"]
        found = await events(trigger(uid))
        assert found == [
            TriggerEvent({"status": "failed", "message": f"booking {uid} is cancel can no longer become open"})
        ]

    async def test_timeout(self, trigger, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        begin = time.time()
        found = await events(trigger(uid, poll_interval=100, deadline=begin + 0.4))
        message = f"1 of 1 are not open: booking {uid} is request"
        assert found == [TriggerEvent({"status": "timeout", "message": message})]
        assert 0.4 <= time.time() - begin < 5, "the deadline goes before the interval"
        assert jicoo_sandbox.count() == 2, "it looks a last time"

    async def test_a_deadline_in_the_past_still_looks_once(self, trigger, jicoo_sandbox):
        waiting, there = (jicoo_sandbox.add_booking(status=status)["uid"] for status in ("request", "open"))
        assert [event.payload["status"] for event in await events(trigger(waiting, deadline=1.0))] == ["timeout"]
        assert jicoo_sandbox.count() == 1
        assert [event.payload["status"] for event in await events(trigger(there, deadline=1.0))] == ["success"]

    async def test_no_such_booking(self, trigger, jicoo_sandbox):
        found = await events(trigger("mzgdPJVBb7RE"))
        assert [event.payload["status"] for event in found] == ["failed"]
        assert "404" in found[0].payload["message"]

    @pytest.mark.parametrize("uid", ["a/b", ""])
    async def test_what_is_no_booking_id(self, trigger, jicoo_sandbox, uid):
        found = await events(trigger(uid))
        assert [event.payload["status"] for event in found] == ["failed"]
        assert jicoo_sandbox.count() == 0

    async def test_a_connection_that_cannot_be_right(self, trigger, jicoo_connection):
        jicoo_connection(password="")
        found = await events(trigger("mzgdPJVBb7RE"))
        assert [event.payload["status"] for event in found] == ["failed"]
        assert "there is no API key" in found[0].payload["message"]

    async def test_a_passing_failure_is_survived(self, trigger, jicoo_sandbox, quick_retries):
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.fail("server_error", times=quick_retries)
        assert [event.payload["status"] for event in await events(trigger(uid))] == ["success"]
        assert jicoo_sandbox.count() == quick_retries + 1

    async def test_a_timeout_says_what_failed(self, trigger, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=1000)
        found = await events(trigger("mzgdPJVBb7RE", deadline=time.time() + 0.2))
        assert found[0].payload["status"] == "timeout"
        assert "the last poll failed" in found[0].payload["message"]
        assert "503" in found[0].payload["message"]

    async def test_no_personal_data(self, trigger, jicoo_sandbox, caplog, capfd):
        guest = {"name": "Stefanie Zweig", "email": "zweig@example.com"}
        for status in ("open", "cancel", "request"):
            booking = jicoo_sandbox.add_booking(
                status=status, name="Stefanie Zweig / Demo", description="Zweig", contacts=[guest]
            )
            found = await events(trigger(booking["uid"], deadline=1.0))
            text = json.dumps([event.payload for event in found])
            assert booking["uid"] in text or status == "open"
            assert "zweig" not in text.lower()
            assert jicoo_sandbox.api_key not in text
        said = "".join(capfd.readouterr()) + caplog.text
        assert "zweig" not in said.lower()
        assert jicoo_sandbox.api_key not in said


@pytest.mark.asyncio
class TestPace:
    """However the server fails, it is asked once per interval, which is up to six times with the client's retries."""

    INTERVAL = 0.25
    SECONDS = 2.0
    POLLS = int(SECONDS / INTERVAL) + 1

    async def test_a_server_that_answers(self, trigger, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        assert await run_for(trigger(uid, poll_interval=self.INTERVAL), self.SECONDS) == []
        assert 3 <= jicoo_sandbox.count() <= self.POLLS

    @pytest.mark.parametrize(
        ("fault", "options"),
        [
            ("server_error", {"status": 500}),
            ("rate_limit", {"retry_after": 0}),
            ("rate_limit", {}),
            ("dropped", {}),
            ("cut_body", {}),
        ],
    )
    async def test_a_server_that_fails(self, trigger, jicoo_sandbox, quick_retries, fault, options):
        """Without the client's waits, so that what is seen is the trigger's own pace."""
        jicoo_sandbox.fail(fault, times=100_000, **options)
        assert await run_for(trigger("mzgdPJVBb7RE", poll_interval=self.INTERVAL), self.SECONDS) == []
        assert quick_retries < jicoo_sandbox.count() <= quick_retries * self.POLLS

    @pytest.mark.parametrize(
        ("fault", "options", "most"),
        [
            # At least a second after each 429.
            ("rate_limit", {"retry_after": 0}, 4),
            # Backing off at random: a poll of six takes some 8 s; one in many thousand polls takes less than 2.5 s.
            ("server_error", {"status": 500}, 2 * RetryPolicy().attempts),
        ],
    )
    async def test_with_the_waits_of_the_client(self, trigger, jicoo_sandbox, fault, options, most):
        jicoo_sandbox.fail(fault, times=100_000, **options)
        assert await run_for(trigger("mzgdPJVBb7RE", poll_interval=0.01), 2.5) == []
        assert 1 <= jicoo_sandbox.count() <= most

    async def test_a_server_that_hangs(self, trigger, jicoo_sandbox, jicoo_connection, quick_retries):
        jicoo_connection(extra={"timeout": 0.01})
        jicoo_sandbox.fail("hang", times=100_000, seconds=5)
        await run_for(trigger("mzgdPJVBb7RE", poll_interval=self.INTERVAL), self.SECONDS)
        assert quick_retries < jicoo_sandbox.count() <= quick_retries * self.POLLS

    async def test_nobody_listens(self, trigger, jicoo_connection, monkeypatch):
        import airflow_provider_jicoo.hooks.jicoo as hooks

        tries = []

        class Counted(AsyncJicooClient):
            def __init__(self, settings):
                super().__init__(settings, policy=dataclasses.replace(RetryPolicy(), base=0.0, floor=0.0))

            async def _send_once(self, call, passage):
                tries.append(call)
                return await super()._send_once(call, passage)

        monkeypatch.setattr(hooks, "AsyncJicooClient", Counted)
        with socket.create_server(("127.0.0.1", 0)) as server:
            jicoo_connection(host=f"http://127.0.0.1:{server.getsockname()[1]}")
        assert await run_for(trigger("mzgdPJVBb7RE", poll_interval=self.INTERVAL), self.SECONDS) == []
        assert RetryPolicy().attempts < len(tries) <= RetryPolicy().attempts * self.POLLS

    @pytest.mark.parametrize("refusal", ["revoked", "forbidden", "html", "redirect"])
    async def test_a_refusal_ends_it_after_one_request(self, trigger, jicoo_sandbox, jicoo_connection, refusal):
        if refusal == "revoked":
            jicoo_sandbox.revoke_key()
        elif refusal == "forbidden":
            jicoo_connection(password=jicoo_sandbox.forbidden_key)
        else:
            jicoo_sandbox.fail(refusal, times=100)
        found = await run_for(trigger("mzgdPJVBb7RE"), self.SECONDS)
        assert [event.payload["status"] for event in found] == ["failed"]
        assert jicoo_sandbox.api_key not in found[0].payload["message"]
        assert jicoo_sandbox.count() == 1

    @pytest.mark.parametrize("instead", ["html", "redirect"])
    async def test_what_answers_for_a_while_in_its_place_is_survived(self, trigger, jicoo_sandbox, instead):
        """A proxy's page, or that of maintenance, behind an answer of Jicoo's own."""
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        waiting = asyncio.create_task(run_for(trigger(uid, poll_interval=0.05), 30))
        while jicoo_sandbox.count() < 1:
            await asyncio.sleep(0.01)
        jicoo_sandbox.fail(instead, times=3)
        while jicoo_sandbox.count() < 5:
            await asyncio.sleep(0.01)
        jicoo_sandbox.edit(uid, status="open")
        assert [event.payload["status"] for event in await waiting] == ["success"]

    async def test_thousands_by_listing(self, trigger, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=2000)
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()]
        found = await events(trigger(*uids, statuses=["open", "cancel", "request"], fail_on=[]))
        assert found[0].payload == {"status": "success", "message": "all 2000 are open or cancel or request"}
        assert jicoo_sandbox.count() == 40


@pytest.mark.asyncio
class TestNothingStaysOpen:
    async def test_at_its_end(self, trigger, jicoo_sandbox, sessions):
        await events(trigger(jicoo_sandbox.add_booking()["uid"]))
        assert [session.closed for session in sessions] == [True]

    async def test_after_a_failure(self, trigger, sessions):
        await events(trigger("mzgdPJVBb7RE"))
        assert [session.closed for session in sessions] == [True]

    @pytest.mark.parametrize("state", ["between two polls", "in a request"])
    async def test_when_it_is_cancelled(self, trigger, jicoo_sandbox, sessions, state):
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        if state == "in a request":
            jicoo_sandbox.fail("hang", seconds=30)
        task = asyncio.create_task(events(trigger(uid, poll_interval=30)))
        while jicoo_sandbox.count() < 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gc.collect()

        assert [session.closed for session in sessions] == [True]

    async def test_when_its_reader_leaves_after_the_event(self, trigger, jicoo_sandbox, sessions):
        """The triggerer goes on reading after an event; others may not."""
        running = trigger(jicoo_sandbox.add_booking()["uid"]).run()
        assert (await anext(running)).payload["status"] == "success"
        await running.aclose()
        assert [session.closed for session in sessions] == [True]

    async def test_one_session_for_all_polls(self, trigger, jicoo_sandbox, sessions):
        await run_for(trigger(jicoo_sandbox.add_booking(status="request")["uid"]), 0.5)
        assert jicoo_sandbox.count() > 2
        assert [session.closed for session in sessions] == [True]

    async def test_it_can_run_again(self, trigger, jicoo_sandbox):
        """A triggerer that starts anew makes the trigger of the same arguments, and may run it twice meanwhile."""
        one = trigger(jicoo_sandbox.add_booking()["uid"])
        first, second = await asyncio.gather(events(one), events(one))
        assert first == second == await events(one)


@pytest.mark.parametrize("status", ["cancel", "cancelled", "canceled"])
def test_a_cancelled_booking_however_it_is_written(status):
    """Else a sensor would wait for days for what cannot become right any more."""
    bookings = {"a": {"uid": "a", "status": status}}
    assert judge(bookings, ["open"], ["cancel"]).verdict is Verdict.LOST
    assert judge(bookings, ["cancel"], []).verdict is Verdict.REACHED
