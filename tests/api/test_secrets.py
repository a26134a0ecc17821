"""The API key shows nowhere, and settings that cannot be right are refused."""

from __future__ import annotations

import copy
import dataclasses
import io
import logging
import pickle
import traceback

import pytest

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.secret import Secret
from airflow_provider_jicoo.api.settings import BASE_URL, KEY_HEADER, Settings

POLICY = RetryPolicy(attempts=2, base=0.01, floor=0.01)
UID = "abc"
CALLS = {
    "get": bookings.get_booking(UID),
    "update": bookings.update_booking(UID, name="x"),
    "cancel": bookings.cancel_booking(UID),
    "reschedule": bookings.reschedule_booking(UID, started_at="2031-01-01T00:00Z", time_zone="Asia/Tokyo"),
    "create": bookings.create_booking(
        started_at="2031-01-01T00:00Z",
        time_zone="Asia/Tokyo",
        event_type_id="e",
        email="guest@example.com",
        name="Guest",
        location_id=None,
    ),
}


def chain(error):
    """The error and every other one that a traceback of it could show."""
    found, left = [], [error]
    while left:
        one = left.pop()
        if one is not None and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__]
    return found


def everything_of(error):
    yield str(error)
    for one in chain(error):
        yield repr(one)
        yield str(one.args)
        yield repr(getattr(one, "__dict__", ""))
        for chained in (True, False):
            yield "".join(traceback.format_exception(type(one), one, one.__traceback__, chain=chained))
    yield repr(pickle.dumps(error))
    yield repr(pickle.loads(pickle.dumps(error)))
    yield repr(copy.deepcopy(error).__dict__)


ROWS = {
    "closed port": None,
    "429": ("429 Too Many Requests", "{key}", "application/json"),
    "500": ("500 Oops", '{{"errors": {{"base": ["{key}"]}}}}', "application/json"),
    "503 html": ("503 Oops", "<p>key {key}</p>", "text/html"),
    "400": ("400 Bad", '{{"message": "bad key {key}"}}', "application/json"),
    "401": ("401 No", '{{"errors": {{"key": "{key} is not known"}}}}', "application/json"),
    "402": ("402 No", '{{"errors": {{"{key}": ["is not known"]}}}}', "application/json"),
    "403": ("403 No", "{key}", "text/plain"),
    "404": ("404 No", '{{"detail": [["{key}"]]}}', "application/json"),
    "422": ("422 No", '{{"error": "' + "x" * 290 + '{key}"}}', "application/json"),
    "302": ("302 Found", "{key}", "text/plain"),
    "200 html": ("200 OK", "<title>{key}</title>", "text/html"),
    "200 errors": ("200 OK", '{{"data": {{}}, "errors": {{"x": "{key}"}}}}', "application/json"),
    "200 other": ("200 OK", '{{"message": "{key}"}}', "application/json"),
    "cut": "cut",
    "dropped": "dropped",
    "hang": "hang",
    "no HTTP": "no HTTP",
    "status line": "status line",
}


def answering(row, key, reply):
    if row == "cut":
        return lambda request, number: (
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + key.encode())
        )
    if row == "dropped":
        return lambda request, number: None
    if row == "hang":
        return lambda request, number: lambda connection: connection.recv(1)
    if row == "no HTTP":
        return lambda request, number: lambda connection: connection.sendall(key.encode() + b" is no HTTP\r\n\r\n")
    if row == "status line":
        return lambda request, number: lambda connection: connection.sendall(f"HTTP/1.1 {key} OK\r\n\r\n".encode())
    status, body, kind = row
    headers = [f"Location: https://example.com/{key}"] if status.startswith("302") else []
    return reply(body.format(key=key), status, kind, headers)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_key_shows_in_nothing_that_a_failure_leaves(
    connect, wire, reply, key, closed_port, caplog, capfd, call, row
):
    # The server says the key itself: nothing it says may carry it further.
    caplog.set_level(logging.DEBUG)
    plain = io.StringIO()
    logging.getLogger().addHandler(handler := logging.StreamHandler(plain))
    url = f"http://127.0.0.1:{closed_port}" if ROWS[row] is None else wire(answering(ROWS[row], key, reply)).url
    driver = connect(url, policy=POLICY, timeout=0.1)
    try:
        with pytest.raises(errors.RequestError) as caught:
            driver.send(call)
    except pytest.fail.Exception:
        # A create takes any answer for its data, and data are the caller's.
        assert (call, row) == (CALLS["create"], "200 other")
        return
    finally:
        logging.getLogger().removeHandler(handler)

    for shown in everything_of(caught.value):
        assert key not in shown
        assert key[8:] not in shown
    logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert key not in "".join([*logged, caplog.text, plain.getvalue(), *capfd.readouterr()])


def test_the_key_shows_in_no_repr(connect, wire, key):
    driver = connect(wire().url)
    driver.send(CALLS["get"])
    settings, sends = driver.client.settings, getattr(driver.client, "_transport", driver.client)
    session = sends._session if driver.library == "requests" else sends._server._peer

    shown = [settings, vars(settings), driver.client, vars(driver.client), sends, vars(sends), session, session.headers]
    shown += [] if driver.library == "requests" else [sends._server, vars(sends._server)]
    assert key not in "".join(f"{one!r} {one}" for one in shown)
    assert key not in repr(settings.headers("x"))
    assert settings.key_header() == {KEY_HEADER: key}
    assert settings.api_key == key


