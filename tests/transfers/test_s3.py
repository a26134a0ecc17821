"""Files in S3: moto's server in the place of Amazon's."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")

import boto3  # noqa: E402

from airflow_provider_jicoo.tasks.compat import AirflowFailException  # noqa: E402
from airflow_provider_jicoo.transfers.object_storage import JicooToObjectStorageOperator  # noqa: E402
from airflow_provider_jicoo.transfers.sql_selection import FileToBookingSelection  # noqa: E402

pytestmark = [
    pytest.mark.usefixtures("jicoo_connection"),
    pytest.mark.xdist_group("s3"),
    pytest.mark.once,
]


@pytest.fixture
def bucket(moto_server, monkeypatch):
    """A bucket that Airflow's paths lead to, as boto's."""
    import airflow.sdk.io.fs as airflow_fs
    from airflow.sdk.io.store import _STORE_CACHE

    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": moto_server,
    }.items():
        monkeypatch.setenv(name, value)
    # What the provider of Amazon's services registers.
    known = dict(airflow_fs._register_filesystems())
    # Else that of another server, which is gone by now.
    monkeypatch.setattr(
        airflow_fs,
        "_register_filesystems",
        lambda: {**known, "s3": lambda conn_id, options: s3fs.S3FileSystem(skip_instance_cache=True)},
    )
    _STORE_CACHE.clear()
    made = boto3.resource("s3", endpoint_url=moto_server)
    bucket = made.Bucket("warehouse")
    bucket.create()
    yield bucket
    bucket.objects.all().delete()
    bucket.delete()
    _STORE_CACHE.clear()


def keys(bucket):
    return sorted(each.key for each in bucket.objects.all())


def content(bucket, key):
    return bucket.Object(key).get()["Body"].read()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_file(bucket, run_task, jicoo_sandbox, kind):
    path = f"s3://warehouse/jicoo/bookings.{kind}"
    made = run_task(JicooToObjectStorageOperator, resource="bookings", path=path, format=kind)
    assert keys(bucket) == [f"jicoo/bookings.{kind}"]
    assert len(content(bucket, f"jicoo/bookings.{kind}")) == made["bytes"]
    assert made["path"] == path
    if kind == "jsonl":
        rows = [json.loads(line) for line in content(bucket, "jicoo/bookings.jsonl").splitlines()]
        assert {row["uid"] for row in rows} == {booking["uid"] for booking in jicoo_sandbox.bookings()}


def test_days_and_changes(bucket, run_task, jicoo_sandbox):
    write = {"resource": "bookings", "format": "parquet"}
    made = run_task(JicooToObjectStorageOperator, path="s3://warehouse/days", partition_by="startedAt", **write)
    days = {booking["startedAt"][:10] for booking in jicoo_sandbox.bookings()}
    files = {f"days/startedAt_date={day}/bookings.parquet" for day in days}
    assert set(keys(bucket)) == {*files, "days/_jicoo_bookings.manifest.json"}
    assert made["partitions"]["all"] == len(days)
    assert set(made["partitions"]["written"]) == days

    for number, expected in enumerate((50, 1)):
        made = run_task(
            JicooToObjectStorageOperator,
            run_id=f"run {number}",
            path="s3://warehouse/changes/{{ run_id }}.jsonl",
            resource="bookings",
            sync="changes",
        )
        assert made["rows"] == expected
        jicoo_sandbox.edit(jicoo_sandbox.bookings()[0]["uid"], priority="high")
    assert "changes/_jicoo_bookings.cursor" in keys(bucket)


def test_where_the_store_fails_what_stood_there_stands(bucket, run_task, monkeypatch):
    path = "s3://warehouse/bookings.jsonl"
    bucket.put_object(Key="bookings.jsonl", Body=b"old")

    call = s3fs.S3FileSystem._call_s3

    async def fail(self, method, *args, Key="", **kwargs):
        if method in ("put_object", "complete_multipart_upload") and Key == "bookings.jsonl":
            raise OSError("the network is gone")
        return await call(self, method, *args, Key=Key, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", fail)
    with pytest.raises(OSError, match="the network is gone"):
        run_task(JicooToObjectStorageOperator, resource="bookings", path=path)
    assert (keys(bucket), content(bucket, "bookings.jsonl")) == (["bookings.jsonl"], b"old")


def test_no_such_bucket(bucket, run_task, jicoo_sandbox):
    with pytest.raises(OSError, match=r"s3://elsewhere/bookings.jsonl cannot be written"):
        run_task(JicooToObjectStorageOperator, resource="bookings", path="s3://elsewhere/bookings.jsonl")
    assert jicoo_sandbox.count() == 0


def test_the_way_back(bucket, run_task):
    bucket.put_object(Key="patch.csv", Body=b"uid,priority\na,urgent\n")
    arguments = {"path": "s3://warehouse/patch.csv", "values_path": "s3://warehouse/values.jsonl"}
    with pytest.raises(AirflowFailException, match="line 2: column priority"):
        run_task(FileToBookingSelection, **arguments)
    bucket.put_object(Key="patch.csv", Body=b"uid,priority\na,high\n")
    assert run_task(FileToBookingSelection, **arguments)["bookings"] == 1
    assert keys(bucket) == ["patch.csv", "values.jsonl"]
