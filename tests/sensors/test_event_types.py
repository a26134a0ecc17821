"""The sensor that waits for free slots, in each of its modes against the sandbox."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from airflow.exceptions import AirflowRescheduleException, TaskDeferred

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.sensors.event_types import AvailableSchedulesSensor
from airflow_provider_jicoo.tasks import xcom
from airflow_provider_jicoo.tasks.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_provider_jicoo.triggers.event_types import AvailableSchedulesTrigger

DAGS = Path(__file__).parent.parent / "operators" / "dags"
MODES = ({"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True})
TOKYO = ZoneInfo("Asia/Tokyo")
NINE = datetime(2031, 3, 3, 9, tzinfo=TOKYO)  # a Monday

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def uid(jicoo_sandbox):
    """An event type of half an hour with four hosts."""
    jicoo_sandbox.reset(bookings=0)
    return jicoo_sandbox.event_types[0]["uid"]


@pytest.fixture
def sensor(uid):
    def make(**arguments):
        """The two slots at nine and half past nine: room for eight."""
        return AvailableSchedulesSensor(
            task_id="wait",
            **{
                "event_type_id": uid,
                "period_start": NINE,
                "period_end": NINE + timedelta(minutes=30),
                "deferrable": False,
                "poke_interval": 0.05,
                "timeout": 30,
                **arguments,
            },
        )

    return make


@pytest.fixture
def book(jicoo_sandbox):
    """Take a slot of so many hosts; returns a function that gives it back."""

    def take(hosts=4, at=NINE):
        made = [
            jicoo_sandbox.add_booking(
                hosts=[{"userId": user, "role": "admin"}], startedAt=at, endedAt=at + timedelta(minutes=30)
            )["uid"]
            for user in jicoo_sandbox.event_types[0]["hosts"][:hosts]
        ]

        def give_back():
            for each in made:
                jicoo_sandbox.edit(each, status="cancel")

        return give_back

    return take


@pytest.fixture(params=MODES, ids=["poke", "reschedule", "deferrable"])
def mode(request):
    return request.param


def starts(found):
    return [slot["startedAt"] for slot in found]


class TestThereAlready:
    """Nothing to wait for: the same in each mode."""

    def test_the_slots_as_jicoo_gives_them(self, sensor, context, jicoo_sandbox, uid, mode):
        found = sensor(**mode).execute(context())
        assert found == jicoo_sandbox.free_slots(uid, "2031-03-03T00:00Z", "2031-03-03T00:30Z")
        assert [slot["remainingCapacity"] for slot in found] == [4, 4]

    @pytest.mark.parametrize(
        "enough", [{}, {"min_slots": 2}, {"min_slots": "2"}, {"min_capacity": 8}, {"min_slots": 1, "min_capacity": "5"}]
    )
    def test_enough(self, sensor, context, mode, enough):
        assert len(sensor(**enough, **mode).execute(context())) == 2

    @pytest.mark.parametrize("below", [True, "true", "True"])
    @pytest.mark.parametrize("gone", [{"min_slots": 3}, {"min_capacity": 9}, {"min_slots": 1, "min_capacity": 9}])
    def test_no_longer_enough(self, sensor, context, mode, gone, below):
        assert len(sensor(below=below, **gone, **mode).execute(context())) == 2

    def test_full_slots_do_not_count(self, sensor, context, book, mode):
        book()
        assert starts(sensor(**mode).execute(context())) == ["2031-03-03T00:30:00.000Z"]
        assert len(sensor(below=True, min_slots=2, **mode).execute(context())) == 1

    @pytest.mark.parametrize(
        ("narrow", "count"),
        [
            ({"weekdays": ["mon"]}, 18),
            ({"weekdays": "tue,wed"}, 36),
            ({"hours": ("13:00", "15:00")}, 12),
            ({"hours": "13:00-15:00", "weekdays": ["wed"]}, 4),
            ({"hours": '["13:00", "15:00"]', "weekdays": '["Wednesday"]'}, 4),
        ],
    )
    def test_narrowed(self, sensor, context, mode, narrow, count):
        """Monday to Wednesday, of the wall clock in Tokyo."""
        period = {"period_start": "2031-03-03T00:00", "period_end": "2031-03-06T00:00", "time_zone": "Asia/Tokyo"}
        assert len(sensor(**period, **narrow, min_slots=count, **mode).execute(context())) == count

    def test_more_than_seven_days(self, sensor, context, jicoo_sandbox, mode):
        found = sensor(period_end=NINE + timedelta(days=20), **mode).execute(context())
        assert len(found) == len(set(starts(found))) == 15 * 18
        assert jicoo_sandbox.count() == 3

    def test_templates(self, sensor, context, uid, mode):
        names = ("event_type_id", "period_start", "period_end", "weekdays", "hours", "time_zone", "below")
        params = {
            "event_type_id": uid,
            "period_start": "2031-03-03T09:00",
            "period_end": "2031-03-03T09:30",
            "weekdays": "mon",
            "hours": "09:00-10:00",
            "time_zone": "Asia/Tokyo",
            "below": False,
        }
        task = sensor(
            **{name: f"{{{{ params.{name} }}}}" for name in names},
            min_slots="{{ 1 + 1 }}",
            min_capacity="{{ 8 }}",
            **mode,
        )
        made = context(params=params)
        task.render_template_fields(made)
        assert len(task.execute(made)) == 2

    def test_every_argument_is_templated_and_documented(self):
        for name in AvailableSchedulesSensor.template_fields:
            (line,) = [
                part for part in AvailableSchedulesSensor.__doc__.split(":param ")[1:] if part.startswith(f"{name}:")
            ]
            assert "(templated)" in line, name

    def test_a_result_that_does_not_fit(self, sensor, context, monkeypatch, mode):
        monkeypatch.setattr(xcom, "XCOM_BYTES", 10)
        with pytest.raises(AirflowFailException, match="too large for an XCom"):
            sensor(**mode).execute(context())
        assert sensor(do_xcom_push=False, **mode).execute(context()) is None


class TestPoke:
    def test_it_waits(self, sensor, context, jicoo_sandbox, book):
        give_back = book()
        threading.Timer(0.3, give_back).start()
        assert len(sensor(min_slots=2).execute(context())) == 2
        assert jicoo_sandbox.count() > 2

    def test_it_waits_until_they_are_gone(self, sensor, context, jicoo_sandbox, book):
        threading.Timer(0.3, book).start()
        assert len(sensor(min_slots=2, below=True).execute(context())) == 1
        assert jicoo_sandbox.count() > 2

    def test_its_timeout_says_what_was_seen(self, sensor, context):
        seen = "At the last poll, 2 free slots have room for 8 bookings; waiting for at least 3 slots and 9 bookings"
        with pytest.raises(AirflowSensorTimeout, match=seen):
            sensor(min_slots=3, min_capacity=9, timeout=0.2).execute(context())
        with pytest.raises(AirflowSensorTimeout, match="waiting for less than 2 slots"):
            sensor(min_slots=2, below=True, timeout=0.2).execute(context())

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "cut_body", "dropped"])
    def test_a_passing_failure_is_survived(self, sensor, context, jicoo_sandbox, quick_retries, fault):
        jicoo_sandbox.fail(fault, times=quick_retries)
        assert len(sensor().execute(context())) == 2

    def test_it_paces_itself_over_failures(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=100_000)
        with pytest.raises(AirflowSensorTimeout, match=r"the request failed: GET .*503"):
            sensor(poke_interval=0.25, timeout=1).execute(context())
        assert jicoo_sandbox.count() <= quick_retries * 6


def test_reschedule_gives_the_worker_back(sensor, context, book):
    give_back = book()
    begin = time.time()
    with pytest.raises(AirflowRescheduleException) as caught:
        sensor(mode="reschedule", min_slots=2, poke_interval=60, timeout=600).execute(context())
    assert begin + 59 < caught.value.reschedule_date.timestamp() < time.time() + 61
    give_back()
    assert sensor(mode="reschedule", min_slots=2).execute(context())


class TestDeferrable:
    def deferred(self, task, made):
        with pytest.raises(TaskDeferred) as caught:
            task.execute(made)
        return caught.value

    def test_it_looks_and_defers(self, sensor, context, uid):
        begin = time.time()
        found = self.deferred(
            sensor(
                min_slots="3",
                weekdays="mon, tue",
                hours=(9, "18:00"),
                time_zone="Asia/Tokyo",
                deferrable=True,
                poke_interval=7,
                timeout=100,
            ),
            context(),
        )
        assert isinstance(found.trigger, AvailableSchedulesTrigger)
        assert found.method_name == "execute_complete"
        kwargs = found.trigger.serialize()[1]
        assert json.loads(json.dumps(kwargs)) == kwargs, "a trigger's arguments are stored as JSON"
        deadline = kwargs.pop("deadline")
        assert begin + 100 <= deadline <= time.time() + 100
        assert kwargs == {
            "event_type_id": uid,
            "period_start": "2031-03-03T09:00:00+09:00",
            "period_end": "2031-03-03T09:30:00+09:00",
            "time_zone": "Asia/Tokyo",
            "min_slots": 3,
            "min_capacity": None,
            "weekdays": ["mon", " tue"],
            "hours": ["9", "18:00"],
            "below": False,
            "poll_interval": 7.0,
            "jicoo_conn_id": "jicoo_default",
        }
        assert found.timeout > timedelta(seconds=100), "the trigger's own timeout is the one that says why"

    def test_as_airflow_is_configured(self, sensor, uid, monkeypatch):
        from airflow_provider_jicoo.sensors import base

        monkeypatch.setattr(base.conf, "getboolean", lambda *_, **__: True)
        assert sensor(deferrable=None).deferrable is True

    def test_success(self, sensor, context):
        assert len(sensor().execute_complete(context(), {"status": "success", "message": "enough"})) == 2

    def test_success_without_a_result(self, sensor, context, jicoo_sandbox):
        task = sensor(do_xcom_push=False)
        assert task.execute_complete(context(), {"status": "success", "message": ""}) is None
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(("status", "error"), [("timeout", AirflowSensorTimeout), ("failed", AirflowFailException)])
    def test_what_ends_it(self, sensor, context, status, error):
        with pytest.raises(error, match="2 free slots"):
            sensor().execute_complete(context(), {"status": status, "message": "2 free slots"})
        with pytest.raises(AirflowSkipException, match="2 free slots"):
            sensor(soft_fail=True).execute_complete(context(), {"status": status, "message": "2 free slots"})

    @pytest.mark.parametrize("event", [None, {}, {"status": "done"}, {"message": "success"}])
    def test_an_unknown_event(self, sensor, context, event):
        with pytest.raises(AirflowFailException, match="which this sensor does not know"):
            sensor().execute_complete(context(), event)


class TestWhatIsRefused:
    """Before the first request, whatever the mode."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"event_type_id": "a/b"}, "event_type_id 'a/b' is not an id"),
            ({"period_end": NINE}, r"period_end .* is not after period_start"),
            ({"period_start": "2031-03-03T09:00"}, "has no offset"),
            ({"period_end": "later"}, "period_end: 'later' is not a moment"),
            ({"min_slots": 0}, "min_slots: 0 is not 1 or more"),
            ({"min_capacity": "-1"}, "min_capacity: -1 is not 1 or more"),
            ({"min_slots": "many"}, "min_slots: 'many' is not a whole number"),
            ({"weekdays": ["mon"]}, "time_zone: weekdays and hours need one"),
            ({"weekdays": [1], "time_zone": "Asia/Tokyo"}, "weekdays: 1 is none of"),
            ({"weekdays": "[mon", "time_zone": "Asia/Tokyo"}, r"weekdays: not JSON.*tojson"),
            ({"hours": ("18:00", "9:00"), "time_zone": "Asia/Tokyo"}, "is not a begin and a later end"),
            ({"time_zone": "Asia/Tokio"}, "did you mean 'Asia/Tokyo'"),
            ({"below": "perhaps"}, "below: 'perhaps' is neither True nor False"),
        ],
    )
    def test_bad_input(self, sensor, context, jicoo_sandbox, mode, arguments, words):
        with pytest.raises(AirflowFailException, match=words) as caught:
            sensor(**arguments, **mode).execute(context())
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0

    def test_no_such_event_type(self, sensor, context, mode):
        with pytest.raises(AirflowFailException) as caught:
            sensor(event_type_id="nothing", **mode).execute(context())
        assert isinstance(caught.value.__context__, errors.NotFoundError)

    def test_a_refused_key(self, sensor, context, jicoo_sandbox, mode):
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowFailException) as caught:
            sensor(**mode).execute(context())
        assert isinstance(caught.value.__context__, errors.AuthenticationError)
        assert jicoo_sandbox.count() == 1


def test_in_a_dag(jicoo_sandbox, uid, book, run_dag):
    """Each mode, as Airflow runs it, with the trigger in line."""
    give_back = book()
    over = threading.Event()

    def watch():
        while not over.wait(0.05):
            # Two look once each; the third looks, then its trigger: now a slot becomes free.
            if jicoo_sandbox.count() >= 4:
                give_back()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        run = run_dag(DAGS / "jicoo_slots_sensors.py", event_type_id=uid)
    finally:
        over.set()
        thread.join()
    assert run.states == {
        "poke": "success",
        "reschedule": "success",
        "deferrable": "success",
        "times_out": "failed",
        "softly": "skipped",
    }
    assert len(run.xcom("poke")) == len(run.xcom("reschedule")) == 1
    assert len(run.xcom("deferrable")) == 2
