"""What an event becomes, with the parts of Airflow replaced by what they keep."""

from __future__ import annotations

import itertools

import pytest

from airflow_provider_jicoo.api.webhooks import parse
from airflow_provider_jicoo.hooks.connection import Delivery
from airflow_provider_jicoo.plugins import airflow_internals
from airflow_provider_jicoo.plugins.deliver import deliver
from tests.plugins.sending import body

pytestmark = pytest.mark.once
START_DAGS, PARTITIONS = Delivery("dag_run", ("one",)), Delivery("partitioned_asset", ())


@pytest.fixture
def stored(monkeypatch):
    """Runs and partitions by their id: what the event told."""
    kept = {}

    def keep(key, told):
        is_new = key not in kept
        kept.setdefault(key, dict(told))
        return is_new

    replaced = {
        "start_dag_run": lambda dag_id, run_id, conf: keep(run_id.removeprefix("jicoo__"), conf),
        "conf_of_run": lambda dag_id, run_id: kept[run_id.removeprefix("jicoo__")],
        "has_partitions": lambda: True,
        "emit_partition": lambda uri, key, extra, since: keep(key, extra),
        "extra_of_partition": lambda uri, key, since: kept[key],
    }
    for name, function in replaced.items():
        monkeypatch.setattr(airflow_internals, name, function, raising=False)
    return kept


def moved(day):
    start = f"2026-02-0{day}T01:00:00.000Z"
    return parse(body(event="guest_rescheduled", created="2026-01-15T03:30:00Z", startedAt=start))


@pytest.mark.parametrize("delivery", [START_DAGS, PARTITIONS], ids=lambda delivery: delivery.mode)
class TestOneSecond:
    """Jicoo's example has times of whole seconds: two moves of a booking may have all in common but where to."""

    @pytest.mark.parametrize("order", ["12", "21", "1221", "2112", "131232"])
    def test_two_events_are_two_and_each_is_there_once(self, stored, delivery, order):
        for day in order:
            deliver("jicoo_default", delivery, moved(day))
        starts = [told["started_at"] for told in stored.values()]
        assert sorted(starts) == [f"2026-02-0{day}T01:00:00.000Z" for day in sorted(set(order))]
        assert all(key == told["event_id"] for key, told in stored.items())

    def test_a_repeat_is_one_however_it_is_written(self, stored, delivery):
        """What counts is what it says of ids and times, not how, nor what a guest told."""
        raw = body()
        for again in (
            raw,
            raw.replace(b", ", b",\n "),
            raw.replace(b"Hanako", b"Hanae"),
            body(created="2026-01-15T12:30:00+09:00"),
        ):
            deliver("jicoo_default", delivery, parse(again))
        assert len(stored) == 1

    def test_an_event_of_the_first_day_there_is(self, stored, delivery):
        """Signed, and odd: no reason to fail each time that it comes."""
        deliver("jicoo_default", delivery, parse(body(created="0001-01-01T00:00:00Z")))
        assert len(stored) == 1

    @pytest.mark.parametrize("kept", [{}, {"event_id": "abc"}], ids=["nothing", "a part"])
    def test_what_is_stored_without_the_times_is_taken_for_the_same(self, stored, delivery, kept):
        """A run that was started by hand with the event's id, or by a version that told less."""
        stored[moved(1).id] = kept
        deliver("jicoo_default", delivery, moved(1))
        assert list(stored) == [moved(1).id]


def test_the_ids_of_events_of_one_second():
    first, second = moved(1), moved(2)
    assert first.id == second.id
    ids = [first.id, first.second_id, second.second_id]
    assert not any(one == other for one, other in itertools.combinations(ids, 2))
    # Kept: a changed id would start it once more.
    assert first.second_id == "8f4a7e7dbd783284dceb40ff7e53f4f1"
