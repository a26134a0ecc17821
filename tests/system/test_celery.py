"""An office closes, on several workers, one of which dies: CeleryExecutor, Redis, PostgreSQL, plans in S3.

The example DAG as it is. Needs an environment of its own, ``make test-celery``. How soon another worker goes on depends
on two settings of Airflow, ``JICOO_HEARTBEAT_TIMEOUT`` and ``JICOO_RETRY_DELAY`` here, in seconds; what it took is
printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pendulum
import pytest

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.approvals import answer
from tests.system.celery_stack import SLOTS, WORKERS, CeleryStack, need_celery
from tests.system.stack import run_path

pytestmark = [
    pytest.mark.system,
    pytest.mark.once,
    pytest.mark.xdist_group("Celery"),
    pytest.mark.timeout(3000),
    pytest.mark.skipif(
        os.environ.get("JICOO_CELERY") != "required",
        reason="several workers need an environment of their own: make test-celery",
    ),
]

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"
CLOSE = "jicoo_close_office_for_a_day"
SHARDS = 4
BOOKINGS = 800 if os.environ.get("JICOO_LOAD") else 400
RATE = 20
"""Requests per second that Jicoo bears, of all workers together."""
HEARTBEAT_TIMEOUT = int(os.environ.get("JICOO_HEARTBEAT_TIMEOUT", "60"))
RETRY_DELAY = int(os.environ.get("JICOO_RETRY_DELAY", "20"))
GRACE = 90
"""Seconds for which an apply looks whether what a killed one left in doubt is made yet: timeout and server grace."""
BUCKET = "jicoo-plans"
PLANS = f"s3://plans_store@{BUCKET}/plans"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


class Shard(NamedTuple):
    """A part of the plan, and what is known of it at the moment of the kill.

    :param index: of its task.
    :param worker: who applies it.
    :param uids: its bookings.
    """

    index: int
    worker: str | None
    uids: frozenset[str]


@pytest.fixture(scope="module")
def jicoo() -> Iterator[Sandbox]:
    need_celery()
    with Sandbox(bookings=100, seed=19) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def store(moto_server: str) -> Any:
    """A bucket of moto's server, in the place of Amazon's."""
    import boto3

    bucket = boto3.resource("s3", endpoint_url=moto_server, **KEYS).Bucket(BUCKET)
    bucket.create()
    return bucket


@pytest.fixture(scope="module")
def stack(jicoo: Sandbox, moto_server: str, store: Any) -> Iterator[CeleryStack]:
    """Airflow with two workers, connections to Jicoo and to the bucket, and the example as it is."""
    settings = {
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": str(RETRY_DELAY),
    }
    keep = os.environ.get("JICOO_STACK_KEEP") == "1"
    with CeleryStack([EXAMPLES / f"{CLOSE}.py"], settings, keep=keep) as stack:
        stack.add_connection("jicoo_default", jicoo.connection())
        stack.add_connection("plans_store", connection_to(moto_server))
        yield stack
    if keep:
        print(f"\nthe stack's folder: {stack.root}")


def connection_to(moto_server: str) -> dict[str, Any]:
    return {
        "conn_type": "aws",
        "login": KEYS["aws_access_key_id"],
        "password": KEYS["aws_secret_access_key"],
        "extra": {"endpoint_url": moto_server, "region_name": KEYS["region_name"]},
    }


def changes(jicoo: Sandbox) -> Counter[str]:
    """Return how often each booking was changed, by the sandbox's own count."""
    return Counter(
        request.path.split("/")[3] for request in jicoo.requests if request.method != "GET" and request.status == 200
    )


def lines(store: Any, address: str) -> list[dict[str, Any]]:
    """Return the lines of a file in the bucket."""
    content = store.Object(address.partition(f"{BUCKET}/")[2]).get()["Body"].read()
    return [json.loads(line) for line in content.splitlines()]


def outcomes(store: Any, plan: str) -> dict[str, str]:
    """Return what the report says of each booking."""
    return {line["uid"]: line["outcome"] for line in lines(store, f"{plan}.report/outcomes.jsonl")}


