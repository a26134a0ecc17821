"""Webhooks and the poller on a running Airflow: nothing gets lost, whatever fails.

A tenth of the events; with ``JICOO_LOAD=1`` (``make test-load``) all of them. The bookings of one account are not those
of another: in the first each event starts a run, in the second it is a partition of the asset, in the third it wakes a
DAG that drains, and of the fourth nobody rings but the poller.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import sdk

from tests.system.events import (
    Account,
    Verdict,
    ended_runs,
    started_for,
    started_for_partitions,
    unpause,
    wait_for_states,
)
from tests.system.stack import AirflowStack, tail

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(1200)]

DAGS = Path(__file__).parent / "event_dags"
EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"
WHOLE = bool(os.environ.get("JICOO_LOAD"))
EVENTS = 500 if WHOLE else 50
PER_SECOND = 50
IN_A_KILL = 100 if WHOLE else 20
"""Events while a component is killed, and of each account."""
FAULTS = ["duplicate=10%", "reorder=20%,seconds=2"]
"""Sent twice, and out of order."""
HAS_PARTITIONS = hasattr(sdk, "PartitionedAssetTimetable")
"""Since Airflow 3.2."""
PATIENCE = 180 + EVENTS
"""Seconds that a busy machine may take for what is to come."""


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack) -> AirflowStack:
    """Airflow with the DAGs of the proofs, which are paused until an account wants them."""
    airflow_stack.add_dags(DAGS)
    return airflow_stack


@pytest.fixture(scope="module")
def each(stack: AirflowStack) -> Iterator[Account]:
    """Each event starts a run."""
    account = Account(
        stack, "jicoo_each", "events_each", FAULTS, webhook_delivery="dag_run", webhook_dag_ids="events_each"
    )
    yield account
    account.close(stack)


@pytest.fixture(scope="module")
def partitioned(stack: AirflowStack) -> Iterator[Account | None]:
    """Each event is a partition of the asset; None where Airflow has none."""
    if not HAS_PARTITIONS:
        yield None
        return
    account = Account(stack, "jicoo_partitioned", "events_partitioned", FAULTS, webhook_delivery="partitioned_asset")
    yield account
    account.close(stack)


@pytest.fixture(scope="module")
def drained(stack: AirflowStack) -> Iterator[Account]:
    """Each event wakes a DAG that drains."""
    account = Account(stack, "jicoo_drained", "events_drained", FAULTS, webhook_delivery="asset")
    yield account
    account.close(stack)


@pytest.fixture(scope="module")
def watched(stack: AirflowStack) -> Iterator[Account]:
    """Nobody rings but the poller, which begins with what is there: the first bookings are made when it has begun."""
    account = Account(stack, "jicoo_watched", "events_watched")
    # A watcher of a DAG that is unpaused begins when its file is read again, which is at once where it is new.
    stack.add_dags(DAGS)
    stack.poll(
        "the poller has begun",
        lambda: True if account.jicoo.count("GET", "/v1/bookings") > 1 else None,
        PATIENCE,
        lambda: tail(stack.logs / "triggerer.log"),
    )
    yield account
    account.close(stack)


def check_each(stack: AirflowStack, account: Account) -> None:
    """Each event so far has started one run, which has succeeded."""
    account.jicoo.settle(PATIENCE)
    assert Verdict.of(account.rung, started_for(stack, account.dag_id, PATIENCE)) == Verdict()


def check_partitioned(stack: AirflowStack, account: Account | None) -> None:
    """Each event so far was a partition with one run, which has succeeded."""
    if account is None:
        return
    account.jicoo.settle(PATIENCE)
    uri = "jicoo://jicoo_partitioned/bookings"
    found = started_for_partitions(stack, account.dag_id, uri, len(account.rung), PATIENCE)
    assert Verdict.of(account.rung, found) == Verdict()


def check_drained(stack: AirflowStack, account: Account, doubles: int = 0) -> None:
    """Each booking was handled as it is now, and none twice as it is or was.

    :param doubles: how often it was the one under way when something was killed.
    """
    account.jicoo.settle(PATIENCE)
    found = wait_for_states(stack, account.dag_id, account.last_states, PATIENCE)
    verdict = Verdict.of(account.states, found)
    assert verdict.unknown == []
    assert len(verdict.doubled) <= doubles, verdict.doubled
    # A state that was over before anybody looked is not to be missed.
    assert not set(verdict.missing) & set(account.last_states)


def test_each_event_is_one_run(stack: AirflowStack, each: Account) -> None:
    burst = each.burst(EVENTS, PER_SECOND).finish()
    check_each(stack, each)
    sent = [(one.event, one.uid) for one in each.jicoo.deliveries]
    assert len(sent) > EVENTS, "some were sent twice"
    assert sent != sorted(sent, key=burst.rung.index), "some were out of order"


@pytest.mark.skipif(not HAS_PARTITIONS, reason="this Airflow has no partitioned assets")
def test_each_event_is_one_partition(stack: AirflowStack, partitioned: Account) -> None:
    partitioned.burst(EVENTS, PER_SECOND).finish()
    check_partitioned(stack, partitioned)


@pytest.mark.skipif(HAS_PARTITIONS, reason="this Airflow has partitioned assets")
def test_without_partitions_webhooks_are_refused_and_the_log_says_what_to_do(stack: AirflowStack) -> None:
    account = Account(stack, "jicoo_partitioned", "events_each", [], webhook_delivery="partitioned_asset")
    account.burst(1, 1).finish()
    stack.poll(
        "the webhook is refused",
        lambda: True if any(one.status == 503 for one in account.jicoo.deliveries) else None,
        PATIENCE,
    )
    account.jicoo.stop()
    assert {one.status for one in account.jicoo.deliveries} == {503}
    said = (stack.logs / "api-server.log").read_text()
    assert "has no partitioned assets, which came with 3.2: use dag_run" in said


def test_each_booking_is_handled_once_by_a_dag_that_drains(stack: AirflowStack, drained: Account) -> None:
    drained.burst(EVENTS, PER_SECOND).finish()
    check_drained(stack, drained)


def test_the_poller_finds_every_change(stack: AirflowStack, watched: Account) -> None:
    """Made, moved and cancelled while it sweeps, each second."""
    watched.burst(EVENTS, PER_SECOND / 5).finish()
    check_drained(stack, watched)


def test_the_examples_write_a_line_for_each_booking_though_webhooks_get_lost(
    stack: AirflowStack, tmp_path: Path
) -> None:
    """Half of them do; the reconcile of the next morning finds those."""
    folder = tmp_path / "lines"
    for name in ("jicoo_on_booking", "jicoo_daily_reconcile"):
        copy = tmp_path / f"{name}.py"
        copy.write_text((EXAMPLES / copy.name).read_text().replace("/tmp/jicoo-events", str(folder)))
        stack.add_dags(copy)
    # An earlier file of the same DAG may be there, which writes elsewhere.

    def is_read() -> bool | None:
        found = stack.api.request("GET", "/dags/jicoo_on_booking/details")
        return True if found.ok and str(folder) in found.text else None

    stack.poll("the copies are read", is_read, PATIENCE, lambda: str(stack.import_errors()))
    account = Account(stack, "jicoo_default", "jicoo_on_booking", ["drop=50%"], webhook_dag_ids=["jicoo_on_booking"])
    burst = account.burst(6, 10).finish()
    account.jicoo.settle(PATIENCE)
    ended_runs(stack, account.dag_id, PATIENCE)
    made = {each.uid for each in burst.rung}
    assert set(lines(folder)) < made, "some webhooks get lost"

    run = stack.run_dag("jicoo_daily_reconcile", {"minutes": 0})
    stack.wait_for_run("jicoo_daily_reconcile", run)
    ended_runs(stack, account.dag_id, PATIENCE)
    unpause(stack, "jicoo_daily_reconcile", is_paused=True)
    account.close(stack)

    found = lines(folder)
    assert set(found) == made
    for uid, line in found.items():
        booking = account.jicoo.booking(uid)
        assert (line["status"], line["startedAt"]) == (booking["status"], booking["startedAt"])
        assert [guest["email"] for guest in line["guests"]] == [guest["email"] for guest in account.jicoo.contacts(uid)]


def lines(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last line of each booking."""
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns) if folder.exists() else []
    return {line["uid"]: line for line in map(json.loads, (file.read_text() for file in files))}


# The first kills nobody who handles a booking; each of the others may.
@pytest.mark.parametrize(("component", "doubles"), [("triggerer", 0), ("api-server", 1), ("scheduler", 2)])
def test_killed_in_the_middle_of_a_burst(
    stack: AirflowStack,
    each: Account,
    partitioned: Account | None,
    drained: Account,
    watched: Account,
    component: str,
    doubles: int,
) -> None:
    accounts = [account for account in (each, partitioned, drained, watched) if account is not None]
    bursts = [account.burst(IN_A_KILL, 10) for account in accounts]
    bursts[0].wait_for_half()
    stack.kill(component)
    for burst in bursts:
        burst.finish()
    stack.start(component)
    check_each(stack, each)
    check_partitioned(stack, partitioned)
    check_drained(stack, drained, doubles)
    check_drained(stack, watched, doubles)
