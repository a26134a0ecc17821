"""The sensor that waits for bookings of a selection, in each of its modes against the sandbox."""

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
from airflow_provider_jicoo.bulk import Selection
from airflow_provider_jicoo.sensors.bookings import BookingsSensor
from airflow_provider_jicoo.tasks import xcom
from airflow_provider_jicoo.tasks.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_provider_jicoo.triggers.bookings import BookingsTrigger

DAGS = Path(__file__).parent.parent / "operators" / "dags"
MODES = ({"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True})
RIGHT = "Only this one"

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def sensor():
    def make(selection=None, **arguments):
        arguments = {"deferrable": False, "poke_interval": 0.05, "timeout": 30, **arguments}
        return BookingsSensor(task_id="wait", selection=selection or Selection(name_matches=RIGHT), **arguments)

    return make


@pytest.fixture
def add(jicoo_sandbox):
    """Add so many bookings that match; returns their uids."""
    return lambda count=1, **fields: {
        jicoo_sandbox.add_booking(**{"name": RIGHT, **fields})["uid"] for _ in range(count)
    }


@pytest.fixture(params=MODES, ids=["poke", "reschedule", "deferrable"])
def mode(request):
    return request.param


def uids(found):
    return {booking["uid"] for booking in found}


class TestThereAlready:
    """Nothing to wait for: the same in each mode."""

    def test_one(self, sensor, context, jicoo_sandbox, add, mode):
        (uid,) = add()
        assert sensor(**mode).execute(context()) == [jicoo_sandbox.booking(uid)]

    def test_no_more_than_enough(self, sensor, context, add, mode):
        """The result does not grow with what there is."""
        there = add(5)
        found = uids(sensor(min_count=3, **mode).execute(context()))
        assert len(found) == 3
        assert found < there

    @pytest.mark.parametrize("count", [2, "2"])
    def test_as_many_as_are_waited_for(self, sensor, context, add, mode, count):
        add(2)
        assert len(sensor(min_count=count, **mode).execute(context())) == 2

    def test_everything(self, sensor, context, jicoo_sandbox, mode):
        assert len(sensor(Selection(), min_count=50, **mode).execute(context())) == 50

    def test_it_stops_reading_when_it_has_enough(self, sensor, context, jicoo_sandbox, mode):
        jicoo_sandbox.reset(bookings=1000)
        sensor(Selection(), min_count=1, **mode).execute(context())
        assert jicoo_sandbox.count() <= 4

    @pytest.mark.parametrize("quirk", ["no-cancelled", "page-cap=20", "pages-from-zero", "page-limit", "order-ignored"])
    def test_however_jicoo_lists(self, sensor, context, jicoo_sandbox, add, mode, quirk):
        there = add(2, status="cancel")
        jicoo_sandbox.quirks = [quirk]
        assert uids(sensor(min_count=2, **mode).execute(context())) == there

    def test_one_that_cannot_be_read_does_not_keep_it_from_the_others(self, sensor, context, jicoo_sandbox, add, mode):
        there = add(3)
        broken = there.pop()
        jicoo_sandbox.break_row(broken, "hosts=null")
        assert uids(sensor(min_count=2, **mode).execute(context())) == there

    def test_a_request_that_is_not_there_yet_is_waited_for(self, sensor, context, jicoo_sandbox, add, caplog):
        for booking in jicoo_sandbox.bookings():
            if booking["status"] == "request":
                jicoo_sandbox.delete(booking["uid"])
        with pytest.raises(AirflowSensorTimeout):
            sensor(Selection(status="request"), timeout=0.01).execute(context())

    def test_a_python_filter(self, sensor, context, add):
        add(3)
        (right,) = add(priority="high")
        selection = Selection(name_matches=RIGHT, where=lambda booking: booking["priority"] == "high")
        for mode in MODES[:2]:
            assert uids(sensor(selection, **mode).execute(context())) == {right}

    def test_templates(self, sensor, context, jicoo_sandbox, add, mode):
        there = add(2, status="request")
        task = sensor(
            Selection(
                uids="{{ params.uids | tojson }}", status="{{ params.status }}", started_after="{{ params.after }}"
            ),
            min_count="{{ params.count }}",
            jicoo_conn_id="{{ params.conn }}",
            **mode,
        )
        params = {
            "uids": sorted(there),
            "status": "request",
            "after": "2000-01-01T00:00:00+09:00",
            "count": 2,
            "conn": "jicoo_default",
        }
        made = context(params=params)
        task.render_template_fields(made)
        assert uids(task.execute(made)) == there

    def test_every_argument_that_carries_a_value_is_templated(self):
        assert set(BookingsSensor.template_fields) == {"selection", "min_count", "jicoo_conn_id"}

    def test_the_dags_own_selection_stays_as_it_is(self, sensor, context, add):
        """A second run of the DAG in the same process renders it anew."""
        first, second = add().pop(), add().pop()
        selection = Selection(uids=["{{ params.uid }}"])
        task = sensor(selection)
        for uid in (first, second):
            again = task.prepare_for_execution()
            made = context(params={"uid": uid})
            again.render_template_fields(made)
            assert uids(again.execute(made)) == {uid}
        assert selection == Selection(uids=["{{ params.uid }}"])

    def test_a_filter_that_is_lost_does_not_match_everything(self, context, jicoo_sandbox):
        task = BookingsSensor(
            task_id="wait",
            selection=Selection(uids="{{ params.nothing }}"),
            deferrable=False,
            dag=DAG("native", render_template_as_native_obj=True),
        )
        with pytest.raises(AirflowFailException, match=r"selection: uids .* None"):
            task.render_template_fields(context(params={"nothing": None}))

    def test_what_another_task_gives_makes_it_wait_for_that(self):
        with DAG("both"):
            first = BookingsSensor(task_id="first", selection=Selection(), deferrable=False)
            second = BookingsSensor(task_id="second", selection=Selection(uids=first.output["uids"]), deferrable=False)
        assert second.upstream_task_ids == {"first"}

    def test_without_a_result(self, sensor, context, add, monkeypatch, mode):
        add()
        monkeypatch.setattr(xcom, "XCOM_BYTES", 10)
        assert sensor(do_xcom_push=False, **mode).execute(context()) is None

    def test_a_result_that_does_not_fit(self, sensor, context, add, monkeypatch, mode):
        add()
        monkeypatch.setattr(xcom, "XCOM_BYTES", 10)
        with pytest.raises(AirflowFailException, match=r"too large for an XCom .* set do_xcom_push=False"):
            sensor(**mode).execute(context())

    def test_another_connection(self, sensor, context, jicoo_sandbox, add, monkeypatch, mode):
        add()
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(jicoo_sandbox.connection()))
        monkeypatch.delenv("AIRFLOW_CONN_JICOO_DEFAULT")
        assert sensor(jicoo_conn_id="other", **mode).execute(context())


class TestPoke:
    def test_it_waits(self, sensor, context, jicoo_sandbox, add):
        add(2)
        threading.Timer(0.3, add).start()
        assert len(sensor(min_count=3).execute(context())) == 3
        assert jicoo_sandbox.count() > 2

    def test_its_timeout_says_what_was_seen(self, sensor, context, add):
        add(2)
        with pytest.raises(AirflowSensorTimeout, match=r"At the last poll, 2 of at least 3 bookings match"):
            sensor(min_count=3, timeout=0.2).execute(context())

    def test_its_timeout_says_what_failed(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=1000)
        with pytest.raises(AirflowSensorTimeout, match=r"At the last poll, the request failed: GET .*503"):
            sensor(timeout=0.1).execute(context())

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "cut_body", "dropped"])
    def test_a_passing_failure_is_survived(self, sensor, context, jicoo_sandbox, add, quick_retries, fault):
        there = add()
        jicoo_sandbox.fail(fault, times=quick_retries)
        assert uids(sensor().execute(context())) == there

    def test_it_paces_itself_over_failures(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=100_000)
        with pytest.raises(AirflowSensorTimeout):
            sensor(poke_interval=0.25, timeout=1).execute(context())
        assert jicoo_sandbox.count() <= quick_retries * 6


