"""The pages of a throw-away Airflow, as different people see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.in_database import store
from tests.plugins.room import planted

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def room_dags(airflow_database: Path, dags: Any) -> None:
    """The DAGs of the tests in Airflow's database, as the DAG processor puts them there."""
    store(dags(DAGS), "room")


@pytest.fixture
def room(room_dags: None) -> None:
    """No run of any of them."""
    from airflow.models.dagrun import DagRun
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id.in_(("room", "room_of_others", "jicoo_undo_last_run"))))
        session.execute(delete(Log))


class Person:
    """Somebody with a browser.

    :param client: Airflow's API server.
    :param headers: what proves who they are.
    """

    def __init__(self, client: Any, headers: dict[str, str]) -> None:
        self._client, self.headers = client, headers

    def get(self, address: str, **more: Any) -> Any:
        """Open a page."""
        return self._client.get(address, headers={**self.headers, **more.pop("headers", {})}, **more)

    def read(self, address: str) -> str:
        """Open a page that has to be there, and return its text."""
        answer = self.get(address)
        assert answer.status_code == 200, answer.text
        assert "could not be made to its end" not in answer.text
        return str(answer.text)

    def search(self, address: str, **fields: str) -> str:
        """Search in a plan, and return the text of the page."""
        answer = self._client.post(address, data=fields, headers=self.headers)
        assert answer.status_code == 200, answer.text
        assert "could not be made to its end" not in answer.text
        return str(answer.text)

    def tell(self, address: str, body: Any, **headers: str | None) -> Any:
        """Give an order, as the script of the page does."""
        own = {"X-Jicoo-Page": "1", "Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
        given = {**own, **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent = {name: value for name, value in given.items() if value is not None}
        return self._client.post(f"{address}/control", json=body, headers={**self.headers, **sent})


@pytest.fixture
def person(rest_api: Any, room: None) -> Callable[..., Person]:
    """Make somebody of a role of Airflow's simple auth manager; nobody where it is None."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def make(role: str | None, name: str = "grace") -> Person:
        if role is None:
            return Person(rest_api, {})
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
        return Person(rest_api, {"Authorization": f"Bearer {token}"})

    return make


@pytest.fixture
def viewer(person: Callable[..., Person]) -> Person:
    return person("VIEWER")


@pytest.fixture
def editor(person: Callable[..., Person]) -> Person:
    return person("USER")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let Airflow's auth manager allow less: ``only(dag_ids={"room"}, entities={"TASK_INSTANCE"})``."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    allowed = SimpleAuthManager.is_authorized_dag

    def restrict(dag_ids: set[str] | None = None, refused: frozenset[str] | set[str] = frozenset()) -> None:
        def is_authorized_dag(
            self: Any, *, method: str, user: Any, access_entity: Any = None, details: Any = None
        ) -> bool:
            if dag_ids is not None and (details is None or details.id not in dag_ids):
                return False
            if access_entity is not None and access_entity.name in refused:
                return False
            return allowed(self, method=method, user=user, access_entity=access_entity, details=details)

        monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized_dag)

    return restrict


@pytest.fixture
def finished(room: None, tmp_path: Path) -> planted.Task:
    """An apply that has ended, of three changes of which one was stale."""
    manifest = planted.write_plan(tmp_path / "plans" / "room" / "r.jsonl", map(planted.change, range(3)))
    made = [{"uid": f"b{number:06}", "action": "update", "outcome": "applied"} for number in range(3)]
    made[2] = {**made[2], "outcome": "stale", "detail": "edited at 2027-01-01T00:00:00Z"}
    planted.write_report(manifest, made)
    planted.write_claim(manifest)
    return planted.plant(
        "room",
        "manual__2027-01-01T00:00:00+00:00",
        "apply",
        "success",
        jicoo_plan=planted.note(manifest),
        jicoo_progress=planted.progress(done=3, counts={"applied": 2, "stale": 1}),
    )


@pytest.fixture
def running(room: None, tmp_path: Path) -> planted.Task:
    """An apply that is under way."""
    manifest = planted.write_plan(tmp_path / "plans" / "room" / "r.jsonl", map(planted.change, range(3)))
    planted.write_claim(manifest)
    return planted.plant(
        "room",
        "manual__2027-01-02T00:00:00+00:00",
        "apply",
        "running",
        jicoo_plan=planted.note(manifest),
        jicoo_progress=planted.progress(),
    )
