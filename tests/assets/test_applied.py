"""What other DAGs are told of an apply."""

from __future__ import annotations

import collections
import json
import types
from pathlib import Path

import pytest

from airflow_provider_jicoo.assets import applied
from airflow_provider_jicoo.assets.jicoo import bookings_asset
from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.bulk.errors import BulkFailedError
from airflow_provider_jicoo.operators.bulk import BulkUpdateBookingsOperator
from tests.bulk.tools import hurry_operators

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    hurry_operators(monkeypatch, lease=0.3)


class Events:
    """Airflow's outlet events, as far as they are used."""

    def __init__(self):
        self.added = []

    def __getitem__(self, alias):
        assert alias == applied.APPLIED
        return self

    def add(self, asset, extra):
        self.added.append((asset, json.loads(json.dumps(extra))))


@pytest.fixture
def patch(context, tmp_path):
    """Patch all bookings; returns the events that go out."""

    from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

    def patch(priority="low", conn_id="jicoo_default", started_by=None, announces=True, **more):
        task = BulkUpdateBookingsOperator(
            task_id="task",
            selection=Selection(status="open"),
            change=UpdateFields(priority=priority),
            plan_path=str(tmp_path / f"{priority}-{conn_id}.jsonl"),
            is_send_updates=False,
            jicoo_conn_id=conn_id,
            announces=announces,
            **more,
        )
        events = Events()
        made = context(outlet_events=events, triggering_asset_events=TriggeringAssetEventsAccessor(started_by or {}))
        for name, value in {"dag_id": "bulk", "run_id": "run-1", "task_id": "task", "map_index": -1}.items():
            setattr(made["ti"], name, value)
        patch.events, patch.task = events, task
        task.execute(made)
        return events.added

    return patch


def started(conn_id="jicoo_default"):
    """What Airflow names the events that have started a run by."""
    from airflow.sdk.definitions.asset import AssetUniqueKey

    return AssetUniqueKey.from_asset(bookings_asset(conn_id))


def _differs(booking):
    return booking["status"] == "open" and booking["priority"] != "low"


def test_what_is_told(patch, jicoo_sandbox):
    changed = {booking["uid"] for booking in jicoo_sandbox.bookings() if _differs(booking)}
    ((asset, extra),) = patch()
    assert asset == bookings_asset()
    assert set(extra.pop("booking_uids")) == changed
    facts = json.loads((Path(f"{extra['plan']}.report") / "report.json").read_text())
    assert extra.pop("updated_at") == facts["startedAt"]
    assert extra["counts"]["applied"] == len(changed)
    assert (extra["event"], extra["jicoo_conn_id"], extra["left_out"]) == ("applied", "jicoo_default", 0)
    assert set(extra) == {"jicoo_conn_id", "event", "plan", "digest", "counts", "left_out"}
    assert applied.APPLIED in patch.task.outlets


def test_nothing_of_a_guest_is_told(patch, jicoo_sandbox):
    ((_, extra),) = patch()
    told = json.dumps(extra, ensure_ascii=False)
    for booking in jicoo_sandbox.bookings():
        assert booking["name"] not in told
    assert "@" not in told


def test_an_apply_that_changes_nothing_is_not_told(patch, jicoo_sandbox):
    for booking in jicoo_sandbox.bookings():
        jicoo_sandbox.edit(booking["uid"], priority="low")
    assert patch() == []


def test_of_many_some_are_named(patch, monkeypatch):
    monkeypatch.setattr(applied, "UIDS_AT_MOST", 3)
    ((_, extra),) = patch()
    assert len(extra["booking_uids"]) == 3
    assert extra["left_out"] == extra["counts"]["applied"] - 3 > 0


def test_a_run_that_they_started_does_not_start_itself_again(patch):
    asset = started()
    assert patch(started_by={asset: [types.SimpleNamespace(extra={})]}) == []
    other = started("other")
    assert len(patch(priority="high", started_by={other: [types.SimpleNamespace(extra={})], asset: []})) == 1


def test_whoever_wants_none(patch):
    assert patch(announces=False) == []
    assert applied.APPLIED not in patch.task.outlets


def test_a_failed_apply_tells_nothing(patch, jicoo_sandbox):
    jicoo_sandbox.fail("server_error", method="PATCH", times=1000)
    with pytest.raises(BulkFailedError):
        patch()
    assert patch.events.added == []


def test_a_connection_that_no_address_can_name(context):
    report = types.SimpleNamespace(counts=collections.Counter(applied=1))
    assert not applied.announce_applied(context(outlet_events=Events()), "my conn/1", report)


def test_a_task_that_drains_for_the_first_time_goes_back_to_where_the_apply_began():
    """An apply of six hours ends at 06:00: what it did at 00:10 is new, too."""
    from airflow_provider_jicoo.events.draining import _new_from

    event = types.SimpleNamespace(
        timestamp="2026-01-15T06:00:00Z", extra={"event": "applied", "updated_at": "2026-01-15T00:00:00.000+00:00"}
    )
    assert _new_from("now", {"triggering_asset_events": {started(): [event]}}) == "2026-01-14T23:55:00.000Z"