class TestReschedule:
    def test_it_gives_the_worker_back(self, sensor, context, add):
        begin = time.time()
        with pytest.raises(AirflowRescheduleException) as caught:
            sensor(mode="reschedule", poke_interval=60, timeout=600).execute(context())
        assert begin + 59 < caught.value.reschedule_date.timestamp() < time.time() + 61
        there = add()
        assert uids(sensor(mode="reschedule").execute(context())) == there

    def test_a_passing_failure_is_survived(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=quick_retries)
        with pytest.raises(AirflowRescheduleException):
            sensor(mode="reschedule", poke_interval=60).execute(context())

    def test_its_timeout_says_what_was_seen(self, sensor, context):
        from airflow.sdk.timezone import utcnow

        made = context()
        made["ti"].get_first_reschedule_date = lambda context: utcnow() - timedelta(seconds=100)
        with pytest.raises(AirflowSensorTimeout, match="At the last poll, 0 of at least 1 bookings match"):
            sensor(mode="reschedule", timeout=50).execute(made)


class TestDeferrable:
    def deferred(self, task, made):
        with pytest.raises(TaskDeferred) as caught:
            task.execute(made)
        return caught.value

    def test_it_looks_and_defers(self, sensor, context, jicoo_sandbox, add):
        (uid,) = add()
        begin = time.time()
        selection = Selection(
            status="open",
            started_after=datetime(2020, 1, 1, tzinfo=timezone.utc),
            started_before="2040-01-01T00:00:00+09:00",
            event_type_id="e1",
            host_user_id="u1",
            name_matches=RIGHT,
            uids=(uid,),
        )
        found = self.deferred(
            sensor(selection, min_count="2", deferrable=True, poke_interval=7, timeout=100), context()
        )

        assert isinstance(found.trigger, BookingsTrigger)
        assert found.method_name == "execute_complete"
        kwargs = found.trigger.serialize()[1]
        assert json.loads(json.dumps(kwargs)) == kwargs, "a trigger's arguments are stored as JSON"
        deadline = kwargs.pop("deadline")
        assert begin + 100 <= deadline <= time.time() + 100
        assert kwargs == {
            "min_count": 2,
            "poll_interval": 7.0,
            "jicoo_conn_id": "jicoo_default",
            "status": "open",
            "started_after": "2020-01-01T00:00:00+00:00",
            "started_before": "2040-01-01T00:00:00+09:00",
            "event_type_id": "e1",
            "host_user_id": "u1",
            "name_matches": RIGHT,
            "uids": [uid],
        }
        assert found.timeout > timedelta(seconds=100), "the trigger's own timeout is the one that says why"

    @pytest.mark.parametrize(
        "form", [list, tuple, json.dumps, lambda uids: uids[0]], ids=["list", "tuple", "JSON", "one"]
    )
    def test_forms_of_uids_become_a_list(self, sensor, context, add, form):
        there = sorted(add(2, status="request"))
        found = self.deferred(sensor(Selection(uids=form(there), status="open"), deferrable=True), context())
        given = found.trigger.serialize()[1]["uids"]
        assert given == (there[:1] if form(there) == there[0] else there)

    def test_a_python_filter_is_refused(self, sensor, context, jicoo_sandbox):
        task = sensor(Selection(where=lambda booking: True), deferrable=True)
        with pytest.raises(AirflowFailException, match=r"where is a Python function.*mode='reschedule'") as caught:
            task.execute(context())
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0

    def test_a_failure_at_the_first_look_is_survived(self, sensor, context, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=quick_retries)
        assert self.deferred(sensor(deferrable=True), context()).trigger.min_count == 1

    def test_success(self, sensor, context, add):
        there = add(3)
        found = sensor(min_count=2).execute_complete(context(), {"status": "success", "message": "2 of at least 2"})
        assert len(found) == 2
        assert uids(found) < there

    def test_success_without_a_result(self, sensor, context, jicoo_sandbox, add):
        add()
        task = sensor(do_xcom_push=False)
        assert task.execute_complete(context(), {"status": "success", "message": ""}) is None
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(("status", "error"), [("timeout", AirflowSensorTimeout), ("failed", AirflowFailException)])
    def test_what_ends_it(self, sensor, context, status, error):
        with pytest.raises(error, match="2 of at least 3"):
            sensor().execute_complete(context(), {"status": status, "message": "2 of at least 3 bookings match"})
        with pytest.raises(AirflowSkipException, match="2 of at least 3"):
            sensor(soft_fail=True).execute_complete(
                context(), {"status": status, "message": "2 of at least 3 bookings match"}
            )


