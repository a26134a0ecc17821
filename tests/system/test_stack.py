"""The harness itself: what the other system tests rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.stack import AirflowStack, ApiError, StackError

# The first test of the session pays for the start of the stack, 15 s on an idle machine, 90 s on a crowded one.
pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(600)]


def test_trivial_dag_succeeds(airflow_stack: AirflowStack) -> None:
    run_id = airflow_stack.run_dag("harness_trivial", {"number": 21})

    assert airflow_stack.wait_for_run("harness_trivial", run_id) == "success"
    assert airflow_stack.task_state("harness_trivial", run_id, "double") == "success"
    assert airflow_stack.xcom("harness_trivial", run_id, "double") == {"doubled": 42}
    assert "doubling 21" in airflow_stack.task_log("harness_trivial", run_id, "double")
    with pytest.raises(ApiError) as refused:
        airflow_stack.xcom("harness_trivial", run_id, "double", key="nothing")
    assert refused.value.status == 404


def test_failure_shows_the_task_and_its_log(airflow_stack: AirflowStack) -> None:
    run_id = airflow_stack.run_dag("harness_failing")

    with pytest.raises(StackError, match=r"(?s)fail\[-1\]: failed.*a reason to look for"):
        airflow_stack.wait_for_run("harness_failing", run_id)
    assert airflow_stack.wait_for_run("harness_failing", run_id, expect=None) == "failed"


def test_import_error_is_shown(airflow_stack: AirflowStack, tmp_path: Path) -> None:
    broken = tmp_path / "harness_broken.py"
    broken.write_text("from airflow.sdk import DAG, no_such_name\n")
    airflow_stack.add_dags(broken)
    try:
        with pytest.raises(StackError, match=r"(?s)harness_broken\.py.*no_such_name"):
            airflow_stack.wait_for_dag("harness_broken")
    finally:
        (airflow_stack.dags_folder / broken.name).unlink()
    airflow_stack.poll("the import error is gone", lambda: None if airflow_stack.import_errors() else True, 60)


def test_logs_of_everything_are_listed(airflow_stack: AirflowStack) -> None:
    run_id = airflow_stack.run_dag("harness_trivial", {"number": 1})
    airflow_stack.wait_for_run("harness_trivial", run_id)

    files = airflow_stack.log_files()
    names = {path.name for path in files}
    assert {"api-server.log", "scheduler.log", "dag-processor.log", "triggerer.log", "postgresql.log"} <= names
    assert any(run_id in str(path) and "doubling 1" in path.read_text() for path in files)
