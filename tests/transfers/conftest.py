"""What the tests of the transfers share: a sandbox and its client."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings


@pytest.fixture
def jicoo(jicoo_sandbox):
    """A client of the sandbox."""
    with JicooClient(Settings(jicoo_sandbox.api_key, jicoo_sandbox.url)) as client:
        yield client


@pytest.fixture
def run_task(context):
    """Render an operator's templates and execute it: ``run_task(Operator, path=..., run_id="...")``."""

    def run(operator, /, *, run_id="run", try_number=1, **arguments):
        task = operator(task_id="task", **arguments)
        made = context(try_number=try_number)
        made["ti"].dag_id, made["ti"].run_id, made["ti"].task_id, made["ti"].map_index = "dag", run_id, "task", -1
        task.render_template_fields({**made, "run_id": run_id})
        return task.execute(made)

    return run
