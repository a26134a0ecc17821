"""The pages of plans and runs on a running Airflow: by its API, and in a real browser as a person sees and uses them.

``make screenshots`` runs those in the browser, and keeps their pictures under ``docs/pictures``.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pendulum
import pytest
import requests
from airflow import plugins_manager
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.approvals import answer, asked
from tests.system.browser import Browser, need_a_browser
from tests.system.room import Pages
from tests.system.stack import AirflowStack, run_path

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"
REASSIGN, UNDO = "jicoo_bulk_reassign_host", "jicoo_undo_last_run"
MANY = 160


@pytest.fixture(scope="module")
def jicoo() -> Iterator[Sandbox]:
    with Sandbox(bookings=60, seed=11) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack, jicoo: Sandbox) -> AirflowStack:
    airflow_stack.add_connection("jicoo_default", jicoo.connection())
    airflow_stack.add_dags(EXAMPLES)
    return airflow_stack


@pytest.fixture
def plans() -> Iterator[Path]:
    """Where the plans are: a folder that may stand in a picture."""
    with tempfile.TemporaryDirectory(prefix="jicoo-plans-") as folder:
        yield Path(folder)


@pytest.fixture
def agreed(stack: AirflowStack, jicoo: Sandbox, plans: Path) -> Iterator[str]:
    """A run whose apply goes on for a while, as somebody has just agreed to it."""
    leaves, takes_over = (user["uid"] for user in jicoo.users[:2])
    for number in range(MANY):
        start = pendulum.datetime(2031, 3, 3, 1).add(days=number // 8, hours=number % 8)
        jicoo.add_booking(status="open", startedAt=start, hosts=[{"userId": leaves, "role": "admin"}])
    conf = {"from_user_id": leaves, "to_user_id": takes_over, "plans": str(plans)}
    run_id = stack.run_dag(REASSIGN, conf)
    jicoo.rate_limit = 4
    answer(stack, REASSIGN, run_id, "Approve")
    stack.wait_for_task_state(REASSIGN, run_id, "apply", "running")
    yield run_id
    jicoo.rate_limit = None
    stack.wait_for_run(REASSIGN, run_id, 200, expect=None)


def page_of(stack: AirflowStack, run_id: str, task_id: str = "apply", link: str = "Plan") -> str:
    """Return the address behind a link of a task, as soon as Airflow has it."""

    def probe() -> str | None:
        path = f"{run_path(REASSIGN, run_id)}/taskInstances/{task_id}/links"
        found = stack.api.get(path, map_index=-1)["extra_links"]
        address: str | None = found.get(link)
        return address

    return stack.poll(f"{task_id} has a link {link}", probe, 60)


def read(stack: AirflowStack, address: str) -> str:
    found = stack.api.session.get(address, timeout=30)
    assert found.status_code == 200, found.text
    return str(found.text)


def test_from_the_links_of_a_task_that_is_under_way(stack: AirflowStack, jicoo: Sandbox, agreed: str) -> None:
    address = page_of(stack, agreed)
    assert address.startswith(f"{stack.api.base_url}/jicoo/runs/{REASSIGN}/")
    assert address.endswith("#plan")
    page = address.partition("#")[0]
    text = read(stack, page)
    assert f"Change of {MANY}" in text or "Change of" in text
    assert 'data-action="pause"' in text

    def told(action: str) -> requests.Response:
        headers = {"X-Jicoo-Page": "1", "Origin": stack.api.base_url, "Sec-Fetch-Site": "same-origin"}
        return stack.api.session.post(f"{page}/control", json={"action": action}, headers=headers, timeout=30)

    assert told("pause").status_code == 200

    def is_paused() -> bool | None:
        return True if "paused</span>" in read(stack, f"{page}/progress") else None

    stack.poll("the page says that it is paused", is_paused, 60)
    sent = jicoo.count("PATCH")
    time.sleep(3)
    assert jicoo.count("PATCH") == sent, "it sends nothing while it is paused"
    assert told("go_on").status_code == 200
    jicoo.rate_limit = None
    stack.wait_for_run(REASSIGN, agreed, 200)
    text = read(stack, page)
    assert "What became of it" in text
    assert "told to run" in text
    events = {each["event"] for each in stack.api.get("/eventLogs", dag_id=REASSIGN, limit=200)["event_logs"]}
    assert {"jicoo pause", "jicoo go_on"} <= events
    assert page_of(stack, agreed, link="Report") == f"{page}#report"
    assert "Plan for" in read(stack, page_of(stack, agreed, "plan").partition("#")[0])


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(airflow_stack: AirflowStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    need_a_browser()
    pictures = Path(os.environ.get("JICOO_PICTURES") or tmp_path_factory.mktemp("pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    with Browser(airflow_stack.api.base_url, pictures) as made:
        made.driver.set_window_size(1300, 950)
        # Which theme it has is kept by a page of Airflow's: one is open, whichever test comes first.
        made.open("/")
        yield Pages(made)


def test_a_person_follows_stops_and_undoes_a_run(
    pages: Pages, stack: AirflowStack, jicoo: Sandbox, agreed: str, plans: Path
) -> None:
    browser = pages.browser
    page = urlsplit(page_of(stack, agreed)).path
    # From Airflow's menu to the run, within Airflow's own page.
    browser.open("/")
    for theme in ("dark", "light"):
        pages.theme(theme)
        pages.within("/plugin/jicoo")
        browser.says("table", "nothing yet" if not jicoo.count("PATCH") else "apply")
        pages.picture(f"runs-{theme}")
        dark = pages.background() == "rgb(22, 25, 28)"
        assert dark == (theme == "dark"), "it follows Airflow's switch"
    browser.click(f"a[href='{page}']")
    browser.says("#progress-title + div", "done")
    browser.until("a plot of what was sent", lambda: browser.all("svg.plot polyline") or None)
    pages.picture("running-light")
    first = browser.one("[data-live] b").text
    browser.until("the page moves on by itself", lambda: browser.one("[data-live] b").text != first or None)

    # Not sure: nothing happens. Sure: it pauses, and says so.
    pages.press("[data-action=pause]", sure=False)
    assert browser.one("[data-action=pause]").is_displayed()
    assert not list(plans.rglob("*.control"))
    pages.press("[data-action=pause]")
    browser.says("#outcome", "Paused")
    browser.says("[data-live]", "paused")
    pages.theme("dark")
    pages.driver.switch_to.default_content()
    browser.open(page)
    browser.says("body", "told to pause")
    pages.picture("paused-dark")
    pages.press("[data-action=go_on]")
    browser.says("#outcome", "Going on")
    jicoo.rate_limit = None
    stack.wait_for_run(REASSIGN, agreed, 200)

    # It turns into the report by itself.
    browser.says("#report", "What became of it")
    pages.tall(True)
    pages.picture("report-dark")
    pages.theme("light")
    browser.open(page)
    browser.says("#report", "What became of it")
    pages.picture("report-light")
    pages.tall(False)
    pages.phone(True)
    browser.open(page)
    browser.says("#report", "What became of it")
    assert pages.overflow() <= 0, "a phone need not scroll sideways"
    pages.picture("report-phone-light")
    browser.one("#plan table.rows").location_once_scrolled_into_view  # noqa: B018 (selenium scrolls by reading it)
    pages.picture("plan-phone-light")
    browser.open("/jicoo/runs/")
    assert pages.overflow() <= 0
    pages.picture("runs-phone-light")
    pages.phone(False)

    # Search, sort and page through the plan.
    browser.open(page)
    browser.fill("#q", "2031-03-04")
    browser.one("#q").send_keys(Keys.ENTER)
    browser.says("#plan", "1 to 8 of 8")
    browser.click("#plan button[value*='sort=host']")
    browser.says("#plan", "1 to 8 of 8")
    browser.click("#plan form.search a")
    browser.click("#plan .pages a", "Next")
    browser.says("#plan .pages", "Page 2 of")

    # Take it back.
    pages.press("[data-action=undo]")
    browser.says("#outcome", f"of {UNDO}")
    (run,) = stack.api.get(f"/dags/{UNDO}/dagRuns", order_by="-run_after", limit=1)["dag_runs"]
    stack.api.patch(f"/dags/{UNDO}", {"is_paused": False}, update_mask="is_paused")
    question: dict[str, Any] = asked(stack, UNDO, run["dag_run_id"])
    assert "bookings will be changed" in question["body"]
    answer(stack, UNDO, run["dag_run_id"], "Reject")
    stack.wait_for_run(UNDO, run["dag_run_id"], 120, expect="failed")
    assert pages.problems() == []


def test_at_the_dag_and_at_the_task(pages: Pages, stack: AirflowStack, agreed: str) -> None:
    browser = pages.browser
    pages.theme("light")
    pages.within(f"/dags/{REASSIGN}/plugin/jicoo-runs")
    browser.says("h1", REASSIGN)
    pages.picture("at-the-dag-light")
    pages.driver.switch_to.default_content()
    browser.open(f"/dags/{REASSIGN}/runs/{quote(agreed)}/tasks/apply/details")
    link = browser.one("a[href*='/jicoo/runs/']")
    assert link.get_attribute("href").endswith(("#plan", "#report"))
    pages.picture("links-light")


def test_a_tab_at_our_tasks_alone(pages: Pages, stack: AirflowStack, agreed: str) -> None:
    browser = pages.browser
    pages.theme("light")
    # Before Airflow 3.4 it would stand at every task of every DAG.
    with_tab = {"plan", "apply"} if hasattr(plugins_manager, "ExternalViewDict") else set()
    for task_id in ("apply", "plan", "approve", "tell"):
        pages.driver.switch_to.default_content()
        browser.open(f"/dags/{REASSIGN}/runs/{quote(agreed)}/tasks/{task_id}/details")
        # Airflow has read which plugins there are, and drawn its own tabs.
        browser.one("a[href$='/plugin/jicoo']")
        browser.one(f"a[href*='/tasks/{task_id}/details']")
        if task_id in with_tab:
            browser.one("a[href$='/plugin/jicoo-run']")
        else:
            time.sleep(2)  # what is not there cannot be waited for
            assert not browser.all("a[href$='/plugin/jicoo-run']"), task_id
    for task_id in sorted(with_tab):
        pages.within(f"/dags/{REASSIGN}/runs/{quote(agreed)}/tasks/{task_id}/plugin/jicoo-run")
        browser.says("h1", {"apply": f"Change of {MANY}", "plan": f"Plan for {MANY}"}[task_id])
        if task_id == "apply":
            pages.picture("at-the-task-light")
    pages.driver.switch_to.default_content()
    assert pages.problems() == []


def test_the_report_by_itself(pages: Pages, stack: AirflowStack, jicoo: Sandbox, agreed: str, plans: Path) -> None:
    jicoo.rate_limit = None
    stack.wait_for_run(REASSIGN, agreed, 200)
    (report,) = plans.rglob("report.html")
    driver = pages.driver
    for theme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        driver.get(report.as_uri())
        assert (pages.background() == "rgb(22, 25, 28)") == (theme == "dark")
        pages.picture(f"report-file-{theme}")
    pages.phone(True)
    driver.get(report.as_uri())
    assert pages.overflow() <= 0
    assert driver.find_element(By.CSS_SELECTOR, "#changed td").is_displayed()
    pages.picture("report-file-phone-dark")
    pages.phone(False)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert pages.problems() == []
