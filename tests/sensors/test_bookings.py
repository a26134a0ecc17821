"""The sensor in each of its modes against the sandbox."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from airflow.exceptions import AirflowRescheduleException, TaskDeferred
from airflow.sdk import DAG

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.sensors.bookings import STATUSES, BookingStatusSensor
from airflow_provider_jicoo.tasks import xcom
from airflow_provider_jicoo.tasks.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_provider_jicoo.triggers.bookings import BookingStatusTrigger

DAGS = Path(__file__).parent.parent / "operators" / "dags"
MODES = ({"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True})

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def sensor():
    def make(uid, status="open", **arguments):
        arguments = {"deferrable": False, "poke_interval": 0.05, "timeout": 30, **arguments}
        return BookingStatusSensor(task_id="wait", uid=uid, status=status, **arguments)

    return make


@pytest.fixture
def add(jicoo_sandbox):
    """Add bookings of these statuses; returns their uids."""
    return lambda *statuses: [jicoo_sandbox.add_booking(status=status)["uid"] for status in statuses]


@pytest.fixture(params=MODES, ids=["poke", "reschedule", "deferrable"])
def mode(request):
    return request.param


def event(status, message="all 1 are open"):
    return {"status": status, "message": message}


class TestThereAlready:
    """Nothing to wait for: the same in each mode."""

    def test_one(self, sensor, context, jicoo_sandbox, add, mode):
        uid = add("open")[0]
        assert sensor(uid, **mode).execute(context()) == [jicoo_sandbox.booking(uid)]
        assert jicoo_sandbox.count() == 1

    def test_several_in_their_order(self, sensor, context, jicoo_sandbox, add, mode):
        first, second, third = add("open", "open", "open")
        found = sensor([third, first, second, first], **mode).execute(context())
        assert [booking["uid"] for booking in found] == [third, first, second]

    @pytest.mark.parametrize("form", [list, tuple, dict.fromkeys, json.dumps], ids=["list", "tuple", "keys", "JSON"])
    def test_forms_of_several(self, sensor, context, add, form):
        uids = add("open", "open")
        found = sensor(form(uids)).execute(context())
        assert [booking["uid"] for booking in found] == uids

    @pytest.mark.parametrize("how", ["hosts=null", "no-startedAt", "name=7"])
    def test_what_it_does_not_need_may_be_wrong(self, sensor, context, jicoo_sandbox, add, mode, how):
        uids = add("open", "open", "open", "open")
        jicoo_sandbox.break_row(uids[1], how)
        assert len(sensor(uids, **mode).execute(context())) == 4

    @pytest.mark.parametrize("how", ["surrogate", "status=null", "null"])
    def test_one_that_cannot_be_read_is_waited_for_and_named(self, sensor, context, jicoo_sandbox, add, how):
        uids = add("open", "open", "open", "open")
        jicoo_sandbox.break_row(uids[1], how)
        with pytest.raises(AirflowSensorTimeout, match=f"1 of 4 are not open: booking {uids[1]} is unreadable"):
            sensor(uids, timeout=0.01).execute(context())

    def test_one_that_can_no_longer_become_right_is_seen_beside_it(self, sensor, context, jicoo_sandbox, add):
        uids = add("open", "cancel")
        jicoo_sandbox.break_row(uids[0], "status=null")
        with pytest.raises(AirflowFailException, match=f"booking {uids[1]} is cancel"):
            sensor(uids).execute(context())

    def test_several_statuses(self, sensor, context, add):
        uids = add("open", "cancel")
        for status in (["open", "cancel"], '["cancel", "open"]'):
            assert len(sensor(uids, status).execute(context())) == 2

    def test_templates(self, sensor, context, add):
        uids = add("cancel", "cancel")
        task = sensor("{{ params.uids | tojson }}", "{{ params.status }}", fail_on="{{ params.fail_on }}")
        made = context(params={"uids": uids, "status": "cancel", "fail_on": "open"})
        task.render_template_fields(made)
        assert [booking["uid"] for booking in task.execute(made)] == uids

    def test_without_a_result(self, sensor, context, add, monkeypatch, mode):
        monkeypatch.setattr(xcom, "XCOM_BYTES", 10)
        assert sensor(add("open"), do_xcom_push=False, **mode).execute(context()) is None

    def test_a_result_that_does_not_fit(self, sensor, context, add, monkeypatch, mode):
        monkeypatch.setattr(xcom, "XCOM_BYTES", 10)
        with pytest.raises(AirflowFailException, match=r"too large for an XCom .* set do_xcom_push=False"):
            sensor(add("open"), **mode).execute(context())

    def test_every_argument_that_carries_a_value_is_templated(self):
        assert set(BookingStatusSensor.template_fields) == {"uid", "status", "fail_on", "jicoo_conn_id"}
        task = BookingStatusSensor(task_id="wait", uid="x", status="open")
        assert all(hasattr(task, name) for name in task.template_fields)

    def test_another_connection(self, sensor, context, jicoo_sandbox, add, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(jicoo_sandbox.connection()))
        monkeypatch.delenv("AIRFLOW_CONN_JICOO_DEFAULT")
        assert sensor(add("open"), jicoo_conn_id="other").execute(context())


class TestPoke:
    def test_it_waits(self, sensor, context, jicoo_sandbox, add):
        uids = add("request", "open")
        threading.Timer(0.3, jicoo_sandbox.edit, [uids[0]], {"status": "open"}).start()
        assert [row["status"] for row in sensor(uids).execute(context())] == ["open", "open"]
        assert jicoo_sandbox.count() > 2

    def test_its_timeout_says_what_was_seen(self, sensor, context, add):
        uid = add("request")[0]
        with pytest.raises(AirflowSensorTimeout, match="timed out") as caught:
            sensor(uid, timeout=0.2).execute(context())
        assert f"At the last poll, 1 of 1 are not open: booking {uid} is request." in str(caught.value)

    def test_its_timeout_says_what_failed(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=1000)
        with pytest.raises(AirflowSensorTimeout, match=r"At the last poll, the request failed: GET .*503"):
            sensor("mzgdPJVBb7RE", timeout=0.1).execute(context())

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "cut_body"])
    def test_a_passing_failure_is_survived(self, sensor, context, jicoo_sandbox, add, quick_retries, fault):
        uid = add("open")[0]
        jicoo_sandbox.fail(fault, times=quick_retries)
        assert sensor(uid).execute(context()) == [jicoo_sandbox.booking(uid)]
        assert jicoo_sandbox.count() == quick_retries + 1

    def test_it_paces_itself_over_failures(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=100_000)
        with pytest.raises(AirflowSensorTimeout):
            sensor("mzgdPJVBb7RE", poke_interval=0.25, timeout=1).execute(context())
        assert jicoo_sandbox.count() <= quick_retries * 6


class TestReschedule:
    def test_it_gives_the_worker_back(self, sensor, context, jicoo_sandbox, add):
        uid = add("request")[0]
        begin = time.time()
        with pytest.raises(AirflowRescheduleException) as caught:
            sensor(uid, mode="reschedule", poke_interval=60, timeout=600).execute(context())
        assert begin + 59 < caught.value.reschedule_date.timestamp() < time.time() + 61
        jicoo_sandbox.edit(uid, status="open")
        assert sensor(uid, mode="reschedule").execute(context()) == [jicoo_sandbox.booking(uid)]

    def test_a_passing_failure_is_survived(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=quick_retries)
        with pytest.raises(AirflowRescheduleException):
            sensor("mzgdPJVBb7RE", mode="reschedule", poke_interval=60).execute(context())

    def test_its_timeout_says_what_was_seen(self, sensor, context, add):
        from airflow.sdk.timezone import utcnow

        made = context()
        made["ti"].get_first_reschedule_date = lambda context: utcnow() - timedelta(seconds=100)
        uid = add("request")[0]
        with pytest.raises(AirflowSensorTimeout, match=f"At the last poll, .*booking {uid} is request"):
            sensor(uid, mode="reschedule", timeout=50).execute(made)


class TestAPageInJicoosPlace:
    """A proxy's, or that of maintenance: it passes where Jicoo has answered before, and else the address is wrong."""

    def test_poke(self, sensor, context, jicoo_sandbox, add):
        task, made = sensor(add("request")), context()
        jicoo_sandbox.fail("html", times=1)
        with pytest.raises(AirflowFailException, match="not an answer of Jicoo's API"):
            task.poke(made)
        assert task.poke(made) is False
        jicoo_sandbox.fail("html", times=1)
        assert task.poke(made) is False
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowFailException, match="401"):
            task.poke(made)

    @pytest.mark.parametrize("first", [None, datetime(2026, 1, 1, tzinfo=timezone.utc)])
    def test_reschedule(self, sensor, context, jicoo_sandbox, add, first):
        task, made = sensor(add("request"), mode="reschedule"), context()
        made["ti"].get_first_reschedule_date = lambda context: first
        jicoo_sandbox.fail("html", times=1)
        if first is None:
            with pytest.raises(AirflowFailException, match="not an answer of Jicoo's API"):
                task.poke(made)
        else:
            assert task.poke(made) is False


