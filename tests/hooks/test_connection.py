"""What a connection may look like, and what each mistake in one is told."""

from __future__ import annotations

import contextlib
import json
import socket
import types
from urllib.parse import quote, urlsplit

import pytest
from werkzeug import Response

from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.hooks import connection
from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook, JicooHook


@pytest.fixture
def uri(monkeypatch):
    return lambda text: monkeypatch.setenv("AIRFLOW_CONN_JICOO_DEFAULT", text)


@pytest.fixture
def settings(monkeypatch):
    """Return the settings of a connection that is made of these fields."""

    def make(**fields):
        given = {"conn_type": "jicoo", "password": "sk_live_1", **fields}
        monkeypatch.setenv("AIRFLOW_CONN_JICOO_DEFAULT", json.dumps(given))
        return connection.settings(JicooHook.get_connection("jicoo_default"))

    return make


class TestForms:
    """Each form of ``AIRFLOW_CONN_JICOO_DEFAULT`` ends at the sandbox."""

    def test_json(self, jicoo_sandbox, jicoo_connection):
        with JicooHook() as hook:
            assert len(list(hook.list_bookings())) == 50

    @pytest.mark.parametrize(
        "form",
        [
            "jicoo://:{key}@{host}:{port}/http",
            "jicoo://http://:{key}@{host}:{port}",
            "jicoo://:{key}@{url}",
            "jicoo://:{key}@{host}:{port}/http?timeout=5&team_slug=ours&max_requests_per_second=1000",
        ],
    )
    @pytest.mark.asyncio
    async def test_uri(self, jicoo_sandbox, uri, form):
        parts = urlsplit(jicoo_sandbox.url)
        uri(
            form.format(
                key=jicoo_sandbox.api_key, host=parts.hostname, port=parts.port, url=quote(jicoo_sandbox.url, safe="")
            )
        )
        booking = jicoo_sandbox.bookings()[0]

        with JicooHook() as hook:
            assert hook.get_booking(booking["uid"]) == booking
        async with JicooAsyncHook() as hook:
            assert await hook.get_booking(booking["uid"]) == booking

    def test_another_connection(self, jicoo_sandbox, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(jicoo_sandbox.connection()))
        with JicooHook("other") as hook:
            assert hook.list_bookings(limit=1)


