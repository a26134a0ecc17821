"""The bookings that a task has not handled yet: each once, whoever rang, and whenever the task is killed."""

from __future__ import annotations

import os
import random
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_jicoo.api.booking_changes import VanishedError
from airflow_provider_jicoo.api.errors import InvalidRequestError, RequestError, ServerError, UnexpectedAnswerError
from airflow_provider_jicoo.events import draining, handled, new_bookings_since
from airflow_provider_jicoo.events.handled import TakenOverError
from airflow_provider_jicoo.events.parts import CursorLostError
from airflow_provider_jicoo.sandbox.quirks import QUIRKS
from tests.events.airflow_like import task_context

FULL = os.environ.get("JICOO_LOAD") == "1"
pytestmark = pytest.mark.usefixtures("jicoo_connection", "variables")


@pytest.fixture
def jicoo_sandbox_options():
    return {"bookings": 12}


def drain(context=None, **more):
    return [(booking.event, booking["uid"]) for booking in new_bookings_since(context or task_context(), **more)]


def test_what_happens_is_handled_once(jicoo_sandbox):
    assert drain() == []
    first, second = (jicoo_sandbox.add_booking()["uid"] for _ in range(2))
    assert sorted(drain()) == sorted([("booked", first), ("booked", second)])
    assert drain() == []
    jicoo_sandbox.edit(first, status="cancel")
    jicoo_sandbox.edit(second, startedAt="2027-01-04T01:00:00.000Z", endedAt="2027-01-04T01:30:00.000Z")
    assert sorted(drain()) == sorted([("cancelled", first), ("rescheduled", second)])
    jicoo_sandbox.edit(second, name="Another")
    assert drain() == [("updated", second)]
    jicoo_sandbox.delete(second)
    (booking,) = new_bookings_since(task_context())
    assert booking == {"uid": second, "status": "gone", "startedAt": "2027-01-04T01:00:00.000Z"}
    assert booking.event == "cancelled"
    assert drain() == []


def test_a_booking_is_as_jicoo_gives_it(jicoo_sandbox):
    drain()
    made = jicoo_sandbox.add_booking()
    (booking,) = new_bookings_since(task_context())
    assert booking == jicoo_sandbox.booking(made["uid"])
    assert isinstance(booking, dict)
    assert (booking.event, len(booking.event_id)) == ("booked", 32)


def test_what_is_not_wanted_counts_as_handled(jicoo_sandbox):
    drain()
    uid = jicoo_sandbox.add_booking(eventTypeId="one")["uid"]
    assert drain(events=["cancelled"]) == []
    assert drain() == []
    jicoo_sandbox.edit(uid, name="Another")
    assert drain(event_type_ids=["two"]) == []
    assert drain() == []


def test_one_row_that_cannot_be_used_hides_no_other(jicoo_sandbox):
    assert drain() == []
    broken, good = (jicoo_sandbox.add_booking()["uid"] for _ in range(2))
    jicoo_sandbox.edit(broken, updatedAt=None)
    assert drain() == [("booked", good)]


