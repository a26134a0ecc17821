"""Airflow's own forms in a real browser: that of a connection, and those that trigger the example DAGs.

A person reads, fills in and clicks; what became of it is asked of Airflow's API and of the sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pendulum
import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.approvals import asked
from tests.system.browser import Browser, need_a_browser
from tests.system.stack import AirflowStack

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(600)]

ERROR = "[role=status], [data-part=root][data-type=error]"
EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"


@pytest.fixture(scope="module")
def jicoo() -> Iterator[Sandbox]:
    with Sandbox(bookings=200, seed=13) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack) -> AirflowStack:
    airflow_stack.add_dags(EXAMPLES)
    return airflow_stack


@pytest.fixture(scope="module")
def browser(airflow_stack: AirflowStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser; its pictures go to a folder of pytest's, or to that which ``JICOO_PICTURES`` names."""
    need_a_browser()
    pictures = Path(os.environ.get("JICOO_PICTURES") or tmp_path_factory.mktemp("pictures"))
    pictures.mkdir(exist_ok=True)
    with Browser(airflow_stack.api.base_url, pictures) as made:
        yield made


class TestConnection:
    """A connection is made in the form, and tested with the button in the list."""

    @pytest.fixture
    def connection(self, airflow_stack: AirflowStack) -> Iterator[str]:
        yield "jicoo_in_the_form"
        # It is not there where the test has failed before it was saved.
        airflow_stack.api.request("DELETE", "/connections/jicoo_in_the_form")

    def make(self, browser: Browser, name: str, extras: dict[str, str], **fields: str) -> None:
        browser.open("/connections")
        browser.click("button", "Add Connection")
        browser.fill("input[name=connection_id]", name)
        browser.choose("[role=dialog] input[role=combobox]", "Jicoo")
        for field, value in fields.items():
            browser.fill(f"input[name={field}]", value)
        browser.picture(f"connection {len(fields)}")
        if extras:
            browser.click("[role=dialog] button", "Extra Fields")
            for field, value in extras.items():
                browser.fill(f"[name=element_{field}]", value)
            browser.picture("connection extras")
        browser.click("[role=dialog] button", "Save")
        browser.until("the form is closed", lambda: None if browser.all("[role=dialog]") else True)

    def test_filled_in_saved_and_tested(
        self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, connection: str
    ) -> None:
        extras = {"timeout": "12.5", "max_requests_per_second": "20", "team_slug": "acme"}
        address = urlsplit(jicoo.url)
        host = f"{address.scheme}://{address.hostname}"
        self.make(browser, connection, extras, host=host, password=jicoo.api_key, port=str(address.port))

        saved = stack.api.get(f"/connections/{connection}")
        assert (saved["conn_type"], saved["host"], saved["port"]) == ("jicoo", host, address.port)
        before = jicoo.count("GET", "/v1/bookings")
        assert browser.test_connection(connection) is True
        assert jicoo.count("GET", "/v1/bookings") == before + 1
        browser.picture("connection tested")

    def test_a_wrong_key(self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, connection: str) -> None:
        address = urlsplit(jicoo.url)
        self.make(browser, connection, {}, host=jicoo.url, password="sk_live_wrong", port=str(address.port))
        assert browser.test_connection(connection) is False
        browser.says(ERROR, f"{jicoo.url} refuses the API key (401)")

    def test_without_a_port_airflow_itself_refuses(
        self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, connection: str
    ) -> None:
        """Airflow 3.3 sends port 0 for none; where it works again without, the form and the README need not say it."""
        self.make(browser, connection, {}, host=jicoo.url, password=jicoo.api_key)
        before = jicoo.count()
        assert browser.test_connection(connection) is False
        browser.says(ERROR, "Bad Request")
        assert jicoo.count() == before

    def test_what_the_form_says(self, browser: Browser, stack: AirflowStack) -> None:
        browser.open("/connections")
        browser.click("button", "Add Connection")
        browser.choose("[role=dialog] input[role=combobox]", "Jicoo")
        browser.one("input[name=password][placeholder*='www.jicoo.com/dashboard/integrations/api_keys']")
        browser.click("[role=dialog] button", "Extra Fields")
        link = browser.one("[role=dialog] a", "Jicoo's dashboard")
        assert link.get_attribute("href") == "https://www.jicoo.com/dashboard/integrations/api_keys"
        browser.says("[role=dialog]", "nothing reads it yet")


