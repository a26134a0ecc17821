"""The bulk change beside Airflow's HttpHook where both are used: in a task of a running Airflow."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bulk import COUNT, server
from clients import KEY

from airflow_provider_jicoo.api.settings import KEY_HEADER

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.system.stack import AirflowStack

if TYPE_CHECKING:
    from collections.abc import Iterator

DAG_ID = "beside_http_hook"
HTTP_HOOK = 300
"""Updates that the task with HttpHook makes: fewer, since each takes it so long."""


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield one row: what, measured, at least, reached."""
    dags = [Path(__file__).with_name("dags")]
    with server(COUNT) as url, tempfile.TemporaryDirectory() as folder, AirflowStack(dags, {}) as airflow:
        host, port = url.removeprefix("http://").split(":")
        airflow.add_connection("jicoo_default", {"conn_type": "jicoo", "host": url, "password": KEY})
        airflow.add_connection("still", {"conn_type": "http", "host": host, "port": int(port)})
        plan = Path(folder, "plan.jsonl")
        conf = {"plan_path": str(plan), "header": {KEY_HEADER: KEY}, "count": HTTP_HOOK}
        run_id = airflow.run_dag(DAG_ID, conf)
        airflow.wait_for_run(DAG_ID, run_id, 300)
        ours = COUNT / json.loads(Path(f"{plan}.report", "report.json").read_text())["seconds"]
        other = airflow.xcom(DAG_ID, run_id, "http_hook")
    what = (
        f"apply {COUNT:,} updates, unthrottled, in a task of a running Airflow, beside a task with Airflow's HttpHook "
        "in a loop; connections in Airflow's database"
    )
    yield what, f"{ours:,.0f} against {other:,.0f} /s: {ours / other:.1f}", "30", ours / other >= 30