def close(stack: CeleryStack, day: pendulum.DateTime) -> tuple[str, str]:
    """Begin to close the office, and agree to it; return DAG and run."""
    conf = {"day": day.to_date_string(), "to_day": day.add(days=7).to_date_string(), "message": "Sorry", "plans": PLANS}
    run = (CLOSE, stack.run_dag(CLOSE, conf))
    answer(stack, *run, "Approve")
    return run


def shards_of(stack: CeleryStack, store: Any, run: tuple[str, str]) -> list[Shard]:
    """Return the parts of a plan that is being applied."""
    found = []
    for index, shard in enumerate(stack.xcom(*run, "plan")["shards"]):
        uids = frozenset(line["uid"] for line in lines(store, shard["plan"]) if "uid" in line)
        found.append(Shard(index, stack.worker_of(stack.task(*run, "apply", index)), uids))
    return found


def verify(stack: CeleryStack, jicoo: Sandbox, moto_server: str, plan: str) -> str:
    """Let the package say whether a report is true, and return its words."""
    known = {"JICOO_API_KEY": jicoo.api_key, "AIRFLOW_CONN_PLANS_STORE": json.dumps(connection_to(moto_server))}
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_jicoo.tasks.verify", plan, "--host", jicoo.url],
        cwd=stack.home,
        env={**stack.env, **known},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def took(stack: CeleryStack, jicoo: Sandbox, run: tuple[str, str], shard: Shard, killed: datetime) -> dict[str, float]:
    """Return how many seconds after the kill what happened to a shard."""
    path = f"{run_path(*run)}/taskInstances/apply/{shard.index}/tries"
    tries = {each["try_number"]: each for each in stack.api.get(path)["task_instances"]}
    sent = [
        request.at
        for request in jicoo.requests
        if request.at > killed and request.method != "GET" and request.path.split("/")[3] in shard.uids
    ]
    moments = {
        "noticed": instant(tries[1]["end_date"]),
        "tried again": instant(tries[2]["start_date"]),
        "goes on": min(sent),
        "all sent": max(sent),
        "ended": instant(stack.task(*run, "apply", shard.index)["end_date"]),
    }
    return {name: (moment - killed).total_seconds() for name, moment in moments.items()}