class TestDeferrable:
    def deferred(self, sensor, context, uid, **arguments):
        with pytest.raises(TaskDeferred) as caught:
            sensor(uid, deferrable=True, **arguments).execute(context())
        return caught.value

    def test_it_looks_and_defers(self, sensor, context, jicoo_sandbox, add):
        uids = add("request", "open")
        begin = time.time()
        found = self.deferred(sensor, context, uids, poke_interval=7, timeout=100, fail_on="cancel")

        assert isinstance(found.trigger, BookingStatusTrigger)
        assert found.method_name == "execute_complete"
        assert hasattr(BookingStatusSensor, found.method_name)
        kwargs = json.loads(json.dumps(found.trigger.serialize()[1]))
        deadline = kwargs.pop("deadline")
        assert begin + 100 <= deadline <= time.time() + 100
        assert kwargs == {
            "uids": uids,
            "statuses": ["open"],
            "fail_on": ["cancel"],
            "poll_interval": 7.0,
            "jicoo_conn_id": "jicoo_default",
        }
        assert found.timeout > timedelta(seconds=100), "the trigger's own timeout is the one that says why"
        assert jicoo_sandbox.count() >= 1

    def test_intervals_as_timedelta(self, sensor, context, add):
        found = self.deferred(
            sensor, context, add("request"), poke_interval=timedelta(seconds=7), timeout=timedelta(minutes=1)
        )
        assert json.loads(json.dumps(found.trigger.serialize()[1]))["poll_interval"] == 7.0

    def test_templated_forms_become_plain_lists(self, sensor, context, add):
        uids = add("request", "request")
        found = self.deferred(sensor, context, json.dumps(uids), status='["open", "cancel"]')
        kwargs = found.trigger.serialize()[1]
        assert (kwargs["uids"], kwargs["statuses"], kwargs["fail_on"]) == (uids, ["open", "cancel"], [])

    def test_a_failure_at_the_first_look_is_survived(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=quick_retries)
        assert self.deferred(sensor, context, "mzgdPJVBb7RE").trigger.uids == ["mzgdPJVBb7RE"]

    @pytest.mark.parametrize("default", ["True", "False"])
    def test_by_default_as_configured(self, monkeypatch, default):
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", default)
        assert BookingStatusSensor(task_id="wait", uid="x", status="open").deferrable is (default == "True")
        for given in (True, False):
            task = BookingStatusSensor(task_id="wait", uid="x", status="open", deferrable=given)
            assert task.deferrable is given

    def test_by_default_not(self):
        assert BookingStatusSensor(task_id="wait", uid="x", status="open").deferrable is False

    def test_success(self, sensor, context, jicoo_sandbox, add):
        uids = add("open", "open")
        found = sensor(uids[::-1]).execute_complete(context(), event("success"))
        assert [booking["uid"] for booking in found] == uids[::-1]

    def test_success_without_a_result(self, sensor, context, jicoo_sandbox, add):
        assert sensor(add("open"), do_xcom_push=False).execute_complete(context(), event("success")) is None
        assert jicoo_sandbox.count() == 0

    def test_what_is_not_so_any_more_is_waited_for_again(self, sensor, context, jicoo_sandbox, add):
        """A deferred task waits for a worker once its trigger is done, and bookings change meanwhile."""
        uids = add("open", "open")
        jicoo_sandbox.edit(uids[0], status="request")
        deadline = time.time() + 100
        with pytest.raises(TaskDeferred) as caught:
            sensor(uids).execute_complete(context(), event("success"), deadline)
        assert caught.value.trigger.serialize()[1]["deadline"] == deadline
        assert caught.value.kwargs["deadline"] == deadline
        jicoo_sandbox.edit(uids[0], status="cancel")
        with pytest.raises(AirflowFailException, match=f"booking {uids[0]} is cancel can no longer become open"):
            sensor(uids).execute_complete(context(), event("success"), deadline)

    def test_what_cannot_be_read_now_is_waited_for_again(self, sensor, context, jicoo_sandbox, add, quick_retries):
        uids = add("open")
        jicoo_sandbox.fail("server_error", times=quick_retries)
        with pytest.raises(TaskDeferred):
            sensor(uids).execute_complete(context(), event("success"), time.time() + 100)
        assert sensor(uids).execute_complete(context(), event("success"), time.time() + 100)

    def test_and_not_beyond_the_time(self, sensor, context, jicoo_sandbox, add):
        with pytest.raises(AirflowSensorTimeout, match="1 of 1 are not open"):
            sensor(add("request")).execute_complete(context(), event("success"), time.time() - 1)

    def test_success_that_does_not_fit(self, sensor, context, add, monkeypatch):
        monkeypatch.setattr(xcom, "XCOM_BYTES", 10)
        with pytest.raises(AirflowFailException, match="too large for an XCom"):
            sensor(add("open")).execute_complete(context(), event("success"))

    def test_timeout(self, sensor, context):
        with pytest.raises(AirflowSensorTimeout, match=r"timed out after 30(\.0)? seconds\. 1 of 1 are not open"):
            sensor("x").execute_complete(context(), event("timeout", "1 of 1 are not open: booking x is request"))

    def test_failed(self, sensor, context):
        with pytest.raises(AirflowFailException, match="booking x is cancel"):
            sensor("x").execute_complete(context(), event("failed", "booking x is cancel can no longer become open"))

    @pytest.mark.parametrize("unknown", [None, {}, {"status": "fine"}, {"status": None, "message": "x"}])
    def test_what_the_trigger_does_not_say(self, sensor, context, jicoo_sandbox, unknown):
        with pytest.raises(AirflowFailException, match="which this sensor does not know"):
            sensor("x").execute_complete(context(), unknown)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize("soft", ["soft_fail", "never_fail"])
    @pytest.mark.parametrize("status", ["timeout", "failed"])
    def test_skipped_softly(self, sensor, context, soft, status):
        with pytest.raises(AirflowSkipException, match="what was seen"):
            sensor("x", **{soft: True}).execute_complete(context(), event(status, "what was seen"))