def test_a_pickle_has_no_key_and_says_so(key):
    pickled = pickle.dumps(Settings(key, timeout=5))
    settings = pickle.loads(pickled)

    assert key.encode() not in pickled
    assert settings.timeout == 5
    with pytest.raises(InvalidRequestError, match="a pickle has no API key: make them where they are used"):
        JicooClient(settings).send(CALLS["get"])
    with pytest.raises(TypeError, match="a secret is neither pickled nor copied"):
        pickle.dumps(Secret(key))


def test_a_copy_is_as_good(key):
    settings = Settings(key)

    for made in (copy.copy(settings), copy.deepcopy(settings), dataclasses.replace(settings, timeout=5)):
        assert made.api_key == key
    assert copy.deepcopy(settings) == settings
    assert hash(Settings(key)) == hash(settings)
    assert Settings("other") != settings


def test_the_key_is_in_no_log_of_a_good_request(connect, wire, key, caplog):
    caplog.set_level(logging.DEBUG)
    driver = connect(wire().url)
    driver.send(CALLS["update"])

    assert key not in "".join(f"{record.getMessage()} {record.args}" for record in caplog.records)


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["", " ", "\n", None, 5, b"sk_live_x"])
def test_no_key(blank):
    with pytest.raises(InvalidRequestError, match="there is no API key; make one in Jicoo's dashboard"):
        Settings(blank)


@pytest.mark.parametrize(
    "odd", ["sk_live\nx", "sk_live\r\nX-Other: 1", "sk live", "sk_live_\0", "sk_live_é", "sk\tlive", "\x7f1"]
)
def test_a_key_that_cannot_be_one_is_not_shown(odd):
    with pytest.raises(InvalidRequestError, match="has a blank, a line break or a character that no key has") as caught:
        Settings(odd)

    assert odd not in str(caught.value)


def test_blanks_around_the_key_are_taken_off():
    assert Settings("  sk_live_x\n").api_key == "sk_live_x"


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        (BASE_URL, BASE_URL),
        ("https://api.jicoo.com/", "https://api.jicoo.com"),
        (" https://api.jicoo.com/\n", "https://api.jicoo.com"),
        ("HTTPS://API.JICOO.COM", "HTTPS://API.JICOO.COM"),
        ("https://api.jicoo.com:8443", "https://api.jicoo.com:8443"),
        ("https://gateway.example.com/jicoo/", "https://gateway.example.com/jicoo"),
        ("https://my_gateway:8443", "https://my_gateway:8443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8123", "http://localhost:8123"),
        ("http://127.0.0.1:8123/", "http://127.0.0.1:8123"),
        ("http://[::1]:8123", "http://[::1]:8123"),
    ],
)
def test_hosts(host, taken):
    assert Settings("k", host).base_url == taken


@pytest.mark.parametrize(
    "host",
    [
        "http://api.jicoo.com",
        "HTTP://api.jicoo.com",
        "http://127.0.0.2:80",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0:80",
        "http://169.254.169.254",
    ],
)
def test_plain_http_only_on_loopback(host):
    with pytest.raises(InvalidRequestError, match="is not https: the API key would travel in the open"):
        Settings("k", host)


@pytest.mark.parametrize(
    "host",
    [
        "", " ", "api.jicoo.com", "//api.jicoo.com", "https://", "https:///v1", "ftp://api.jicoo.com", "file:///etc/x",
        "https://api.jicoo.com:port", "https://api.jicoo.com:99999", "https://api.jicoo.com:-1", "https://[::1",
        "https://api.jicoo.com?x=1", "https://api.jicoo.com?", "https://api.jicoo.com#x", "https://api.jicoo.com#",
        "https://a b", "https://a\nb", "https://api.jicoo.com/a b", "https://.", "https://*", "https://a..b",
        "https://" + "a" * 64, "http://127.0.0.1\\.example.com", "https://api.jicoo.com\t.example.com",
    ],
)  # fmt: skip
def test_what_is_no_host(host):
    with pytest.raises(InvalidRequestError, match=r"^host .* is no address"):
        Settings("k", host)


@pytest.mark.parametrize(
    "host",
    [
        "https://user:geheim@api.jicoo.com",
        "https://geheim@api.jicoo.com",
        "https://:geheim@api.jicoo.com",
        "https://@api.jicoo.com/geheim",
        "ftp://user:geheim@api.jicoo.com",
        "https://user:geheim@api.jicoo.com:port",
        "https://user:geheim@api.jicoo.com?x",
        "http://user:geheim@api.jicoo.com",
        "user:geheim@api.jicoo.com",
        "sk_live_geheim",
        "https://sk_live_geheim",
    ],
)
def test_a_password_in_the_host_is_refused_and_not_shown(host):
    with pytest.raises(InvalidRequestError, match="the API key belongs in the password field") as caught:
        Settings("k", host)

    assert "geheim" not in "".join(everything_of(caught.value))


@pytest.mark.parametrize("field", ["timeout", "max_requests_per_second"])
@pytest.mark.parametrize("odd", [0, -1, 0.0, float("nan"), float("inf"), "5", True, [], 1j])
def test_numbers_that_are_none(field, odd):
    with pytest.raises(InvalidRequestError, match=f"^{field}: .* is not a positive number of "):
        Settings("k", **{field: odd})


def test_a_ceiling_below_one_request_an_hour():
    with pytest.raises(InvalidRequestError, match=r"^max_requests_per_second: 1e-320 is less than one request an hour"):
        Settings("k", max_requests_per_second=1e-320)
    assert Settings("k", max_requests_per_second=1 / 3600).max_requests_per_second == 1 / 3600


def test_numbers():
    settings = Settings("k", timeout=0.5, max_requests_per_second=10)

    assert (settings.timeout, settings.max_requests_per_second) == (0.5, 10)
    assert Settings("k").max_requests_per_second is None
    with pytest.raises(InvalidRequestError):
        Settings("k", timeout=None)
