"""What OpenLineage and hook lineage are told of plan, apply and undo."""

from __future__ import annotations

import sys
import types

import pytest

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.operators.bulk import (
    ApplyBookingPlanOperator,
    BulkUpdateBookingsOperator,
    PlanBookingChangesOperator,
    PlanBookingUndoOperator,
)
from tests.bulk.tools import hurry_operators

pytestmark = pytest.mark.usefixtures("jicoo_connection")
BOOKINGS = {"namespace": "jicoo://jicoo_default", "name": "bookings"}


@pytest.fixture
def ready(context, monkeypatch):
    """OpenLineage's provider alone asks for it, and is not installed here."""
    import airflow.providers.common.compat.openlineage.facet as facets

    extractors = types.ModuleType("airflow.providers.openlineage.extractors")
    extractors.OperatorLineage = dict
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", types.ModuleType("openlineage"))
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", extractors)
    monkeypatch.setattr(facets, "Dataset", dict, raising=False)
    hurry_operators(monkeypatch, lease=0.3)
    made = context(params={})
    for name, value in {"dag_id": "bulk", "run_id": "run-1", "task_id": "task", "map_index": -1}.items():
        setattr(made["ti"], name, value)
    return made


def file(path):
    return {"namespace": "file", "name": str(path)}


def test_plan_apply_and_undo(ready, tmp_path):
    path, undo_path = tmp_path / "plan.jsonl", tmp_path / "undo.jsonl"
    arguments = {"selection": Selection(status="open"), "change": UpdateFields(priority="low")}
    plan = PlanBookingChangesOperator(task_id="plan", plan_path=str(path), is_send_updates=False, **arguments)
    manifest = plan.execute(ready)
    assert plan.get_openlineage_facets_on_complete(None) == {"inputs": [BOOKINGS], "outputs": [file(path)]}

    apply = ApplyBookingPlanOperator(task_id="apply", plan=manifest)
    apply.execute(ready)
    report = file(f"{path}.report/report.json")
    assert apply.get_openlineage_facets_on_complete(None) == {"inputs": [file(path)], "outputs": [BOOKINGS, report]}

    undo = PlanBookingUndoOperator(task_id="undo", plan=manifest, plan_path=str(undo_path), is_send_updates=False)
    undo.execute(ready)
    assert undo.get_openlineage_facets_on_complete(None) == {
        "inputs": [file(path), BOOKINGS],
        "outputs": [file(undo_path)],
    }


def test_plan_and_apply_in_one(ready, tmp_path, monkeypatch):
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    noted = []
    collector = get_hook_lineage_collector()
    monkeypatch.setattr(collector, "add_input_asset", lambda context, uri, **_: noted.append(("in", uri)))
    monkeypatch.setattr(collector, "add_output_asset", lambda context, uri, **_: noted.append(("out", uri)))
    path = tmp_path / "plan.jsonl"
    BulkUpdateBookingsOperator(
        task_id="task",
        selection=Selection(status="open"),
        change=UpdateFields(priority="low"),
        plan_path=str(path),
        is_send_updates=False,
    ).execute(ready)
    # Airflow's paths note each file that they open, journal and control too, as plain paths.
    assert [each for each in noted if "://" in each[1]] == [
        ("in", "jicoo://jicoo_default/bookings"),
        ("out", path.as_uri()),
        ("in", path.as_uri()),
        ("out", "jicoo://jicoo_default/bookings"),
        ("out", f"{path.as_uri()}.report/report.json"),
    ]


def test_a_task_that_did_nothing_touched_nothing(ready):
    task = ApplyBookingPlanOperator(task_id="apply", plan="")
    assert task.get_openlineage_facets_on_complete(None) == {"inputs": [], "outputs": []}
