"""A deferrable apply in a DAG that Airflow really runs, and the event that it sends."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

FILE = Path(__file__).parent / "dags" / "jicoo_deferred_apply.py"

pytestmark = pytest.mark.usefixtures("jicoo_connection")


def test_it_waits_while_it_is_paused_and_rings_when_it_is_done(jicoo_sandbox, run_dag, tmp_path, monkeypatch):
    from airflow_provider_jicoo.triggers.apply import ApplyMayGoOnTrigger

    looked = threading.Event()
    own = ApplyMayGoOnTrigger._told

    def told(self):
        looked.set()
        return own(self)

    monkeypatch.setattr(ApplyMayGoOnTrigger, "_told", told)
    control = tmp_path / "plan.jsonl.control"
    control.write_text('{"state": "pause"}')
    sent = []

    def let_go_on():
        looked.wait(90)
        sent.append(jicoo_sandbox.count("PATCH"))
        control.unlink()

    threading.Thread(target=let_go_on).start()
    run = run_dag(FILE, "jicoo_deferred_apply", plans=str(tmp_path))

    assert set(run.states.values()) == {"success"}, run.states
    assert looked.is_set(), "it never was in the triggerer"
    assert sent == [0]
    counts = run.xcom("apply")["counts"]
    assert counts["applied"] == run.xcom("plan")["changes"] > 0
    assert run.tries["apply"] == 1, "to wait costs no try"
    extra = event_of(run)
    assert (extra["event"], extra["counts"]) == ("applied", counts)
    assert len(extra["booking_uids"]) == counts["applied"]


def event_of(run):
    """Return what the one event of the bookings says that the run has sent."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id)).all()
        (event,) = [each for each in found if each.source_dag_id == run.dag_id]
        assert event.uri == "jicoo://jicoo_default/bookings"
        return json.loads(json.dumps(event.extra))
