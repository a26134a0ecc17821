from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timezone
from itertools import pairwise

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.sandbox import data
from airflow_provider_jicoo.sandbox.data import Data

NOW = datetime(2026, 1, 15, 3, 30, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def made() -> Data:
    return data.make(500, 7, NOW)


def test_the_same_seed_and_now_give_the_same_data(made: Data) -> None:
    assert data.make(500, 7, NOW) == made
    assert data.make(500, 8, NOW) != made


def test_uids(made: Data) -> None:
    assert len(made.bookings) == 500
    assert {len(uid) for uid in made.bookings} == {12}
    assert any(uid.startswith("_") for uid in made.bookings)
    assert any(uid.startswith("-") for uid in made.bookings)
    assert {len(uid) for uid in made.users} == {28}


def test_everything_occurs(made: Data) -> None:
    rows = list(made.bookings.values())
    now = times.wire(NOW)

    assert {row["status"] for row in rows} == {"open", "cancel", "request"}
    assert {len(row["hosts"]) for row in rows} == {1, 2, 3}
    assert {host["userId"] for row in rows for host in row["hosts"]} == set(made.users)
    assert len({row["timeZone"] for row in rows}) > 5
    assert {row["eventTypeId"] for row in rows} == set(made.event_types)
    assert 200 < sum(row["startedAt"] > now for row in rows) < 300
    assert {len(contacts) for contacts in made.contacts.values()} == {1, 2, 3}


def test_no_booking_contradicts_itself(made: Data) -> None:
    now = times.wire(NOW)
    for row in made.bookings.values():
        assert row["startedAt"] < row["endedAt"]
        assert row["createdAt"] <= row["updatedAt"] <= now
        assert row["createdAt"] < row["startedAt"]
        assert (row["status"] == "cancel") is (row["cancelledAt"] is not None) is (row["cancelledBy"] is not None)
        times.zone(row["timeZone"])


def test_the_order_is_that_of_creation(made: Data) -> None:
    created = [row["createdAt"] for row in made.bookings.values()]

    assert created == sorted(created)


def test_no_host_is_in_two_places(made: Data) -> None:
    slots = defaultdict(list)
    for row in made.bookings.values():
        if row["status"] == "open":
            for host in row["hosts"]:
                slots[host["userId"]].append((row["startedAt"], row["endedAt"]))
    for taken in slots.values():
        taken.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(taken))
