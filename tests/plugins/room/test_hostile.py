"""Requests of those who mean no good: none is an error of ours, and none reads what it should not.

Some hundreds; ten thousand with ``JICOO_LOAD=1``.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from urllib.parse import quote

import pytest

from tests.plugins.room import planted

ROUNDS = 34 if os.environ.get("JICOO_LOAD") else 1
WORD = "xyzzy-of-a-guest"
"""Stands in the plan of the other DAG alone."""
PIECES = [
    "..",
    ".",
    "",
    "~",
    "%2e%2e",
    "%2f",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "%0d%0aSet-Cookie:%20a=b",
    "%ff%fe",
    "room%00",
    "ROOM",
    "room_of_others",
    "room%2Froom_of_others",
    "{DAG_ID}",
    "{MAP_INDEX}",
    "%7BMAP_INDEX%7D",
    "-1",
    "-2",
    "0",
    "99999999999999999999",
    "-0",
    "+1",
    "%D9%A3",
    "1e3",
    "null",
    "' OR '1'='1",
    "%25",
    "%s%n",
    "${jndi:ldap://example.com}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "\u202e",
    "a" * 300,
    "a" * 8_000,
    "*",
    "[",
    ";",
    "room;a=b",
    "__class__",
    "apply",
    "plan",
]
QUERIES = [
    {"page": "-1"},
    {"page": "999999999999999999999"},
    {"page": "\u0663"},
    {"page": "1e9"},
    {"page": "NaN"},
    {"sort": "__class__"},
    {"sort": "start; DROP TABLE xcom"},
    {"dir": "sideways"},
    {"q": "a" * 5_000},
    {"q": "\0"},
    {"q": "%"},
    {"q": "(" * 200},
    {"q": "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")},
    {"q": "<script>"},
    {"q": WORD},
    {"plan": "/etc/passwd"},
    {"path": "/etc/passwd"},
    {"dag_id": "room_of_others"},
    {"dag_id": "~"},
    {"token": "x"},
]
METHODS = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "POST"]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[" * 100_000,
    b'{"action": "pause"',
    b'{"action": "undo", "plan": "/etc/passwd"}',
    b'{"action": "slow", "rate": 1e309}',
    b"\xff\xfe",
    b"action=pause",
    b"a" * 1_000_000,
    json.dumps({"action": "pause", "path": "/etc/cron.d/x"}).encode(),
]
TOKENS = ["", "x", "a.b.c", "Bearer", "\0", "null", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJBRE1JTiJ9."]


@pytest.fixture
def others(room, tmp_path):
    """An apply of the DAG that nobody here may read."""
    owner = {"dagId": "room_of_others", "runId": "r", "taskId": "plan", "mapIndex": -1}
    changes = [planted.change(number, after={"name": WORD}) for number in range(3)]
    manifest = planted.write_plan(tmp_path / "others.jsonl", changes, owner=owner)
    planted.write_report(manifest, [])
    return planted.plant("room_of_others", "r", "apply", "running", jicoo_plan=planted.note(manifest))


def requests(seed, own, others):
    """Yield method, address and what else of a request."""
    dice = random.Random(seed)
    for piece in PIECES:
        yield "GET", f"/jicoo/runs/{piece}", {}
        yield "GET", f"/jicoo/runs/{piece}/", {}
    for piece, place in itertools.product(PIECES, range(4)):
        parts = own.strip("/").split("/")
        parts[2 + place] = piece
        yield "GET", "/" + "/".join(parts), {}
    for tail in ("progress", "control", "files", "files/", "files/x", "files/../../x", "files/plan.jsonl"):
        yield "GET", f"{others}/{tail}", {}
        yield "GET", f"{own}/{tail}", {}
    for query in QUERIES:
        yield "GET", own, {"params": query}
        yield "GET", others, {"params": query}
        yield "GET", "/jicoo/runs/", {"params": query}
        yield "POST", own, {"data": query}
        yield "POST", others, {"data": query}
        yield "POST", own, {"data": {"q": "b", "go": "&".join(f"{name}={value}" for name, value in query.items())}}
    for body in BODIES:
        yield "POST", own, {"content": body, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    yield "POST", own, {"content": b"&".join(b"a=1" for _ in range(1000))}
    for method in METHODS:
        yield method, own, {}
        yield method, f"{own}/control", {}
        yield method, "/jicoo/runs/", {}
    for body in BODIES:
        headers = {"X-Jicoo-Page": "1", "Content-Type": "application/json"}
        yield "POST", f"{others}/control", {"content": body, "headers": headers}
        yield "POST", f"{own}/control", {"content": body, "headers": {"Content-Type": "text/plain"}}
    for _ in range(40):
        parts = [quote(dice.choice(PIECES), safe="%") for _ in range(dice.randrange(1, 8))]
        yield "GET", "/jicoo/runs/" + "/".join(parts), {"params": dice.choice(QUERIES)}


def ask(client, method, address, headers, more):
    """Send a request; None where the client itself does not let it leave."""
    import httpx

    try:
        return client.request(method, address, **{**more, "headers": {**headers, **more.get("headers", {})}})
    except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
        return None


def test_nothing_is_read_that_should_not_be(viewer, running, others, only, rest_api, person):
    only(dag_ids={"room"})
    seen = 0
    for seed in range(ROUNDS):
        for method, address, more in requests(seed, running.address, others.address):
            for somebody in (viewer, person(None)):
                answer = ask(rest_api, method, address, somebody.headers, more)
                if answer is None:
                    continue
                seen += 1
                assert answer.status_code < 500, (method, address[:200], more)
                # A search is shown again in its field, and nowhere else.
                assert WORD not in answer.text.replace(f'value="{WORD}"', ""), (method, address[:200])
                assert "root:x:0" not in answer.text
                assert "Traceback" not in answer.text
                if not somebody.headers and address.startswith(running.address):
                    assert "b00000" not in answer.text
    assert seen > 600 * ROUNDS


def test_nobody_with_a_made_up_token(running, rest_api, person):
    for token in TOKENS:
        for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"_token={token}"}, {"Authorization": token}):
            answer = ask(rest_api, "GET", running.address, headers, {})
            if answer is not None:
                assert answer.status_code in (401, 403), (token, answer.status_code)
                assert "b00000" not in answer.text


def test_an_application_that_is_no_page(running, rest_api):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), rest_api.websocket_connect(running.address):
        pass