def test_each_task_and_each_connection_has_its_own(jicoo_sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_JICOO_DEFAULT"])
    kinds = [
        {},
        {"context": task_context(task_id="b")},
        {"context": task_context(dag_id="c")},
        {"jicoo_conn_id": "other"},
    ]
    assert [drain(**kind) for kind in kinds] == [[]] * 4
    uid = jicoo_sandbox.add_booking()["uid"]
    assert [drain(**kind) for kind in kinds] == [[("booked", uid)]] * 4


class TestCrash:
    def test_it_repeats_the_one_under_way_and_no_other(self, jicoo_sandbox):
        drain()
        made = [jicoo_sandbox.add_booking()["uid"] for _ in range(5)]
        table = []

        def handle():
            for booking in new_bookings_since(task_context()):
                table.append(booking["uid"])
                if len(table) == 3:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            handle()
        again = [uid for _, uid in drain()]
        assert again[0] == table[2]
        assert sorted(table[:2] + again) == sorted(made)

    def test_a_break_leaves_the_last_one(self, jicoo_sandbox):
        drain()
        uid = jicoo_sandbox.add_booking()["uid"]
        for _ in new_bookings_since(task_context()):
            break
        assert drain() == [("booked", uid)]

    def test_a_second_crash_does_not_forget_what_the_first_had_handled(self, jicoo_sandbox):
        drain()
        made = {jicoo_sandbox.add_booking()["uid"] for _ in range(4)}
        table = []
        for count in (3, 1):
            for number, booking in enumerate(new_bookings_since(task_context()), 1):
                if number == count:
                    break
                table.append(booking["uid"])
        table += [uid for _, uid in drain()]
        assert sorted(table) == sorted(made)

    def test_the_list_of_those_handled_is_kept_short(self, jicoo_sandbox, monkeypatch, variables):
        monkeypatch.setattr(handled, "NOTED_AT_MOST", 3)
        drain()
        made = [jicoo_sandbox.add_booking()["uid"] for _ in range(10)]
        seen = []
        for booking in new_bookings_since(task_context()):
            seen.append(booking["uid"])
            if len(seen) == 9:
                break
        assert [uid for _, uid in drain()] == [*seen[8:], *set(made) - set(seen)]

    @pytest.mark.timeout(600 if FULL else 120)
    def test_killed_at_any_write(self, jicoo_sandbox, variables, monkeypatch):
        """None is lost; and only that one comes twice whose handling could not be written down."""
        monkeypatch.setattr(handled, "NOTED_AT_MOST", 2)
        dice = random.Random(5)
        drain()
        table, state, kills = [], {}, 0
        for _ in range(150 if FULL else 25):
            for _ in range(dice.randrange(3)):
                uid = jicoo_sandbox.add_booking()["uid"]
                state[uid] = jicoo_sandbox.booking(uid)["updatedAt"]
            if state and dice.random() < 0.4:
                uid = dice.choice(sorted(state))
                jicoo_sandbox.edit(uid, name=f"Name {dice.random()}")
                state[uid] = jicoo_sandbox.booking(uid)["updatedAt"]
            variables.fail_at = dice.choice([None, *range(1, 12)])
            try:
                for booking in new_bookings_since(task_context()):
                    table.append((booking["uid"], booking["updatedAt"]))
            except ConnectionError:
                kills += 1
            variables.fail_at = None
        table += [(booking["uid"], booking["updatedAt"]) for booking in new_bookings_since(task_context())]
        assert set(state.items()) <= set(table)
        assert len(table) - len(set(table)) <= kills
        assert kills > 3
        assert drain() == []


class TestFirstUse:
    def test_what_rang_is_new(self, jicoo_sandbox):
        """The run was started by an event that waited for an hour; what came before is not handled."""
        now = datetime.now(timezone.utc)
        old = times(now - timedelta(hours=3))
        rang = times(now - timedelta(hours=1))
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], updatedAt=old)
        uid = jicoo_sandbox.add_booking(updatedAt=rang, createdAt=rang)["uid"]
        event = rung(now, {"from_trigger": True, "payload": {"updated_at": rang}})
        assert drain(task_context(triggering_asset_events=event)) == [("booked", uid)]

    def test_what_rang_by_a_webhook_is_new(self, jicoo_sandbox):
        now = datetime.now(timezone.utc)
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], updatedAt=times(now - timedelta(hours=3)))
        rang = times(now - timedelta(hours=1))
        uid = jicoo_sandbox.add_booking(updatedAt=rang)["uid"]
        event = rung(now, {"created_at": rang, "uid": uid})
        assert drain(task_context(triggering_asset_events=event)) == [("booked", uid)]

    def test_what_started_the_run_by_a_webhook_is_new(self, jicoo_sandbox):
        """``dag_run``: the webhook came late, after hours in which Airflow was down."""
        now = datetime.now(timezone.utc)
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], updatedAt=times(now - timedelta(hours=3)))
        rang = times(now - timedelta(hours=1))
        uid = jicoo_sandbox.add_booking(updatedAt=rang)["uid"]
        conf = {"jicoo_conn_id": "jicoo_default", "event_id": "abc", "created_at": rang, "booking_uid": uid}
        run = SimpleNamespace(run_after=now, conf=conf)
        assert drain(task_context(dag_run=run)) == [("booked", uid)]

    @pytest.mark.parametrize("conf", [None, {"created_at": "2020-01-01T00:00:00Z"}])
    def test_a_conf_of_somebody_elses_says_nothing(self, jicoo_sandbox, conf):
        now = datetime.now(timezone.utc)
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], updatedAt=times(now - timedelta(hours=3)))
        assert drain(task_context(dag_run=SimpleNamespace(run_after=now, conf=conf))) == []

    @pytest.mark.parametrize("cancelled", [False, True])
    @pytest.mark.parametrize("from_trigger", [False, True])
    def test_what_rang_is_new_whatever_its_times_say_and_nothing_else(self, jicoo_sandbox, from_trigger, cancelled):
        """A booking of long ago whose day comes within the poller's horizon, or whose ``updatedAt`` stands still."""
        now = datetime.now(timezone.utc)
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], updatedAt=times(now - timedelta(days=30)))
        old = times(now - timedelta(days=90))
        uid = jicoo_sandbox.add_booking(updatedAt=old, status="cancel" if cancelled else "open")["uid"]
        said = {"jicoo_conn_id": "jicoo_default", "updated_at": old}
        if from_trigger:
            extra = {"from_trigger": True, "payload": {**said, "uid": uid}}
        else:
            extra = {**said, "booking_uid": uid, "created_at": times(now)}
        event = rung(now, extra)
        expected = [("cancelled" if cancelled else "booked", uid)]
        assert drain(task_context(triggering_asset_events=event)) == expected

    def test_what_rang_for_another_connection_says_nothing(self, jicoo_sandbox):
        now = datetime.now(timezone.utc)
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], updatedAt=times(now - timedelta(days=30)))
        uid = jicoo_sandbox.add_booking(updatedAt=times(now - timedelta(days=30)))["uid"]
        event = rung(now, {"jicoo_conn_id": "other", "booking_uid": uid, "created_at": times(now)})
        assert drain(task_context(triggering_asset_events=event)) == []

    def test_a_little_earlier_is_new(self, jicoo_sandbox):
        """Clocks differ, and what rings may take a while."""
        now = datetime.now(timezone.utc)
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], updatedAt=times(now - timedelta(minutes=7)))
        uid = jicoo_sandbox.add_booking(updatedAt=times(now - timedelta(minutes=3)))["uid"]
        assert drain() == [("booked", uid)]

    def test_all(self, jicoo_sandbox):
        coming = [
            row["uid"] for row in jicoo_sandbox.bookings() if row["startedAt"] > times(datetime.now(timezone.utc))
        ]
        assert {uid for _, uid in drain(begin="all")} >= set(coming)
        assert drain(begin="all") == []

    def test_from_a_moment_on(self, jicoo_sandbox):
        jicoo_sandbox.add_booking(updatedAt="2026-01-01T00:00:00.000Z")
        uid = jicoo_sandbox.add_booking(updatedAt="2026-01-03T00:00:00.000Z")["uid"]
        found = [uid for _, uid in drain(begin="2026-01-02T00:00:00Z")]
        assert uid in found
        assert all(jicoo_sandbox.booking(uid)["updatedAt"] >= "2026-01-02" for uid in found)

    def test_a_kill_at_the_first_use_does_not_begin_anew(self, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]
        for _ in new_bookings_since(task_context(), begin="all"):
            break
        assert ("booked", uid) in drain(begin="now")


