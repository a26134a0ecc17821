"""The sandbox's webhooks: which change is which event, signed, sent again, and what goes wrong with them."""

from __future__ import annotations

import http.server
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest
import requests
import stripe

from airflow_provider_jicoo.api.signature import HEADER
from airflow_provider_jicoo.api.webhooks import parse, verify
from airflow_provider_jicoo.sandbox import Sandbox, choices
from airflow_provider_jicoo.sandbox.__main__ import main
from airflow_provider_jicoo.sandbox.webhooks import event_of
from tests.sandbox.test_command_line import running

SECRET = "whsec_of_the_test"
FAST = (0.05, 0.05, 0.05)


@dataclass
class Receiver:
    """A server that takes webhooks."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """What it answers next; 204 where nothing is left, nothing at all for 0."""

    def events(self) -> list[tuple[str, str]]:
        found = [parse(body) for _, body in self.got]
        return [(each.name, each.booking_uid) for each in found]

    def wait(self, count: int) -> None:
        until = time.monotonic() + 10
        while len(self.got) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.got) == count


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = made.answers.pop(0) if made.answers else 204
            if status:
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", made.url)
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}/hook?of=test"
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def jicoo(receiver: Receiver) -> Iterator[Sandbox]:
    with Sandbox(webhook_url=receiver.url, webhook_secret=SECRET, webhook_retries=FAST) as sandbox:
        yield sandbox


def ask(jicoo: Sandbox, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"X-Jicoo-Api-Key": jicoo.api_key}
    return requests.request(method, jicoo.url + path, headers=headers, timeout=10, **options)


def test_a_webhook_is_signed_and_has_the_documented_form(jicoo: Sandbox, receiver: Receiver) -> None:
    booking = jicoo.add_booking(
        contacts=[
            {"name": "山田 太郎", "email": "taro@example.com", "answers": [{"question": "?", "content": ["a"]}]},
            {},
        ]
    )
    jicoo.settle()
    [(headers, body)] = receiver.got

    assert headers["content-type"] == "application/json"
    verify(body, headers[HEADER.lower()], [SECRET])
    stripe.WebhookSignature.verify_header(body.decode(), headers[HEADER.lower()], SECRET, 300)
    sent = json.loads(body)
    assert sorted(sent) == ["createdAt", "event", "object"]
    # https://developer.jicoo.com/doc-356003
    assert sorted(sent["object"]) == [
        *("answers", "cancelReason", "cancelledAt", "cancelledBy", "contact", "createdAt", "endedAt", "eventTypeUid"),
        *("startedAt", "status", "timeZone", "tracking", "uid", "updatedAt"),
    ]
    assert sent["object"]["contact"] == {"email": "taro@example.com", "name": "山田 太郎"}
    assert sent["object"]["answers"] == [{"question": "?", "content": ["a"]}]
    event = parse(body)
    assert (event.name, event.booking_uid) == ("guest_booked", booking["uid"])
    assert (event.event_type_uid, event.started_at) == (booking["eventTypeId"], booking["startedAt"])
    assert [(one.uid, one.event, one.attempt, one.status) for one in jicoo.deliveries] == [
        (booking["uid"], "guest_booked", 1, 204)
    ]


def test_each_change_rings(jicoo: Sandbox, receiver: Receiver) -> None:
    event_type = next(each["uid"] for each in jicoo.event_types if not each["needsApproval"])
    body = {"eventTypeId": event_type, "timeZone": "Asia/Tokyo", "startedAt": "2031-01-06T01:00:00.000Z"}
    body |= {"email": "guest@example.com", "name": "Guest", "locationId": None}
    uid = ask(jicoo, "POST", "/v1/bookings", json=body).json()["data"]["uid"]
    path = f"/v1/bookings/{uid}"
    jicoo.settle()
    moved = {"timeZone": "Asia/Tokyo", "startedAt": "2031-01-07T01:00:00.000Z"}
    assert ask(jicoo, "POST", f"{path}/reschedule", json=moved).status_code == 200
    jicoo.settle()
    later = {"startedAt": "2031-01-08T01:00:00.000Z", "endedAt": "2031-01-08T02:00:00.000Z"}
    assert ask(jicoo, "PATCH", path, json=later).status_code == 200
    assert ask(jicoo, "PATCH", path, json={"priority": "high"}).status_code == 200
    jicoo.settle()
    jicoo.edit(uid, startedAt="2031-01-08T01:30:00Z")
    jicoo.settle()
    assert ask(jicoo, "POST", f"{path}/cancel", json={}).status_code == 200
    jicoo.settle()
    jicoo.touch_all()
    jicoo.delete(uid)
    jicoo.settle()

    names = ["guest_booked", "host_rescheduled", "host_rescheduled", "guest_rescheduled", "host_cancelled"]
    assert receiver.events() == [(name, uid) for name in names]


def test_a_guest_cancels_and_a_request_is_approved(jicoo: Sandbox, receiver: Receiver) -> None:
    first = jicoo.add_booking()["uid"]
    waiting = jicoo.add_booking(status="request")["uid"]
    jicoo.settle()
    jicoo.edit(first, status="cancel", cancelledBy="guest", cancelReason="ill")
    jicoo.approve(waiting)
    jicoo.settle()

    assert Counter(receiver.events()) == Counter(
        [("guest_booked", first), ("guest_cancelled", first), ("guest_booked", waiting)]
    )


OPEN = {"status": "open", "startedAt": "1", "endedAt": "2", "cancelledBy": None, "name": "a"}


@pytest.mark.parametrize(
    ("before", "changed", "by", "event"),
    [
        (None, {}, "guest", "guest_booked"),
        (None, {}, "host", "guest_booked"),
        (None, {"status": "request"}, "guest", None),
        (None, {"status": "cancel"}, "guest", None),
        ({"status": "request"}, {}, "host", "guest_booked"),
        ({"status": "request"}, {"status": "request", "startedAt": "3"}, "host", None),
        ({"status": "request"}, {"status": "cancel"}, "host", "host_cancelled"),
        ({}, {"endedAt": "3"}, "host", "host_rescheduled"),
        ({}, {"startedAt": "0"}, "guest", "guest_rescheduled"),
        ({}, {"name": "b"}, "host", None),
        ({}, {"status": "cancel"}, "guest", "guest_cancelled"),
        ({}, {"status": "cancel", "cancelledBy": "host"}, "guest", "host_cancelled"),
        ({"status": "cancel"}, {"status": "cancel", "startedAt": "3"}, "host", None),
    ],
)
def test_which_change_is_which_event(before: Any, changed: Any, by: Any, event: str | None) -> None:
    assert event_of(before if before is None else {**OPEN, **before}, {**OPEN, **changed}, by) == event


def test_what_is_not_taken_is_sent_again_and_signed_anew(jicoo: Sandbox, receiver: Receiver) -> None:
    receiver.answers = [500, 0, 302]
    uid = jicoo.add_booking()["uid"]
    jicoo.settle()

    assert receiver.events() == [("guest_booked", uid)] * 4  # a redirect is not followed: that were a fifth
    assert len({body for _, body in receiver.got}) == 1
    assert [(one.attempt, one.status) for one in jicoo.deliveries] == [(1, 500), (2, None), (3, 302), (4, 204)]
    for headers, body in receiver.got:
        verify(body, headers[HEADER.lower()], [SECRET])


def test_it_is_given_up_in_the_end(jicoo: Sandbox, receiver: Receiver) -> None:
    receiver.answers = [503] * 10
    jicoo.add_booking()
    jicoo.settle()

    assert [one.status for one in jicoo.deliveries] == [503] * (1 + len(FAST))


def test_a_receiver_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with Sandbox(webhook_url=url, webhook_retries=(0.01,)) as jicoo:
        jicoo.add_booking()
        jicoo.settle()
        assert [(one.attempt, one.status) for one in jicoo.deliveries] == [(1, None), (2, None)]


def with_faults(receiver: Receiver, *faults: str) -> Sandbox:
    return Sandbox(webhook_url=receiver.url, webhook_secret=SECRET, webhook_faults=faults)


def test_a_share_comes_twice_and_a_share_never(receiver: Receiver) -> None:
    with with_faults(receiver, "duplicate=30%", "drop=20%") as jicoo:
        uids = [jicoo.add_booking()["uid"] for _ in range(100)]
        jicoo.settle()
    times = Counter(uid for _, uid in receiver.events())

    assert set(times) < set(uids)
    assert set(times.values()) == {1, 2}
    assert 60 < len(times) < 95
    assert 10 < Counter(times.values())[2] < 45


def test_a_share_comes_later(receiver: Receiver) -> None:
    with with_faults(receiver, "delay=100%,seconds=0.5") as jicoo:
        began = time.monotonic()
        jicoo.add_booking()
        jicoo.settle()
        assert 0.5 <= time.monotonic() - began < 5


def test_a_share_is_overtaken(receiver: Receiver) -> None:
    with with_faults(receiver, "reorder=50%,seconds=0.3") as jicoo:
        uids = [jicoo.add_booking()["uid"] for _ in range(40)]
        jicoo.settle()
    came = [uid for _, uid in receiver.events()]

    assert sorted(came) == sorted(uids)
    assert sum(uids.index(one) > uids.index(other) for one, other in itertools.pairwise(came)) > 5


def test_a_burst_is_sent_whole(receiver: Receiver) -> None:
    with with_faults(receiver) as jicoo:
        uids = [jicoo.add_booking()["uid"] for _ in range(300)]
        jicoo.settle()

    assert Counter(receiver.events()) == Counter(("guest_booked", uid) for uid in uids)


def test_it_is_signed_by_the_real_time_whatever_the_sandboxs(receiver: Receiver) -> None:
    then = datetime(2026, 1, 15, tzinfo=timezone.utc)
    with Sandbox(webhook_url=receiver.url, webhook_secret=SECRET, now=then) as jicoo:
        jicoo.add_booking()
        jicoo.settle()
    [(headers, body)] = receiver.got

    verify(body, headers[HEADER.lower()], [SECRET])
    assert parse(body).created_at.startswith("2026-01-15T00:0")


def test_nothing_is_sent_after_the_end(receiver: Receiver) -> None:
    with with_faults(receiver, "delay=100%,seconds=60") as jicoo:
        jicoo.add_booking()
        with pytest.raises(TimeoutError, match=r"webhooks are still to be sent after 0.1 s"):
            jicoo.settle(0.1)
        jicoo.reset()
        jicoo.settle(0.1)
        jicoo.add_booking()
    assert receiver.got == []
    assert not [each for each in threading.enumerate() if each.name.startswith("jicoo-webhooks")]


def test_without_an_address_nothing_is_sent(jicoo_sandbox: Sandbox) -> None:
    jicoo_sandbox.add_booking()
    jicoo_sandbox.settle()

    assert jicoo_sandbox.deliveries == []
    assert "extra" not in jicoo_sandbox.connection()


def test_no_personal_data_in_a_delivery(jicoo: Sandbox) -> None:
    jicoo.add_booking(contacts=[{"name": "Jane Roe", "email": "jane@example.com"}])
    jicoo.settle()

    assert "ane" not in str(jicoo.deliveries)


def test_the_connection_has_the_secret(jicoo: Sandbox) -> None:
    assert jicoo.connection()["extra"] == {"webhook_secret": SECRET}


def test_on_the_command_line(receiver: Receiver) -> None:
    with running("--bookings", "3", "--webhook-url", receiver.url, "--webhook-fault", "duplicate=100%") as (
        _,
        url,
        headers,
    ):
        uids = [row["uid"] for row in requests.get(f"{url}/v1/bookings", headers=headers, timeout=5).json()["data"]]
        done = [
            requests.post(f"{url}/v1/bookings/{uid}/cancel", headers=headers, timeout=5).status_code for uid in uids
        ]
        receiver.wait(2 * done.count(200))
    for got, body in receiver.got:
        verify(body, got[HEADER.lower()], [choices.WEBHOOK_SECRET])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--webhook-secret", "s"], "--webhook-secret and --webhook-fault need a --webhook-url"),
        (["--webhook-fault", "drop=1%"], "--webhook-secret and --webhook-fault need a --webhook-url"),
        (["--webhook-url", "airflow.example.com"], "the webhook's address must be as https://airflow.example.com/hook"),
        (["--webhook-url", "ftp://a/b"], "the webhook's address must be as"),
        (["--webhook-url", "http://u:p@a/b"], "without a user in it"),
        (["--webhook-url", "http://a/b", "--webhook-secret", " "], "the webhook's secret is empty"),
        (
            ["--webhook-url", "http://a/b", "--webhook-fault", "dorp=1%"],
            "no webhook fault 'dorp'; did you mean 'drop'?",
        ),
        (["--webhook-url", "http://a/b", "--webhook-fault", "drop=200%"], "'200%' is not a share"),
        (
            ["--webhook-url", "http://a/b", "--webhook-fault", "drop=1%,seconds=3"],
            "drop has no option 'seconds'; delay and",
        ),
        (["--webhook-url", "http://a/b", "--webhook-fault", "delay=1%,s=3"], "delay has no option 's'"),
        (["--webhook-url", "http://a/b", "--webhook-fault", "delay=1%,seconds=soon"], "'soon' is not a time"),
    ],
)
def test_a_wrong_option_is_said_plainly(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err
