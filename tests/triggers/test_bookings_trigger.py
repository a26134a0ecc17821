"""The trigger that waits for bookings of a selection: what it says, how often it asks, and that it leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import time

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_jicoo.api.transport import Server
from airflow_provider_jicoo.triggers.bookings import BookingsTrigger, Verdict, enough

RIGHT = "Only this one"

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def trigger():
    def make(min_count=1, *, poll_interval=0.05, deadline=None, name_matches=RIGHT, **more):
        return BookingsTrigger(min_count, poll_interval, deadline, name_matches=name_matches, **more)

    return make


@pytest.fixture
def add(jicoo_sandbox):
    """Add so many bookings that match; returns their uids."""
    return lambda count=1, **fields: [
        jicoo_sandbox.add_booking(**{"name": RIGHT, **fields})["uid"] for _ in range(count)
    ]


@pytest.fixture
def said(caplog, capfd):
    """What was logged: where to depends on the version of Airflow."""
    return lambda: caplog.text + "".join(capfd.readouterr())


async def events(trigger):
    """Run a trigger to its end, as the triggerer does, and return what its events say."""
    return [event.payload async for event in trigger.run()]


async def run_for(trigger, seconds):
    """Run a trigger for so many seconds; returns what its events say."""
    found = []

    async def run():
        async for event in trigger.run():
            found.append(event.payload)

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(run(), seconds)
    return found


class TestSerialisation:
    FIELDS = {  # noqa: RUF012
        "status": "open",
        "started_after": "2031-01-01T00:00:00+09:00",
        "started_before": "2032-01-01T00:00:00+09:00",
        "event_type_id": "e1",
        "host_user_id": "u1",
        "name_matches": RIGHT,
        "uids": ["a", "b"],
    }

    def rebuilt(self, before):
        path, kwargs = json.loads(json.dumps(before.serialize()))
        module, name = path.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)(**kwargs)

    @pytest.mark.parametrize("deadline", [None, 1924905600.25])
    def test_round_trip(self, trigger, deadline):
        before = trigger(3, deadline=deadline, jicoo_conn_id="other", **{**self.FIELDS, "name_matches": "x"})
        after = self.rebuilt(before)
        assert type(after) is BookingsTrigger
        assert after.serialize() == before.serialize()
        for name in ("min_count", "poll_interval", "deadline", "jicoo_conn_id", "selection"):
            assert getattr(after, name) == getattr(before, name)
        assert after.selection == {**self.FIELDS, "name_matches": "x"}

    def test_the_arguments_are_flat_json(self, trigger):
        _, kwargs = trigger(2, deadline=1.5, **{**self.FIELDS, "name_matches": "x"}).serialize()
        for name, value in kwargs.items():
            values = value if isinstance(value, list) else [value]
            assert all(isinstance(each, (str, int, float, bool, type(None))) for each in values), name
        assert json.loads(json.dumps(kwargs)) == kwargs
        assert set(kwargs) == {"min_count", "poll_interval", "deadline", "jicoo_conn_id", *self.FIELDS}

    def test_airflow_stores_it(self, trigger):
        from airflow.serialization.serialized_objects import BaseSerialization

        _, kwargs = trigger(uids=["a", "b"], deadline=1.5).serialize()
        assert BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(kwargs)))) == kwargs

    @pytest.mark.asyncio
    async def test_a_rebuilt_one_does_the_same(self, trigger, add):
        uids = add(2)
        for given in (trigger(2), trigger(2, uids=uids)):
            assert await events(self.rebuilt(given)) == await events(given)

    def test_no_secret_in_it(self, trigger, jicoo_sandbox):
        made = trigger()
        assert jicoo_sandbox.api_key not in repr(made) + json.dumps(made.serialize())


@pytest.mark.parametrize(
    ("found", "wanted", "verdict"),
    [(0, 1, Verdict.WAITING), (1, 1, Verdict.REACHED), (2, 1, Verdict.REACHED), (4, 5, Verdict.WAITING)],
)
def test_enough(found, wanted, verdict):
    judged = enough(found, wanted)
    assert judged.verdict is verdict
    assert judged.reason == f"{found} of at least {wanted} bookings match"


@pytest.mark.asyncio
class TestEvents:
    async def test_success(self, trigger, add):
        add(3)
        running = trigger(2).run()
        assert await anext(running) == TriggerEvent({"status": "success", "message": "2 of at least 2 bookings match"})
        await running.aclose()

    async def test_success_later(self, trigger, jicoo_sandbox, add):
        add()
        task = asyncio.create_task(events(trigger(2)))
        while jicoo_sandbox.count() < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        add()
        assert [event["status"] for event in await task] == ["success"]

    async def test_it_reads_no_further_than_needed(self, trigger, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=1000)
        await events(trigger(name_matches=None))
        assert jicoo_sandbox.count() <= 4

    @pytest.mark.parametrize("quirk", ["no-cancelled", "page-cap=20", "pages-from-zero", "page-limit", "order-ignored"])
    async def test_however_jicoo_lists(self, trigger, jicoo_sandbox, add, quirk):
        add(3, status="cancel")
        jicoo_sandbox.quirks = [quirk]
        assert [event["status"] for event in await events(trigger(3))] == ["success"]

    async def test_one_that_cannot_be_read_does_not_keep_it_from_the_others(self, trigger, jicoo_sandbox, add, said):
        uids = add(3)
        jicoo_sandbox.break_row(uids[1], "hosts=null")
        assert [event["status"] for event in await events(trigger(2))] == ["success"]
        assert [event["status"] for event in await events(trigger(3, deadline=1.0))] == ["timeout"]
        assert "hosts is null, not a list" in said()

    async def test_a_list_that_cannot_be_proved_whole_is_told_and_does_not_end_the_waiting(
        self, trigger, jicoo_sandbox, said
    ):
        jicoo_sandbox.reset(bookings=130)
        jicoo_sandbox.quirks = ["list-cap-told=60"]
        assert [event["status"] for event in await events(trigger(1, deadline=1.0))] == ["timeout"]
        assert "it ends at a limit of its own" in said()

    async def test_by_uids(self, trigger, jicoo_sandbox, add):
        uids = add(3, status="open")
        jicoo_sandbox.edit(uids[0], status="cancel")
        assert [event["status"] for event in await events(trigger(2, uids=uids, status="open"))] == ["success"]
        found = await events(trigger(3, uids=uids, status="open", deadline=1.0))
        assert found == [{"status": "timeout", "message": "2 of at least 3 bookings match"}]

    async def test_timeout(self, trigger, jicoo_sandbox, add):
        add()
        begin = time.time()
        found = await events(trigger(2, poll_interval=100, deadline=begin + 0.5))
        assert found == [{"status": "timeout", "message": "1 of at least 2 bookings match"}]
        assert 0.5 <= time.time() - begin < 10, "the deadline goes before the interval"

    async def test_a_deadline_in_the_past_still_looks_once(self, trigger, add):
        assert [event["status"] for event in await events(trigger(deadline=1.0))] == ["timeout"]
        add()
        assert [event["status"] for event in await events(trigger(deadline=1.0))] == ["success"]

    @pytest.mark.parametrize(
        "selection",
        [{"status": "opened"}, {"started_after": "tomorrow"}, {"uids": []}, {"name_matches": "("}, {"uids": ["a/b"]}],
    )
    async def test_a_selection_that_cannot_be_right(self, trigger, jicoo_sandbox, selection):
        found = await events(trigger(**selection))
        assert [event["status"] for event in found] == ["failed"]
        assert jicoo_sandbox.count() == 0

    async def test_no_such_booking(self, trigger, jicoo_sandbox):
        found = await events(trigger(uids=["mzgdPJVBb7RE"]))
        assert [event["status"] for event in found] == ["failed"]
        assert "404" in found[0]["message"]

    async def test_a_connection_that_cannot_be_right(self, trigger, jicoo_connection):
        jicoo_connection(password="")
        found = await events(trigger())
        assert [event["status"] for event in found] == ["failed"]
        assert "there is no API key" in found[0]["message"]

    @pytest.mark.parametrize("refusal", ["revoked", "forbidden", "redirect"])
    async def test_a_refusal_ends_it_after_one_request(self, trigger, jicoo_sandbox, jicoo_connection, refusal):
        if refusal == "revoked":
            jicoo_sandbox.revoke_key()
        elif refusal == "forbidden":
            jicoo_connection(password=jicoo_sandbox.forbidden_key)
        else:
            jicoo_sandbox.fail(refusal, times=100)
        found = await events(trigger())
        assert [event["status"] for event in found] == ["failed"]
        assert jicoo_sandbox.api_key not in found[0]["message"]
        assert jicoo_sandbox.count() == 1

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "cut_body", "dropped"])
    async def test_a_passing_failure_is_survived(self, trigger, jicoo_sandbox, quick_retries, add, fault):
        add()
        jicoo_sandbox.fail(fault, times=quick_retries)
        assert [event["status"] for event in await events(trigger())] == ["success"]

    async def test_a_timeout_says_what_failed(self, trigger, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=1000)
        found = await events(trigger(deadline=time.time() + 0.2))
        assert found[0]["status"] == "timeout"
        assert "the last poll failed" in found[0]["message"]
        assert "503" in found[0]["message"]

    async def test_no_personal_data(self, trigger, jicoo_sandbox, caplog, capfd):
        guest = {"name": "Stefanie Zweig", "email": "zweig@example.com"}
        jicoo_sandbox.add_booking(name=f"Zweig / {RIGHT}", description="Zweig", contacts=[guest])
        text = json.dumps(await events(trigger()) + await events(trigger(2, deadline=1.0)))
        said = text + caplog.text + "".join(capfd.readouterr())
        assert "zweig" not in said.lower()
        assert jicoo_sandbox.api_key not in said


@pytest.mark.asyncio
class TestPace:
    """A failing API is asked once per interval, like a healthy one."""

    async def test_a_healthy_server(self, trigger, jicoo_sandbox, add):
        add()
        await run_for(trigger(2, poll_interval=0.25), 1.1)
        per_poll = 2 + 5  # pages of 50 for 51 bookings, and what proves that they are all
        assert 2 <= jicoo_sandbox.count() <= 5 * per_poll + 1

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "dropped", "cut_body"])
    async def test_a_failing_server(self, trigger, jicoo_sandbox, quick_retries, fault):
        jicoo_sandbox.fail(fault, times=100_000)
        assert await run_for(trigger(poll_interval=0.25), 1.1) == []
        assert quick_retries <= jicoo_sandbox.count() <= quick_retries * 5

    async def test_the_waits_between_retries_hold_too(self, trigger, jicoo_sandbox):
        jicoo_sandbox.fail("rate_limit", times=100_000)
        assert await run_for(trigger(poll_interval=0.01), 1.5) == []
        assert 1 <= jicoo_sandbox.count() <= 2


@pytest.mark.asyncio
class TestNothingStaysOpen:
    @pytest.fixture
    def sessions(self, monkeypatch):
        opened = []
        begin = Server.__init__

        def watched(server, settings):
            begin(server, settings)
            opened.append(server.pool)

        monkeypatch.setattr(Server, "__init__", watched)
        return opened

    async def test_at_its_end(self, trigger, add, sessions):
        add()
        await events(trigger())
        assert [session.closed for session in sessions] == [True]

    async def test_when_it_is_cancelled(self, trigger, jicoo_sandbox, sessions):
        task = asyncio.create_task(events(trigger(poll_interval=30)))
        while jicoo_sandbox.count() < 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [session.closed for session in sessions] == [True]

    async def test_one_session_for_all_polls(self, trigger, jicoo_sandbox, sessions):
        await run_for(trigger(), 0.5)
        assert jicoo_sandbox.count() > 2
        assert [session.closed for session in sessions] == [True]