def rung(timestamp, extra):
    """The events that started a run, as Airflow gives them to a task."""
    from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

    asset = SimpleNamespace(name="bookings", uri="jicoo://jicoo_default/bookings")
    event = SimpleNamespace(asset=asset, source_aliases=[], timestamp=timestamp, extra=extra)
    return TriggeringAssetEventsAccessor.build([event])


def times(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class TestRefusals:
    @pytest.mark.parametrize(
        ("context", "said"),
        [
            (task_context(max_active_runs=16), "give the task max_active_tis_per_dag=1, or the DAG max_active_runs=1"),
            (task_context(ti=SimpleNamespace(map_index=0)), "is mapped"),
        ],
    )
    def test_two_at_once_would_handle_twice(self, jicoo_sandbox, context, said):
        with pytest.raises(InvalidRequestError, match=said):
            new_bookings_since(context)
        assert jicoo_sandbox.count() == 0

    def test_one_of_the_task_is_enough(self):
        drain(task_context(max_active_runs=16, max_active_tis_per_dag=1))

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"begin": "yesterday"}, "begin: neither 'now' nor 'all'"),
            ({"begin": "2026-01-01T00:00:00"}, "has no offset"),
            ({"events": ["moved"]}, "events: 'moved' is none of"),
            ({"horizon_days": 0}, "horizon_days: 0 is not a number of 1 or more"),
            ({"event_type_ids": [""]}, "event_type_ids: '' is not an id"),
        ],
    )
    def test_arguments(self, jicoo_sandbox, arguments, said):
        with pytest.raises(InvalidRequestError, match=said):
            new_bookings_since(task_context(), **arguments)
        assert jicoo_sandbox.count() == 0

    def test_a_second_process_takes_over_and_the_first_one_stops(self, jicoo_sandbox):
        """As after a lost heartbeat: Airflow starts the task anew, and the first process is still at work."""
        drain()
        made = {jicoo_sandbox.add_booking()["uid"] for _ in range(4)}
        first = new_bookings_since(task_context())
        table = [next(first)["uid"], next(first)["uid"]]
        second = [uid for _, uid in drain()]
        with pytest.raises(TakenOverError, match="another process of this task"):
            next(first)
        assert set(table + second) == made
        assert set(table) & set(second) == {table[1]}  # the one under way

    def test_a_cursor_that_is_lost_is_no_first_use(self, jicoo_sandbox, variables):
        """Or everybody who has a booking would be handled again, or nobody."""
        drain()
        for name in variables.texts:
            if not name.endswith(".since"):
                variables.texts[name] = "{}"
        with pytest.raises(CursorLostError, match=r"the Variables jicoo_cursor_\w+ and .*: restore them; or delete"):
            drain()

    @pytest.mark.parametrize(
        "text", ["{", "[]", "7", '{"handled": 7}', '{"handled": {"a": "open"}}', '{"handled": {"a": 7}}']
    )
    def test_nor_is_a_list_that_is_lost(self, jicoo_sandbox, variables, text):
        drain()
        for name in variables.texts:
            if name.endswith(".since"):
                variables.texts[name] = text
        with pytest.raises(CursorLostError, match="the list is none"):
            drain()

    def test_another_teams_key_cancels_nothing(self, jicoo_sandbox):
        drain()
        made = [jicoo_sandbox.add_booking()["uid"] for _ in range(12)]
        drain()
        for uid in made:
            jicoo_sandbox.delete(uid)
        with pytest.raises(VanishedError):
            drain()

    def test_a_list_that_cannot_be_read_handles_nothing(self, jicoo_sandbox, quick_retries):
        drain()
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.fail("server_error", times=quick_retries)
        with pytest.raises(RequestError):
            drain()
        assert drain() == [("booked", uid)]