class TestWhatIsRefused:
    """Before the first request, whatever the mode."""

    @pytest.mark.parametrize(
        ("selection", "count", "words"),
        [
            (Selection(status="opened"), 1, "status: 'opened' is none of"),
            (Selection(started_after="tomorrow"), 1, "is not a moment"),
            (Selection(started_after="2031-01-01T00:00Z", started_before="2030-01-01T00:00Z"), 1, "is not after"),
            (Selection(name_matches="("), 1, "selection: "),
            (Selection(uids=[]), 1, "uids: give at least one"),
            (Selection(uids="['a']"), 1, "uids: not JSON.*tojson"),
            (Selection(), 0, "min_count: 0 is not 1 or more"),
            (Selection(), "-1", "min_count: '-1' is not 1 or more"),
            (Selection(), "many", "min_count: 'many' is not a whole number"),
            (Selection(), None, "min_count"),
            (Selection(), "", "min_count: '' is not a whole number"),
            (Selection(), True, "min_count: True is not a whole number"),
        ],
    )
    def test_bad_input(self, sensor, context, jicoo_sandbox, mode, selection, count, words):
        with pytest.raises(AirflowFailException, match=words) as caught:
            sensor(selection, min_count=count, **mode).execute(context())
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize("selection", ["open", {"status": "open"}, None])
    def test_what_is_no_selection(self, context, jicoo_sandbox, mode, selection):
        task = BookingsSensor(task_id="wait", selection=selection, **{"deferrable": False, **mode})
        with pytest.raises(AirflowFailException, match="selection: "):
            task.execute(context())
        assert jicoo_sandbox.count() == 0

    def test_no_such_booking(self, sensor, context, add, mode):
        with pytest.raises(AirflowFailException) as caught:
            sensor(Selection(uids=["mzgdPJVBb7RE"]), **mode).execute(context())
        assert isinstance(caught.value.__context__, errors.NotFoundError)

    def test_a_refused_key(self, sensor, context, jicoo_sandbox, mode):
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowFailException) as caught:
            sensor(**mode).execute(context())
        assert isinstance(caught.value.__context__, errors.AuthenticationError)
        assert jicoo_sandbox.count() == 1

    @pytest.mark.parametrize("soft", ["soft_fail", "never_fail"])
    def test_softly(self, sensor, context, jicoo_sandbox, mode, soft):
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowSkipException):
            sensor(**{soft: True}, **mode).execute(context())


