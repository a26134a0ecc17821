"""The running Airflow that the system tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.stack import AirflowStack

HERE = Path(__file__).parent
RUNNING = pytest.StashKey[AirflowStack]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop Airflow with the last of its tests: also one that is idle takes a tenth of a core from those that follow."""
    stack = item.config.stash.get(RUNNING, None)
    if stack is not None and (nextitem is None or HERE not in nextitem.path.parents):
        stack.stop_all()


@pytest.fixture(scope="session")
def airflow_stack_dags() -> list[Path]:
    """DAG files, or folders of them, that Airflow finds when it starts."""
    return [HERE / "dags"]


@pytest.fixture(scope="session")
def airflow_stack_env() -> dict[str, str]:
    """Environment variables that all components get, on top of the stack's own configuration."""
    return {
        # What a killed scheduler leaves behind is taken up within seconds, not after five minutes.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }


@pytest.fixture(scope="session")
def airflow_stack(
    airflow_stack_dags: list[Path], airflow_stack_env: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[AirflowStack]:
    """A running Airflow: api-server, scheduler, dag-processor, triggerer, PostgreSQL.

    Set ``JICOO_STACK_KEEP=1`` to find its folder with all logs after the tests.
    """
    keep = os.environ.get("JICOO_STACK_KEEP") == "1"
    with AirflowStack(airflow_stack_dags, airflow_stack_env, keep=keep) as stack:
        request.config.stash[RUNNING] = stack
        yield stack
    if keep:
        print(f"\nthe stack's folder: {stack.root}")