def test_one_that_cannot_be_looked_up_keeps_back_no_other(jicoo_sandbox, quick_retries):
    """It was moved beyond the horizon, so that no list shows it, and Jicoo fails at it. The task is not green then."""
    soon, far = (datetime.now(timezone.utc) + timedelta(days=days) for days in (5, 60))
    when = {"startedAt": times(soon), "endedAt": times(soon + timedelta(hours=1))}
    moved, other = (jicoo_sandbox.add_booking(**when)["uid"] for _ in range(2))
    drain(horizon_days=30)
    jicoo_sandbox.edit(moved, startedAt=times(far), endedAt=times(far + timedelta(hours=1)))
    jicoo_sandbox.edit(other, name="Another")
    jicoo_sandbox.fail("server_error", path="/v1/bookings/{uid}", times=2 * quick_retries)
    found = []

    def handle():
        for booking in new_bookings_since(task_context(), horizon_days=30):
            found.append((booking.event, booking["uid"]))

    for _ in range(2):
        with pytest.raises(ServerError):
            handle()
        assert found == [("updated", other)]
    assert drain(horizon_days=30) == [("rescheduled", moved)]


def test_more_than_are_held_at_once(jicoo_sandbox, monkeypatch):
    monkeypatch.setattr(draining, "HELD_AT_ONCE", 3)
    drain()
    made = {jicoo_sandbox.add_booking()["uid"] for _ in range(10)}
    found = [uid for _, uid in drain()]
    assert len(found) == 10
    assert set(found) == made


