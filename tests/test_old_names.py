"""Names that users may have in their DAGs go on working, and say what they are called now."""

from __future__ import annotations

import importlib.util

import pytest

from airflow_provider_jicoo.bulk import Selection, UpdateFields, apply_plan, plan_changes
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from tests.bulk.tools import connect, quick


def test_failing_at_once():
    from airflow_provider_jicoo.failure import failing_at_once

    with pytest.warns(DeprecationWarning, match="fail_without_retry") as told:
        block = failing_at_once("jicoo_default")
    assert told[0].filename == __file__
    with pytest.raises(AirflowFailException, match="gone"), block:
        raise ValueError("gone")


def test_every(jicoo_sandbox, tmp_path):
    with connect(jicoo_sandbox) as jicoo:
        plan = plan_changes(
            jicoo, Selection(), UpdateFields(priority="high"), tmp_path / "plan.jsonl", is_send_updates=False
        )
        seen = []
        with pytest.warns(DeprecationWarning, match="progress_interval") as told:
            apply_plan(jicoo, plan, options=quick(), progress=seen.append, every=0.01)
    assert told[0].filename == __file__
    assert seen[-1].done == plan.manifest["changes"]


DOCUMENTED = [
    "api.client.JicooClient",
    "api.paths.INFERRED",
    "api.settings.Settings",
    "api.slots.per_day",
    "api.webhooks.HEADER",
    "api.webhooks.Variant",
    "api.webhooks.WebhookPayloadError",
    "api.webhooks.WebhookSignatureError",
    "api.webhooks.parse",
    "api.webhooks.verify",
    "bulk.Cancel",
    "bulk.ReplaceHost",
    "bulk.Selection",
    "bulk.ShiftTime",
    "bulk.apply_plan",
    "bulk.merge_reports",
    "bulk.plan_changes",
    "bulk.plan_undo",
    "bulk.documents.Approval",
    "bulk.verify.verify_report",
    "doctor.__main__",
    "failure.failing_at_once",
    "hooks.jicoo.JicooAsyncHook",
    "hooks.jicoo.JicooHook",
    "operators.approval.ApproveBookingPlanOperator",
    "operators.bookings.ListBookingsOperator",
    "operators.bookings.RescheduleBookingOperator",
    "operators.bookings.UpdateBookingOperator",
    "operators.bulk.ApplyBookingPlanOperator",
    "operators.bulk.PlanBookingChangesOperator",
    "operators.bulk.PlanBookingUndoOperator",
    "operators.doctor.JicooDoctorOperator",
    "operators.event_types.ListEventTypeHostsOperator",
    "operators.event_types.ListEventTypesOperator",
    "operators.event_types.UpdateEventTypeHostOperator",
    "operators.organization.DeleteOrganizationUserOperator",
    "sandbox.Sandbox",
    "sandbox.__main__",
    "sensors.bookings.BookingStatusSensor",
    "tasks.failure.fail_without_retry",
]
"""Every path that the README, the docs or an example DAG of any commit told users to import or to run."""


@pytest.mark.parametrize("path", DOCUMENTED)
def test_what_was_ever_documented_is_there(path):
    module, name = f"airflow_provider_jicoo.{path}".rsplit(".", 1)
    if name == "__main__":
        assert importlib.util.find_spec(f"{module}.{name}")
    else:
        assert hasattr(importlib.import_module(module), name)
