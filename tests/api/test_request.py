"""Any request: what is sent, what is refused, and that a change is never repeated."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.api.call import Repeat
from airflow_provider_jicoo.api.errors import AmbiguousOutcomeError, InvalidRequestError, RejectedError, ServerError
from airflow_provider_jicoo.api.request import request


def test_the_whole_answer(connect, wire, reply):
    server = wire(reply(b'{"data": [1], "errors": {}, "totalCount": 7}'))
    found = connect(server.url).send(request("GET", "/v1/things", params={"page": 2, "all": True, "share": 0.5}))
    assert found == {"data": [1], "errors": {}, "totalCount": 7}
    assert server.requests[0].startswith(b"GET /v1/things?page=2&all=true&share=0.5 HTTP/1.1")


@pytest.mark.parametrize("body", [b"[1, 2]", b'{"uid": "u1"}', b'"text"'])
def test_an_answer_of_another_form(connect, wire, reply, body):
    assert connect(wire(reply(body)).url).send(request("get", "/v1/users/me")) is not None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_an_empty_answer(connect, wire, reply, method):
    server = wire(reply(b"", status="204 No Content"))
    json = None if method == "DELETE" else {"a": [1, None, {"b": "c"}]}
    assert connect(server.url).send(request(method, "/v1/things/x", json=json)) is None
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"{method} /v1/things/x HTTP/1.1".encode())
    assert body == (b"" if json is None else b'{"a":[1,null,{"b":"c"}]}')


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("answer", ["503 Busy", None], ids=["503", "dropped"])
def test_a_change_is_never_repeated(connect, wire, reply, method, answer):
    server = wire(lambda *_: None if answer is None else reply(status=answer))
    with pytest.raises(AmbiguousOutcomeError, match="may or may not have been done"):
        connect(server.url).send(request(method, "/v1/things"))
    assert len(server.requests) == 1
    assert request(method, "/v1/things").repeat is Repeat.NEVER


def test_a_read_is_repeated(connect, wire, reply, fast):
    server = wire(reply(status="503 Busy"))
    with pytest.raises(ServerError):
        connect(server.url).send(request("GET", "/v1/things"))
    assert len(server.requests) == fast.attempts


def test_errors_in_an_answer_of_success(connect, wire, reply):
    server = wire(reply(b'{"data": null, "errors": {"name": ["is bad"]}}'))
    with pytest.raises(AmbiguousOutcomeError):
        connect(server.url).send(request("POST", "/v1/things", json={}))


def test_what_was_sent_is_in_no_error(connect, wire, reply):
    said = b'{"data": null, "errors": {"who": ["Stefanie Zweig is not known", "nor is zweig@example.com"]}}'
    server = wire(reply(said, status="422 No"))
    with pytest.raises(RejectedError) as caught:
        connect(server.url).send(request("POST", "/v1/things", json={"who": {"name": "Stefanie Zweig"}}))
    assert "weig" not in str(caught.value)
    assert "is not known" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "",
        None,
        "v1/things",
        "/v2/things",
        "/v1",
        "/v1/",
        "/v1//things",
        "/v1/things/",
        "/v1/../admin",
        "/v1/things/..",
        "/v1/./things",
        "/v1/%2e%2E/admin",
        "/v1/things?page=1",
        "/v1/things#a",
        "/v1/a b",
        "/v1/a\r\nX: y",
        "/v1/a\\b",
        "/v1/日本",
        "/v1/%zz",
        "https://evil.example.com/v1/things",
        "//evil.example.com/v1/things",
    ],
)
def test_a_path_that_is_none(path):
    with pytest.raises(InvalidRequestError, match="is not a path below Jicoo's base URL"):
        request("GET", path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "TRACE"}, "method: 'TRACE' is none of GET, POST, PUT, PATCH, DELETE"),
        ({"method": None}, "method: None is none of"),
        ({"params": {"a": [1]}}, "params: a: a text, a number or a boolean, not list"),
        ({"params": {"a": None}}, "not NoneType"),
        ({"params": "a=b"}, "params: an object, not str"),
        ({"json": [1]}, "json: an object, not list"),
        ({"json": {"a": float("nan")}}, "json: it cannot be sent"),
        ({"json": {"a": object()}}, "json: it cannot be sent"),
        ({"json": {"a": "\ud800"}}, "json: it cannot be sent"),
        ({"params": {"a": "\ud800"}}, "params: a: the text is no Unicode"),
        ({"path": "/v1/" + "x" * 60_000}, "is not a path below"),
    ],
)
def test_what_cannot_be_sent(arguments, words):
    with pytest.raises(InvalidRequestError, match=words):
        request(**{"method": "POST", "path": "/v1/things", **arguments})


def test_the_query_of_a_path_is_not_repeated():
    with pytest.raises(InvalidRequestError, match=r"path '/v1/things\?\.\.\.' is not") as caught:
        request("GET", "/v1/things?guest=Yamada\n&more")
    assert "Yamada" not in str(caught.value)


def test_a_quoted_path():
    assert request("GET", "/v1/things/%E6%97%A5/a_-~.b").path == "/v1/things/%E6%97%A5/a_-~.b"
