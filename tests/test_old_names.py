"""Names that users may have in their DAGs go on working, and say what they are called now."""

from __future__ import annotations

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
