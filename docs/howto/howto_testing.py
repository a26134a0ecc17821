"""The DAG that the page on testing tests."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.operators.bookings import UpdateBookingOperator

# [START howto_my_dag]
with DAG("howto_testing", schedule=None, params={"uid": Param(type="string")}):
    UpdateBookingOperator(task_id="update", uid="{{ params.uid }}", priority="high", is_send_updates=False)
# [END howto_my_dag]
