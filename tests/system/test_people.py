"""Who sees what of plans and runs on a running Airflow, and may do what, under each of its auth managers.

``make test-people`` runs these: each starts an Airflow of its own, and the FAB auth manager needs its own environment.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pendulum
import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.browser import Browser, need_a_browser
from tests.system.people import OTHERS, OURS, FabStack, PeopledStack, Person, SimpleStack, make_people, missing
from tests.system.room import Pages
from tests.system.stack import run_path

pytestmark = [pytest.mark.system, pytest.mark.once, pytest.mark.timeout(900)]

STACKS = {"simple": SimpleStack, "fab": FabStack}
MANY = 12
GUEST = "Zweig"
"""Stands in titles and descriptions, and in what is selected by: may be personal to a guest."""


@pytest.fixture(scope="module", params=[pytest.param(each, marks=pytest.mark.xdist_group(each)) for each in STACKS])
def stack(request: pytest.FixtureRequest) -> Iterator[PeopledStack]:
    if os.environ.get("JICOO_PEOPLE") != "required":
        pytest.skip("an Airflow for each auth manager takes long: make test-people runs these")
    if lacking := missing(request.param):
        pytest.fail(f"not here: {lacking}")
    with STACKS[request.param](make_people().values()) as made:
        yield made


@dataclass(frozen=True)
class Runs:
    """A run of each DAG: that of ours is under way and paused, that of the others has ended."""

    ours: str
    others: str

    def page(self, dag_id: str) -> str:
        run_id = {OURS: self.ours}.get(dag_id, self.others)
        return f"/jicoo/runs/{dag_id}/{quote(run_id, safe='')}/apply/-1"


class Visitor:
    """Somebody who opens addresses, signed in as a browser is: by a cookie.

    :param person: who; None who has no account.
    """

    def __init__(self, stack: PeopledStack, person: Person | None, token: str | None = None) -> None:
        self.base = stack.api.base_url
        self.session = requests.Session()
        self.session.trust_env = False
        given = token or (stack.token(person) if person else None)
        if given:
            self.session.cookies.set("_token", given)

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.base + path, timeout=60, allow_redirects=False)

    def search(self, path: str, words: str) -> requests.Response:
        return self.session.post(self.base + path, data={"q": words}, timeout=60, allow_redirects=False)

    def tell(self, path: str, action: str, **more: Any) -> requests.Response:
        headers = {"X-Jicoo-Page": "1", "Origin": self.base, "Sec-Fetch-Site": "same-origin"}
        body = {"action": action, **more}
        return self.session.post(f"{self.base}{path}/control", json=body, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def runs(stack: PeopledStack) -> Iterator[Runs]:
    with Sandbox(bookings=5, seed=3) as jicoo, tempfile.TemporaryDirectory(prefix="jicoo-plans-") as plans:
        for number in range(MANY):
            start = pendulum.datetime(2031, 3, 3 + number, 1)
            jicoo.add_booking(status="open", startedAt=start, name=f"Stefanie {GUEST} {number}")
        stack.add_connection("jicoo_default", jicoo.connection())
        others = stack.run_dag(OTHERS, {"plans": plans})
        stack.wait_for_run(OTHERS, others, 200)
        jicoo.rate_limit = 1
        ours = stack.run_dag(OURS, {"plans": plans})
        stack.wait_for_task_state(OURS, ours, "apply", "running")
        made = Runs(ours, others)
        root = Visitor(stack, stack.people["root"])

        def paused() -> bool | None:
            root.tell(made.page(OURS), "pause")
            return True if "paused</span>" in root.get(f"{made.page(OURS)}/progress").text else None

        stack.poll("the run of ours is paused", paused, 90)
        jicoo.rate_limit = None
        yield made
        root.tell(made.page(OURS), "go_on")
        stack.wait_for_run(OURS, ours, 200)


@pytest.fixture(scope="module")
def visitors(stack: PeopledStack) -> dict[str, tuple[Person, Visitor]]:
    """Everybody with an account, signed in."""
    return {name: (person, Visitor(stack, person)) for name, person in stack.people.items()}


def test_everybody_sees_the_runs_of_the_dags_that_they_may_read(
    visitors: dict[str, tuple[Person, Visitor]], runs: Runs
) -> None:
    for person, visitor in visitors.values():
        listed = visitor.get("/jicoo/runs/")
        assert listed.status_code == 200, person
        assert {each for each in (OURS, OTHERS) if each in listed.text} == person.sees, person
        for dag_id in (OURS, OTHERS):
            wanted = 200 if dag_id in person.sees else 404
            page = runs.page(dag_id)
            assert visitor.get(f"/jicoo/runs/{dag_id}/").status_code == wanted, (person, dag_id)
            assert visitor.get(page).status_code == wanted, (person, dag_id)
            assert visitor.search(page, "2031").status_code == wanted, (person, dag_id)
            assert visitor.get(f"{page}/progress").status_code == {200: 205 if dag_id == OTHERS else 200}.get(
                wanted, wanted
            ), (person, dag_id)


def test_what_may_be_a_guests_takes_the_right_to_read_the_logs(
    visitors: dict[str, tuple[Person, Visitor]], runs: Runs
) -> None:
    for person, visitor in visitors.values():
        for dag_id in person.sees:
            page = visitor.get(runs.page(dag_id)).text
            assert f"of {MANY} bookings" in page, person
            assert (GUEST in page) == person.logs, (person, dag_id)
            found = visitor.search(runs.page(dag_id), GUEST).text
            assert (f"1 to {MANY} of {MANY}" in found) == person.logs, (person, dag_id)
            assert ("Nothing found" in found) == (not person.logs), (person, dag_id)
            # Its report is there for the one that has ended.
            for name in ("outcomes.jsonl", "report.json"):
                file = visitor.get(f"{runs.page(dag_id)}/files/{name}")
                assert file.status_code == (200 if person.logs and dag_id == OTHERS else 404), (person, dag_id)


def test_whoever_may_edit_the_runs_tells_them_what_to_do(
    stack: PeopledStack, visitors: dict[str, tuple[Person, Visitor]], runs: Runs
) -> None:
    page = runs.page(OURS)
    for person, visitor in visitors.values():
        told = visitor.tell(page, "pause")
        if OURS not in person.sees:
            assert told.status_code == 404, person
            continue
        assert told.status_code == (200 if person.edits else 403), (person, told.text)
        text = visitor.get(page).text
        assert ('data-action="pause"' in text) == person.edits, person
        assert ("takes the right to edit the runs" in text) == (not person.edits), person
    may = {person.name for person, _ in visitors.values() if person.edits and OURS in person.sees}
    logged = stack.api.get("/eventLogs", dag_id=OURS, event="jicoo pause", limit=200)["event_logs"]
    assert {each["owner"] for each in logged} == may
    journal = visitors["root"][1].get(page).text.partition("<h3>Journal</h3>")[2]
    assert set(re.findall(r"told to pause.*?<bdi>(.*?)</bdi>", journal)) == may


def test_what_one_may_not_see_and_what_is_not_there_are_answered_alike(
    visitors: dict[str, tuple[Person, Visitor]], runs: Runs
) -> None:
    def answers(visitor: Visitor, page: str) -> list[tuple[int, str]]:
        dag_page = page.split("/", 4)[3]
        found = [
            visitor.get(f"/jicoo/runs/{dag_page}/"),
            visitor.get(page),
            visitor.get(f"{page}/progress"),
            visitor.get(f"{page}/files/report.json"),
            visitor.search(page, GUEST),
            visitor.tell(page, "stop"),
        ]
        return [(each.status_code, re.sub(r'nonce="[^"]*"', "", each.text)) for each in found]

    for person, visitor in visitors.values():
        for dag_id in {OURS, OTHERS} - person.sees:
            page = runs.page(dag_id)
            assert answers(visitor, page) == answers(visitor, page.replace(dag_id, "no_such_dag")), person


def test_who_is_not_signed_in_gets_nothing(stack: PeopledStack, runs: Runs) -> None:
    strangers = [Visitor(stack, None), Visitor(stack, None, "no token"), Visitor(stack, None, forged(stack))]
    for visitor in strangers:
        for dag_id in (OURS, OTHERS):
            page = runs.page(dag_id)
            paths = ("/jicoo/runs/", f"/jicoo/runs/{dag_id}/", page, f"{page}/progress", f"{page}/files/report.json")
            for answer in (*map(visitor.get, paths), visitor.search(page, GUEST), visitor.tell(page, "stop")):
                assert answer.status_code in (401, 403), answer.url
                assert not [word for word in (GUEST, "planned", "changes") if word in answer.text], answer.url
    assert "paused</span>" in Visitor(stack, stack.people["root"]).get(f"{runs.page(OURS)}/progress").text


def forged(stack: PeopledStack) -> str:
    """Return root's token, with another signature."""
    head, body, signature = stack.token(stack.people["root"]).split(".")
    return ".".join((head, body, signature[::-1]))