class TestFailOn:
    def test_a_cancelled_booking_fails_at_once(self, sensor, context, jicoo_sandbox, add, mode):
        uid = add("open", "cancel")[1]
        with pytest.raises(AirflowFailException, match=f"booking {uid} is cancel can no longer become open"):
            sensor(uid, **mode).execute(context())
        assert jicoo_sandbox.count() == 1

    def test_not_where_it_is_waited_for(self, sensor, context, add, mode):
        assert sensor(add("cancel"), "cancel", **mode).execute(context())

    def test_others(self, sensor, context, add, mode):
        with pytest.raises(AirflowFailException, match="is open can no longer become cancel"):
            sensor(add("open"), "cancel", fail_on=["open", "request"], **mode).execute(context())

    def test_none_at_all(self, sensor, context, add):
        with pytest.raises(AirflowSensorTimeout, match="is cancel"):
            sensor(add("cancel"), fail_on=[], timeout=0.1).execute(context())

    def test_none_at_all_as_a_text(self, sensor, context, add):
        with pytest.raises(AirflowSensorTimeout, match="is cancel"):
            sensor(add("cancel"), fail_on="[]", timeout=0.1).execute(context())

    @pytest.mark.parametrize("soft", ["soft_fail", "never_fail"])
    def test_softly(self, sensor, context, add, mode, soft):
        with pytest.raises(AirflowSkipException):
            sensor(add("cancel"), **{soft: True}, **mode).execute(context())

    @pytest.mark.parametrize("soft", [{"mode": "poke"}, {"mode": "reschedule"}])
    def test_a_timeout_softly(self, sensor, context, add, soft):
        from airflow.sdk.timezone import utcnow

        made = context()
        made["ti"].get_first_reschedule_date = lambda context: utcnow() - timedelta(seconds=100)
        with pytest.raises(AirflowSkipException):
            sensor(add("request"), soft_fail=True, timeout=0.1, **soft).execute(made)


