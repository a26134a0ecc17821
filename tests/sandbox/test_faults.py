"""Each fault as a real client sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox

Ask = Callable[..., requests.Response]


@pytest.fixture
def path(jicoo_sandbox: Sandbox) -> str:
    # Of its own: which of the sandbox's data are cancelled depends on the day they are made on.
    return f"/v1/bookings/{jicoo_sandbox.add_booking()['uid']}"


def name(sandbox: Sandbox, path: str) -> str:
    found: str = sandbox.booking(path.rpartition("/")[2])["name"]
    return found


@pytest.mark.parametrize("retry_after", [None, "0", "3", "Wed, 21 Oct 2037 07:28:00 GMT"])
def test_rate_limit(jicoo_sandbox: Sandbox, ask: Ask, path: str, retry_after: str | None) -> None:
    jicoo_sandbox.fail("rate_limit", retry_after=retry_after)
    answer = ask("PATCH", path, json={"name": "new"})

    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, retry_after)
    assert answer.json()["errors"] == {"base": ["Too many requests."]}
    assert name(jicoo_sandbox, path) != "new"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("changed", [True, False])
def test_server_error(jicoo_sandbox: Sandbox, ask: Ask, path: str, status: int, changed: bool) -> None:
    jicoo_sandbox.fail("server_error", status=status, changed=changed)
    answer = ask("PATCH", path, json={"name": "new"})

    assert (answer.status_code, answer.json()["data"]) == (status, None)
    assert (name(jicoo_sandbox, path) == "new") is changed


def test_server_error_in_html(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("server_error", html=True)
    answer = ask("GET", path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>")


def test_html_with_200(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("html")
    answer = ask("PATCH", path, json={"name": "new"})

    assert (answer.status_code, answer.text[:15]) == (200, "<!doctype html>")
    assert name(jicoo_sandbox, path) != "new"


def test_redirect(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("redirect", to="https://elsewhere.example.com/")
    answer = ask("GET", path)

    assert (answer.status_code, answer.headers["Location"]) == (302, "https://elsewhere.example.com/")


@pytest.mark.parametrize(("fault", "changed"), [("dropped", True), ("dropped_before", False)])
def test_dropped(jicoo_sandbox: Sandbox, ask: Ask, path: str, fault: str, changed: bool) -> None:
    jicoo_sandbox.fail(fault, method="PATCH")  # type: ignore[arg-type]
    with pytest.raises(requests.ConnectionError):
        ask("PATCH", path, json={"name": "new"})

    assert (name(jicoo_sandbox, path) == "new") is changed
    assert [(request.method, request.status) for request in jicoo_sandbox.requests] == [("PATCH", None)]
    assert ask("GET", path).status_code == 200


def test_cut_body(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("cut_body")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        ask("PATCH", path, json={"name": "new"})

    assert name(jicoo_sandbox, path) == "new"
    assert jicoo_sandbox.requests[0].status == 200


@pytest.mark.parametrize("changed", [True, False])
def test_hang_until_the_client_gives_up(jicoo_sandbox: Sandbox, ask: Ask, path: str, changed: bool) -> None:
    jicoo_sandbox.fail("hang", seconds=30, changed=changed)
    with pytest.raises(requests.Timeout):
        ask("PATCH", path, json={"name": "new"}, timeout=0.2)

    assert (name(jicoo_sandbox, path) == "new") is changed
    assert jicoo_sandbox.requests[0].status is None


def test_hang_and_then_the_answer(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("hang", seconds=0.3)
    began = time.monotonic()

    assert ask("GET", path).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_hang_without_a_change_ends_without_an_answer(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("hang", seconds=0.1, changed=False)
    with pytest.raises(requests.ConnectionError):
        ask("GET", path)


def test_a_hanging_request_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor() as threads:
        with Sandbox(bookings=1) as sandbox:
            sandbox.fail("hang", seconds=60)
            headers = {"X-Jicoo-Api-Key": sandbox.api_key}
            hanging = threads.submit(requests.get, f"{sandbox.url}/v1/bookings", headers=headers, timeout=60)
            while not sandbox.count():
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert isinstance(hanging.exception(timeout=5), requests.ConnectionError)
    assert caplog.records == []


def test_a_fault_meets_only_what_it_is_for(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("server_error", method="patch", path="/v1/bookings/{uid}", times=2)
    tries = [("GET", path), ("POST", f"{path}/cancel"), ("PATCH", path), ("PATCH", path), ("PATCH", path)]

    assert [ask(method, to, json={}).status_code for method, to in tries] == [200, 200, 503, 503, 200]


def test_faults_come_in_the_order_they_were_asked_for(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("rate_limit")
    jicoo_sandbox.fail("server_error", status=502)

    assert [ask("GET", path).status_code for _ in range(3)] == [429, 502, 200]


def test_a_share_of_the_requests_is_drawn_with_the_seed(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    def draw() -> list[int]:
        jicoo_sandbox.reset(seed=3)
        jicoo_sandbox.fail("server_error", share=0.3)
        return [ask("GET", "/v1/bookings/nobody").status_code for _ in range(200)]

    drawn = draw()
    assert drawn == draw()
    assert 30 < drawn.count(503) < 90
    jicoo_sandbox.heal()
    assert {ask("GET", "/v1/bookings/nobody").status_code for _ in range(20)} == {404}


def test_a_share_may_have_an_end(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("server_error", share=1, times=2)

    assert [ask("GET", path).status_code for _ in range(3)] == [503, 503, 200]


def test_a_refused_key_uses_up_no_fault(jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
    jicoo_sandbox.fail("server_error")

    assert ask("GET", path, headers={"X-Jicoo-Api-Key": "wrong"}).status_code == 401
    assert ask("GET", path).status_code == 503


def test_a_wrong_wish_is_refused_at_once(jicoo_sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="there are rate_limit, server_error"):
        jicoo_sandbox.fail("explosion")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 0 to 1"):
        jicoo_sandbox.fail("dropped", share=2)
    with pytest.raises(TypeError, match="seconds"):
        jicoo_sandbox.fail("dropped", seconds=2)
