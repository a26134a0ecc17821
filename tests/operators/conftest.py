"""What the tests of the operators share."""

from __future__ import annotations

import pytest


@pytest.fixture
def grace(jicoo_connection):
    """Let Jicoo be at work on a lost request for no longer than this, in seconds; a minute otherwise."""
    seconds = 1.0
    jicoo_connection(extra={"timeout": seconds, "server_grace": seconds})
    return seconds


@pytest.fixture
def run(context):
    """Render an operator's templates with ``params`` and execute it; returns its result.

    :param native: within a DAG that renders templates to what they stand for, not to text.
    :param store: Airflow's task state store, from 3.3.
    """

    def run(operator, /, *, try_number=1, max_tries=0, params=None, native=False, store=None, **arguments):
        if native:
            from airflow.sdk import DAG

            arguments["dag"] = DAG("native", render_template_as_native_obj=True)
        task = operator(task_id="task", **arguments)
        made = context(
            try_number=try_number, params=params or {}, **({} if store is None else {"task_state_store": store})
        )
        made["ti"].max_tries = max_tries
        task.render_template_fields(made)
        return task.execute(made)

    return run
