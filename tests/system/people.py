"""An Airflow whose people may not all do the same, under either of its auth managers.

There are two DAGs, ``jicoo_ours`` and ``jicoo_others``. Airflow's simple auth manager knows roles and, from 3.2 on,
teams; the FAB auth manager knows rights of single DAGs, as a DAG's ``access_control`` gives them.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.system.stack import AirflowStack, StackError

HERE = Path(__file__).parent
TEAMS = ("ours", "others")
OURS, OTHERS = (f"jicoo_{team}" for team in TEAMS)


@dataclass(frozen=True)
class Person:
    """Somebody with an account.

    :param simple: their role, and their team, under the simple auth manager; empty where it has nothing like it.
    :param fab: their role under the FAB auth manager.
    :param sees: the DAGs that they may read.
    :param edits: whether they may edit the runs of those.
    :param logs: whether they may read the logs of those.
    """

    name: str
    simple: str
    fab: str
    sees: frozenset[str]
    edits: bool = False
    logs: bool = True
    password: str = field(default_factory=secrets.token_urlsafe, repr=False)

    def __str__(self) -> str:
        return self.name


def make_people() -> dict[str, Person]:
    """Return everybody, by name."""
    both, ours, others = frozenset((OURS, OTHERS)), frozenset((OURS,)), frozenset((OTHERS,))
    everybody = [
        Person("root", "admin", "Admin", both, edits=True),
        Person("viewer", "viewer:ours", "ours_reader", ours),
        Person("editor", "user:ours", "ours_editor", ours, edits=True),
        Person("viewer_of_others", "viewer:others", "others_reader", others),
        Person("editor_of_others", "user:others", "others_editor", others, edits=True),
        # What the simple auth manager has nothing like: FAB's own roles, and one that may read no logs.
        Person("viewer_of_all", "", "Viewer", both),
        Person("user_of_all", "", "User", both, edits=True),
        Person("viewer_without_logs", "", "ours_reader_without_logs", ours, logs=False),
    ]
    return {each.name: each for each in everybody}


class PeopledStack(AirflowStack):
    """A running Airflow with accounts.

    :param people: who has one.
    """

    def __init__(self, people: Iterable[Person], **more: Any) -> None:
        self.people = {each.name: each for each in people}
        super().__init__(**more)
        for team in TEAMS:
            (self.dags_folder / team).mkdir()
            shutil.copyfile(HERE / "people_dags" / "plans.py", self.dags_folder / team / "plans.py")

    def token(self, person: Person) -> str:
        """Return what Airflow gives to somebody who signs in with name and password."""
        body = {"username": person.name, "password": person.password}
        answer = requests.post(f"{self.api.base_url}/auth/token", json=body, timeout=60, proxies={"http": ""})
        if answer.status_code != 201:
            raise StackError(f"{person} cannot sign in: {answer.status_code} {answer.text[:500]}")
        return str(answer.json()["access_token"])

    def log_in(self) -> None:
        """Let :attr:`api` be root's."""
        self.api.session.headers["Authorization"] = f"Bearer {self.token(self.people['root'])}"


class SimpleStack(PeopledStack):
    """With Airflow's simple auth manager, and teams: a folder of DAGs each."""

    manager = "simple"

    def __init__(self, people: Iterable[Person]) -> None:
        super().__init__([each for each in people if each.simple])

    def configuration(self) -> dict[str, str]:
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({each.name: each.password for each in self.people.values()}))
        bundles = [
            {
                "name": team,
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(self.dags_folder / team), "refresh_interval": 1},
                "team_name": team,
            }
            for team in TEAMS
        ]
        return {
            **super().configuration(),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{each.name}:{each.simple}" for each in self.people.values()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__CORE__MULTI_TEAM": "True",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        }

    def prepare(self) -> None:
        for team in TEAMS:
            self.airflow("teams", "create", team)


class FabStack(PeopledStack):
    """With the FAB auth manager, whose package is another one."""

    manager = "fab"

    def __init__(self, people: Iterable[Person]) -> None:
        super().__init__(people)

    def configuration(self) -> dict[str, str]:
        return {
            **super().configuration(),
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "AIRFLOW__FAB__CONFIG_FILE": str(self.home / "webserver_config.py"),
        }

    def prepare(self) -> None:
        given = [[each.name, each.password, each.fab] for each in self.people.values()]
        done = subprocess.run(
            [sys.executable, str(HERE / "fab_people.py")],
            cwd=self.home,
            env=self.env,
            input=json.dumps(given),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode:
            raise StackError(f"no accounts: {done.stdout[-4000:]}")


def missing(manager: str) -> str:
    """Return what an auth manager needs and is not here; empty where nothing."""
    if manager == "fab":
        return "" if importlib.util.find_spec("airflow.providers.fab") else "FAB; make test-people installs it"
    has_teams = importlib.util.find_spec("airflow.models.team")
    return "" if has_teams else "teams in the simple auth manager, since Airflow 3.2"
