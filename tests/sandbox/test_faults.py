"""Each fault as a real client sees it."""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.sandbox.faults import bomb, flood

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


class TestLate:
    """The change is made after the client has seen that it failed."""

    FAULTS = (
        ("dropped", {}),
        ("server_error", {"status": 504}),
        ("server_error", {"status": 502, "html": True}),
        ("html", {}),
        ("hang", {"seconds": "100ms"}),
        ("hang", {"seconds": 60}),
    )

    def fail(self, sandbox: Sandbox, ask: Ask, path: str, fault: str, **options: Any) -> None:
        sandbox.fail(fault, method="PATCH", **options)  # type: ignore[arg-type]
        with contextlib.suppress(requests.RequestException):  # however it looks to the client
            ask("PATCH", path, json={"name": "new", "isSendUpdates": True}, timeout=1)

    @pytest.mark.parametrize(("fault", "options"), FAULTS)
    def test_it_is_made_later(
        self, jicoo_sandbox: Sandbox, ask: Ask, path: str, fault: str, options: dict[str, Any]
    ) -> None:
        self.fail(jicoo_sandbox, ask, path, fault, late="1000ms", **options)
        assert name(jicoo_sandbox, path) != "new"
        assert ask("GET", path).json()["data"]["name"] != "new"
        assert jicoo_sandbox.messages == []
        jicoo_sandbox.settle(timeout=5)

        assert name(jicoo_sandbox, path) == "new"
        (message,), (change,) = jicoo_sandbox.messages, jicoo_sandbox.changes
        assert (message.kind, message.request) == (change.kind, change.request) == ("update", 1)
        assert jicoo_sandbox.count("PATCH") == 1, "it is no request of its own"

    def test_a_second_try_makes_it_twice(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        self.fail(jicoo_sandbox, ask, path, "server_error", status=504, late=1)
        assert ask("PATCH", path, json={"name": "new", "isSendUpdates": True}).status_code == 200
        jicoo_sandbox.settle()

        assert [change.request for change in jicoo_sandbox.changes] == [2, 1]
        assert len(jicoo_sandbox.messages) == 2

    def test_what_is_impossible_by_then_is_not_made(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        jicoo_sandbox.fail("server_error", status=504, late=1)
        assert [ask("POST", f"{path}/cancel").status_code for _ in range(2)] == [504, 200]
        jicoo_sandbox.settle()

        assert [(change.kind, change.request) for change in jicoo_sandbox.changes] == [("cancel", 2)]

    def test_the_end_gives_up_what_is_to_come(self, caplog: pytest.LogCaptureFixture) -> None:
        with Sandbox(bookings=0) as sandbox:
            uid = sandbox.add_booking()["uid"]
            sandbox.fail("server_error", late=30)
            url = f"{sandbox.url}/v1/bookings/{uid}"
            requests.patch(url, json={"name": "new"}, headers={"X-Jicoo-Api-Key": sandbox.api_key}, timeout=5)
            with pytest.raises(TimeoutError, match=r"still to come after 0.1 s"):
                sandbox.settle(timeout=0.1)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert sandbox.changes == []
        assert caplog.records == []

    def test_so_does_a_reset(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        uid = jicoo_sandbox.bookings()[0]["uid"]
        jicoo_sandbox.fail("server_error", late=0.2)
        ask("PATCH", f"/v1/bookings/{uid}", json={"name": "new"})
        jicoo_sandbox.reset()
        jicoo_sandbox.settle()

        assert jicoo_sandbox.booking(uid)["name"] != "new"
        assert jicoo_sandbox.changes == []

    def test_a_read_has_no_effect(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        jicoo_sandbox.fail("server_error", late="9h")
        assert ask("GET", path).status_code == 503
        jicoo_sandbox.settle(timeout=0)

    @pytest.mark.parametrize("fault", ["rate_limit", "dropped_before", "redirect", "cut_body"])
    def test_not_of_what_makes_no_change_or_made_it(self, jicoo_sandbox: Sandbox, fault: str) -> None:
        with pytest.raises(TypeError, match=f"the fault {fault} has no option 'late'"):
            jicoo_sandbox.fail(fault, late=1)  # type: ignore[arg-type]

    def test_a_wrong_time_is_refused(self, jicoo_sandbox: Sandbox) -> None:
        with pytest.raises(ValueError, match="'soon' is not a time such as 50ms"):
            jicoo_sandbox.fail("dropped", late="soon")
        with pytest.raises(ValueError, match="'-1' must not be below 0"):
            jicoo_sandbox.fail("dropped", late=-1)


class TestSlow:
    def test_the_change_is_made_though_nobody_waits(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        jicoo_sandbox.fail("slow", seconds="1200ms")
        with pytest.raises(requests.Timeout):
            ask("PATCH", path, json={"name": "new"}, timeout=0.2)
        assert ask("GET", path).json()["data"]["name"] != "new"
        jicoo_sandbox.settle(timeout=5)

        assert name(jicoo_sandbox, path) == "new"
        assert len(jicoo_sandbox.changes) == 1

    def test_who_waits_is_answered(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        jicoo_sandbox.fail("slow", seconds=0.3)
        began = time.monotonic()

        assert ask("PATCH", path, json={"name": "new"}).json()["data"]["name"] == "new"
        assert time.monotonic() - began >= 0.3

    def test_the_end_gives_it_up(self, caplog: pytest.LogCaptureFixture) -> None:
        with ThreadPoolExecutor() as threads:
            with Sandbox(bookings=0) as sandbox:
                uid = sandbox.add_booking()["uid"]
                sandbox.fail("slow", seconds=60)
                headers = {"X-Jicoo-Api-Key": sandbox.api_key}
                url = f"{sandbox.url}/v1/bookings/{uid}"
                waiting = threads.submit(requests.patch, url, json={"name": "new"}, headers=headers, timeout=60)
                while not sandbox.count():
                    time.sleep(0.01)
                began = time.monotonic()
            assert time.monotonic() - began < 10
            assert isinstance(waiting.exception(timeout=5), requests.ConnectionError)
        assert sandbox.changes == []
        assert caplog.records == []


class TestBodies:
    def test_a_refusal(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        jicoo_sandbox.fail("refused", status=403, path="/v1/event_types", share=1)
        answers = [ask("GET", "/v1/event_types") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].json() == {"data": None, "errors": {"base": ["cannot be done"]}}
        assert ask("GET", path).status_code == 200

    def test_byte_by_byte(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        whole = ask("GET", path).content
        jicoo_sandbox.fail("slow_body", seconds="1ms")
        began = time.monotonic()
        assert ask("GET", path).content == whole
        assert time.monotonic() - began >= 0.001 * len(whole)

    def test_a_slow_body_ends_with_the_client_and_the_server(self, caplog: pytest.LogCaptureFixture) -> None:
        with Sandbox(bookings=1) as sandbox:
            headers = {"X-Jicoo-Api-Key": sandbox.api_key}
            sandbox.fail("slow_body", times=2)
            with requests.get(f"{sandbox.url}/v1/bookings", headers=headers, timeout=5, stream=True) as answer:
                assert next(answer.iter_content(1)) == b"{"
            with requests.get(f"{sandbox.url}/v1/bookings", headers=headers, timeout=5, stream=True) as answer:
                assert next(answer.iter_content(1)) == b"{"
                began = time.monotonic()
                sandbox.stop()
        assert time.monotonic() - began < 5
        assert caplog.records == []

    def test_a_huge_body(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        jicoo_sandbox.fail("huge_body", megabytes=3)
        answer = ask("GET", path)

        assert "Content-Length" not in answer.headers
        assert len(answer.content) > 3_000_000
        assert len(answer.json()["padding"]) == 3_000_000

    @pytest.mark.parametrize("megabytes", [1, 5])
    def test_a_bomb(self, jicoo_sandbox: Sandbox, ask: Ask, path: str, megabytes: int) -> None:
        jicoo_sandbox.fail("bomb", megabytes=megabytes)
        answer = ask("GET", path)

        assert answer.headers["Content-Encoding"] == "gzip"
        assert int(answer.headers["Content-Length"]) < 1200 * megabytes + 500
        assert len(answer.json()["padding"]) == 1_000_000 * megabytes

    def test_the_bomb_is_sound(self) -> None:
        assert len(gzip.decompress(bomb(3).body)) == sum(map(len, flood(3)))

    def test_a_change_is_made_before_it(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        jicoo_sandbox.fail("bomb", megabytes=1)
        ask("PATCH", path, json={"name": "new"})

        assert name(jicoo_sandbox, path) == "new"