class TestInDags:
    def test_each_mode(self, jicoo_sandbox, run_dag, add, capfd):
        """As Airflow runs it, with the trigger in line; nothing of a guest is said."""
        guest = {"name": "Stefanie Zweig", "email": "zweig@example.com"}
        there = {jicoo_sandbox.add_booking(name=RIGHT, contacts=[guest])["uid"]}
        before = jicoo_sandbox.count("GET", "/v1/bookings")
        late = threading.Event()

        def book():
            while not late.wait(0.05):
                # Each of the three looks once; the trigger looks, too: now somebody books.
                if jicoo_sandbox.count("GET", "/v1/bookings") >= before + 4:
                    there.update(add())
                    return

        thread = threading.Thread(target=book)
        thread.start()
        try:
            run = run_dag(DAGS / "jicoo_bookings_sensors.py", name=RIGHT)
        finally:
            late.set()
            thread.join()

        assert run.states == {
            "poke": "success",
            "reschedule": "success",
            "deferrable": "success",
            "times_out": "failed",
            "softly": "skipped",
        }
        for task_id, count in (("poke", 1), ("reschedule", 1), ("deferrable", 2)):
            found = uids(run.xcom(task_id))
            assert len(found) == count
            assert found <= there
        fields = run.rendered("deferrable")
        assert fields["selection"] == "Selection(name_matches=***)"
        said = "".join(capfd.readouterr()).lower()
        assert "of at least 2 bookings match" in said
        assert "zweig" not in said
        assert jicoo_sandbox.api_key not in said

    def test_the_round_trip_in_a_dag(self, dags):
        from airflow.serialization import serialized_objects

        serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        dag = dags(DAGS / "jicoo_bookings_sensors.py").dags["jicoo_bookings_sensors"]
        encoded = json.loads(json.dumps(serializer.to_dict(dag)))
        again = serializer.from_dict(encoded)
        assert set(again.task_dict) == set(dag.task_dict)
        assert again.get_task("deferrable").selection == "Selection(name_matches=***)"


def test_an_unknown_argument():
    with DAG("some"), pytest.raises(TypeError, match="uids"):
        BookingsSensor(task_id="wait", selection=Selection(), uids="x")
