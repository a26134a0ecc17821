"""The example DAGs: each is parsed and run as it is, and what it did is looked up in the sandbox."""

from __future__ import annotations

import contextlib
import json
import runpy
import sqlite3
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from airflow.utils.state import TaskInstanceState
from sqlalchemy.exc import OperationalError

FOLDER = Path(__file__).resolve().parent.parent / "example_dags"
EXAMPLES = sorted(FOLDER.glob("*.py"))

pytestmark = pytest.mark.usefixtures("jicoo_connection")


def start(booking):
    return datetime.fromisoformat(booking["startedAt"].replace("Z", "+00:00"))


def test_each_is_parsed(dags):
    bag = dags(FOLDER)

    assert bag.import_errors == {}
    assert sorted(bag.dags) == [file.stem for file in EXAMPLES]
    assert len(EXAMPLES) >= 3


def test_what_they_say_of_themselves(dags):
    for dag in dags(FOLDER).dags.values():
        assert len(dag.doc_md) > 200, dag.dag_id
        assert "ndo" in dag.doc_md or "hanges nothing" in dag.doc_md, f"{dag.dag_id}: what does it change?"
        for name in dag.params:
            schema = dag.params.get_param(name).schema
            described = dag.params.get_param(name).description or schema.get("description_md") or schema["title"]
            assert schema["title"] != name
            assert described, f"{dag.dag_id}: {name}"
            if name.endswith("_id"):
                assert "jicoo_list_ids" in described, f"{dag.dag_id}: how is the {name} found?"


def test_what_a_task_returned_is_no_template_for_another(dags):
    """Airflow renders each text that ``expand_kwargs`` is given, with the connections of the DAG at hand."""
    for dag in dags(FOLDER).dags.values():
        for task in dag.tasks:
            assert getattr(task, "expand_input", None) is None or task.expand_input.EXPAND_INPUT_TYPE == "dict-of-lists"


class TestListIds:
    FILE = FOLDER / "jicoo_list_ids.py"

    def test_users_and_event_types(self, jicoo_sandbox, run_dag):
        run = run_dag(self.FILE)
        assert run.state == "success"
        users = {user["uid"]: user["name"] for user in jicoo_sandbox.users}
        assert {each["user_id"]: each["name"] for each in run.xcom("users")} == users
        assert {each["uid"] for each in run.xcom("event_types")} == {each["uid"] for each in jicoo_sandbox.event_types}
        assert not [user for user in jicoo_sandbox.users if user["email"] in json.dumps(run.xcom("users"))]
        assert {request.method for request in jicoo_sandbox.requests} == {"GET"}


class TestReassignHost:
    FILE = FOLDER / "jicoo_reassign_host.py"

    def test_hands_over_the_future_bookings_of_the_host(self, jicoo_sandbox, run_dag):
        leaves, takes_over = jicoo_sandbox.users[0]["uid"], jicoo_sandbox.users[1]["uid"]
        third = jicoo_sandbox.users[2]["uid"]
        soon = datetime.now(timezone.utc) + timedelta(days=100)
        # Alone; beside a third; beside the colleague, who must not become a host twice.
        for day, hosts in enumerate(([leaves], [third, leaves], [leaves, takes_over])):
            roles = [{"userId": user, "role": role} for user, role in zip(hosts, ("admin", "viewer"), strict=False)]
            jicoo_sandbox.add_booking(hosts=roles, startedAt=soon + timedelta(days=day), name=f"{day}")
        # Not to be touched: over, cancelled.
        jicoo_sandbox.add_booking(hosts=[{"userId": leaves, "role": "admin"}], startedAt=soon - timedelta(days=200))
        jicoo_sandbox.add_booking(hosts=[{"userId": leaves, "role": "admin"}], startedAt=soon, status="cancel")
        before = jicoo_sandbox.bookings()
        now = datetime.now(timezone.utc)
        affected = {
            booking["uid"]
            for booking in before
            if booking["status"] == "open"
            and start(booking) > now
            and leaves in {host["userId"] for host in booking["hosts"]}
        }
        assert len(affected) >= 3

        run = run_dag(self.FILE, from_user_id=leaves, to_user_id=takes_over)

        assert run.state == "success"
        patched = [request.path.rsplit("/", 1)[1] for request in jicoo_sandbox.requests if request.method == "PATCH"]
        assert sorted(patched) == sorted(affected)
        assert {request.method for request in jicoo_sandbox.requests} == {"GET", "PATCH"}
        assert jicoo_sandbox.messages == []
        for old in before:
            new = jicoo_sandbox.booking(old["uid"])
            if old["uid"] in affected:
                users = [host["userId"] for host in new["hosts"]]
                assert leaves not in users
                assert users.count(takes_over) == 1
                others = [host for host in old["hosts"] if host["userId"] not in (leaves, takes_over)]
                assert [host for host in new["hosts"] if host["userId"] != takes_over] == others
                assert {**new, "hosts": None, "updatedAt": None} == {**old, "hosts": None, "updatedAt": None}
            else:
                assert new == old

    def test_what_jicoo_returns_is_not_rendered(self, jicoo_sandbox, run_dag):
        leaves, takes_over = jicoo_sandbox.users[0]["uid"], jicoo_sandbox.users[1]["uid"]
        template = "{{ conn.get('jicoo_default').password }}"
        jicoo_sandbox.reset(bookings=0)
        hosts = [{"userId": user, "role": "viewer"} for user in (template, leaves)]
        jicoo_sandbox.add_booking(hosts=hosts, startedAt=datetime.now(timezone.utc) + timedelta(days=9))

        run_dag(self.FILE, from_user_id=leaves, to_user_id=takes_over)

        (sent,) = [request.body for request in jicoo_sandbox.requests if request.method == "PATCH"]
        assert [host["userId"] for host in sent["hosts"]] == [template, takes_over]

    def test_a_host_without_bookings_is_no_failure(self, jicoo_sandbox, run_dag):
        before = jicoo_sandbox.bookings()

        run = run_dag(self.FILE, from_user_id="nobody", to_user_id=jicoo_sandbox.users[0]["uid"])

        assert run.state == "success"
        assert jicoo_sandbox.count("PATCH") == 0
        assert jicoo_sandbox.bookings() == before