def test_what_began_while_nothing_ran_is_handled(jicoo_sandbox, variables, monkeypatch):
    """The task did not run for a week; what was booked and began in between is not lost."""
    week_ago = datetime.now(timezone.utc) - timedelta(days=7)

    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return week_ago

    with monkeypatch.context() as patch:
        patch.setattr(draining, "datetime", Then)
        drain()
    start = datetime.now(timezone.utc) - timedelta(days=3)
    uid = jicoo_sandbox.add_booking(startedAt=times(start), endedAt=times(start + timedelta(hours=1)))["uid"]
    assert drain() == [("booked", uid)]


def test_nothing_that_a_guest_told_is_in_the_variables(jicoo_sandbox, variables):
    drain()
    jicoo_sandbox.add_booking(name="Hanako Yamada")
    drain()
    shown = "".join([*variables.texts.values(), *map(str, variables.descriptions.values())])
    assert "Hanako" not in shown
    assert jicoo_sandbox.api_key not in shown
    assert all("DAG drain" in text for text in variables.descriptions.values())


def test_nothing_is_written_where_nothing_happened(jicoo_sandbox, variables):
    drain()
    before = variables.writes
    drain()
    assert variables.writes == before + 1  # who is at work


@pytest.mark.once
@pytest.mark.parametrize("quirk", sorted(set(QUIRKS) - {"endless-pages", "span-limit"}))
def test_however_jicoo_writes_and_lists_them(jicoo_sandbox, quirk):
    """What is made, moved and cancelled is handled under every quirk of the sandbox, and nothing twice."""
    jicoo_sandbox.quirks = [quirk]
    drain()
    uid = jicoo_sandbox.add_booking()["uid"]
    assert soon() == [("booked", uid)]
    jicoo_sandbox.edit(uid, startedAt="2027-01-04T01:00:00.000Z", endedAt="2027-01-04T01:30:00.000Z")
    assert soon() == [("rescheduled", uid)]
    jicoo_sandbox.edit(uid, status="cancel")
    assert soon() == [("cancelled", uid)]
    assert drain() == []


def test_a_list_of_a_limited_time_is_told(jicoo_sandbox, caplog):
    """What it leaves out nobody can handle; a window (``horizon_days``) can."""
    jicoo_sandbox.quirks = ["span-limit"]
    drain()
    jicoo_sandbox.add_booking()
    drain()
    assert "Jicoo may list a limited time at once" in caplog.text


def soon():
    """Drain until something comes: a list may lag behind."""
    end = time.monotonic() + 30
    while not (found := drain()):
        assert time.monotonic() < end
    return found


def test_a_list_that_never_ends_fails_the_task(jicoo_sandbox):
    jicoo_sandbox.quirks = ["endless-pages"]
    with pytest.raises(UnexpectedAnswerError, match="page after page comes the same"):
        drain()
