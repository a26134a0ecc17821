"""What a person does in Airflow's UI: see what is asked, and answer."""

from __future__ import annotations

from typing import Any

import psutil  # type: ignore[import-untyped]

from tests.system.stack import AirflowStack, StackError, run_path

WAITING = ("awaiting_input", "deferred")
"""The state of a task that waits for a person: since Airflow 3.3, and before."""


def asked(stack: AirflowStack, dag_id: str, run_id: str, task_id: str = "approve") -> dict[str, Any]:
    """Wait until a task asks a person, and Airflow is ready for the answer; return what it asks.

    The task waits, its form has no answer yet, and the scheduler has heard that the process which asked has ended. With
    an answer before that, the task is queued anew already when the scheduler hears of it: it takes the end of the one
    process for that of the other, and fails the try ("state mismatch"), so that a retry asks from the beginning. No
    person is as quick.
    """

    def probe() -> dict[str, Any] | None:
        if stack.run_state(dag_id, run_id) in ("success", "failed"):
            raise StackError(f"the run ended without an approval\n{stack.describe_run(dag_id, run_id)}")
        task = stack.task(dag_id, run_id, task_id)
        if task["state"] not in WAITING:
            return None
        found: dict[str, Any] = stack.api.get(f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/-1/hitlDetails")
        log = stack.task_log(dag_id, run_id, task_id, task["try_number"])
        waits = log.count("Waiting for response")
        # The state once more: the task went on while we looked at it.
        is_ready = (
            not found["response_received"]
            and 0 < waits <= stack.ended_processes(task)
            and stack.task_state(dag_id, run_id, task_id) in WAITING
        )
        return found if is_ready else None

    return stack.poll(f"{task_id} of {dag_id} asks", probe, 90, lambda: stack.describe_run(dag_id, run_id))


def processes(stack: AirflowStack, dag_id: str, run_id: str, task_id: str) -> list[psutil.Process]:
    """Return the processes in which a task runs: Airflow names them by the id of the task instance."""
    title = f"airflow worker -- {stack.task(dag_id, run_id, task_id)['id']}"
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if title in " ".join(process.info["cmdline"] or [])]


def answer(
    stack: AirflowStack, dag_id: str, run_id: str, option: str, task_id: str = "approve", *, who: str | None = None
) -> dict[str, Any]:
    """Answer an approval as a person does, and return what was asked.

    ``PATCH /api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/hitlDetails`` with
    ``{"chosen_options": [...]}``; the map index of a task that is not mapped is -1.

    :param option: how the option begins: ``Approve``, behind which the plan's digest stands, or ``Reject``.
    :param who: the name of a user; by default the one that everybody is who does not log in.
    """
    question = asked(stack, dag_id, run_id, task_id)
    (chosen,) = [each for each in question["options"] if each.startswith(option)]
    path = f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/-1/hitlDetails"
    headers = {} if who is None else {"Authorization": f"Bearer {token(stack, who)}"}
    stack.api.call("PATCH", path, json={"chosen_options": [chosen], "params_input": {}}, headers=headers)
    return question


def token(stack: AirflowStack, who: str) -> str:
    """Return what the API takes for an administrator of this name, whom the simple auth manager need not know."""
    from airflow.api_fastapi.auth.tokens import JWTGenerator

    generator = JWTGenerator(
        secret_key=stack.env["AIRFLOW__API_AUTH__JWT_SECRET"],
        valid_for=3600,
        audience="apache-airflow",
        issuer=None,
        algorithm="HS512",
    )
    return generator.generate({"sub": who, "role": "ADMIN"})