class TestWaitForBooking:
    FILE = FOLDER / "jicoo_wait_for_booking.py"

    def when_asked_for(self, jicoo_sandbox, times, then):
        """Do something as soon as so many requests have come."""
        over = threading.Event()

        def watch():
            while not over.wait(0.05):
                if jicoo_sandbox.count("GET") >= times:
                    then()
                    return

        thread = threading.Thread(target=watch)
        thread.start()
        return over, thread

    def test_goes_on_when_the_host_has_approved(self, jicoo_sandbox, run_dag):
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        # The sensor looks once, the trigger a second time: only then does it wait.
        over, thread = self.when_asked_for(jicoo_sandbox, 2, lambda: jicoo_sandbox.edit(uid, status="open"))
        try:
            run = run_dag(self.FILE, uid=uid)
        finally:
            over.set()
            thread.join()

        assert run.state == "success"
        assert run.states == {"wait_until_approved": "success", "go_on_with": "success"}
        booking = jicoo_sandbox.booking(uid)
        assert run.xcom("go_on_with") == f"booking {uid} is open and starts at {booking['startedAt']}"
        assert jicoo_sandbox.count("GET") <= 5
        assert jicoo_sandbox.count() == jicoo_sandbox.count("GET")

    def test_fails_at_once_when_it_is_cancelled(self, jicoo_sandbox, run_dag):
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        over, thread = self.when_asked_for(jicoo_sandbox, 2, lambda: jicoo_sandbox.edit(uid, status="cancel"))
        try:
            run = run_dag(self.FILE, uid=uid)
        finally:
            over.set()
            thread.join()

        assert run.state == "failed"
        assert run.states == {"wait_until_approved": "failed", "go_on_with": "upstream_failed"}


class TestRescheduleDay:
    FILE = FOLDER / "jicoo_reschedule_day.py"

    def test_moves_the_day_to_the_same_wall_clock(self, jicoo_sandbox, run_dag):
        # In November New York's clocks go back: the same wall clock is another hour in UTC.
        zone = ZoneInfo("America/New_York")
        year = datetime.now(timezone.utc).year + 1
        day, to_day = datetime(year, 10, 20, tzinfo=zone), datetime(year, 11, 20, tzinfo=zone)
        starts = [day.replace(hour=hour, minute=minute) for hour, minute in ((0, 0), (9, 30), (23, 0))]
        moved = [jicoo_sandbox.add_booking(startedAt=at, endedAt=at + timedelta(minutes=30))["uid"] for at in starts]
        around = [
            jicoo_sandbox.add_booking(startedAt=at, endedAt=at + timedelta(minutes=30))["uid"]
            for at in (day - timedelta(minutes=60), day + timedelta(days=1))
        ]
        cancelled = jicoo_sandbox.add_booking(startedAt=day.replace(hour=12), status="cancel")["uid"]
        before = {booking["uid"]: booking for booking in jicoo_sandbox.bookings()}

        run = run_dag(self.FILE, day=str(day.date()), to_day=str(to_day.date()), time_zone="America/New_York")

        assert run.state == "success"
        for uid, old in zip(moved, starts, strict=True):
            new = jicoo_sandbox.booking(uid)
            local = start(new).astimezone(zone)
            assert (local.date(), local.time()) == (to_day.date(), old.time())
            assert new["timeZone"] == before[uid]["timeZone"]
        assert jicoo_sandbox.count("POST", "/v1/bookings/{uid}/reschedule") == len(moved)
        assert sorted(message.uid for message in jicoo_sandbox.messages) == sorted(moved)
        for uid in (*around, cancelled, *(before.keys() - {*moved})):
            assert jicoo_sandbox.booking(uid) == before[uid]

    def test_a_taken_slot_fails_its_own_task_only(self, jicoo_sandbox, run_dag):
        zone = ZoneInfo("Asia/Tokyo")
        year = datetime.now(timezone.utc).year + 1
        day, to_day = datetime(year, 6, 1, tzinfo=zone), datetime(year, 6, 2, tzinfo=zone)
        first = jicoo_sandbox.add_booking(startedAt=day.replace(hour=9), endedAt=day.replace(hour=10))["uid"]
        second = jicoo_sandbox.add_booking(startedAt=day.replace(hour=11), endedAt=day.replace(hour=12))["uid"]
        jicoo_sandbox.add_booking(startedAt=to_day.replace(hour=9), endedAt=to_day.replace(hour=10))

        run = run_dag(self.FILE, day=str(day.date()), to_day=str(to_day.date()))

        assert run.states["move[0]"] == "failed"
        assert run.states["move[1]"] == "success"
        assert start(jicoo_sandbox.booking(first)) == day.replace(hour=9)
        assert start(jicoo_sandbox.booking(second)) == to_day.replace(hour=11)


@pytest.fixture
def person(rest_api):
    """Answers the approvals of a DAG while it runs, through Airflow's REST API.

    ``with person("jicoo_undo_last_run", "Approve") as seen: run_dag(...)``; ``seen`` has the texts that were agreed to.
    """

    @contextlib.contextmanager
    def answering(dag_id, option):
        over, seen, since, broken = threading.Event(), [], {}, []

        def look():
            while not over.wait(0.3):
                try:
                    _answer(rest_api, dag_id, option, seen, since)
                except OperationalError:
                    pass  # SQLite is locked by the DAG that runs: once more
                except Exception as error:
                    broken.append(error)
                    _fail_what_waits(dag_id)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()
            if broken:
                raise broken[0]

    return answering


