"""The links of plan and apply lead to the page of the run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_jicoo.links.bulk import PlanLink, ReportLink
from airflow_provider_jicoo.operators import bulk
from airflow_provider_jicoo.plugins import jicoo
from airflow_provider_jicoo.tasks import room

KEY = SimpleNamespace(dag_id="a dag", run_id="manual__2027-01-01T00:00:00+00:00", task_id="g.apply", map_index=3)
PATH = "/jicoo/runs/a%20dag/manual__2027-01-01T00%3A00%3A00%2B00%3A00/g.apply/3"


@pytest.mark.parametrize(
    ("base", "front"),
    [
        ("https://airflow.example.com", "https://airflow.example.com"),
        ("https://example.com/air/flow/", "https://example.com/air/flow"),
        ("", ""),
    ],
)
def test_the_address(monkeypatch, base, front):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert PlanLink().get_link(None, ti_key=KEY) == f"{front}{PATH}#plan"
    assert ReportLink().get_link(None, ti_key=KEY) == f"{front}{PATH}#report"


def test_a_task_that_is_not_mapped(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    for index in (None, -1):
        key = SimpleNamespace(**{**vars(KEY), "map_index": index})
        assert PlanLink().get_link(None, ti_key=key).endswith("/g.apply/-1#plan")


def test_which_operators_have_them():
    def names(operator):
        return [link.name for link in operator.operator_extra_links]

    assert names(bulk.PlanBookingChangesOperator) == names(bulk.PlanBookingUndoOperator) == ["Plan"]
    assert names(bulk.ApplyBookingPlanOperator) == names(bulk.BulkUpdateBookingsOperator) == ["Plan", "Report"]


def test_the_plugin_knows_the_same_address_and_operators():
    assert jicoo.RUNS == room.PREFIX
    ours = {each.__name__ for each in vars(bulk).values() if isinstance(each, type) and hasattr(each, "plan_path")}
    assert {name for name in jicoo.OPERATORS if not name.startswith("@")} <= set(vars(bulk)), ours
