"""What the webhooks of the tests start."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Param

try:
    from airflow.sdk import PartitionedAssetTimetable
except ImportError:  # Airflow 3.1
    PartitionedAssetTimetable = None

BOOKINGS = Asset("jicoo://jicoo_default/bookings")
DAGS = {
    "webhook_first": {"schedule": None},
    "webhook_second": {"schedule": None},
    "webhook_paused": {"schedule": None},
    "webhook_particular": {"schedule": None, "params": {"table": Param(type="string")}},
    "webhook_woken": {"schedule": [BOOKINGS]},
}
if PartitionedAssetTimetable is not None:
    DAGS["webhook_partitioned"] = {"schedule": PartitionedAssetTimetable(assets=BOOKINGS)}

for dag_id, arguments in DAGS.items():
    with DAG(dag_id, **arguments):
        EmptyOperator(task_id="only")