def test_the_links_of_the_task_lead_there(stack: PeopledStack, runs: Runs) -> None:
    path = f"{stack.api.base_url}/api/v2{run_path(OURS, runs.ours)}/taskInstances/apply/links"
    for name in ("viewer", "editor"):
        headers = {"Authorization": f"Bearer {stack.token(stack.people[name])}"}
        answer = stack.api.session.get(path, params={"map_index": -1}, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        assert urlsplit(answer.json()["extra_links"]["Plan"]).path == runs.page(OURS)


def test_under_fab_only_some_learn_of_plugins_and_the_links_are_for_the_others(
    stack: PeopledStack, visitors: dict[str, tuple[Person, Visitor]]
) -> None:
    for person, visitor in visitors.values():
        told = visitor.get("/api/v2/plugins")
        learns = stack.manager == "simple" or person.fab == "Admin"
        assert told.status_code == (200 if learns else 403), person


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(stack: PeopledStack, tmp_path: Path) -> Iterator[Browser]:
    need_a_browser()
    pictures = Path(os.environ.get("JICOO_PICTURES") or tmp_path) / stack.manager
    pictures.mkdir(parents=True, exist_ok=True)
    with Browser(stack.api.base_url, pictures) as made:
        made.driver.set_window_size(1300, 950)
        yield made


def test_each_in_their_own_browser(stack: PeopledStack, runs: Runs, browser: Browser) -> None:
    pages = Pages(browser)
    for number, name in enumerate(("viewer", "editor", "viewer_of_others")):
        person = stack.people[name]
        # Who is not signed in comes back to the page after they have.
        browser.open(runs.page(OURS))
        browser.says("body", "Sign in to Airflow")
        assert OURS not in browser.one("body").text
        if not number:
            pages.picture("anonymous")
        browser.click("a.button", "Sign in")
        browser.sign_in(person.name, person.password)
        browser.says("h1", f"Change of {MANY}" if OURS in person.sees else "Jicoo")
        # In Airflow's menu, for whom Airflow tells of plugins.
        browser.open(f"/dags/jicoo_{'ours' if OURS in person.sees else 'others'}")
        browser.says("body", "Audit Log")
        if stack.manager == "simple":
            browser.one("a[href$='/plugin/jicoo']")
        else:
            assert not browser.all("a[href$='/plugin/jicoo']")
        pages.picture(f"{name}-airflow")
        browser.open("/jicoo/runs/")
        browser.says("h1", "Plans and runs")
        listed = browser.one("body").text
        assert {each for each in (OURS, OTHERS) if each in listed} == person.sees
        pages.picture(f"{name}-runs")
        browser.open(runs.page(OURS))
        if OURS not in person.sees:
            browser.says(".note", "you may not see it")
            pages.picture(f"{name}-refused")
            browser.sign_out()
            continue
        browser.says("h1", f"Change of {MANY}")
        assert bool(browser.all("[data-action=pause]")) == person.edits
        pages.picture(f"{name}-run")
        # From Airflow's own page of the task.
        browser.open(f"/dags/{OURS}/runs/{quote(runs.ours)}/tasks/apply/details")
        assert urlsplit(str(browser.one("a[href*='/jicoo/runs/']").get_attribute("href"))).path == runs.page(OURS)
        pages.picture(f"{name}-task")
        if person.edits:
            browser.open(runs.page(OURS))
            browser.fill("#rate", "2")
            pages.press("[data-action=slow]")
            browser.says("#outcome", "At most 2 requests per second")
            pages.press("[data-action=pause]")
            browser.says("#outcome", "Paused")
        browser.sign_out()
    # That it was refused is what each saw.
    refused = ("401 (Unauthorized)", "404 (Not Found)")
    assert [each for each in pages.problems() if not each.endswith(refused)] == []
