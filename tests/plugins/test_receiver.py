"""What the receiver answers, and what is in Airflow's database then."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from airflow_provider_jicoo.plugins import airflow_internals, receiver
from airflow_provider_jicoo.plugins.airflow_internals import NotStoredError
from airflow_provider_jicoo.plugins.jicoo import WebhookApp
from airflow_provider_jicoo.plugins.receiver import Receiver
from tests.plugins.sending import GUEST, PATH, SECRET, body, post, signed

pytestmark = pytest.mark.asyncio
STORED, REFUSED, NOT_STORED = (200, b"stored\n"), (401, b"refused\n"), (503, b"not stored\n")
RAW = body()


@pytest.fixture
def app():
    return WebhookApp()


class TestStored:
    async def test_an_event_starts_a_run(self, app, endpoint, runs):
        assert await post(app, RAW, signed(RAW)) == STORED
        ((run_id, conf),) = runs("webhook_first").items()
        assert run_id == f"jicoo__{conf['event_id']}"
        assert conf == {
            "jicoo_conn_id": "jicoo_default",
            "event_id": conf["event_id"],
            "event": "guest_booked",
            "booking_uid": "mzgdPJVBb7RE",
            "event_type_uid": None,
            "created_at": "2026-01-15T03:30:00.000Z",
            "started_at": "2026-01-20T01:00:00.000Z",
            "ended_at": None,
            "updated_at": None,
            "cancelled_at": None,
        }
        assert GUEST["name"] not in json.dumps(conf)

    async def test_a_repeat_is_no_second_run(self, app, endpoint, runs):
        assert [await post(app, RAW, signed(RAW)) for _ in range(3)] == [STORED] * 3
        assert len(runs("webhook_first")) == 1

    async def test_another_event_of_the_booking_is(self, app, endpoint, runs):
        for event in ("guest_booked", "host_cancelled", "an_event_of_tomorrow"):
            raw = body(event=event)
            assert await post(app, raw, signed(raw)) == STORED
        assert {conf["event"] for conf in runs("webhook_first").values()} == {
            "guest_booked",
            "host_cancelled",
            "an_event_of_tomorrow",
        }

    async def test_two_events_of_one_second_are_two_runs(self, app, endpoint, runs):
        """Of whole seconds, as in Jicoo's example: two moves of a booking may have the same."""
        for day in (1, 2, 2, 1):
            raw = body(event="guest_rescheduled", startedAt=f"2026-02-0{day}T01:00:00.000Z")
            assert await post(app, raw, signed(raw)) == STORED
        found = runs("webhook_first")
        assert sorted(conf["started_at"][:10] for conf in found.values()) == ["2026-02-01", "2026-02-02"]
        assert set(found) == {f"jicoo__{conf['event_id']}" for conf in found.values()}

    async def test_two_events_of_one_second_are_two_partitions(self, app, endpoint, asset_events):
        if not airflow_internals.has_partitions():
            pytest.skip("this Airflow has no partitioned assets")
        endpoint(webhook_delivery="partitioned_asset", webhook_dag_ids="")
        for day in (1, 2, 2, 1):
            raw = body(event="guest_rescheduled", startedAt=f"2026-02-0{day}T01:00:00.000Z")
            assert await post(app, raw, signed(raw)) == STORED
        events, _ = asset_events()
        assert [told["started_at"][:10] for _, told in events] == ["2026-02-01", "2026-02-02"]
        assert [key for key, _ in events] == [told["event_id"] for _, told in events]
        assert len({key for key, _ in events}) == 2

    async def test_what_one_dag_lacks_is_made_up_for_by_the_repeat(self, app, endpoint, runs, caplog):
        endpoint(webhook_dag_ids="webhook_first, webhook_late, webhook_second")
        assert await post(app, RAW, signed(RAW)) == NOT_STORED
        assert [len(runs(each)) for each in ("webhook_first", "webhook_second")] == [1, 1]
        assert "there is no DAG 'webhook_late': see webhook_dag_ids" in caplog.text
        endpoint(webhook_dag_ids="webhook_first, webhook_paused, webhook_second")
        assert await post(WebhookApp(), RAW, signed(RAW)) == STORED
        assert [len(runs(f"webhook_{each}")) for each in ("first", "paused", "second")] == [1, 1, 1]

    async def test_both_secrets_while_it_is_being_changed(self, app, endpoint, runs):
        endpoint(webhook_secret="whsec_new whsec_old")
        assert await post(app, RAW, signed(RAW, "whsec_old")) == STORED
        assert await post(app, RAW, signed(RAW, "whsec_new")) == STORED
        assert await post(app, RAW, signed(RAW, "whsec_new whsec_old")) == REFUSED

    async def test_only_the_variant_that_is_configured(self, app, endpoint, runs):
        endpoint(webhook_variant="secret=without-prefix")
        assert await post(app, RAW, signed(RAW, SECRET.removeprefix("whsec_"))) == STORED
        assert await post(app, RAW, signed(RAW)) == REFUSED

    async def test_as_a_partition(self, app, endpoint, asset_events, caplog):
        endpoint(webhook_delivery="partitioned_asset", webhook_dag_ids="")
        answers = [await post(app, RAW, signed(RAW)) for _ in range(2)]
        events, started = asset_events()
        if airflow_internals.has_partitions():
            assert answers == [STORED] * 2
            ((key, told),) = events
            assert key == told["event_id"]
            assert told["booking_uid"] == "mzgdPJVBb7RE"
            assert started == ["webhook_partitioned"]
        else:
            assert answers == [NOT_STORED] * 2
            assert "this Airflow has no partitioned assets, which came with 3.2: use dag_run" in caplog.text
            assert events == []

    async def test_as_a_wake_up(self, app, endpoint, asset_events):
        endpoint(webhook_delivery="asset")
        assert await post(app, RAW, signed(RAW)) == STORED
        ((key, told),), started = asset_events()
        assert (key, told["event"], started) == (None, "guest_booked", ["webhook_woken"])

    async def test_of_another_connection(self, app, endpoint, asset_events, caplog):
        endpoint("other.one-2", webhook_delivery="asset")
        assert await post(app, RAW, signed(RAW), path="/jicoo/webhooks/other.one-2") == NOT_STORED
        assert "no DAG uses the asset 'jicoo://other.one-2/bookings'" in caplog.text

    @pytest.mark.parametrize("root", ["/jicoo/webhooks", "/airflow/jicoo/webhooks"])
    async def test_wherever_the_server_is_mounted(self, app, endpoint, runs, root):
        """Behind a proxy that leaves the prefix, and as the server itself adds it."""
        assert await post(app, RAW, signed(RAW), path=f"{root}/jicoo_default", root=root) == STORED
        assert await post(app, RAW, signed(RAW), path="/jicoo_default", root=root) == STORED

    @pytest.mark.parametrize("length", [1, 100, len(RAW)])
    async def test_a_body_in_pieces(self, app, endpoint, runs, length):
        parts = [RAW[at : at + length] for at in range(0, len(RAW), length)]
        assert await post(app, RAW, signed(RAW), parts=[*parts, b""]) == STORED

    async def test_the_longest_body(self, app, endpoint, runs):
        room = receiver.LIMIT - len(body(note=""))
        for more, answer in ((0, STORED), (1, REFUSED)):
            raw = body(note="x" * (room + more))
            assert await post(app, raw, signed(raw)) == answer


