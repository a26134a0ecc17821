"""What the tests of the Airflow face share: a throw-away Airflow, a connection to the sandbox, and shorter waits.

Nothing here imports Airflow or the package before a fixture is asked for: the tests of the API and of the sandbox do
without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE_DAGS = ROOT / "example_dags"
TEST_DAGS = ROOT / "tests" / "operators" / "dags"
HOWTO_DAGS = ROOT / "docs" / "howto"
NOW = datetime(2026, 1, 15, 3, 30, tzinfo=timezone.utc)
"""The time of the sandbox in the tests, where a test does not choose another."""


def pytest_configure(config: pytest.Config) -> None:
    """Give Airflow a home of its own, before anything can import it: it reads these when it is imported."""
    # From here on there is an event loop only where somebody makes one: that which asyncio makes of itself is closed
    # by nobody.
    asyncio.set_event_loop(None)
    home = tempfile.TemporaryDirectory(prefix="airflow-home-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder)},
        }
        for name, folder in (("examples", EXAMPLE_DAGS), ("tests", TEST_DAGS), ("howto", HOWTO_DAGS))
    ]
    os.environ |= {
        "AIRFLOW_HOME": home.name,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
        "AIRFLOW__CORE__FERNET_KEY": "c2V2ZW50aCBmcm9zdCBvZiBhIGxvbmcgd2ludGVyISE=",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.name}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


@pytest.hookimpl(tryfirst=True)  # before xdist, which looks at the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, for which all others would have to wait at the end; let the timeout hold for DAGs too."""
    in_airflow = [item for item in items if "airflow_database" in getattr(item, "fixturenames", ())]
    for item in in_airflow:
        # Ten seconds of work before the first of them, in each worker that has one.
        item.add_marker(pytest.mark.xdist_group("examples" if item.path.stem == "test_example_dags" else "Airflow"))
        item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        # Airflow limits the parsing of a DAG by the same timer of the process as pytest-timeout does the test, and
        # leaves it switched off: only a thread's still goes off then.
        if "dags" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            # It ends the whole worker, so it is generous: a DAG takes a minute on a busy machine.
            item.add_marker(pytest.mark.timeout(400, method="thread"))


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The folder of the throw-away Airflow."""
    return Path(os.environ["AIRFLOW_HOME"])


@pytest.fixture(scope="session")
def airflow_database(airflow_home: Path) -> Path:
    """Airflow's metadata database, empty."""
    airflow_cli("db", "migrate")
    return airflow_home / "airflow.db"


def airflow_cli(*arguments: str, **environment: str) -> str:
    """Run Airflow's command line and return what it printed; a failure fails the test."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def run_airflow() -> Callable[..., str]:
    """Airflow's command line, as a function that returns what it printed."""
    return airflow_cli


@pytest.fixture
def jicoo_sandbox_options() -> dict[str, Any]:
    """The same data on every day: which of them are open, and where, depends on the day they are made around."""
    return {"now": NOW}


