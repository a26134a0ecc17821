"""Keep a warehouse up to date with Jicoo: every 15 minutes, what changed of bookings, guests and the rest.

With DuckDB, which is a file, it runs at once; for PostgreSQL set ``destination`` to ``postgres`` and name a connection
to it. It changes nothing in Jicoo, and writes only into the tables of its own dataset there; to undo it, drop that.
Guests' names, addresses and answers go into the table ``contacts``: whoever may read it, reads them; leave out
``include_contacts`` where nobody needs them. Needs ``airflow-provider-jicoo[dlt]`` and ``dlt[duckdb]`` or
``dlt[postgres]``.

What the warehouse has is noted in the warehouse itself: a run that failed, or none for a week, loses nothing. A DAG
scheduled on ``Asset("dlt://duckdb/jicoo/bookings")`` runs after each load that changed a booking.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_provider_jicoo.transfers.dlt import JicooToDltOperator


@dag(
    schedule=timedelta(minutes=15),
    catchup=False,
    max_active_runs=1,  # two at once would write the same tables
    tags=["jicoo", "warehouse"],
    doc_md=__doc__,
    params={
        "destination": Param(
            "duckdb:////tmp/jicoo_warehouse.duckdb",
            type="string",
            minLength=1,
            title="Warehouse",
            description="A kind that dlt knows, as postgres, or the address of a DuckDB file.",
        ),
        "warehouse_connection": Param(
            None,
            type=["null", "string"],
            title="Connection to the warehouse",
            description="The Airflow connection that has its address and password; empty for DuckDB.",
        ),
        "dataset": Param(
            "jicoo",
            type="string",
            minLength=1,
            title="Dataset",
            description="The schema that the tables are in; it is made where there is none.",
        ),
        "sync": Param(
            "changes",
            enum=["changes", "full"],
            title="What to write",
            description="changes: what is new or was edited; full: everything anew.",
        ),
    },
)
def jicoo_bookings_to_warehouse() -> None:
    JicooToDltOperator(
        task_id="load",
        destination="{{ params.destination }}",
        destination_conn_id="{{ params.warehouse_connection or '' }}",
        dataset="{{ params.dataset }}",
        sync="{{ params.sync }}",
        include_contacts=True,
        retries=3,
    )


jicoo_bookings_to_warehouse()