class TestWhatIsRefused:
    """Before the first request, whatever the mode."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"uid": ""}, "is not a booking id"),
            ({"uid": "a/b"}, "is not a booking id"),
            ({"uid": ["good", "a\nb"]}, "is not a booking id"),
            ({"uid": []}, "uid: give at least one"),
            ({"uid": "[]"}, "uid: give at least one"),
            ({"uid": "['a', 'b']"}, "uid: not JSON.*tojson"),
            ({"uid": 5}, "is not a booking id"),
            ({"status": "opened"}, f"status: 'opened' is none of {', '.join(STATUSES)}"),
            ({"status": []}, "status: give at least one"),
            ({"status": ""}, "status: '' is none of"),
            ({"fail_on": "canceled"}, "fail_on: 'canceled' is none of"),
            ({"fail_on": ["open"]}, "open is waited for and in fail_on"),
            (
                {"status": ["open", "cancel"], "fail_on": ["cancel", "open"]},
                "cancel, open is waited for and in fail_on",
            ),
        ],
    )
    def test_bad_input(self, sensor, context, jicoo_sandbox, mode, arguments, words):
        arguments = {"uid": "mzgdPJVBb7RE", "status": "open", **arguments}
        with pytest.raises(AirflowFailException, match=words) as caught:
            sensor(**arguments, **mode).execute(context())
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0

    def test_no_such_booking(self, sensor, context, jicoo_sandbox, add, mode):
        with pytest.raises(AirflowFailException) as caught:
            sensor([*add("open"), "mzgdPJVBb7RE"], **mode).execute(context())
        assert isinstance(caught.value.__context__, errors.NotFoundError)

    def test_a_refused_key(self, sensor, context, jicoo_sandbox, mode):
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowFailException) as caught:
            sensor("mzgdPJVBb7RE", **mode).execute(context())
        assert isinstance(caught.value.__context__, errors.AuthenticationError)
        assert jicoo_sandbox.count() == 1

    def test_a_connection_that_cannot_be_right(self, sensor, context, jicoo_connection, mode):
        jicoo_connection(password="")
        with pytest.raises(AirflowFailException, match="there is no API key"):
            sensor("mzgdPJVBb7RE", **mode).execute(context())

    def test_the_constructor_refuses_nothing(self):
        """Templates and mapped values are not there yet."""
        BookingStatusSensor(task_id="wait", uid="{{ x }}", status="{{ y }}", fail_on="{{ z }}")


class TestMany:
    def test_two_thousand_in_as_few_requests_as_there_are_pages(self, sensor, context, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=2000)
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()]
        found = sensor(uids, ["open", "request", "cancel"]).execute(context())
        assert [booking["uid"] for booking in found] == uids
        assert jicoo_sandbox.count() == jicoo_sandbox.count("GET", "/v1/bookings") == 40

    def test_few_of_many_one_by_one(self, sensor, context, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=2000)
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings() if booking["status"] == "open"][:3]
        sensor(uids).execute(context())
        assert jicoo_sandbox.count() <= 4


class TestInDags:
    """As Airflow runs it, with the trigger in line."""

    @pytest.fixture
    def run(self, jicoo_sandbox, run_dag):
        def run(edit_after=None, **conf):
            threads = [
                threading.Timer(delay, jicoo_sandbox.edit, [uid], fields) for delay, uid, fields in edit_after or []
            ]
            for thread in threads:
                thread.start()
            try:
                return run_dag(DAGS / "jicoo_sensors.py", **conf)
            finally:
                for thread in threads:
                    thread.join()

        return run

    def test_each_mode(self, run, jicoo_sandbox, add):
        first, second = add("open", "open")
        late, cancelled = add("request", "cancel")
        over = threading.Event()

        def approve():
            while not over.wait(0.05):
                if jicoo_sandbox.count("GET", f"/v1/bookings/{late}") >= 2:
                    jicoo_sandbox.edit(late, status="open")
                    return

        thread = threading.Thread(target=approve)
        thread.start()
        try:
            found = run(uids=[first, second], late=late, cancelled=cancelled)
        finally:
            over.set()
            thread.join()

        assert found.states == {
            "poke": "success",
            "reschedule": "success",
            "deferrable[0]": "success",
            "deferrable[1]": "success",
            "cancelled": "failed",
            "softly": "skipped",
            "times_out": "failed",
        }
        assert [booking["uid"] for booking in found.xcom("poke")] == [first, second]
        assert [booking["uid"] for booking in found.xcom("reschedule")] == [first, second]
        assert [[booking["uid"] for booking in found.xcom("deferrable", map_index=index)] for index in (0, 1)] == [
            [late],
            [first],
        ]

    def test_the_deferrable_round_trip_in_a_dag(self, dags):
        from airflow.serialization import serialized_objects

        serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        dag = dags(DAGS / "jicoo_sensors.py").dags["jicoo_sensors"]
        again = serializer.from_dict(json.loads(json.dumps(serializer.to_dict(dag))))
        assert set(again.task_dict) == set(dag.task_dict)
        assert again.get_task("deferrable").is_mapped


def test_an_unknown_argument():
    with DAG("some"), pytest.raises(TypeError, match="uids"):
        BookingStatusSensor(task_id="wait", uid="x", uids="x", status="open")
