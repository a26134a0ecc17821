"""The same change with the bulk operators and with Airflow's HttpHook in a loop, each in a task."""

from __future__ import annotations

import time

from airflow.sdk import DAG, Param, task

from airflow_provider_jicoo.bulk.changes import UpdateFields
from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator

with DAG(
    "beside_http_hook",
    schedule=None,
    params={"plan_path": Param("x", type="string"), "header": Param({}, type="object"), "count": Param(1)},
):
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(),
        change=UpdateFields(priority="high"),
        plan_path="{{ params.plan_path }}",
        is_send_updates=False,
    )
    apply = ApplyBookingPlanOperator(task_id="apply", plan=plan.output)

    @task
    def http_hook(params):
        """Return updates per second."""
        import json

        from airflow.providers.http.hooks.http import HttpHook

        hook = HttpHook(method="PATCH", http_conn_id="still")
        body = json.dumps({"priority": "high", "isSendUpdates": False})
        start = time.perf_counter()
        for number in range(params["count"]):
            hook.run(f"/v1/bookings/u{number:011d}", data=body, headers=params["header"]).json()
        return params["count"] / (time.perf_counter() - start)

    apply >> http_hook()
