"""The example DAGs: each is parsed and run as it is, and what it did is looked up in the sandbox."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

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
