"""Webhooks and the poller on a running Airflow: nothing gets lost, whatever fails.

A tenth of the events; with ``JICOO_LOAD=1`` (``make test-load``) all of them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.events import Burst, Rung, Verdict, ended_runs, unpause
from tests.system.stack import AirflowStack

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(900)]

DAGS = Path(__file__).parent / "event_dags"
EVENTS = 500 if os.environ.get("JICOO_LOAD") else 50
PER_SECOND = 50
FAULTS = ["duplicate=10%", "reorder=20%,seconds=2"]
"""Sent twice, and out of order."""
PATIENCE = 120 + EVENTS
"""Seconds that a busy machine may take for what is to come."""


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack) -> AirflowStack:
    """Airflow with the DAGs of the proofs, which are paused until a test wants them."""
    airflow_stack.add_dags(DAGS)
    return airflow_stack


def listening(stack: AirflowStack, conn_id: str, faults: list[str], **extra: Any) -> Sandbox:
    """Return a sandbox that rings for a connection, and store the connection."""
    url = f"{stack.api.base_url}/jicoo/webhooks/{conn_id}"
    jicoo = Sandbox(bookings=0, webhook_url=url, webhook_faults=faults).start()
    connection = jicoo.connection()
    stack.add_connection(conn_id, {**connection, "extra": {**connection["extra"], **extra}})
    return jicoo


@pytest.fixture(scope="module")
def each(stack: AirflowStack) -> Iterator[Sandbox]:
    """A Jicoo whose every event starts a run."""
    unpause(stack, "events_each")
    jicoo = listening(stack, "jicoo_each", FAULTS, webhook_delivery="dag_run", webhook_dag_ids=["events_each"])
    yield jicoo
    jicoo.stop()


def started(stack: AirflowStack, dag_id: str) -> list[Rung]:
    """Return the events that the runs of a DAG were started for, all of which have succeeded by then."""
    runs = ended_runs(stack, dag_id, PATIENCE)
    assert Counter(run["state"] for run in runs) == {"success": len(runs)}
    return [Rung(run["conf"]["event"], run["conf"]["booking_uid"]) for run in runs]


def test_each_event_is_one_run(stack: AirflowStack, each: Sandbox) -> None:
    burst = Burst(each, EVENTS, PER_SECOND).start().finish()
    each.settle(PATIENCE)
    assert len(each.deliveries) > EVENTS, "some were sent twice"
    assert Verdict.of(burst.rung, started(stack, "events_each")) == Verdict()
