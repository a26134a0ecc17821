"""What the page on several workers says of object stores: the connection before the bucket is that of all files."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.operators.bulk import (
    ApplyBookingPlanOperator,
    PlanBookingChangesOperator,
    PlanBookingUndoOperator,
)
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from airflow_provider_jicoo.tasks.storage import _PACKAGES
from tests.bulk.tools import hurry_operators
from tests.docs.pages import DOCS

pytestmark = [pytest.mark.usefixtures("jicoo_connection"), pytest.mark.once, pytest.mark.xdist_group("s3")]
PLANS = "s3://plans_store@jicoo-plans/plans"


@pytest.fixture
def asked():
    """The ids of the connections with which a file system was asked for."""
    return []


@pytest.fixture
def bucket(asked, moto_server, monkeypatch):
    """A bucket of moto's server, which Airflow's paths lead to, whatever connection they name."""
    s3fs = pytest.importorskip("s3fs")
    import airflow.sdk.io.fs as airflow_fs
    import boto3
    from airflow.sdk.io.store import _STORE_CACHE

    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": moto_server}.items():
        monkeypatch.setenv(name, value)

    def file_system(conn_id, options):
        asked.append(conn_id)
        return s3fs.S3FileSystem(skip_instance_cache=True)

    # What the provider of Amazon's services registers.
    known = dict(airflow_fs._register_filesystems())
    monkeypatch.setattr(airflow_fs, "_register_filesystems", lambda: {**known, "s3": file_system})
    _STORE_CACHE.clear()
    made = boto3.resource("s3", endpoint_url=moto_server).Bucket("jicoo-plans")
    made.create()
    yield made
    made.objects.all().delete()
    made.delete()
    _STORE_CACHE.clear()


@pytest.fixture
def run(context, monkeypatch):
    # A look at this store may take seconds on a busy machine, and nobody waits for the lease of what was released.
    hurry_operators(monkeypatch, lease=60)

    def run(operator, **arguments):
        made = context()
        for name, value in {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1}.items():
            setattr(made["ti"], name, value)
        return operator(task_id="task", **arguments).execute(made)

    return run


def test_plan_apply_and_undo_with_the_connection_before_the_bucket(bucket, asked, run, jicoo_sandbox):
    planned = run(
        PlanBookingChangesOperator,
        selection=Selection(status="open"),
        change=UpdateFields(priority="low"),
        plan_path=f"{PLANS}/plan.jsonl",
        is_send_updates=False,
        shards=2,
    )
    before = {booking["uid"]: booking["priority"] for booking in jicoo_sandbox.bookings()}
    applied = [run(ApplyBookingPlanOperator, plan=shard) for shard in planned["shards"]]
    assert sum(each["counts"]["applied"] for each in applied) == planned["changes"] > 2
    undo = run(PlanBookingUndoOperator, plan=planned, plan_path=f"{PLANS}/undo.jsonl", is_send_updates=False)
    run(ApplyBookingPlanOperator, plan=undo)

    assert {booking["uid"]: booking["priority"] for booking in jicoo_sandbox.bookings()} == before
    assert set(asked) == {"plans_store"}
    for path in (
        planned["plan"],
        *(shard["plan"] for shard in planned["shards"]),
        *(each["report"] for each in applied),
    ):
        assert path.startswith(f"{PLANS}/"), path
    folders = {file.key.removeprefix("plans/").partition("/")[0].rpartition(".")[2] for file in bucket.objects.all()}
    assert folders >= {"jsonl", "journal", "report"}


def test_where_the_package_is_missing_the_task_names_it(run, jicoo_sandbox):
    wanted = {"selection": Selection(), "change": UpdateFields(priority="low"), "is_send_updates": False}
    for scheme in ("gs", "abfs"):
        with pytest.raises(AirflowFailException, match=_PACKAGES[scheme].partition("[")[0]):
            run(PlanBookingChangesOperator, plan_path=f"{scheme}://bucket/plan.jsonl", **wanted)
    assert jicoo_sandbox.requests == []


def test_the_packages_are_those_of_the_page():
    page = (DOCS / "workers.md").read_text()
    assert [package for package in set(_PACKAGES.values()) if f"| `{package}` |" not in page] == []
