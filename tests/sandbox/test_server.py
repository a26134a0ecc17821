from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox

Ask = Callable[..., requests.Response]


def test_counts_what_reached_it(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    uid = jicoo_sandbox.bookings()[0]["uid"]
    ask("GET", "/v1/bookings", params={"page": "2"})
    ask("PATCH", f"/v1/bookings/{uid}", json={"name": "new"}, headers={"X-Extra": "1"})
    ask("GET", f"/v1/bookings/{uid}/contacts")
    requests.get(f"{jicoo_sandbox.url}/openapi.json", timeout=30)

    assert jicoo_sandbox.count() == 3
    assert jicoo_sandbox.count("get") == 2
    assert jicoo_sandbox.count(path="/v1/bookings/{uid}") == 1
    assert jicoo_sandbox.count("PATCH", f"/v1/bookings/{uid}") == 1
    assert jicoo_sandbox.count("PATCH", "/v1/bookings") == 0
    listed, patched, _ = jicoo_sandbox.requests
    assert (listed.query, listed.body, listed.status) == ({"page": "2"}, None, 200)
    assert (patched.body, patched.headers["x-extra"], patched.number) == ({"name": "new"}, "1", 2)
    assert patched.at - listed.at < timedelta(seconds=5)


def test_what_is_no_json_is_kept_as_text(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    ask("POST", "/v1/bookings", data=b"{oh")

    assert jicoo_sandbox.requests[0].body == "{oh"


def test_no_personal_data_in_a_message(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    booking = jicoo_sandbox.add_booking(contacts=[{"name": "Jane Roe", "email": "jane@example.com"}])
    ask("POST", f"/v1/bookings/{booking['uid']}/cancel")

    assert "Jane" not in str(jicoo_sandbox.messages)
    assert "jane" not in str(jicoo_sandbox.messages)


def test_the_rate_limit_lets_a_burst_through_and_then_the_rate(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    jicoo_sandbox.rate_limit = 5
    began = time.monotonic()
    good = 0
    while (answer := ask("GET", "/v1/bookings", params={"perPage": 1})).status_code == 200:
        good += 1
        assert good <= 5 + 5 * (time.monotonic() - began) + 1
    assert good >= 5
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    time.sleep(0.25)
    assert ask("GET", "/v1/bookings").status_code == 200
    jicoo_sandbox.rate_limit = None
    assert ask("GET", "/v1/bookings").status_code == 200


def test_the_rate_limit_must_be_one(jicoo_sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="above 0"):
        jicoo_sandbox.rate_limit = 0


def test_latency_delays_each_answer(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    jicoo_sandbox.latency = 0.1
    began = time.monotonic()
    ask("GET", "/v1/bookings")

    assert time.monotonic() - began >= 0.1


def test_edit_is_somebody_else(jicoo_sandbox: Sandbox) -> None:
    before = jicoo_sandbox.bookings()[0]
    after = jicoo_sandbox.edit(before["uid"], status="request", startedAt=datetime(2031, 1, 1, tzinfo=timezone.utc))

    assert (after["status"], after["startedAt"]) == ("request", "2031-01-01T00:00:00.000Z")
    assert after["updatedAt"] > before["updatedAt"]
    assert jicoo_sandbox.booking(before["uid"]) == after
    assert jicoo_sandbox.edit(before["uid"])["updatedAt"] > after["updatedAt"]
    assert jicoo_sandbox.messages == []
    with pytest.raises(TypeError, match="no field started_at"):
        jicoo_sandbox.edit(before["uid"], started_at="2031-01-01T00:00:00Z")


def test_what_is_handed_out_is_a_copy(jicoo_sandbox: Sandbox) -> None:
    uid = jicoo_sandbox.bookings()[0]["uid"]
    jicoo_sandbox.booking(uid)["hosts"].clear()
    jicoo_sandbox.contacts(uid).clear()

    assert jicoo_sandbox.booking(uid)["hosts"]
    assert jicoo_sandbox.contacts(uid)


def test_delete(jicoo_sandbox: Sandbox) -> None:
    uid = jicoo_sandbox.bookings()[0]["uid"]
    jicoo_sandbox.delete(uid)

    for look in (jicoo_sandbox.booking, jicoo_sandbox.contacts, jicoo_sandbox.delete, jicoo_sandbox.edit):
        with pytest.raises(KeyError):
            look(uid)


def test_reset_forgets(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    before = jicoo_sandbox.bookings()
    ask("POST", f"/v1/bookings/{jicoo_sandbox.add_booking()['uid']}/cancel")
    jicoo_sandbox.fail("server_error", share=1)
    jicoo_sandbox.reset(bookings=10, seed=8)

    assert (jicoo_sandbox.requests, jicoo_sandbox.messages, len(jicoo_sandbox.bookings())) == ([], [], 10)
    assert {row["uid"] for row in before}.isdisjoint(row["uid"] for row in jicoo_sandbox.bookings())
    assert ask("GET", "/v1/bookings").status_code == 200


def test_is_usable_from_many_threads_at_once(jicoo_sandbox: Sandbox) -> None:
    booking = jicoo_sandbox.add_booking()

    def patch() -> None:
        for _ in range(25):
            requests.patch(
                f"{jicoo_sandbox.url}/v1/bookings/{booking['uid']}",
                json={"description": "x", "isSendUpdates": True},
                headers={"X-Jicoo-Api-Key": jicoo_sandbox.api_key},
                timeout=10,
            )
            jicoo_sandbox.add_booking()

    threads = [threading.Thread(target=patch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert jicoo_sandbox.count("PATCH") == len(jicoo_sandbox.messages) == 100
    assert len(jicoo_sandbox.bookings()) == 151


def test_event_types_and_teams_can_be_added(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    first = jicoo_sandbox.event_types[0]
    added = [jicoo_sandbox.add_event_type(name=f"Type {at}", duration=45)["uid"] for at in range(30)]
    jicoo_sandbox.add_team(uid="sales")

    answer = ask("GET", "/v1/event_types", params={"perPage": 100}).json()
    assert {row["uid"] for row in answer["data"]} > set(added)
    assert ask("GET", f"/v1/event_types/{added[0]}").json()["data"] == {
        "status": first["status"],
        "uid": added[0],
        "name": "Type 0",
        "duration": 45,
    }
    assert [row["uid"] for row in ask("GET", "/v1/teams").json()["data"]][-1] == "sales"
    with pytest.raises(TypeError, match="no field colour"):
        jicoo_sandbox.add_event_type(colour="red")


def test_says_how_often_each_change_was_made(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    booking = jicoo_sandbox.add_booking(contacts=[{}, {"name": "Jane Roe"}])
    path = f"/v1/bookings/{booking['uid']}"
    ask("PATCH", path, json={"name": "new"})
    ask("PATCH", path, json={"name": "new", "isSendUpdates": True})
    ask("PATCH", path, json={"colour": "red"})
    ask("POST", f"{path}/cancel")
    jicoo_sandbox.edit(booking["uid"], name="newer")

    made = [(change.uid, change.kind, change.request, change.is_messaged) for change in jicoo_sandbox.changes]
    assert made == [
        (booking["uid"], "update", 1, False),
        (booking["uid"], "update", 2, True),
        (booking["uid"], "cancel", 4, True),
    ]
    # Each of the two guests.
    assert [(message.guest, message.request) for message in jicoo_sandbox.messages] == [(0, 2), (1, 2), (0, 4), (1, 4)]
    jicoo_sandbox.reset()
    assert jicoo_sandbox.changes == []


def test_a_server_that_does_not_remember_does_not_grow() -> None:
    with Sandbox(bookings=0, remember=False) as sandbox:
        url = f"{sandbox.url}/v1/bookings/{sandbox.add_booking()['uid']}/cancel"
        requests.post(url, headers={"X-Jicoo-Api-Key": sandbox.api_key}, timeout=5)

        assert sandbox.requests == sandbox.changes == []
        assert len(sandbox.messages) == 1


class TestApproval:
    def test_of_a_request(self, jicoo_sandbox: Sandbox) -> None:
        booking = jicoo_sandbox.add_booking(status="request")
        after = jicoo_sandbox.approve(booking["uid"])

        assert (after["status"], after["updatedAt"] > booking["updatedAt"]) == ("open", True)
        assert jicoo_sandbox.booking(booking["uid"]) == after
        assert jicoo_sandbox.messages == jicoo_sandbox.changes == []

    def test_of_what_does_not_wait(self, jicoo_sandbox: Sandbox) -> None:
        uid = jicoo_sandbox.add_booking(status="cancel")["uid"]
        with pytest.raises(ValueError, match="does not wait for approval: its status is cancel"):
            jicoo_sandbox.approve(uid)
        with pytest.raises(KeyError):
            jicoo_sandbox.approve("nobody")

    def test_over_http_outside_of_the_api(self, jicoo_sandbox: Sandbox) -> None:
        uid = jicoo_sandbox.add_booking(status="request")["uid"]
        answers = [requests.post(f"{jicoo_sandbox.url}/sandbox/approve/{each}", timeout=5) for each in (uid, uid, "x")]

        assert [answer.status_code for answer in answers] == [200, 422, 404]
        assert answers[0].json()["data"] == jicoo_sandbox.booking(uid)
        assert answers[1].json()["errors"] == {"status": ["the booking does not wait for approval: its status is open"]}
        assert jicoo_sandbox.count() == 0, "it is no request to the API"
        document = requests.get(f"{jicoo_sandbox.url}/openapi.json", timeout=30).json()
        assert all(path.startswith("/v1/") for path in document["paths"])


def test_answers_at_once_on_the_loop_of_asyncio_too() -> None:
    # Without uvloop each answer waited 40 ms for the client's delayed acknowledgement.
    code = """
import sys
sys.modules["uvloop"] = None
import statistics, time, requests
from airflow_provider_jicoo.sandbox import Sandbox
with Sandbox(bookings=1) as sandbox, requests.Session() as session:
    session.headers["X-Jicoo-Api-Key"] = sandbox.api_key
    took = []
    for _ in range(15):
        began = time.perf_counter()
        session.get(sandbox.url + "/v1/bookings", timeout=5)
        took.append(time.perf_counter() - began)
print(statistics.median(took))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert float(done.stdout) < 0.03


def test_has_a_time_of_its_own() -> None:
    then = datetime(2026, 1, 15, tzinfo=timezone.utc)
    with Sandbox(bookings=0, now=then) as sandbox:
        assert then <= sandbox.now < then + timedelta(minutes=1)


def test_the_state_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    with Sandbox(bookings=20, state=file) as sandbox:
        gone, changed, _ = (row["uid"] for row in sandbox.bookings()[:3])
        added = sandbox.add_booking(contacts=[{"name": "Jane Roe"}])["uid"]
        sandbox.delete(gone)
        headers = {"X-Jicoo-Api-Key": sandbox.api_key}
        url = f"{sandbox.url}/v1/bookings"
        requests.patch(f"{url}/{changed}", json={"name": "new"}, headers=headers, timeout=5)
        requests.post(f"{url}/{added}/cancel", headers=headers, timeout=5)
        before = (sandbox.bookings(), sandbox.users, sandbox.event_types, sandbox.contacts(added), sandbox.messages)

    with Sandbox(bookings=99, seed=99, state=file) as sandbox:
        after = (sandbox.bookings(), sandbox.users, sandbox.event_types, sandbox.contacts(added), sandbox.messages)
        assert after == before
        assert len(sandbox.messages) == 1
        assert sandbox.booking(changed)["name"] == "new"
        sandbox.reset(bookings=5)

    with Sandbox(state=file) as sandbox:
        assert (len(sandbox.bookings()), sandbox.messages) == (5, [])


def test_the_connection_is_one_of_airflows(jicoo_sandbox: Sandbox) -> None:
    assert json.loads(json.dumps(jicoo_sandbox.connection())) == {
        "conn_type": "jicoo",
        "host": jicoo_sandbox.url,
        "password": jicoo_sandbox.api_key,
    }


def test_a_taken_port_is_an_error(jicoo_sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"), Sandbox(port=int(jicoo_sandbox.url.rpartition(":")[2])):
        pass


def test_has_no_url_before_it_runs() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        Sandbox(bookings=0).url  # noqa: B018