class TestRefused:
    @pytest.mark.parametrize(
        "fields",
        [
            {"conn_type": "http"},
            {"extra": {}},
            {"extra": {"webhook_secret": ""}},
            {"extra": {"webhook_secret": " , "}},
            {"extra": {"webhook_secret": "[]"}},
            {"extra": {"webhook_secret": [SECRET, 1]}},
            {"extra": {"webhook_secret": {"a": SECRET}}},
            {"extra": {"webhook_secret": SECRET, "webhook_variant": "secret=rot13"}},
            {"extra": {"webhook_secret": SECRET, "webhook_sekret": SECRET}},
        ],
    )
    async def test_what_is_no_endpoint(self, app, runs, monkeypatch, caplog, fields):
        given = {"conn_type": "jicoo", "password": "sk_live_tests", "extra": {"webhook_secret": SECRET}, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_JICOO_DEFAULT", json.dumps(given))
        for secret in (SECRET, "", " ", "None", "{}"):
            assert await post(app, RAW, signed(RAW, secret)) == REFUSED
        assert SECRET not in caplog.text

    async def test_the_same_words_whatever_is_wrong(self, app, endpoint, runs):
        good = signed(RAW)
        answers = [
            await post(app, RAW, good, path="/jicoo/webhooks/no_such_one"),
            await post(app, RAW, signed(RAW, "whsec_another")),
            await post(app, RAW, signed(RAW, at=0)),
            await post(app, RAW, None),
            await post(app, RAW, good, method="PUT"),
            await post(app, RAW, good, headers=[(b"content-encoding", b"gzip")]),
            await post(app, RAW, good, headers=[(b"jicoo-webhook-signature", b"t=1,v1=2")]),
            await post(app, RAW, good, parts=[RAW[:-1]]),
            await post(app, RAW, good, path=f"{PATH}/"),
        ]
        assert answers == [REFUSED] * len(answers)

    async def test_a_websocket(self, app):
        sent = []

        async def send(message):
            sent.append(message)

        await app({"type": "websocket", "path": PATH, "headers": []}, None, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]

    async def test_a_body_that_does_not_come(self, app, endpoint, monkeypatch):
        monkeypatch.setattr(receiver, "PATIENCE", 0.05)
        never = asyncio.Event()

        async def receive():
            await never.wait()

        assert await post(app, RAW, signed(RAW), receive=receive) == REFUSED

    async def test_the_log_tells_the_owner_and_nobody_can_fill_it(self, app, endpoint, caplog):
        for _ in range(50):
            await post(app, RAW, signed(RAW, "whsec_another"))
            await post(app, RAW, signed(RAW, at=0))
            await post(app, RAW, signed(RAW), path="/jicoo/webhooks/no%20such")
        assert [line.split(": ", 1)[0] for line in caplog.messages if "'jicoo_default' refused" in line] == [
            "webhook for 'jicoo_default' refused"
        ] * 2
        assert sum("cannot receive any" in line for line in caplog.messages) == 1


class TestNotStored:
    @pytest.mark.parametrize("wrong", ["createdAt", "event", "object", "object.uid", "body"])
    async def test_what_is_signed_but_no_event(self, app, endpoint, runs, caplog, wrong):
        content = json.loads(RAW)
        if wrong == "object.uid":
            content["object"]["uid"] = GUEST
        else:
            content[wrong] = [GUEST]
        raw = json.dumps([content] if wrong == "body" else content).encode()
        assert await post(app, raw, signed(raw)) == (422, b"signed, but no event\n")
        assert f"webhook for 'jicoo_default' not stored: the webhook is no event of Jicoo's: {wrong} is" in caplog.text
        assert GUEST["name"] not in caplog.text

    @pytest.mark.parametrize(
        ("extras", "words"),
        [
            ({"webhook_dag_ids": ""}, "webhook_dag_ids is empty, so that webhooks start nothing"),
            ({"webhook_delivery": "dagrun"}, "webhook_delivery: 'dagrun' is none of dag_run, partitioned_asset, asset"),
        ],
    )
    async def test_settings_that_cannot_be_right(self, app, endpoint, caplog, extras, words):
        endpoint(**extras)
        assert await post(app, RAW, signed(RAW)) == NOT_STORED
        assert words in caplog.text
        # Who cannot sign learns nothing of it.
        assert await post(app, RAW, signed(RAW, "whsec_another")) == REFUSED

    async def test_whatever_the_database_does(self, endpoint, caplog):
        from sqlalchemy.exc import OperationalError

        def store(*event):
            raise OperationalError("INSERT", {"conf": GUEST}, OSError(GUEST["email"]))

        assert await post(Receiver(store=store), RAW, signed(RAW)) == NOT_STORED
        assert "not stored: OperationalError of OSError, raised at " in caplog.text
        assert GUEST["email"] not in caplog.text

    async def test_a_connection_that_cannot_be_looked_up(self, caplog):
        def find(conn_id):
            raise OSError(f"password of the backend: {SECRET}")

        assert await post(Receiver(find), RAW, signed(RAW)) == NOT_STORED
        assert "could not be looked up: OSError" in caplog.text
        assert SECRET not in caplog.text

    async def test_the_answer_waits_for_the_database_and_nothing_else_does(self, endpoint, monkeypatch):
        monkeypatch.setattr(receiver, "WAITING", 6)
        commit, begun = threading.Event(), []

        def store(*event):
            begun.append(event)
            assert commit.wait(60)

        app = Receiver(store=store)
        bodies = [body(uid=f"booking{number}") for number in range(7)]
        waiting = [asyncio.ensure_future(post(app, raw, signed(raw))) for raw in bodies[:6]]
        while len(begun) < receiver.DELIVERIES:
            await asyncio.sleep(0.01)
        assert await post(app, RAW, signed(RAW, "whsec_another")) == REFUSED
        assert await post(app, bodies[6], signed(bodies[6])) == NOT_STORED
        assert not any(each.done() for each in waiting)
        assert len(begun) == receiver.DELIVERIES
        commit.set()
        assert await asyncio.gather(*waiting) == [STORED] * 6
        assert await post(app, bodies[6], signed(bodies[6])) == STORED

    async def test_a_mode_that_this_airflow_lacks(self, app, endpoint, asset_events, monkeypatch, caplog):
        monkeypatch.setattr(airflow_internals, "has_partitions", lambda: False)
        endpoint(webhook_delivery="partitioned_asset")
        assert await post(app, RAW, signed(RAW)) == NOT_STORED
        assert "this Airflow has no partitioned assets, which came with 3.2: use dag_run" in caplog.text
        assert asset_events() == ([], [])

    async def test_a_reason_given_by_the_delivery(self, endpoint, caplog):
        def store(*event):
            raise NotStoredError("the reason")

        assert await post(Receiver(store=store), RAW, signed(RAW)) == NOT_STORED
        assert "webhook for 'jicoo_default' not stored: the reason" in caplog.text