class TestAddress:
    @pytest.mark.parametrize(
        ("fields", "address"),
        [
            ({}, "https://api.jicoo.com"),
            ({"host": ""}, "https://api.jicoo.com"),
            ({"host": "  "}, "https://api.jicoo.com"),
            ({"host": "api.example.com"}, "https://api.example.com"),
            ({"host": "api.example.com/"}, "https://api.example.com"),
            ({"host": "api.example.com", "port": 8443}, "https://api.example.com:8443"),
            ({"host": "api.example.com:8443"}, "https://api.example.com:8443"),
            ({"host": "https://api.example.com"}, "https://api.example.com"),
            ({"host": "https://api.example.com/"}, "https://api.example.com"),
            ({"host": "https://api.example.com/", "port": 8443}, "https://api.example.com:8443"),
            ({"host": "https://proxy.example.com/jicoo/"}, "https://proxy.example.com/jicoo"),
            ({"host": "api.example.com", "schema": "https"}, "https://api.example.com"),
            ({"host": "api.example.com", "schema": "something"}, "https://api.example.com"),
            ({"host": "localhost", "schema": "http", "port": 8080}, "http://localhost:8080"),
            ({"host": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"),
            ({"host": "http://[::1]:8080"}, "http://[::1]:8080"),
            ({"host": "http://[::1]", "port": 8080}, "http://[::1]:8080"),
            ({"port": 443}, "https://api.jicoo.com"),
            ({"port": 8443}, "https://api.jicoo.com:8443"),
            ({"host": "api.example.com", "port": 443}, "https://api.example.com"),
            ({"host": "http://localhost", "port": 80}, "http://localhost"),
            ({"host": "http://localhost", "port": 443}, "http://localhost:443"),
            ({"host": "http://127.0.0.1:8080", "port": 8080}, "http://127.0.0.1:8080"),
            ({"host": "https://proxy.example.com/jicoo/", "port": 8443}, "https://proxy.example.com:8443/jicoo"),
        ],
    )
    def test_it_is_put_together(self, settings, fields, address):
        assert settings(**fields).base_url == address

    @pytest.mark.parametrize(
        "host", [None, "", "api.example.com", "http://127.0.0.1:8080", "https://proxy.example.com/jicoo"]
    )
    def test_port_0_is_none(self, host):
        """Airflow's Test button sends it for a connection without a port."""
        fields = {"conn_id": "one", "schema": None, "password": "sk_live_1", "extra_dejson": {}, "host": host}
        with_0, without = (types.SimpleNamespace(**fields, port=port) for port in (0, None))
        assert connection.settings(with_0).base_url == connection.settings(without).base_url

    def test_two_ports(self, settings):
        with pytest.raises(InvalidRequestError, match=r"'jicoo_default': host names port 8080, and the field .* 8443"):
            settings(host="https://user:sk_live_2@a.example:8080", port=8443)

    @pytest.mark.parametrize(
        "fields",
        [
            {"host": "http://api.jicoo.com"},
            {"host": "api.jicoo.com", "schema": "http"},
            {"host": "http://localhost.example.com"},
            {"host": "http://127.0.0.1.example.com"},
            {"host": "http://10.0.0.1"},
        ],
    )
    def test_plain_http_is_for_this_machine_only(self, settings, fields):
        with pytest.raises(InvalidRequestError, match="not https: the API key would travel in the open"):
            settings(**fields)

    @pytest.mark.parametrize(
        "host", ["ftp://api.jicoo.com", "https://", "https://host:port", "https://a.example?x=1", "https://a.example#x"]
    )
    @pytest.mark.parametrize("port", [None, 8443])
    def test_what_is_no_address(self, settings, host, port):
        with pytest.raises(InvalidRequestError, match=r"connection 'jicoo_default': host .* is no address"):
            settings(host=host, port=port)

    def test_a_key_in_the_address_is_refused_and_not_repeated(self, settings):
        with pytest.raises(InvalidRequestError, match="belongs in the password field") as caught:
            settings(host="https://user:sk_live_2@api.jicoo.com")
        assert "sk_live_2" not in str(caught.value)


class TestKey:
    @pytest.mark.parametrize("password", [None, "", "  "])
    def test_none(self, settings, password):
        with pytest.raises(InvalidRequestError, match="connection 'jicoo_default': there is no API key"):
            settings(password=password)

    @pytest.mark.parametrize("password", ["sk live", "sk_live\r\nX-Other: 1", "鍵"])
    def test_what_can_be_none_is_not_repeated(self, settings, password):
        with pytest.raises(InvalidRequestError, match="no key has") as caught:
            settings(password=password)
        assert password not in str(caught.value)

    @pytest.mark.parametrize("field", ["timeout", "page_size", "on_unproven", "debug_answers", "sk_live_in_a_name"])
    @pytest.mark.parametrize("password", ["", "sk_live_elsewhere", "another_kind_of_key"])
    def test_in_another_field_it_is_not_repeated(self, settings, field, password):
        key = password or "sk_live_elsewhere"
        with pytest.raises(InvalidRequestError, match=r"\*\*\*|no API key") as caught:
            settings(password=password, extra={field: key})
        assert key not in str(caught.value)
        assert caught.value.__context__ is None

    def test_blanks_around_it_are_left_out(self, settings):
        assert settings(password=" sk_live_3\n").api_key == "sk_live_3"

    def test_it_does_not_show(self, settings):
        assert "sk_live_1" not in repr(settings())


class TestExtras:
    def test_numbers(self, settings):
        found = settings(extra={"timeout": 2.5, "server_grace": 90, "max_requests_per_second": 40})
        assert (found.timeout, found.server_grace, found.max_requests_per_second) == (2.5, 90, 40)

    def test_numbers_as_texts(self, settings):
        found = settings(extra={"timeout": "2.5", "server_grace": "90", "max_requests_per_second": "40"})
        assert (found.timeout, found.server_grace, found.max_requests_per_second) == (2.5, 90, 40)

    def test_empty_ones_are_as_good_as_none(self, settings):
        empty = {"timeout": "", "server_grace": "", "max_requests_per_second": None, "team_slug": ""}
        found = settings(extra={**empty, "webhook_secret": ""})
        assert (found.timeout, found.server_grace, found.max_requests_per_second) == (30, 60, None)

    @pytest.mark.parametrize(
        ("extra", "grace"),
        [
            ({}, 60),
            ({"timeout": 90}, 90),
            ({"timeout": 90, "server_grace": 30}, 90),
            ({"timeout": 20, "server_grace": 30}, 30),
            ({"server_grace": "0.5"}, 30),
            ({"server_grace": 600}, 600),
        ],
    )
    def test_the_servers_grace_is_never_less_than_the_timeout(self, settings, extra, grace):
        assert settings(extra=extra).server_grace == grace

    def test_names_of_the_parameters_of_free_slots(self, settings):
        assert settings().period_parameters == ("periodStart", "periodEnd")
        found = settings(extra={"period_start_parameter": "startedAt", "period_end_parameter": "endedAt"})
        assert found.period_parameters == ("startedAt", "endedAt")
        assert settings(extra={"period_end_parameter": "to"}).period_parameters == ("periodStart", "to")

    @pytest.mark.parametrize("extra", [{"period_end_parameter": "periodStart"}, {"period_start_parameter": "a b"}])
    def test_names_that_cannot_be(self, settings, extra):
        with pytest.raises(InvalidRequestError, match=r"period parameters: .* are not two names"):
            settings(extra=extra)

    @pytest.mark.parametrize(
        ("extra", "name", "value"),
        [
            ({}, "page_size", 50),
            ({"page_size": 20}, "page_size", 20),
            ({"page_size": "20"}, "page_size", 20),
            ({"page_size": ""}, "page_size", 50),
            ({}, "on_unproven", "fail"),
            ({"on_unproven": "warn"}, "on_unproven", "warn"),
            ({}, "lists_requests", False),
            ({"lists_requests": "true"}, "lists_requests", True),
            ({"lists_requests": True}, "lists_requests", True),
            ({"lists_requests": "False"}, "lists_requests", False),
        ],
    )
    def test_how_lists_are_read(self, settings, extra, name, value):
        assert getattr(settings(extra=extra), name) == value

    @pytest.mark.parametrize(
        ("extra", "words"),
        [
            ({"page_size": "many"}, "page_size: 'many' is not a number"),
            ({"page_size": 2.5}, "page_size: 2.5 is not a whole number"),
            ({"page_size": "nan"}, "page_size: 'nan' is not a whole number"),
            ({"page_size": 0}, "page_size: 0 is not 1 or more rows"),
            ({"on_unproven": "ignore"}, "on_unproven: 'ignore' is neither 'fail' nor 'warn'"),
            ({"lists_requests": "perhaps"}, "lists_requests: 'perhaps' is neither true nor false"),
        ],
    )
    def test_how_lists_cannot_be_read(self, settings, extra, words):
        with pytest.raises(InvalidRequestError, match=f"connection 'jicoo_default': {words}"):
            settings(extra=extra)

    def test_an_unknown_one_names_the_nearest(self, settings):
        with pytest.raises(
            InvalidRequestError, match=r"connection 'jicoo_default': unknown extra 'timout'; did you mean 'timeout'\?"
        ):
            settings(extra={"timout": 3})

    def test_an_unknown_one_that_is_near_to_none_names_all(self, settings):
        with pytest.raises(InvalidRequestError, match="unknown extra 'zzz'; known are timeout, server_grace, max_"):
            settings(extra={"zzz": 3})

    @pytest.mark.parametrize("value", ["soon", "0", -1, "nan", "inf", [1], {}, True, 10**400])
    @pytest.mark.parametrize("name", ["timeout", "server_grace", "max_requests_per_second", "page_size"])
    def test_no_number(self, settings, name, value):
        with pytest.raises(InvalidRequestError, match=f"connection 'jicoo_default': {name}: "):
            settings(extra={name: value})

    @pytest.mark.parametrize("name", ["period_start_parameter", "period_end_parameter"])
    @pytest.mark.parametrize("value", [True, ["a"], {}])
    def test_no_text(self, settings, name, value):
        with pytest.raises(InvalidRequestError, match=f"connection 'jicoo_default': {name}: .* is not a text"):
            settings(extra={name: value})

    @pytest.mark.parametrize("extra", [[1], "text", None])
    def test_no_object(self, extra):
        """Airflow 3.1 does not take such a connection at all, later versions hand it on."""
        given = types.SimpleNamespace(
            conn_id="one", host=None, schema=None, port=None, password="sk_live_1", extra_dejson=extra
        )
        with pytest.raises(InvalidRequestError, match="connection 'one': its extras are no JSON object"):
            connection.settings(given)

    def test_the_timeout_reaches_the_client(self, jicoo_sandbox, jicoo_connection, quick_retries):
        from airflow_provider_jicoo.api.errors import TransportError

        jicoo_connection(extra={"timeout": "0.1"})
        jicoo_sandbox.fail("hang", seconds=3, times=100)
        with JicooHook() as hook, pytest.raises(TransportError, match="no answer"):
            hook.get_booking("mzgdPJVBb7RE")
        assert jicoo_sandbox.count() == quick_retries

    @pytest.mark.parametrize(("late", "seen"), [(0.5, True), (1.6, False)])
    @pytest.mark.asyncio
    async def test_the_servers_grace_reaches_both_clients(self, jicoo_sandbox, jicoo_connection, late, seen):
        from airflow_provider_jicoo.api.errors import AmbiguousOutcomeError

        jicoo_connection(extra={"timeout": "0.8", "server_grace": "1"})
        one, other = (jicoo_sandbox.add_booking()["uid"] for _ in range(2))
        jicoo_sandbox.fail("dropped", method="POST", times=2, late=late)
        expected = contextlib.nullcontext() if seen else pytest.raises(AmbiguousOutcomeError, match="over 1 s")

        with JicooHook() as hook, expected:
            hook.cancel_booking(one)
        async with JicooAsyncHook() as hook:
            with expected:
                await hook.cancel_booking(other)
        jicoo_sandbox.settle()

        assert jicoo_sandbox.count("POST") == 2
        assert sorted(message.uid for message in jicoo_sandbox.messages) == sorted([one, other])

    def test_what_the_user_lets_be_sent_again(self, jicoo_sandbox, jicoo_connection):
        jicoo_connection(extra={"timeout": "0.5", "server_grace": "0.5"})
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.fail("dropped_before", method="POST")

        with JicooHook() as hook:
            assert hook.cancel_booking(uid, on_doubt="again")["status"] == "cancel"

        assert jicoo_sandbox.count("POST") == 2
        assert len(jicoo_sandbox.messages) == 1


class TestTestConnection:
    """What the button says; every answer names the address that was asked."""

    def ask(self):
        fine, message = JicooHook().test_connection()
        assert "sk_live" not in message
        return fine, message

    def test_fine(self, jicoo_sandbox, jicoo_connection):
        assert self.ask() == (True, f"{jicoo_sandbox.url} accepts the API key")
        assert [(request.method, request.path) for request in jicoo_sandbox.requests] == [("GET", "/v1/bookings")]
        assert jicoo_sandbox.requests[0].query["perPage"] == "1"

    def test_fine_without_bookings(self, jicoo_sandbox, jicoo_connection):
        jicoo_sandbox.reset(bookings=0)
        assert self.ask()[0] is True

    def test_a_refused_key(self, jicoo_sandbox, jicoo_connection):
        jicoo_sandbox.revoke_key()
        fine, message = self.ask()
        assert not fine
        assert message.startswith(f"{jicoo_sandbox.url} refuses the API key (401)")

    def test_no_permission(self, jicoo_sandbox, jicoo_connection):
        jicoo_connection(password=jicoo_sandbox.forbidden_key)
        fine, message = self.ask()
        assert not fine
        assert message.startswith(f"{jicoo_sandbox.url} knows the API key, but it has no permission")

    def test_unreachable(self, jicoo_connection, jicoo_sandbox):
        with socket.create_server(("127.0.0.1", 0)) as server:
            host = f"http://127.0.0.1:{server.getsockname()[1]}"
        jicoo_connection(host=host)
        fine, message = self.ask()
        assert not fine
        assert message.startswith(f"{host} cannot be reached: could not connect")
        assert "refused" in message

    def test_no_such_name(self, jicoo_connection):
        jicoo_connection(host="https://no-such-host.invalid")
        fine, message = self.ask()
        assert not fine
        assert message.startswith("https://no-such-host.invalid cannot be reached")

    @pytest.mark.parametrize(
        "answer",
        [
            Response("<html><body>Welcome to nginx</body></html>", 200, content_type="text/html"),
            Response("<html><body>Not found</body></html>", 404, content_type="text/html"),
            Response('{"hello": "world"}', 200, content_type="application/json"),
            Response("", 302, {"Location": "https://www.jicoo.com/login"}),
            Response("", 204),
        ],
        ids=["page", "404", "other JSON", "redirect", "empty"],
    )
    def test_not_jicoo(self, httpserver, jicoo_connection, answer):
        httpserver.expect_request("/v1/bookings").respond_with_response(answer)
        host = httpserver.url_for("").rstrip("/")
        jicoo_connection(host=host)
        fine, message = self.ask()
        assert not fine
        assert message.startswith(f"{host} is not Jicoo's API"), message
        assert len(httpserver.log) == 1

    @pytest.mark.parametrize(("fault", "words"), [("server_error", "503"), ("rate_limit", "too many requests")])
    def test_a_failing_server(self, jicoo_sandbox, jicoo_connection, fault, words):
        jicoo_sandbox.fail(fault)
        fine, message = self.ask()
        assert not fine
        assert message.startswith(f"{jicoo_sandbox.url} answers, but not with bookings")
        assert words in message
        assert jicoo_sandbox.count() == 1, "somebody waits for the button"

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"password": ""}, "there is no API key"),
            ({"host": "http://api.jicoo.com"}, "is not https"),
            ({"extra": {"timout": 3}}, "did you mean 'timeout'"),
            ({"extra": {"timeout": "soon"}}, "is not a number"),
        ],
    )
    def test_a_connection_that_cannot_be_right(self, jicoo_sandbox, jicoo_connection, fields, words):
        jicoo_connection(**fields)
        fine, message = self.ask()
        assert not fine
        assert message.startswith("connection 'jicoo_default': ")
        assert words in message
        assert jicoo_sandbox.count() == 0

    def test_each_says_something_else(self, jicoo_sandbox, jicoo_connection, httpserver):
        httpserver.expect_request("/v1/bookings").respond_with_data("<p>hello</p>", content_type="text/html")
        said = [self.ask()[1]]
        for fields in (
            {"password": "sk_live_other"},
            {"password": jicoo_sandbox.forbidden_key},
            {"password": ""},
            {"host": "http://127.0.0.1:9"},
            {"host": httpserver.url_for("").rstrip("/")},
        ):
            jicoo_connection(**fields)
            said.append(self.ask()[1])
        assert len(set(said)) == len(said)


