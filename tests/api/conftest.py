"""A sandbox for all of the tests, a server that answers what it is told to, and both clients behind one face."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.sandbox import Sandbox

FAST = RetryPolicy(attempts=4, base=0.01, floor=0.01)
KEY = "sk_live_4Qm9Zt7cVx2Lw8Rb"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def _sandbox():
    with Sandbox(bookings=0, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def jicoo(_sandbox):
    """The sandbox, empty. One for the whole session: to start it for each of hundreds of tests would take minutes."""
    _sandbox.settle()  # what comes late in one test must not come in the next
    _sandbox.reset(bookings=0)
    _sandbox.rate_limit, _sandbox.latency, _sandbox.quirks = None, 0, ()
    return _sandbox


class BlockingDriver:
    library = "requests"

    def __init__(self, settings, policy, **options):
        self.client = JicooClient(settings, policy=policy, **options)

    def send(self, call):
        return self.client.send(call)

    def send_all(self, calls):
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(self.client.send, calls))

    def outcomes(self, calls):
        """What each comes to, all sent at once: its data or its error."""

        def outcome(call):
            try:
                return self.client.send(call)
            except RequestError as error:
                return error

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(outcome, calls))

    def iterate(self, listing, **options):
        return self.client.iterate(listing, **options)

    def run(self, steps):
        return self.client.run(steps)

    def close(self):
        self.client.close()


class AsyncDriver:
    library = "aiohttp"

    def __init__(self, settings, policy, **options):
        self._loop = asyncio.new_event_loop()
        self._is_https = settings.base_url.startswith("https")
        self.client = AsyncJicooClient(settings, policy=policy, **options)

    def _await(self, coroutine):
        return self._loop.run_until_complete(coroutine)

    def send(self, call):
        return self._await(self.client.send(call))

    def send_all(self, calls):
        async def together():
            return await asyncio.gather(*map(self.client.send, calls))

        return self._await(together())

    def outcomes(self, calls):
        async def together():
            return await asyncio.gather(*map(self.client.send, calls), return_exceptions=True)

        return self._await(together())

    def iterate(self, listing, **options):
        rows = self.client.iterate(listing, **options)
        try:
            while True:
                try:
                    yield self._await(rows.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            self._await(rows.aclose())

    def run(self, steps):
        return self._await(self.client.run(steps))

    def close(self):
        self._await(self.client.close())
        if self._is_https:
            self._await(asyncio.sleep(0.01))  # TLS says goodbye
        self._loop.close()


DRIVERS = {"requests": BlockingDriver, "aiohttp": AsyncDriver}


@pytest.fixture(params=list(DRIVERS))
def connect(request) -> Iterator[Callable[..., BlockingDriver | AsyncDriver]]:
    """Connect to an address with one client, then in a further test with the other one."""
    with contextlib.ExitStack() as drivers:

        def connect(url, *, key=KEY, policy=FAST, timeout=5.0, grace=None, rate=None, **options):
            more = {
                name: options.pop(name) for name in ("page_size", "on_unproven", "debug_answers") if name in options
            }
            settings = Settings(
                key, url, timeout=timeout, server_grace=grace or timeout, max_requests_per_second=rate, **more
            )
            driver = DRIVERS[request.param](settings, policy, **options)
            drivers.callback(driver.close)
            return driver

        yield connect


class Wire:
    """A server that counts connections, keeps requests as they came, and answers with what it is given.

    :param answer: makes the bytes of an answer from the request and its number, from 1. None closes the connection.
    """

    def __init__(self, answer, *, port=0, tls=None):
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open = set()
        self._threads = []
        self._lock = threading.Lock()
        self.connections = 0
        self.requests: list[bytes] = []
        self.times: list[float] = []
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()

    @property
    def port(self):
        return self._listener.getsockname()[1]

    @property
    def url(self):
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def heads(self):
        """The headers of each request, by lower-case name."""
        made = []
        for request in self.requests:
            lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
            made.append({name.lower(): value for name, _, value in (line.partition(": ") for line in lines)})
        return made

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
            thread.start()

    def _serve(self, plain):
        connection = plain
        try:
            if self._tls:
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(connection)
            while (request := self._request(connection)) is not None:
                with self._lock:
                    self.requests.append(request)
                    self.times.append(time.monotonic())
                    number = len(self.requests)
                reply = self._answer(request, number)
                if callable(reply):
                    reply = reply(connection)
                if reply is None:
                    return
                connection.sendall(reply)
        except (OSError, ssl.SSLError):
            pass  # the client has gone
        finally:
            connection.close()

    @staticmethod
    def _request(connection):
        got = b""
        while b"\r\n\r\n" not in got:
            piece = connection.recv(65536)
            if not piece:
                return None
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        lines = (line.lower().split(b":") for line in head.split(b"\r\n"))
        length = next((int(line[1]) for line in lines if line[0] == b"content-length"), 0)
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


def http(body=b'{"data": {"uid": "abc"}, "errors": {}}', status="200 OK", kind="application/json", headers=()):
    """An HTTP answer as bytes."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        *([f"Content-Type: {kind}"] if kind else []),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def wire():
    """Start a :class:`Wire` with what it answers."""
    with contextlib.ExitStack() as servers:

        def start(answer=None, **options):
            fixed = answer if answer is None or callable(answer) else None
            made = fixed or (lambda request, number: http() if answer is None else answer)
            server = Wire(made, **options)
            servers.callback(server.close)
            return server

        yield start


@pytest.fixture
def reply():
    """The function :func:`http`."""
    return http


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def key():
    return KEY


@pytest.fixture
def fast():
    return FAST


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Make a certificate for 127.0.0.1, signed by itself. Returns the file with it and its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "jicoo.test")])
    today = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]),
            False,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(pem))
    return file


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trust(certificate, monkeypatch):
    """Let both clients take the certificate for a good one."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
