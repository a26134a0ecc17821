"""A real uvicorn, and bytes that are sent to it as they are."""

from __future__ import annotations

import contextlib
import socket
import threading


@contextlib.contextmanager
def serve(app, http):
    """Let an application be served; return where it listens.

    :param http: how uvicorn reads requests, ``httptools`` or ``h11``.
    """
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=http, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        running.should_exit = True
        thread.join()
        listener.close()


def send(server, pieces, timeout=20):
    """Send bytes as they are; return status and text of the first answer, None where there was none."""
    answer = b""
    with socket.create_connection(server, timeout=timeout) as connection:
        # Answered already, or never: both is said by what came until then.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            for piece in pieces:
                connection.sendall(piece)
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while not whole(answer) and (more := connection.recv(65_536)):
                answer = (answer + more).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    if not answer:
        return None
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), text


def whole(answer):
    """Tell whether an answer that says how long it is has come to its end."""
    head, gap, text = answer.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(gap) and bool(lengths) and len(text) >= int(lengths[0])