class TestAnotherType:
    """A connection to something else has a password too: it must not go to Jicoo as the API key."""

    OTHERS = ("postgres://user:geheim@db.example.com:5432/x", '{"conn_type": "http", "password": "geheim"}')

    @pytest.fixture(params=OTHERS)
    def other(self, request, uri):
        uri(request.param)
        return request.param

    def test_hook(self, other):
        with pytest.raises(
            InvalidRequestError, match=r"^connection 'jicoo_default': it is of type '\w+', not 'jicoo'"
        ) as caught:
            JicooHook().get_booking("abc")

        assert "jicoo_conn_id" in str(caught.value)
        assert "geheim" not in f"{caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
        assert JicooHook().test_connection()[0] is False

    @pytest.mark.asyncio
    async def test_async_hook(self, other):
        with pytest.raises(InvalidRequestError, match="not 'jicoo'"):
            await JicooAsyncHook().get_booking("abc")

    @pytest.mark.asyncio
    async def test_trigger(self, other):
        from airflow_provider_jicoo.triggers.bookings import BookingStatusTrigger

        trigger = BookingStatusTrigger(
            uids=["abc"], statuses=["open"], fail_on=[], poll_interval=1.0, deadline=None, jicoo_conn_id="jicoo_default"
        )
        event = await trigger.run().__anext__()

        assert event.payload["status"] == "failed"
        assert "not 'jicoo'" in event.payload["message"]

    @pytest.mark.parametrize("conn_type", [None, "", "jicoo", "Jicoo"])
    def test_its_own(self, settings, conn_type):
        assert settings(conn_type=conn_type).api_key == "sk_live_1"


class TestDebugAnswers:
    def test_folder(self, settings):
        assert settings(extra={"debug_answers": "/var/tmp/answers"}).debug_answers == "/var/tmp/answers"
        assert settings(extra={"debug_answers": ""}).debug_answers is None

    @pytest.mark.parametrize("odd", ["answers", "~/answers", 5, "/a\0b"])
    def test_what_is_no_folder(self, settings, odd):
        with pytest.raises(InvalidRequestError, match=r"debug_answers: .* is not an absolute path"):
            settings(extra={"debug_answers": odd})
