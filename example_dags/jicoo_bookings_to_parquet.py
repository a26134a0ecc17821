"""Every morning all bookings as Parquet, a file for each day on which they start.

The folder has `startedAt_date=2026-01-15/bookings.parquet` and so on, as DuckDB, Spark and BigQuery read it:
`SELECT * FROM 'folder/bookings/*/*.parquet'`. Each file is replaced as a whole, a day whose bookings are what they were
is left alone, and one that has none any more loses its file. Where it cannot be proved that all bookings came, nothing
is written, and the task fails. Guests are not read but for their name in a booking's title; `include_contacts=True`
reads them too. Changes nothing in Jicoo.

Needs `airflow-provider-jicoo[parquet]`, and for an address such as `s3://bucket/jicoo` the provider of that store.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_jicoo.transfers.object_storage import JicooToObjectStorageOperator


@dag(
    schedule="0 6 * * *",
    catchup=False,
    # Two that write into one folder would take each other's files for old ones.
    max_active_runs=1,
    tags=["jicoo", "warehouse"],
    doc_md=__doc__,
    params={
        "folder": Param(
            "/tmp/jicoo-warehouse",
            type="string",
            minLength=1,
            title="Path for the files",
            description="As s3://bucket/jicoo; a local one is on the machine of the worker.",
        ),
    },
)
def jicoo_bookings_to_parquet() -> None:
    JicooToObjectStorageOperator(
        task_id="bookings",
        resource="bookings",
        path="{{ params.folder }}/bookings",
        format="parquet",
        partition_by="startedAt",
        retries=3,
    )
    JicooToObjectStorageOperator(
        task_id="event_types",
        resource="event_types",
        path="{{ params.folder }}/event_types.parquet",
        format="parquet",
        retries=3,
    )


jicoo_bookings_to_parquet()
