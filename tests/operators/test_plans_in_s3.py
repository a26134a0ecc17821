"""Plans in an object store that an Airflow connection leads to: moto's server in the place of Amazon's."""

from __future__ import annotations

import asyncio
import json

import pytest

pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")

import boto3  # noqa: E402

from airflow_provider_jicoo.bulk import Selection, UpdateFields  # noqa: E402
from airflow_provider_jicoo.notifications.report import report_facts  # noqa: E402
from airflow_provider_jicoo.operators.bulk import (  # noqa: E402
    ApplyBookingPlanOperator,
    BulkUpdateBookingsOperator,
    PlanBookingChangesOperator,
    PlanBookingUndoOperator,
)
from airflow_provider_jicoo.tasks.compat import TaskDeferred  # noqa: E402
from airflow_provider_jicoo.triggers.apply import ApplyMayGoOnTrigger  # noqa: E402
from tests.bulk.tools import hurry_operators  # noqa: E402

pytestmark = [
    pytest.mark.usefixtures("jicoo_connection"),
    pytest.mark.xdist_group("s3"),
    pytest.mark.once,
]
FOLDER = "s3://plans_store@plans/monday"
GO_ON = {"status": "success"}


@pytest.fixture
def bucket(moto_server, monkeypatch):
    """A bucket that only the connection ``plans_store`` leads to: without it, there are neither key nor address."""
    import airflow.sdk.io.fs as airflow_fs
    from airflow.sdk import BaseHook
    from airflow.sdk.io.store import _STORE_CACHE

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    stored = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": {"endpoint_url": moto_server}}
    monkeypatch.setenv("AIRFLOW_CONN_PLANS_STORE", json.dumps(stored))
    asked = []

    def open_fs(conn_id, options):
        """What the provider of Amazon's services does, as far as it matters here."""
        asked.append(conn_id)
        connection = BaseHook.get_connection(conn_id)
        return s3fs.S3FileSystem(
            key=connection.login,
            secret=connection.password,
            client_kwargs={"endpoint_url": connection.extra_dejson["endpoint_url"], "region_name": "us-east-1"},
        )

    known = dict(airflow_fs._register_filesystems())
    monkeypatch.setattr(airflow_fs, "_register_filesystems", lambda: {**known, "s3": open_fs})
    _STORE_CACHE.clear()
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    bucket = boto3.resource("s3", endpoint_url=moto_server, **keys).Bucket("plans")
    bucket.create()
    yield bucket
    assert set(asked) == {"plans_store"}
    bucket.objects.all().delete()
    bucket.delete()
    _STORE_CACHE.clear()


@pytest.fixture
def ready(context, monkeypatch, bucket):
    hurry_operators(monkeypatch, lease=5)

    def ready(task_id="task", **more):
        made = context(params={}, **more)
        names = {"dag_id": "bulk", "run_id": "run-1", "task_id": task_id, "map_index": -1}
        for name, value in names.items():
            setattr(made["ti"], name, value)
        return made

    return ready


@pytest.fixture
def plan(ready):
    return PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(status="open"),
        change=UpdateFields(description="Bring your badge"),
        plan_path=f"{FOLDER}/plan.jsonl",
        is_send_updates=False,
    ).execute(ready("plan"))


def names(bucket):
    return {each.key for each in bucket.objects.all()}


def test_plan_apply_report_and_undo(plan, ready, bucket, jicoo_sandbox):
    before = {booking["uid"]: booking.get("description") for booking in jicoo_sandbox.bookings()}
    assert plan["plan"] == f"{FOLDER}/plan.jsonl"
    assert "monday/plan.jsonl" in names(bucket)

    task = ApplyBookingPlanOperator(task_id="apply", plan=plan)
    made = ready("apply", task=task)
    result = task.execute(made)
    assert result["counts"]["applied"] == plan["changes"]
    assert result["report"] == f"{FOLDER}/plan.jsonl.report"
    assert {"monday/plan.jsonl.report/report.json", "monday/plan.jsonl.report/outcomes.jsonl"} <= names(bucket)
    assert report_facts(made)["counts"]["applied"] == plan["changes"]

    undo = PlanBookingUndoOperator(
        task_id="undo", plan=plan["plan"], plan_path=f"{FOLDER}/undo.jsonl", is_send_updates=False
    ).execute(ready("undo"))
    ApplyBookingPlanOperator(task_id="take_back", plan=undo).execute(ready("take_back"))
    assert {booking["uid"]: booking.get("description") for booking in jicoo_sandbox.bookings()} == before


def test_a_plan_named_by_its_address(plan, ready):
    task = ApplyBookingPlanOperator(task_id="apply", plan=plan["plan"], digest=plan["digest"])
    assert task.execute(ready("apply"))["counts"]["applied"] == plan["changes"]


def test_both_in_one(ready, bucket):
    done = BulkUpdateBookingsOperator(
        task_id="task",
        selection=Selection(status="open"),
        change=UpdateFields(description="Bring your badge"),
        plan_path=f"{FOLDER}/one.jsonl",
        is_send_updates=False,
    ).execute(ready())
    assert done["counts"]["applied"] == done["changes"] > 0


def test_a_pause_that_the_triggerer_waits_for(plan, ready, bucket):
    control = bucket.Object("monday/plan.jsonl.control")
    control.put(Body=b'{"state": "pause"}')
    task = ApplyBookingPlanOperator(task_id="apply", plan=plan, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(ready("apply"))
    arguments = {**deferred.value.trigger.serialize()[1], "poll_interval": 0.1}
    assert arguments["plan"] == f"{FOLDER}/plan.jsonl"
    assert "testing" not in json.dumps(arguments)

    async def story():
        waiting = asyncio.ensure_future(anext(ApplyMayGoOnTrigger(**arguments).run()))
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert not done
        await asyncio.to_thread(control.delete)
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(story()).payload["status"] == "success"
    assert task.execute_complete(ready("apply"), GO_ON)["counts"]["applied"] == plan["changes"]


def test_verify(plan, ready, bucket, jicoo_sandbox, monkeypatch, capsys):
    from airflow_provider_jicoo.bulk.verify.__main__ import main as without_airflow
    from airflow_provider_jicoo.tasks.verify import main

    ApplyBookingPlanOperator(task_id="apply", plan=plan).execute(ready("apply"))
    monkeypatch.setenv("JICOO_API_KEY", jicoo_sandbox.api_key)
    assert main([plan["plan"], "--host", jicoo_sandbox.url]) == 0, capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        without_airflow([plan["plan"], "--host", jicoo_sandbox.url])
    assert ended.value.code == 2
    assert "airflow_provider_jicoo.tasks.verify" in capsys.readouterr().err
