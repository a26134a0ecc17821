"""A load that tells which days' bookings changed, for the tests of the transfers."""

from __future__ import annotations

from airflow.sdk import Asset, dag

from airflow_provider_jicoo.transfers.dlt import JicooToDltOperator


@dag(schedule=None, catchup=False, params={"destination": ""})
def jicoo_warehouse_days() -> None:
    JicooToDltOperator(
        task_id="load",
        destination="{{ params.destination }}",
        tables=["bookings"],
        days_asset=Asset("jicoo_booking_days"),
    )
    JicooToDltOperator.partial(task_id="mapped", dataset="mapped", retries=0).expand_kwargs(
        [{"destination": "{{ params.destination }}", "tables": ["users"]}]
    )


jicoo_warehouse_days()
