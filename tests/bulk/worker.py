"""One try at a plan in a process of its own, to be killed; and a tiny object store for it.

    python tests/bulk/worker.py '{"url": "http://...", "key": "...", "plan": "...", "digest": "...", "said": "..."}'

How it ended stands in the file ``said``. Without an argument this is a nursery: it has everything imported, reads one
line of JSON after the other from stdin, ``{"job": ...}`` or ``{"poll": pid}``, and answers each with a line. A worker
that is forked starts within milliseconds, so that it can be killed a hundred times.
"""

from __future__ import annotations

import dataclasses
import http.client
import io
import json
import os
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import apply as engine

# --- a try at a plan -------------------------------------------------------------------------------------------------


def run(job):
    """Apply a plan; write how it ended; return the exit code."""
    timing = engine.Timing(
        chunk=job.get("chunk", 1_000), policy=dataclasses.replace(engine.Timing().policy, **job.get("policy", {}))
    )
    waves = tuple(job.get("waves", ("1", "1%", "10%")))
    options = engine.Options(**{**job.get("options", {}), "waves": waves, "timing": timing})
    settings = Settings(
        job["key"],
        base_url=job["url"],
        timeout=job.get("timeout", 2.0),
        server_grace=job.get("grace", 2.0),
        max_requests_per_second=job.get("rate"),
    )
    try:
        with JicooClient(settings) as client:
            text, code = str(engine.apply_plan(client, path_of(job["plan"]), digest=job["digest"], options=options)), 0
    except (JicooError, KeyboardInterrupt) as error:
        text, code = f"{type(error).__name__}: {error}", 3
    Path(job["said"]).write_text(text)
    return code


def nursery():
    for line in sys.stdin:
        asked = json.loads(line)
        if "job" in asked:
            answer = os.fork()
            if answer == 0:
                code = 70
                try:
                    log = os.open(asked["job"]["said"] + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                    os.dup2(log, 1)
                    os.dup2(log, 2)
                    code = run(asked["job"])
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                finally:
                    sys.stderr.flush()
                    os._exit(code)
        else:
            pid, status = os.waitpid(asked["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)


# --- an object store -------------------------------------------------------------------------------------------------


class Store(ThreadingHTTPServer):
    """Keeps whole objects: put, get, and list by prefix. Nothing can be appended to, renamed or locked.

    ``delay`` is how long a put takes between its arrival and its being there.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects = {}
        self.delay = 0.0
        self.begun = 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def path(self, name):
        return StorePath(f"http://127.0.0.1:{self.server_address[1]}/{name}")

    def close(self):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if len(content) == int(self.headers["Content-Length"]):  # half an object is none
            self.server.begun += 1
            threading.Event().wait(self.server.delay)
            self.server.objects[self.path] = content
        self._answer(200, b"")

    def do_GET(self):
        if self.path.endswith("/"):
            names = {
                key[len(self.path) :].split("/")[0] for key in list(self.server.objects) if key.startswith(self.path)
            }
            self._answer(200, json.dumps(sorted(names)).encode())
        elif self.path in self.server.objects:
            self._answer(200, self.server.objects[self.path])
        else:
            self._answer(404, b"")

    def _answer(self, status, body):
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the worker was killed

    def log_message(self, *_):
        pass


class StorePath:
    """The part of a path that the engine asks for, in a :class:`Store`."""

    def __init__(self, url):
        self._url = url.rstrip("/")

    def __str__(self):
        return self._url

    __repr__ = __str__

    @property
    def name(self):
        return self._url.rpartition("/")[2]

    @property
    def parent(self):
        return StorePath(self._url.rpartition("/")[0])

    def __truediv__(self, part):
        return StorePath(f"{self._url}/{part}")

    def open(self, mode):
        if mode == "wb":
            return _Upload(self)
        assert mode == "rb"
        status, content = self._ask("GET", "")
        if status == 404:
            raise FileNotFoundError(self._url)
        return io.BytesIO(content)

    def exists(self):
        return self._ask("GET", "")[0] == 200 or bool(self._names())

    def iterdir(self):
        return iter([self / name for name in self._names()])

    def mkdir(self, *, parents, exist_ok):
        pass

    def _names(self):
        return json.loads(self._ask("GET", "/")[1])

    def _ask(self, method, end, content=None):
        parts = urllib.parse.urlsplit(self._url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request(method, parts.path + end, content)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class _Upload(io.BytesIO):
    """As an object store's file: it is there when it was closed, and not before."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    def close(self):
        if not self.closed:
            self._path._ask("PUT", "", self.getvalue())
        super().close()


def path_of(text):
    return StorePath(text) if text.startswith("http://") else Path(text)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(run(json.loads(sys.argv[1])))
    nursery()