def add_bookings(jicoo: Sandbox, day: pendulum.DateTime, count: int) -> dict[str, pendulum.DateTime]:
    """Add the bookings of a day; return when each of them starts."""
    starts = [day.add(seconds=number * 72_000 // count) for number in range(count)]
    return {
        jicoo.add_booking(startedAt=start, endedAt=start.add(minutes=30), timeZone="Asia/Tokyo")["uid"]: start
        for start in starts
    }


def check_done_once(
    jicoo: Sandbox, starts: dict[str, pendulum.DateTime], but: frozenset[str] | set[str] = frozenset()
) -> None:
    """Check that each booking was moved by one request, and each of its guests told once, by the sandbox's own count.

    :param but: bookings that nothing was sent for.
    """
    moved = starts.keys() - but
    assert {uid: times for uid, times in changes(jicoo).items() if uid in starts} == dict.fromkeys(moved, 1)
    told = Counter((message.uid, message.guest) for message in jicoo.messages if message.uid in starts)
    assert told == {(uid, guest): 1 for uid in moved for guest in range(len(jicoo.contacts(uid)))}
    now = {booking["uid"]: instant(booking["startedAt"]) for booking in jicoo.bookings()}
    assert {uid: now[uid] for uid in starts} == {
        uid: start.add(days=7) if uid in moved else start for uid, start in starts.items()
    }


def test_a_killed_worker_is_replaced_by_another_and_no_guest_is_told_twice(
    stack: CeleryStack, jicoo: Sandbox, store: Any, moto_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    day = pendulum.datetime(2031, 3, 3, tz="Asia/Tokyo")
    starts = add_bookings(jicoo, day, BOOKINGS)
    jicoo.rate_limit = RATE
    run = close(stack, day)
    stack.poll(
        "a third is changed",
        lambda: True if sum(changes(jicoo).values()) >= BOOKINGS / 3 else None,
        120 + 4 * BOOKINGS / RATE,
        lambda: stack.describe_run(*run),
    )
    shards = shards_of(stack, store, run)
    assert Counter(shard.worker for shard in shards) == dict.fromkeys(WORKERS, SLOTS)
    lost = [shard for shard in shards if shard.worker == WORKERS[0]]

    killed = datetime.now(timezone.utc)
    stack.kill(WORKERS[0])
    assert sum(changes(jicoo).values()) < BOOKINGS, "it was killed too late"
    patience = 300 + HEARTBEAT_TIMEOUT + 3 * RETRY_DELAY + GRACE + 4 * BOOKINGS / RATE
    state = stack.wait_for_run(*run, patience, expect=None)
    jicoo.rate_limit = None

    plan = stack.xcom(*run, "plan")["plan"]
    became = outcomes(store, plan)
    unknown = {uid for uid, outcome in became.items() if outcome == "unknown"}
    with capsys.disabled():
        print(
            f"\n{BOOKINGS} bookings, {SHARDS} shards, {RATE} requests/s, task_instance_heartbeat_timeout "
            f"{HEARTBEAT_TIMEOUT} s, retry_delay {RETRY_DELAY} s: {dict(Counter(became.values()))}"
        )
        for shard in lost:
            moments = took(stack, jicoo, run, shard, killed).items()
            told = ", ".join(f"{name} after {seconds:.0f} s" for name, seconds in moments)
            print(f"shard {shard.index}, whose worker was killed: {told}")
    # Each was changed once; or it is unknown, and nothing arrived: what may message a guest is not sent again.
    assert became == {uid: "unknown" if uid in unknown else "applied" for uid in starts}
    check_done_once(jicoo, starts, unknown)
    assert unknown <= frozenset().union(*(shard.uids for shard in lost)), "a worker that lives can tell"
    assert state == ("failed" if unknown else "success"), "never green over a loss"
    tries = {shard.index: stack.task(*run, "apply", shard.index)["try_number"] for shard in shards}
    assert {index for index, number in tries.items() if number > 1} == {shard.index for shard in lost}
    verify(stack, jicoo, moto_server, plan)

    if unknown:
        # What a person does then: closes once more. Only what is still on that day is planned.
        run = close(stack, day)
        stack.wait_for_run(*run)
        assert outcomes(store, stack.xcom(*run, "plan")["plan"]) == dict.fromkeys(unknown, "applied")
    check_done_once(jicoo, starts)


def test_a_message_that_redis_delivers_again_starts_nothing(stack: CeleryStack, jicoo: Sandbox, store: Any) -> None:
    """Redis takes a message for lost that a worker has had for longer than ``visibility_timeout``."""
    for name in WORKERS:
        if name in stack.services:
            stack.kill(name)
    # Longer than a task takes that only plans or asks; an apply takes twice as long, and leaves slots for its message.
    options = {"VISIBILITY_TIMEOUT": 30, "UNACKED_RESTORE_INTERVAL": 1, "UNACKED_RESTORE_THROTTLE": 1}
    stack.env |= {f"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__{name}": str(value) for name, value in options.items()}
    stack.env["AIRFLOW__CELERY__WORKER_CONCURRENCY"] = str(2 * SLOTS)
    stack.start_workers(*WORKERS)
    day = pendulum.datetime(2031, 5, 5, tz="Asia/Tokyo")
    starts = add_bookings(jicoo, day, 100)
    # A booking takes two requests: it is read right before it is changed.
    jicoo.rate_limit = 200 / 60
    run = close(stack, day)
    stack.wait_for_run(*run, 300)
    jicoo.rate_limit = None

    again = "Task already running elsewhere, ignoring redelivered message"
    assert any(again in (stack.logs / f"{name}.log").read_text(errors="replace") for name in WORKERS)
    assert [stack.task(*run, "apply", index)["try_number"] for index in range(SHARDS)] == [1] * SHARDS
    assert outcomes(store, stack.xcom(*run, "plan")["plan"]) == dict.fromkeys(starts, "applied")
    check_done_once(jicoo, starts)