@pytest.fixture
def jicoo_connection(jicoo_sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let ``jicoo_default`` be a connection to the sandbox; call it to change some of its fields."""

    def connect(**fields: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_JICOO_DEFAULT", json.dumps({**jicoo_sandbox.connection(), **fields}))

    connect()
    return connect


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> int:
    """Retry as often as always, but without the waits between; returns how often a request is sent at the most.

    The clients take a policy, the hooks choose the default one: what is replaced is only what a hook finds under the
    clients' names.
    """
    import airflow_provider_jicoo.hooks.jicoo as hooks
    from airflow_provider_jicoo.api.retry import RetryPolicy

    policy = dataclasses.replace(RetryPolicy(), base=0.0, floor=0.0)
    for name in ("JicooClient", "AsyncJicooClient"):
        monkeypatch.setattr(hooks, name, functools.partial(getattr(hooks, name), policy=policy))
    return policy.attempts


class TaskInstance:
    """The little that the operators need of a task instance."""

    def __init__(self, try_number: int = 1, max_tries: int = 0) -> None:
        self.try_number = try_number
        self.max_tries = max_tries
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get_first_reschedule_date(self, context: Any) -> Any:
        return None


@pytest.fixture
def context() -> Callable[..., dict[str, Any]]:
    """Make the context of a task: ``context(try_number=2, params={...})``."""

    def make(try_number: int = 1, **more: Any) -> dict[str, Any]:
        return {"ti": TaskInstance(try_number), **more}

    return make


@dataclasses.dataclass
class DagRun:
    """What became of a DAG, read through Airflow's models: from version to version its tables are others.

    :param states: of the tasks, by task id, with the map index behind a mapped one: ``move[0]``.
    :param tries: how many each of them took.
    :param database: where everything about it stands.
    """

    dag_id: str
    run_id: str
    state: str
    states: dict[str, str]
    tries: dict[str, int]
    database: Path

    def sqlite(self) -> Any:
        return contextlib.closing(sqlite3.connect(self.database))

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what a task pushed, or None."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        wanted = {"dag_ids": self.dag_id, "run_id": self.run_id, "task_ids": task_id, "map_indexes": map_index}
        with create_session() as session:
            found = session.scalars(XComModel.get_many(key=key, **wanted)).first()
            value = found.value if found else None
        if isinstance(value, str):
            # Airflow 3.1 stores a text of JSON in the column of JSON.
            with contextlib.suppress(json.JSONDecodeError):
                return json.loads(value)
        return value

    def rendered(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the rendered fields that Airflow's UI shows."""
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.utils.session import create_session

        with create_session() as session:
            (found,) = [
                task
                for task in task_instances(self.dag_id, self.run_id, session)
                if (task.task_id, task.map_index) == (task_id, map_index)
            ]
            return RenderedTaskInstanceFields.get_templated_fields(found, session=session)


def task_instances(dag_id: str, run_id: str, session: Any) -> list[Any]:
    from airflow.models.dagrun import DagRun as AirflowDagRun

    return AirflowDagRun.fetch_task_instances(dag_id=dag_id, run_id=run_id, session=session)


@pytest.fixture(scope="session")
def dags(airflow_database: Path) -> Callable[[Path], Any]:
    """Parse a folder or a file of DAGs, as Airflow does."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag

    return lambda folder: DagBag(str(folder))


@pytest.fixture(scope="session")
def one_execution_api() -> None:
    """Let ``dag.test()`` keep its API server, as it does from Airflow 3.3.

    Before, it makes one for each task: seconds of work, and an event loop that is never closed.
    """
    from airflow.sdk.execution_time import supervisor

    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        supervisor.in_process_api_server = functools.lru_cache(maxsize=1)(supervisor.in_process_api_server)


@pytest.fixture
def run_dag(airflow_database: Path, one_execution_api: None, dags: Callable[[Path], Any]) -> Callable[..., DagRun]:
    """Run a DAG to its end within this process, with ``dag.test()``: ``run_dag(file, uid="...")``."""
    from airflow.utils.session import create_session

    def run(file: Path, dag_id: str | None = None, /, **conf: Any) -> DagRun:
        bag = dags(file)
        assert not bag.import_errors
        found = bag.dags[dag_id or file.stem].test(run_conf=conf)
        state = str(getattr(found.state, "value", found.state))
        result = DagRun(found.dag_id, found.run_id, state, {}, {}, airflow_database)
        with create_session() as session:
            for task in task_instances(found.dag_id, found.run_id, session):
                name = task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"
                result.states[name], result.tries[name] = task.state, task.try_number
        return result

    return run


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The address of moto's server, in the place of Amazon's S3."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def api_server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Airflow's API server, as a task of a worker sees it; ``api_server.away = True`` lets it fail."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.secrets.execution_api import ExecutionAPISecretsBackend
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    from tests.airflow_away import ApiServer

    made = ApiServer()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", made, raising=False)
    # As in a worker; the tests' process would ask its own database.
    backends = [EnvironmentVariablesBackend(), ExecutionAPISecretsBackend()]
    monkeypatch.setattr(
        "airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded",
        lambda: backends,
    )
    return made


@pytest.fixture(scope="session")
def rest_api(airflow_database: Path) -> Any:
    """Airflow's REST API within this process, as a test client; ``rest_api.as_user("alice")`` are somebody's headers.

    It holds from version to version, which the functions behind it do not: 3.4 gave them further arguments.
    """
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    client: Any = TestClient(create_app(apps="core"))

    def headers(name: str) -> dict[str, str]:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        user = SimpleAuthManagerUser(username=name, role="ADMIN")
        return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"}

    client.as_user = headers
    return client