def _answer(rest_api, dag_id, option, seen, since):
    """Answer what waits for a second.

    ``dag.test()`` stores the state of a task once more when the task has ended: an answer that comes between is lost.
    """
    headers, runs = rest_api.as_user("sato"), f"/api/v2/dags/{dag_id}/dagRuns"
    found = rest_api.get(f"{runs}/~/hitlDetails", params={"response_received": "false"}, headers=headers)
    for detail in found.raise_for_status().json()["hitl_details"]:
        task = detail["task_instance"]
        if task["state"] != "awaiting_input":
            continue
        if time.monotonic() < since.setdefault(task["id"], time.monotonic()) + 1:
            continue
        # The option that agrees carries the plan's digest.
        (chosen,) = [each for each in detail["options"] if each.startswith(option)]
        rest_api.patch(
            f"{runs}/{quote(task['dag_run_id'])}/taskInstances/{task['task_id']}/-1/hitlDetails",
            json={"chosen_options": [chosen], "params_input": {}},
            headers=headers,
        ).raise_for_status()
        seen.append(detail["body"])


def _fail_what_waits(dag_id):
    """End a run that nobody can answer: ``dag.test()`` would wait for ever."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        waiting = session.query(TaskInstance).filter_by(dag_id=dag_id, state="awaiting_input")
        waiting.update({"state": "failed"})


def still(sandbox):
    """Return the bookings without the moment of their last change."""
    return {booking["uid"]: {**booking, "updatedAt": ""} for booking in sandbox.bookings()}


asks_a_person = pytest.mark.skipif(
    not hasattr(TaskInstanceState, "AWAITING_INPUT"), reason="`dag.test` waits for a person since Airflow 3.3"
)


@asks_a_person
class TestBulkReassignHost:
    FILE = FOLDER / "jicoo_bulk_reassign_host.py"
    UNDO = FOLDER / "jicoo_undo_last_run.py"

    @pytest.fixture
    def conf(self, jicoo_sandbox, tmp_path):
        leaves, takes_over, third = (user["uid"] for user in jicoo_sandbox.users[:3])
        soon = datetime.now(timezone.utc) + timedelta(days=100)
        for day, hosts in enumerate(([leaves], [third, leaves], [leaves, takes_over])):
            roles = [{"userId": user, "role": role} for user, role in zip(hosts, ("admin", "viewer"), strict=False)]
            jicoo_sandbox.add_booking(hosts=roles, startedAt=soon + timedelta(days=day))
        jicoo_sandbox.add_booking(hosts=[{"userId": leaves, "role": "admin"}], startedAt=soon - timedelta(days=200))
        jicoo_sandbox.add_booking(hosts=[{"userId": leaves, "role": "admin"}], startedAt=soon, status="cancel")
        return {"from_user_id": leaves, "to_user_id": takes_over, "plans": str(tmp_path)}

    def affected(self, sandbox, user):
        now = datetime.now(timezone.utc)
        return {
            booking["uid"]
            for booking in sandbox.bookings()
            if booking["status"] == "open"
            and start(booking) > now
            and user in {host["userId"] for host in booking["hosts"]}
        }

    def test_approved_applied_and_taken_back(self, jicoo_sandbox, run_dag, person, conf):
        affected = self.affected(jicoo_sandbox, conf["from_user_id"])
        assert len(affected) >= 3
        before = still(jicoo_sandbox)

        with person("jicoo_bulk_reassign_host", "Approve") as seen:
            run = run_dag(self.FILE, **conf)

        assert set(run.states.values()) == {"success"}, run.states
        (text,) = seen
        assert text == run.xcom("plan", key="summary")
        assert text.startswith(f"**{len(affected)} bookings will be changed**")
        assert run.xcom("plan")["plan"] == f"{conf['plans']}/jicoo_bulk_reassign_host/{run.run_id}.jsonl"
        assert self.affected(jicoo_sandbox, conf["from_user_id"]) == set()
        after = still(jicoo_sandbox)
        assert {uid for uid in before if after[uid] != before[uid]} == affected
        for uid in affected:
            users = [host["userId"] for host in after[uid]["hosts"]]
            assert users.count(conf["to_user_id"]) == 1
            others = [host for host in before[uid]["hosts"] if host["userId"] not in conf.values()]
            assert [host for host in after[uid]["hosts"] if host["userId"] != conf["to_user_id"]] == others
            assert {**after[uid], "hosts": None} == {**before[uid], "hosts": None}
        assert run.xcom("apply")["counts"]["applied"] == len(affected)
        assert run.xcom("tell").endswith("/report.html")
        assert Path(run.xcom("tell").split("see ")[1]).stat().st_size > 1000

        with person("jicoo_undo_last_run", "Approve") as seen:
            run = run_dag(self.UNDO, plans=conf["plans"])

        assert set(run.states.values()) == {"success"}, run.states
        assert seen[0].startswith(f"**{len(affected)} bookings will be changed**")
        assert still(jicoo_sandbox) == before
        assert jicoo_sandbox.messages == []
        assert set(
            Counter(request.path for request in jicoo_sandbox.requests if request.method == "PATCH").values()
        ) == {2}

    def test_rejected(self, jicoo_sandbox, run_dag, person, conf):
        before = jicoo_sandbox.bookings()
        with person("jicoo_bulk_reassign_host", "Reject"):
            run = run_dag(self.FILE, **conf)
        assert run.states == {
            "plan": "success",
            "approve": "failed",
            "remember": "upstream_failed",
            "apply": "upstream_failed",
            "tell": "upstream_failed",
        }
        assert run.state == "failed"
        assert jicoo_sandbox.bookings() == before
        assert jicoo_sandbox.count("PATCH") == 0

    def test_no_last_run(self, jicoo_sandbox, run_dag, conf, airflow_database):
        with contextlib.closing(sqlite3.connect(airflow_database)) as connection:
            connection.execute("DELETE FROM variable WHERE key = 'jicoo_last_plan'")
            connection.commit()
        run = run_dag(self.UNDO, plan=None, plans=conf["plans"])
        assert run.states["which_plan"] == "failed"
        assert jicoo_sandbox.count() == 0

    def test_a_plan_that_is_named_is_taken_back(self, jicoo_sandbox, run_dag, person, conf):
        with person("jicoo_bulk_reassign_host", "Approve"):
            before = still(jicoo_sandbox)
            first = run_dag(self.FILE, **conf)
            back = {**conf, "from_user_id": conf["to_user_id"], "to_user_id": jicoo_sandbox.users[4]["uid"]}
            run_dag(self.FILE, **back)
        with person("jicoo_undo_last_run", "Approve") as seen:
            run = run_dag(self.UNDO, plan=first.xcom("plan")["plan"], plans=conf["plans"])
        assert set(run.states.values()) == {"success"}
        # All that the first run changed was changed again by the second one: it is left alone.
        assert "are left alone" in seen[0]
        assert still(jicoo_sandbox) != before


@asks_a_person
class TestOffboardUser:
    FILE = FOLDER / "jicoo_offboard_user.py"

    @pytest.fixture
    def conf(self, jicoo_sandbox, tmp_path):
        leaves, takes_over, third = (user["uid"] for user in jicoo_sandbox.users[3:6])
        soon = datetime.now(timezone.utc) + timedelta(days=100)
        for day, status in enumerate(("open", "request", "cancel")):
            roles = [{"userId": third, "role": "viewer"}, {"userId": leaves, "role": "admin"}]
            jicoo_sandbox.add_booking(hosts=roles, startedAt=soon + timedelta(days=day), status=status)
        return {"user_id": leaves, "to_user_id": takes_over, "plans": str(tmp_path)}

    def theirs(self, sandbox, user_id):
        """Return the future bookings of a user that are not cancelled."""
        now = datetime.now(timezone.utc)
        return {
            booking["uid"]
            for booking in sandbox.bookings()
            if booking["status"] != "cancel"
            and start(booking) > now
            and user_id in {host["userId"] for host in booking["hosts"]}
        }

    def users(self, sandbox):
        return {user["uid"] for user in sandbox.users}

    def test_hands_over_and_removes_the_user_last(self, jicoo_sandbox, run_dag, person, conf):
        theirs, users = self.theirs(jicoo_sandbox, conf["user_id"]), self.users(jicoo_sandbox)
        before = still(jicoo_sandbox)

        with person("jicoo_offboard_user", "Approve") as seen:
            run = run_dag(self.FILE, **conf)

        assert set(run.states.values()) == {"success"}, run.states
        (text,) = seen
        assert text.startswith(f"User {conf['user_id']} has {len(theirs)} future bookings")
        assert run.xcom("plan", key="summary") in text
        assert set(run.xcom("their_bookings")) == theirs
        assert len({before[uid]["status"] for uid in theirs}) == 2
        assert self.theirs(jicoo_sandbox, conf["user_id"]) == set()
        after = still(jicoo_sandbox)
        assert {uid for uid in before if after[uid] != before[uid]} == theirs
        assert users - self.users(jicoo_sandbox) == {conf["user_id"]}
        assert jicoo_sandbox.messages == []
        changes = [request for request in jicoo_sandbox.requests if request.method != "GET"]
        assert [request.method for request in changes] == ["PATCH"] * len(theirs) + ["DELETE"]
        assert changes[-1].path == f"/v1/organization_users/{conf['user_id']}"

    def test_rejected(self, jicoo_sandbox, run_dag, person, conf):
        before, users = jicoo_sandbox.bookings(), self.users(jicoo_sandbox)
        with person("jicoo_offboard_user", "Reject"):
            run = run_dag(self.FILE, **conf)
        assert run.states["approve"] == "failed"
        assert {task for task, state in run.states.items() if state == "upstream_failed"} == {
            "remember",
            "apply",
            "nothing_is_left",
            "remove",
        }
        assert (jicoo_sandbox.bookings(), self.users(jicoo_sandbox)) == (before, users)
        assert {request.method for request in jicoo_sandbox.requests} == {"GET"}

    def test_a_booking_that_comes_meanwhile_keeps_the_user(self, jicoo_sandbox, run_dag, person, conf, monkeypatch):
        theirs, users = self.theirs(jicoo_sandbox, conf["user_id"]), self.users(jicoo_sandbox)
        answer = _answer
        late = []

        def book_and_answer(rest_api, dag_id, option, seen, since):
            answer(rest_api, dag_id, option, seen, since)
            if seen and not late:
                soon = datetime.now(timezone.utc) + timedelta(days=300)
                hosts = [{"userId": conf["user_id"], "role": "admin"}]
                late.append(jicoo_sandbox.add_booking(hosts=hosts, startedAt=soon)["uid"])

        monkeypatch.setattr(sys.modules[__name__], "_answer", book_and_answer)
        with person("jicoo_offboard_user", "Approve"):
            run = run_dag(self.FILE, **conf)

        assert (run.states["apply"], run.states["nothing_is_left"]) == ("success", "failed")
        assert run.states["remove"] == "upstream_failed"
        assert run.xcom("apply")["counts"]["applied"] == len(theirs)
        assert self.theirs(jicoo_sandbox, conf["user_id"]) == set(late)
        assert self.users(jicoo_sandbox) == users
        assert jicoo_sandbox.count("DELETE") == 0

    def test_a_failed_apply_keeps_the_user(self, jicoo_sandbox, run_dag, person, conf, monkeypatch):
        users = self.users(jicoo_sandbox)
        answer = _answer

        def answer_and_revoke(rest_api, dag_id, option, seen, since):
            answer(rest_api, dag_id, option, seen, since)
            jicoo_sandbox.key_revoked = bool(seen)

        monkeypatch.setattr(sys.modules[__name__], "_answer", answer_and_revoke)
        with person("jicoo_offboard_user", "Approve"):
            run = run_dag(self.FILE, **conf)
        assert (run.states["apply"], run.states["nothing_is_left"], run.states["remove"]) == (
            "failed",
            "upstream_failed",
            "upstream_failed",
        )
        assert self.users(jicoo_sandbox) == users
        assert jicoo_sandbox.count("DELETE") == 0


class TestCloseOfficeForADay:
    FILE = FOLDER / "jicoo_close_office_for_a_day.py"

    @pytest.fixture
    def day(self, jicoo_sandbox):
        """Make a day in Japan with 13 bookings, of which one is cancelled, and bookings right before and after it."""
        zone = ZoneInfo("Asia/Tokyo")
        day = datetime(datetime.now(timezone.utc).year + 1, 3, 3, tzinfo=zone)
        more = {"endedAt": None, "timeZone": "Asia/Tokyo"}
        for hour in range(0, 24, 2):
            at = day + timedelta(hours=hour)
            jicoo_sandbox.add_booking(**{**more, "startedAt": at, "endedAt": at + timedelta(minutes=30)})
        at = day + timedelta(hours=9)
        more["endedAt"] = at + timedelta(minutes=30)
        jicoo_sandbox.add_booking(**{**more, "startedAt": at, "status": "cancel"})
        for at in (day - timedelta(minutes=30), day + timedelta(days=1)):
            jicoo_sandbox.add_booking(**{**more, "startedAt": at, "endedAt": at + timedelta(minutes=30)})
        return day.date()

    def meant(self, sandbox, day):
        """Return the bookings that start on a day in Japan and are not cancelled."""
        found = sandbox.bookings()
        zone = ZoneInfo("Asia/Tokyo")
        return {
            booking["uid"]: booking
            for booking in found
            if start(booking).astimezone(zone).date() == day and booking["status"] != "cancel"
        }

    def check(self, sandbox, run, meant, before, messages):
        mapped = {f"apply[{index}]" for index in range(4)}
        assert {*run.states} == {"plan", "approve", "remember", "shards", "one_report", *mapped}
        assert set(run.states.values()) == {"success"}, run.states
        changed = Counter(request.path.split("/")[3] for request in sandbox.requests if request.method != "GET")
        assert changed == dict.fromkeys(meant, 1)
        assert all(sandbox.booking(uid) == booking for uid, booking in before.items() if uid not in meant)
        told = Counter((message.uid, message.guest, message.kind) for message in sandbox.messages)
        assert set(told.values()) == {1}
        assert {uid for uid, _, _ in told} == set(meant)
        assert {kind for _, _, kind in told} == {messages}
        assert f"{len(meant)} applied" in run.xcom("one_report")

    @asks_a_person
    def test_moved(self, jicoo_sandbox, run_dag, person, tmp_path, day):
        meant = self.meant(jicoo_sandbox, day)
        before = {booking["uid"]: booking for booking in jicoo_sandbox.bookings()}
        assert len(meant) >= 12
        to_day = day + timedelta(days=7)

        with person("jicoo_close_office_for_a_day", "Approve") as seen:
            run = run_dag(self.FILE, day=str(day), to_day=str(to_day), message="We are closed.", plans=str(tmp_path))

        assert len(seen) == 1
        assert f"**{len(meant):,} bookings will be changed**" in seen[0]

        self.check(jicoo_sandbox, run, meant, before, "update")
        for uid, old in meant.items():
            assert start(jicoo_sandbox.booking(uid)) == start(old) + timedelta(days=7)
        bodies = [request.body for request in jicoo_sandbox.requests if request.method == "PATCH"]
        assert {body["updateMessage"] for body in bodies} == {"We are closed."}
        report = tmp_path / "jicoo_close_office_for_a_day" / f"{run.run_id}.jsonl.report" / "report.json"
        assert json.loads(report.read_text())["counts"]["applied"] == len(meant)

    @asks_a_person
    def test_moved_and_taken_back(self, jicoo_sandbox, run_dag, person, tmp_path, day):
        meant, before = self.meant(jicoo_sandbox, day), still(jicoo_sandbox)
        with person("jicoo_close_office_for_a_day", "Approve"):
            run = run_dag(self.FILE, day=str(day), to_day=str(day + timedelta(7)), message=None, plans=str(tmp_path))
        assert set(run.states.values()) == {"success"}, run.states
        assert {"updateMessage" in request.body for request in jicoo_sandbox.requests if request.method == "PATCH"} == {
            False
        }
        with person("jicoo_undo_last_run", "Approve"):
            run = run_dag(FOLDER / "jicoo_undo_last_run.py", plans=str(tmp_path), tell_guests=True)
        assert set(run.states.values()) == {"success"}, run.states
        assert still(jicoo_sandbox) == before
        told = Counter((message.uid, message.guest) for message in jicoo_sandbox.messages)
        assert {uid for uid, _ in told} == set(meant)
        assert set(told.values()) == {2}, "once for the move, once for the move back"

    @asks_a_person
    def test_rejected(self, jicoo_sandbox, run_dag, person, tmp_path, day):
        before = jicoo_sandbox.bookings()
        with person("jicoo_close_office_for_a_day", "Reject"):
            run = run_dag(self.FILE, day=str(day), plans=str(tmp_path))
        assert run.state == "failed"
        assert (run.states["approve"], run.states["one_report"]) == ("failed", "failed")
        assert jicoo_sandbox.bookings() == before
        assert {request.method for request in jicoo_sandbox.requests} == {"GET"}

    @asks_a_person
    # As the form sends it where it is left empty, and as it is where nothing is given.
    @pytest.mark.parametrize("to_day", [{"to_day": None}, {}])
    def test_cancelled(self, jicoo_sandbox, run_dag, person, tmp_path, day, to_day):
        meant = self.meant(jicoo_sandbox, day)
        before = {booking["uid"]: booking for booking in jicoo_sandbox.bookings()}

        with person("jicoo_close_office_for_a_day", "Approve"):
            run = run_dag(self.FILE, day=str(day), plans=str(tmp_path), **to_day)

        self.check(jicoo_sandbox, run, meant, before, "cancel")
        assert {jicoo_sandbox.booking(uid)["status"] for uid in meant} == {"cancel"}
        assert run.xcom("plan")["irreversible"] == len(meant)

    def test_a_day_without_bookings(self, jicoo_sandbox, run_dag, tmp_path):
        before = jicoo_sandbox.bookings()
        run = run_dag(self.FILE, day="2040-05-05", plans=str(tmp_path))
        assert set(run.states.values()) == {"success"}, run.states
        assert jicoo_sandbox.bookings() == before
        assert "0 planned changes" in run.xcom("one_report")


# The DAG asks for what is free from now on; the sandbox has to have the same time.
@pytest.mark.jicoo_sandbox(now=None)
class TestFreeSlotReport:
    FILE = FOLDER / "jicoo_free_slot_report.py"

    def expected(self, sandbox, uid, days):
        """Count the free slots by the day in Japan, as the sandbox has them."""
        zone = ZoneInfo("Asia/Tokyo")
        today = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        end = today + timedelta(days=days)
        slots = sandbox.free_slots(uid, today.isoformat(), end.isoformat())
        found = {(today + timedelta(days=day)).date().isoformat(): 0 for day in range(days)}
        for slot in slots:
            day = start(slot).astimezone(zone).date().isoformat()
            if slot["remainingCapacity"] and day in found:
                found[day] += 1
        return found

    def test_every_event_type(self, jicoo_sandbox, run_dag, tmp_path):
        run = run_dag(self.FILE, folder=str(tmp_path))

        assert run.states == {"count": "success", "write": "success", "judge": "success"}
        uids = [each["uid"] for each in jicoo_sandbox.event_types]
        counts = run.xcom("count")
        assert list(counts) == uids
        for uid in uids:
            assert counts[uid] == self.expected(jicoo_sandbox, uid, 10)
        # Ten days are two requests for each.
        assert jicoo_sandbox.count("GET", "/v1/event_types/{uid}/available_schedules") == 2 * len(uids)
        folder = Path(run.xcom("write"))
        lines = (folder / "free_slots.md").read_text().splitlines()
        assert len(lines) == 2 + 10 + 1
        assert lines[0] == f"| day | {' | '.join(uids)} |"
        assert lines[-1] == f"| **all** | {' | '.join(str(sum(counts[uid].values())) for uid in uids)} |"
        picture = ElementTree.parse(folder / "free_slots.svg").getroot()
        assert len(picture.findall("{http://www.w3.org/2000/svg}polyline")) == len(uids)

    @pytest.mark.parametrize("event_types", [None, [""], []])
    def test_no_event_type_is_named(self, jicoo_sandbox, run_dag, tmp_path, event_types):
        """As the form sends a list that is left empty, or was made empty again."""
        run = run_dag(self.FILE, folder=str(tmp_path), days=1, fail_below=0, event_types=event_types)
        assert run.state == "success"
        assert list(run.xcom("count")) == [each["uid"] for each in jicoo_sandbox.event_types]

    def test_few_are_a_warning(self, jicoo_sandbox, run_dag, tmp_path, caplog):
        uid = jicoo_sandbox.event_types[0]["uid"]
        run = run_dag(self.FILE, event_types=[uid], days=1, folder=str(tmp_path), fail_below=0, warn_below=1000)
        assert run.state == "success"
        free = sum(run.xcom("count")[uid].values())
        assert f"only {free} free slots of event type {uid}" in caplog.text

    def test_few_are_a_failure(self, jicoo_sandbox, run_dag, tmp_path):
        uid = jicoo_sandbox.event_types[0]["uid"]
        run = run_dag(self.FILE, event_types=[uid], days=1, folder=str(tmp_path), fail_below=1000)
        assert run.states == {"count": "success", "write": "success", "judge": "failed"}
        assert (Path(run.xcom("write")) / "free_slots.md").exists(), "the report is there nevertheless"

    def test_event_types_named_by_hand(self, jicoo_sandbox, run_dag, tmp_path):
        """As somebody must whose key may not list them."""
        uid = jicoo_sandbox.event_types[1]["uid"]
        run = run_dag(self.FILE, event_types=[uid], days=3, folder=str(tmp_path))
        assert set(run.xcom("count")) == {uid}
        assert jicoo_sandbox.count("GET", "/v1/event_types") == 0


class TestRebalanceHosts:
    FILE = FOLDER / "jicoo_rebalance_hosts.py"

    def test_one_step_towards_the_mean(self, jicoo_sandbox, run_dag):
        jicoo_sandbox.reset(bookings=0)
        event_type = jicoo_sandbox.event_types[0]
        before = {host["uid"]: host["priority"] for host in jicoo_sandbox.hosts(event_type["uid"])}
        busy, usual, idle, idler = before
        assert [*before.values()] == [2, 1, 1, 0]
        soon = datetime.now(timezone.utc) + timedelta(days=1)
        for user, bookings in ((busy, 10), (usual, 4), (idle, 0), (idler, 2)):
            for number in range(bookings):
                at = soon + timedelta(hours=number)
                hosts = [{"userId": user, "role": "admin"}]
                jicoo_sandbox.add_booking(hosts=hosts, startedAt=at, endedAt=at + timedelta(minutes=30))
        # Not to be counted: over, cancelled, too far away.
        hosts = [{"userId": idle, "role": "admin"}]
        for more in (
            {"startedAt": soon - timedelta(days=9)},
            {"status": "cancel"},
            {"startedAt": soon + timedelta(99)},
        ):
            times = {"startedAt": soon, **more}
            jicoo_sandbox.add_booking(hosts=hosts, endedAt=times["startedAt"] + timedelta(hours=1), **times)

        run = run_dag(self.FILE, event_type_id=event_type["uid"])

        assert run.state == "success", run.states
        assert run.xcom("count") == {busy: 10, usual: 4, idle: 0, idler: 2}
        after = {host["uid"]: host["priority"] for host in jicoo_sandbox.hosts(event_type["uid"])}
        assert after == {busy: 1, usual: 1, idle: 2, idler: 1}
        assert jicoo_sandbox.count("PATCH") == 3

    @pytest.mark.parametrize("event_type_id", [None, ""])
    def test_all_event_types(self, jicoo_sandbox, run_dag, event_type_id):
        """As its own schedule starts it on the sandbox."""
        jicoo_sandbox.reset(bookings=0)
        first = jicoo_sandbox.event_types[0]
        busy = jicoo_sandbox.hosts(first["uid"])[0]["uid"]
        soon = datetime.now(timezone.utc) + timedelta(days=1)
        for number in range(8):
            at = soon + timedelta(hours=number)
            jicoo_sandbox.add_booking(hosts=[{"userId": busy, "role": "admin"}], startedAt=at)
        before = {each["uid"]: jicoo_sandbox.hosts(each["uid"]) for each in jicoo_sandbox.event_types}

        run = run_dag(self.FILE, event_type_id=event_type_id)

        assert run.state == "success", run.states
        for uid, hosts in before.items():
            after = {host["uid"]: host["priority"] for host in jicoo_sandbox.hosts(uid)}
            for host in hosts:
                step = 0 if busy not in after else -1 if host["uid"] == busy else 1
                assert after[host["uid"]] == min(3, max(0, host["priority"] + step)), (uid, host)
        told = [(each["event_type"], each["user"], each["was"]) for each in run.xcom("changes")]
        assert set(told) <= {(uid, host["uid"], host["priority"]) for uid, hosts in before.items() for host in hosts}
        assert jicoo_sandbox.count("PATCH") == len(told) > 3

    def test_an_event_type_that_nobody_hosts(self, jicoo_sandbox, run_dag):
        run = run_dag(self.FILE, event_type_id="nothing12345")
        assert run.states["count"] == "failed"
        assert jicoo_sandbox.count("PATCH") == 0

    def test_nothing_to_do(self, jicoo_sandbox, run_dag):
        jicoo_sandbox.reset(bookings=0)
        run = run_dag(self.FILE, event_type_id=jicoo_sandbox.event_types[0]["uid"])
        assert run.state == "success"
        assert jicoo_sandbox.count("PATCH") == 0


class TestOnBooking:
    FILE = FOLDER / "jicoo_on_booking.py"

    def test_one_line_with_what_holds_now(self, jicoo_sandbox, run_dag, tmp_path):
        booking = jicoo_sandbox.add_booking(status="open")
        told = {"booking_uid": booking["uid"], "event": "guest_booked", "event_id": "a" * 32}
        told |= {"jicoo_conn_id": "jicoo_default", "started_at": None}
        jicoo_sandbox.edit(booking["uid"], status="cancel")  # since then

        run = run_dag(self.FILE, **told, folder=str(tmp_path / "events"))
        run_dag(self.FILE, **told, folder=str(tmp_path / "events"))

        assert run.states == {"write": "success"}
        (file,) = (tmp_path / "events").iterdir()
        start = booking["startedAt"].replace("-", "").replace(":", "").replace(".", "")
        assert file.name == f"{booking['uid']}.cancel.{start}.{'a' * 32}.jsonl"
        (line,) = file.read_text().splitlines()
        (guest,) = jicoo_sandbox.contacts(booking["uid"])
        assert json.loads(line) == {
            "event": "guest_booked",
            "uid": booking["uid"],
            "status": "cancel",
            "eventTypeId": booking["eventTypeId"],
            "startedAt": booking["startedAt"],
            "endedAt": booking["endedAt"],
            "guests": [{"name": guest["name"], "email": guest["email"]}],
        }
        assert {request.method for request in jicoo_sandbox.requests} == {"GET"}
        # Whoever may see the DAG can read what it returned, and what was rendered.
        assert run.xcom("write") == str(file)
        assert guest["email"] not in json.dumps(run.rendered("write"))

    def test_a_booking_that_is_not_there_fails_at_once(self, jicoo_sandbox, run_dag, tmp_path):
        run = run_dag(self.FILE, booking_uid="mzgdPJVBb7RE", folder=str(tmp_path))
        assert (run.states, run.tries) == ({"write": "failed"}, {"write": 1})


@pytest.mark.parametrize("name", ["jicoo_on_booking", "jicoo_watch_bookings", "jicoo_daily_reconcile"])
@pytest.mark.parametrize(
    "start",
    ["2026-03-02T09:00:00.000Z", "2026-03-02T09:00:00Z", "2026-03-02T18:00:00+09:00", "2026-03-02T09:00:00+00:00"],
)
def test_a_line_has_one_name_however_jicoo_writes_the_start(name, start):
    """Else the reconcile, which lists, would miss each morning what the others, which read one, have written."""
    name_of = runpy.run_path(str(FOLDER / f"{name}.py"))["name_of"]
    booking = {"uid": "mzgdPJVBb7RE", "status": "open", "startedAt": start}
    assert name_of(booking) == "mzgdPJVBb7RE.open.20260302T090000000Z"


# The DAG asks for what was changed lately; the sandbox has to have the same time.
@pytest.mark.jicoo_sandbox(now=None, bookings=0)
class TestDailyReconcile:
    FILE = FOLDER / "jicoo_daily_reconcile.py"

    def test_finds_what_nobody_has_rung_for(self, jicoo_sandbox, run_dag, tmp_path):
        soon = datetime.now(timezone.utc) + timedelta(days=3)
        rung, moved, missed, waiting = (
            jicoo_sandbox.add_booking(status=status, startedAt=soon, endedAt=soon + timedelta(minutes=30))["uid"]
            for status in ("open", "open", "open", "request")
        )
        jicoo_sandbox.add_booking(status="open", startedAt=soon, updatedAt=soon - timedelta(days=30))  # long ago
        for uid in (rung, moved):
            run_dag(TestOnBooking.FILE, booking_uid=uid, folder=str(tmp_path))
        jicoo_sandbox.edit(moved, startedAt=soon + timedelta(days=1), endedAt=soon + timedelta(days=1, minutes=30))
        assert waiting

        run = run_dag(self.FILE, folder=str(tmp_path), minutes=0)

        assert run.state == "success"
        found = run.xcom("find")
        assert sorted(each.pop("booking_uid") for each in found) == sorted([moved, missed])
        assert found == [{"event": "reconciled", "folder": str(tmp_path)}] * 2
        assert (run.states["ring[0]"], run.states["ring[1]"]) == ("success", "success")
        assert {request.method for request in jicoo_sandbox.requests} == {"GET"}

    def test_what_may_be_on_its_way_is_left(self, jicoo_sandbox, run_dag, tmp_path):
        soon = datetime.now(timezone.utc) + timedelta(days=3)
        jicoo_sandbox.add_booking(status="open", startedAt=soon, endedAt=soon + timedelta(minutes=30))

        run = run_dag(self.FILE, folder=str(tmp_path / "none"))

        assert run.state == "success"
        assert run.states == {"find": "success", "ring": "skipped"}


# The DAG asks for what was changed lately; the sandbox has to have the same time.
@pytest.mark.jicoo_sandbox(now=None, bookings=20)
class TestWatchBookings:
    FILE = FOLDER / "jicoo_watch_bookings.py"

    @pytest.fixture(autouse=True)
    def nothing_handled(self, airflow_database):
        """What was handled of another test's Jicoo is of no use here."""
        with contextlib.closing(sqlite3.connect(airflow_database)) as database:
            database.execute("delete from variable where key like 'jicoo_cursor_%'")
            database.commit()

    def test_one_line_for_each_booking_that_it_has_not_handled(self, jicoo_sandbox, run_dag, tmp_path):
        soon = datetime.now(timezone.utc) + timedelta(days=3)
        made, moved = (
            jicoo_sandbox.add_booking(status="open", startedAt=soon, endedAt=soon + timedelta(minutes=30))["uid"]
            for _ in range(2)
        )

        first = run_dag(self.FILE, folder=str(tmp_path))
        again = run_dag(self.FILE, folder=str(tmp_path))
        jicoo_sandbox.edit(moved, startedAt=soon + timedelta(days=1), endedAt=soon + timedelta(days=1, minutes=30))
        jicoo_sandbox.edit(made, status="cancel")
        last = run_dag(self.FILE, folder=str(tmp_path))

        assert [run.state for run in (first, again, last)] == ["success"] * 3
        # The others were changed long ago: they count as handled.
        assert [run.xcom("write") for run in (first, again, last)] == [2, 0, 2]
        lines = [json.loads(file.read_text()) for file in tmp_path.iterdir()]
        assert {(line["uid"], line["event"], line["status"]) for line in lines} == {
            (made, "booked", "open"),
            (moved, "booked", "open"),
            (moved, "rescheduled", "open"),
            (made, "cancelled", "cancel"),
        }
        assert len(lines) == 4
        (guest,) = jicoo_sandbox.contacts(made)
        assert {"name": guest["name"], "email": guest["email"]} in [line["guests"][0] for line in lines]
        assert {request.method for request in jicoo_sandbox.requests} == {"GET"}

    def test_a_booking_without_guests_keeps_back_no_other(self, jicoo_sandbox, run_dag, tmp_path):
        """As one that is gone since it was listed: 404."""
        soon = datetime.now(timezone.utc) + timedelta(days=3)
        for _ in range(2):
            jicoo_sandbox.add_booking(status="open", startedAt=soon, endedAt=soon + timedelta(minutes=30))
        jicoo_sandbox.fail("refused", status=404, path="/v1/bookings/{uid}/contacts")

        run = run_dag(self.FILE, folder=str(tmp_path))

        assert (run.state, run.xcom("write")) == ("success", 2)
        lines = [json.loads(file.read_text()) for file in tmp_path.iterdir()]
        assert sorted(len(line["guests"]) for line in lines) == [0, 1]

    @pytest.mark.jicoo_sandbox(now=None, bookings=0)
    def test_its_lines_are_those_that_the_daily_reconcile_knows(self, jicoo_sandbox, run_dag, tmp_path):
        soon = datetime.now(timezone.utc) + timedelta(days=3)
        jicoo_sandbox.add_booking(status="open", startedAt=soon, endedAt=soon + timedelta(minutes=30))
        before = run_dag(TestDailyReconcile.FILE, folder=str(tmp_path), minutes=0).xcom("find")
        run_dag(self.FILE, folder=str(tmp_path))
        after = run_dag(TestDailyReconcile.FILE, folder=str(tmp_path), minutes=0).xcom("find")
        assert before
        assert after == []

    def test_one_run_at_a_time(self, dags):
        (dag,) = dags(self.FILE).dags.values()
        assert dag.max_active_runs == 1