class TestTriggerForms:
    """Each example DAG is started from its form, with nothing but what a person would write there."""

    @pytest.fixture(autouse=True)
    def connection(self, stack: AirflowStack, jicoo: Sandbox) -> None:
        stack.add_connection("jicoo_default", jicoo.connection())

    def triggered(self, browser: Browser, stack: AirflowStack, dag_id: str, **fields: str) -> dict[str, Any]:
        """Start a run and return what Airflow's API says of it."""
        stack.wait_for_dag(dag_id)
        before = {run["dag_run_id"] for run in self.runs(stack, dag_id)}
        browser.trigger(dag_id, **fields)
        (run,) = stack.poll(
            f"a run of {dag_id}",
            lambda: [run for run in self.runs(stack, dag_id) if run["dag_run_id"] not in before] or None,
            30,
        )
        return run

    def runs(self, stack: AirflowStack, dag_id: str) -> list[dict[str, Any]]:
        # A DAG with a schedule makes up for its last run as soon as the form has unpaused it.
        found = stack.api.get(f"/dags/{dag_id}/dagRuns", run_type="manual")["dag_runs"]
        return list(found)

    def ends(self, stack: AirflowStack, run: dict[str, Any], *, expect: str = "success") -> None:
        stack.wait_for_run(run["dag_id"], run["dag_run_id"], 180, expect=expect)

    def test_list_ids(self, browser: Browser, stack: AirflowStack, jicoo: Sandbox) -> None:
        run = self.triggered(browser, stack, "jicoo_list_ids")
        self.ends(stack, run)
        users = stack.xcom("jicoo_list_ids", run["dag_run_id"], "users")
        assert {each["user_id"] for each in users} == {user["uid"] for user in jicoo.users}

    def test_reassign_host(self, browser: Browser, stack: AirflowStack, jicoo: Sandbox) -> None:
        leaves, takes_over = (user["uid"] for user in jicoo.users[:2])
        run = self.triggered(browser, stack, "jicoo_reassign_host", from_user_id=leaves, to_user_id=takes_over)
        assert run["conf"] == {"from_user_id": leaves, "to_user_id": takes_over}

    def test_reschedule_day(self, browser: Browser, stack: AirflowStack, jicoo: Sandbox) -> None:
        run = self.triggered(
            browser, stack, "jicoo_reschedule_day", day="2031-03-04", to_day="2031-11-12", time_zone="Europe/London"
        )
        assert run["conf"] == {"day": "2031-03-04", "to_day": "2031-11-12", "time_zone": "Europe/London"}
        self.ends(stack, run)

    def test_rebalance_hosts(self, browser: Browser, stack: AirflowStack, jicoo: Sandbox) -> None:
        run = self.triggered(browser, stack, "jicoo_rebalance_hosts", weeks="3")
        assert run["conf"] == {"event_type_id": None, "weeks": 3, "tolerance": 0.25}
        uid = jicoo.event_types[0]["uid"]
        run = self.triggered(browser, stack, "jicoo_rebalance_hosts", event_type_id=uid, tolerance="0.5")
        assert run["conf"] == {"event_type_id": uid, "weeks": 4, "tolerance": 0.5}
        self.ends(stack, run)

    def test_free_slot_report(self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, tmp_path: Path) -> None:
        first, second = (each["uid"] for each in jicoo.event_types[:2])
        run = self.triggered(
            browser,
            stack,
            "jicoo_free_slot_report",
            event_types=f"{first}\n{second}",
            days="3",
            folder=str(tmp_path),
            fail_below="0",
        )
        assert run["conf"] == {
            "event_types": [first, second],
            "days": 3,
            "time_zone": "Asia/Tokyo",
            "folder": str(tmp_path),
            "warn_below": 10,
            "fail_below": 0,
        }
        self.ends(stack, run)
        assert set(stack.xcom(run["dag_id"], run["dag_run_id"], "count")) == {first, second}

    def test_free_slot_report_of_all(
        self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, tmp_path: Path
    ) -> None:
        run = self.triggered(
            browser, stack, "jicoo_free_slot_report", event_types="", folder=str(tmp_path), fail_below="0"
        )
        self.ends(stack, run)
        assert len(stack.xcom(run["dag_id"], run["dag_run_id"], "count")) == len(jicoo.event_types)

    def test_wait_for_booking(self, browser: Browser, stack: AirflowStack, jicoo: Sandbox) -> None:
        """On the sandbox it can be seen to end: somebody approves the booking there."""
        uid = jicoo.add_booking(status="request")["uid"]
        run = self.triggered(browser, stack, "jicoo_wait_for_booking", uid=uid)
        assert run["conf"] == {"uid": uid}
        stack.wait_for_task_state(run["dag_id"], run["dag_run_id"], "wait_until_approved", "deferred")
        requests.post(f"{jicoo.url}/sandbox/approve/{uid}", timeout=30).raise_for_status()
        self.ends(stack, run)
        assert uid in stack.xcom(run["dag_id"], run["dag_run_id"], "go_on_with")

    def test_a_bulk_change_is_approved_and_taken_back(
        self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, tmp_path: Path
    ) -> None:
        leaves, takes_over = (user["uid"] for user in jicoo.users[2:4])
        before = still(jicoo)
        browser.open_trigger_form("jicoo_bulk_reassign_host")
        browser.one("[role=dialog] [name=element_from_user_id]")
        assert not browser.can_trigger(), "who takes over from whom has to be said"
        run = self.triggered(
            browser, stack, "jicoo_bulk_reassign_host", from_user_id=leaves, to_user_id=takes_over, plans=str(tmp_path)
        )
        assert run["conf"] == {"from_user_id": leaves, "to_user_id": takes_over, "plans": str(tmp_path)}
        asked(stack, run["dag_id"], run["dag_run_id"])
        shown = browser.answer(run["dag_id"], run["dag_run_id"], "Approve")
        assert "Hand over the bookings of a host who leaves?" in shown
        assert "bookings will be changed" in shown
        self.ends(stack, run)
        assert still(jicoo) != before

        run = self.triggered(browser, stack, "jicoo_undo_last_run", plans=str(tmp_path))
        assert run["conf"] == {"plan": None, "tell_guests": False, "plans": str(tmp_path)}
        asked(stack, run["dag_id"], run["dag_run_id"])
        browser.answer(run["dag_id"], run["dag_run_id"], "Approve")
        self.ends(stack, run)
        assert still(jicoo) == before

    def test_a_day_left_empty_cancels_when_somebody_agrees(
        self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, tmp_path: Path
    ) -> None:
        start = pendulum.datetime(2033, 5, 6, 10, tz="Asia/Tokyo")
        uid = jicoo.add_booking(status="open", startedAt=start, endedAt=start.add(minutes=30))["uid"]
        run = self.triggered(
            browser, stack, "jicoo_close_office_for_a_day", day="2033-05-06", message="", plans=str(tmp_path)
        )
        assert run["conf"] == {"day": "2033-05-06", "to_day": None, "message": None, "plans": str(tmp_path)}
        asked(stack, run["dag_id"], run["dag_run_id"])
        assert jicoo.booking(uid)["status"] == "open"
        assert "CANCEL all its bookings" in browser.answer(run["dag_id"], run["dag_run_id"], "Approve")
        self.ends(stack, run)
        assert jicoo.booking(uid)["status"] == "cancel"

    def test_a_day_that_is_picked_moves(
        self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, tmp_path: Path
    ) -> None:
        start = pendulum.datetime(2033, 6, 7, 10, tz="Asia/Tokyo")
        more = {"endedAt": start.add(minutes=30), "timeZone": "Asia/Tokyo"}
        uid = jicoo.add_booking(status="open", startedAt=start, **more)["uid"]
        run = self.triggered(
            browser,
            stack,
            "jicoo_close_office_for_a_day",
            day="2033-06-07",
            to_day="2033-06-14",
            message="臨時休業のため、移動しました。",
            plans=str(tmp_path),
        )
        asked(stack, run["dag_id"], run["dag_run_id"])
        browser.answer(run["dag_id"], run["dag_run_id"], "Approve")
        self.ends(stack, run)
        assert pendulum.parse(jicoo.booking(uid)["startedAt"]) == start.add(days=7)
        (sent,) = [request.body for request in jicoo.requests if request.path == f"/v1/bookings/{uid}" and request.body]
        assert sent["updateMessage"] == "臨時休業のため、移動しました。"

    def test_offboard_user_rejected(
        self, browser: Browser, stack: AirflowStack, jicoo: Sandbox, tmp_path: Path
    ) -> None:
        leaves, takes_over = (user["uid"] for user in jicoo.users[4:6])
        before = still(jicoo)
        run = self.triggered(
            browser, stack, "jicoo_offboard_user", user_id=leaves, to_user_id=takes_over, plans=str(tmp_path)
        )
        assert run["conf"] == {"user_id": leaves, "to_user_id": takes_over, "plans": str(tmp_path)}
        asked(stack, run["dag_id"], run["dag_run_id"])
        assert "which cannot be undone" in browser.answer(run["dag_id"], run["dag_run_id"], "Reject")
        self.ends(stack, run, expect="failed")
        assert still(jicoo) == before
        assert leaves in {user["uid"] for user in jicoo.users}


def still(jicoo: Sandbox) -> dict[str, dict[str, Any]]:
    """Return the bookings without the moment of their last change."""
    return {booking["uid"]: {**booking, "updatedAt": ""} for booking in jicoo.bookings()}
