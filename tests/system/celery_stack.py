"""An Airflow whose tasks run on several workers: CeleryExecutor, Redis between scheduler and workers.

The workers are processes of this machine, each with a session, a host name and a folder for temporary files of its
own: killing a session is what the crash of a machine is to all others. What they share is what machines would share:
the API server, Redis, PostgreSQL (where Celery keeps its results), the DAG files, and Airflow's logs, which the tests
read.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.system.stack import AirflowStack, free_port, tail

REDIS = "redis-server"
WORKERS = ("worker-a", "worker-b")
SLOTS = 2
"""Tasks that a worker runs at once: with four shards both workers are full, and neither holds a message that waits."""


def need_celery() -> None:
    """Fail where something is missing that several workers need, and say what installs it."""
    modules = ("airflow.providers.celery", "airflow.providers.amazon", "moto.server")
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        pytest.fail(f"{', '.join(missing)} not installed: make test-celery installs them")
    if redis_server() is None:
        pytest.fail(f"{REDIS} not found; on Debian: apt-get install {REDIS}")


def redis_server() -> Path | None:
    """Return where a real Redis is: of the wheel that brings one, else the system's."""
    for folder in (Path(sys.executable).parent, *map(Path, os.get_exec_path())):
        if (found := folder / REDIS).is_file():
            return found
    return None


class CeleryStack(AirflowStack):
    """Airflow's components, Redis, and two workers.

    :param dags: as for :class:`AirflowStack`.
    :param env: the same.
    """

    def __init__(self, dags: Iterable[Path] = (), env: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        self.redis_port = free_port()
        super().__init__(dags, env, **kwargs)

    def configuration(self) -> dict[str, str]:
        """Return the environment of the components; the workers have theirs of this."""
        made = super().configuration()
        options = {
            "core.executor": "CeleryExecutor",
            "celery.broker_url": f"redis://127.0.0.1:{self.redis_port}/0",
            "celery.result_backend": "db+" + made["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"],
            "celery.worker_concurrency": SLOTS,
        }
        return made | {
            "AIRFLOW__{}__{}".format(*name.upper().split(".")): str(value) for name, value in options.items()
        }

    def start_all(self) -> None:
        """Start Redis, Airflow's components, and the workers, and wait until all of them work."""
        super().start_all()
        with self.timed("workers"):
            self.start_workers(*WORKERS)

    def start_database(self) -> None:
        """Start PostgreSQL, and Redis beside it."""
        super().start_database()
        program = redis_server()
        assert program is not None
        folder = self.root / "redis"
        folder.mkdir()
        options = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        # Of the services, so that a Redis that ends is noticed at once.
        self.services["redis"] = self.spawn([str(program), *options], "redis", folder, os.environ)
        self.poll(
            "Redis accepts connections",
            lambda: "Ready to accept connections" in tail(self.logs / "redis.log") or None,
            self.start_timeout,
            lambda: tail(self.logs / "redis.log"),
        )

    def start_workers(self, *names: str) -> None:
        """Start workers and wait until they take tasks; one that was killed keeps its log."""
        logs = {name: self.logs / f"{name}.log" for name in names}
        before = {name: log.stat().st_size if log.exists() else 0 for name, log in logs.items()}
        for name in names:
            folder = self.root / name
            folder.mkdir(exist_ok=True)
            env = {**self.env, "TMPDIR": str(folder)}
            command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"]
            command += ["--celery-hostname", f"{name}@%h", "--without-mingle", "--without-gossip"]
            self.services[name] = self.spawn(command, name, self.home, env)

        def probe() -> bool | None:
            return all(b" ready." in log.read_bytes()[before[name] :] for name, log in logs.items()) or None

        def explain() -> str:
            return "\n".join(f"--- the end of {name}'s log:\n{tail(log)}" for name, log in logs.items())

        self.poll(f"{', '.join(names)} take tasks", probe, self.start_timeout, explain)

    def worker_of(self, task: Mapping[str, Any]) -> str | None:
        """Return which worker has a process for a task instance; None where none has.

        :param task: what the API says of it.
        """
        title = f"airflow worker -- {task['id']}"
        sessions = {self.services[name].pid: name for name in WORKERS if name in self.services}
        for process in psutil.process_iter(["cmdline"]):
            if title in " ".join(process.info["cmdline"] or []):
                return sessions.get(os.getsid(process.pid))
        return None
