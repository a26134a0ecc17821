"""What the receiver answers, and what is in Airflow's database then."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jicoo.plugins.jicoo import WebhookApp
from tests.plugins.sending import body, post, signed

pytestmark = pytest.mark.asyncio
STORED, REFUSED = (200, b"stored\n"), (401, b"refused\n")


@pytest.fixture
def app():
    return WebhookApp()


async def test_an_event_starts_a_run(app, endpoint, runs):
    raw = body()
    assert await post(app, raw, signed(raw)) == STORED
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
    assert "hanako" not in json.dumps(conf).lower()


async def test_a_repeat_is_no_second_run(app, endpoint, runs):
    raw = body()
    assert [await post(app, raw, signed(raw)) for _ in range(3)] == [STORED] * 3
    assert len(runs("webhook_first")) == 1


async def test_a_forged_one_is_refused(app, endpoint, runs):
    raw = body()
    assert await post(app, raw, signed(raw, "whsec_another")) == REFUSED
    assert not runs("webhook_first")
