"""Proxies that the environment names: what they get, and what never goes through them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading

import pytest

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from tests.api.acts import CREATE

GET = bookings.get_booking("abc")


class Proxy:
    """A proxy that makes tunnels and passes on plain requests, and keeps the bytes that it could read.

    :param answer: what it answers to a CONNECT instead of making a tunnel; None for a tunnel.
    """

    def __init__(self, answer: bytes | None = None):
        self._answer = answer
        self.heads: list[bytes] = []
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader, writer):
        with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError):
            await self._pass_on(reader, writer)

    async def _pass_on(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT" and self._answer is None:
            host, _, port = target.decode().rpartition(":")
            server_reader, server = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pump(reader, server), pump(server_reader, writer))
        else:
            writer.write(self._answer or b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            writer.close()

    def close(self):
        async def end():
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.01)  # the connections close

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def pump(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass  # one side has gone
    finally:
        writer.close()


@pytest.fixture
def proxy(monkeypatch):
    """Start a proxy, and let the environment name it."""
    with contextlib.ExitStack() as proxies:

        def start(*names, user="", **options):
            made = Proxy(**options)
            proxies.callback(made.close)
            for name in names:
                monkeypatch.setenv(name, made.url.replace("//", f"//{user}"))
            return made

        yield start


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_the_key_goes_through_the_proxy_and_never_to_it(connect, wire, tls, trust, proxy, key, name):
    server = wire(tls=tls)
    between = proxy(name, user="user:p%40ss@")
    driver = connect(server.url)

    assert [driver.send(GET), driver.send(GET)] == [{"uid": "abc"}] * 2
    assert list(driver.send(bookings.update_booking("abc", name="Olivia"))) == ["uid"]

    assert [head["x-jicoo-api-key"] for head in server.heads()] == [key] * 3
    assert between.heads, "it went through the proxy"
    for head in between.heads:
        assert head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.".encode())
        assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss") in head
        assert b"jicoo-api-key" not in head.lower()
        assert key.encode() not in head
    assert not [head for head in server.heads() if head.keys() & {"proxy-authorization", "authorization"}]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_plain_http_on_this_machine_goes_through_no_proxy(connect, wire, proxy, host, name):
    server = wire()
    between = proxy(name)

    connect(f"http://{host}:{server.port}").send(GET)

    assert between.heads == []
    assert server.requests[0].startswith(b"GET /v1/bookings/abc HTTP/1.1\r\n")


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "*", "example.com,127.0.0.1"])
def test_no_proxy_is_heeded(connect, wire, tls, trust, proxy, monkeypatch, no_proxy):
    between = proxy("https_proxy")
    monkeypatch.setenv("no_proxy", no_proxy)
    server = wire(tls=tls)

    connect(server.url).send(GET)

    assert (len(server.requests), between.heads) == (1, [])


@pytest.mark.parametrize("status", [None, b"407 Proxy Authentication Required", b"503 Service Unavailable"])
def test_a_proxy_that_fails_has_sent_nothing_and_its_password_stays_secret(
    connect, proxy, monkeypatch, closed_port, jicoo, caplog, key, status
):
    if status is None:
        monkeypatch.setenv("https_proxy", f"http://user:geheim@127.0.0.1:{closed_port}")
    else:
        between = proxy("https_proxy", user="user:geheim@", answer=b"HTTP/1.1 " + status + b"\r\n\r\nno")

    with pytest.raises(errors.TransportError, match="could not connect") as caught:
        connect("https://127.0.0.1:9").send(CREATE.call(jicoo, ""))

    assert "geheim" not in f"{caught.value}{caplog.text}"
    if status is not None:
        assert key.encode() not in b"".join(between.heads)


def test_the_settings_name_the_proxy(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")

    assert Settings("k").proxy() == "http://proxy:3128"
    assert Settings("k", "http://localhost:8000").proxy() is None


@pytest.mark.parametrize("host", ["proxy.example:3128", "user:pass@proxy:3128", "127.0.0.1:3128"])
def test_a_proxy_without_a_scheme_is_one_of_http(monkeypatch, host):
    # As with curl and requests; aiohttp would take the name for the scheme.
    monkeypatch.setenv("https_proxy", host)

    assert Settings("k").proxy() == f"http://{host}"


def test_a_socks_proxy(monkeypatch, key, closed_port):
    pytest.importorskip("socks")
    monkeypatch.setenv("https_proxy", f"socks5://127.0.0.1:{closed_port}")
    client = JicooClient(Settings(key), policy=RetryPolicy(attempts=1))
    with client, pytest.raises(errors.TransportError, match="could not connect"):
        client.send(GET)