class TestBookingsToWarehouse:
    """With DuckDB, in a file of the test; what it has after each run is what the sandbox has."""

    FILE = FOLDER / "jicoo_bookings_to_warehouse.py"

    def test_run_after_run(self, jicoo_sandbox, run_dag, tmp_path):
        duckdb = pytest.importorskip("duckdb")
        pytest.importorskip("dlt")
        file = tmp_path / "warehouse.duckdb"
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()]

        first = run_dag(self.FILE, destination=f"duckdb:///{file}")
        assert first.states == {"load": "success"}
        jicoo_sandbox.edit(uids[0], name="Another title")
        jicoo_sandbox.delete(uids[1])
        before = jicoo_sandbox.count("GET", "/v1/bookings/{uid}/contacts")
        second = run_dag(self.FILE, destination=f"duckdb:///{file}")

        assert second.states == {"load": "success"}
        assert first.xcom("load")["tables"]["bookings"]["added"] == len(uids)
        counts = second.xcom("load")["tables"]["bookings"]
        assert (counts["added"], counts["changed"], counts["deleted"]) == (0, 1, 1)
        assert jicoo_sandbox.count("GET", "/v1/bookings/{uid}/contacts") - before == 1
        with duckdb.connect(str(file), read_only=True) as sql:
            found = dict(sql.execute("SELECT uid, name FROM jicoo.bookings").fetchall())
            guests = sql.execute("SELECT count(*) FROM jicoo.contacts").fetchone()
        assert found == {booking["uid"]: booking["name"] for booking in jicoo_sandbox.bookings()}
        assert guests == (sum(len(jicoo_sandbox.contacts(uid)) for uid in found),)

    def test_without_a_destination_that_is_there(self, jicoo_sandbox, run_dag):
        pytest.importorskip("dlt")
        run = run_dag(self.FILE, destination="nowhere")
        assert run.states == {"load": "failed"}
        assert jicoo_sandbox.requests == []
