"""What people are told of a bulk change, through a notifier of Airflow's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from airflow.sdk import BaseNotifier

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.notifications.report import TellReport, report_facts
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator
from tests.bulk.tools import hurry_operators

pytestmark = pytest.mark.usefixtures("jicoo_connection")


class Notifier(BaseNotifier):
    template_fields = ("text",)
    sent: ClassVar[list[str]] = []

    def __init__(self, text):
        super().__init__()
        self.text = text

    def notify(self, context):
        self.sent.append(self.text)


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(Notifier, "sent", [])
    return Notifier.sent


@pytest.fixture
def ready(context, monkeypatch):
    hurry_operators(monkeypatch, lease=0.3)

    def ready(task=None, **more):
        made = context(task=task, params={}, **more)
        names = {
            "dag_id": "bulk",
            "run_id": "run-1",
            "task_id": "apply",
            "map_index": -1,
            "log_url": "http://here/apply",
            "state": "success",
        }
        for name, value in names.items():
            setattr(made["ti"], name, value)
        return made

    return ready


@pytest.fixture
def plan(ready, tmp_path):
    return PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(status="open"),
        change=UpdateFields(priority="low"),
        plan_path=str(tmp_path / "plan.jsonl"),
        is_send_updates=False,
    ).execute(ready())


def agreed(plan):
    return {"digest": plan["digest"], "by": "A. Chief", "at": "2026-01-15T03:00:00+00:00"}


def test_a_notifier_is_told(plan, ready, told, jicoo_sandbox):
    task = ApplyBookingPlanOperator(task_id="apply", plan=plan, approval=agreed(plan))
    made = ready(task)
    task.execute(made)
    TellReport(Notifier("{{ jicoo_report.text }} / {{ jicoo_report.counts.applied }}"))(made)
    (text,) = told
    assert text.splitlines() == [
        "Jicoo, bulk, task apply: success.",
        f"{plan['changes']} planned changes: {plan['changes']} applied.",
        "Approved by A. Chief, 2026-01-15T03:00:00+00:00.",
        f"Report: {plan['plan']}.report/report.html",
        f"Task: http://here/apply / {plan['changes']}",
    ]


def test_nothing_of_a_guest_is_told(plan, ready, jicoo_sandbox):
    """Jicoo's words in an outcome may have a guest's name, and so may the text of the error."""
    jicoo_sandbox.fail("server_error", method="PATCH", times=1000)
    task = ApplyBookingPlanOperator(task_id="apply", plan=plan)
    made = ready(task)
    with pytest.raises(Exception, match="failed") as caught:
        task.execute(made)
    made["exception"] = caught.value
    facts = report_facts(made)
    assert facts["state"] == "failed"
    assert facts["counts"]["failed"] >= 1
    assert facts["ended_early"] == "yes"
    text = json.dumps(facts, ensure_ascii=False)
    for booking in jicoo_sandbox.bookings():
        assert booking["name"] not in text
    assert "@" not in text


def test_before_there_is_a_report(plan, ready, told):
    made = ready(ApplyBookingPlanOperator(task_id="apply", plan=plan), exception=ValueError("refused"))
    TellReport(Notifier("{{ jicoo_report.text }}"))(made)
    assert "There is no report" in told[0]
    assert report_facts(made)["counts"] == {}


def test_the_report_of_another_plan_is_not_told(plan, ready):
    task = ApplyBookingPlanOperator(task_id="apply", plan=plan)
    task.execute(ready(task))
    made = ready(ApplyBookingPlanOperator(task_id="apply", plan={**plan, "digest": "0" * 64}))
    assert report_facts(made)["report"] is None


@pytest.mark.parametrize("given", ["", "{broken", "nowhere://bucket/plan", None, 7])
def test_whatever_the_plan_is_the_notifier_is_called(ready, told, given):
    task = ApplyBookingPlanOperator(task_id="apply", plan=given)
    TellReport(Notifier("{{ jicoo_report.state }}"))(ready(task))
    assert told == ["success"]


def test_a_damaged_report(plan, ready, told):
    folder = Path(f"{plan['plan']}.report")
    folder.mkdir()
    (folder / "report.json").write_text("[1")
    TellReport(Notifier("{{ jicoo_report.text }}"))(ready(ApplyBookingPlanOperator(task_id="apply", plan=plan)))
    assert "There is no report" in told[0]


def test_a_plan_handed_on_as_text(plan, ready):
    task = ApplyBookingPlanOperator(task_id="apply", plan=json.dumps(plan))
    task.execute(ready(task))
    assert report_facts(ready(task))["counts"]["applied"] == plan["changes"]


def test_of_a_worker_that_was_killed_no_success_is_told(plan, told):
    """Then Airflow's DAG processor calls, without an exception: it says here what Airflow itself makes it say."""
    import logging
    from types import SimpleNamespace
    from uuid import uuid4

    from airflow.api_fastapi.execution_api.datamodels.taskinstance import TaskInstance
    from airflow.callbacks.callback_requests import TaskCallbackRequest
    from airflow.dag_processing.processor import _execute_task_callbacks
    from airflow.sdk import DAG

    tell = TellReport(lambda context: told.append(context["jicoo_report"]))
    with DAG("bulk", schedule=None) as dag:
        ApplyBookingPlanOperator(task_id="apply", plan=plan, on_failure_callback=tell)
    names = {"id": uuid4(), "task_id": "apply", "dag_id": "bulk", "run_id": "run-1", "try_number": 1}
    request = TaskCallbackRequest(
        filepath="bulk.py",
        bundle_name="testing",
        bundle_version=None,
        msg="no heartbeat",
        ti=TaskInstance(**names, dag_version_id=uuid4()),
    )
    _execute_task_callbacks(SimpleNamespace(dags={"bulk": dag}), request, logging.getLogger(__name__))
    (report,) = told
    assert report["state"] == "failed"
    assert report["text"].startswith("Jicoo, bulk, task apply: failed.")
