"""Who looks at a page, and what they may see: nothing but what Airflow's own auth manager lets them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_provider_jicoo.plugins import airflow_internals as internals
from airflow_provider_jicoo.plugins.airflow_internals import Entity, Method


@dataclass(frozen=True)
class Viewer:
    """A user of Airflow, for the time of one request.

    :param user: as Airflow's auth manager has it.
    """

    user: Any

    @cached_property
    def _answers(self) -> dict[tuple[Method, Entity, str], bool]:
        """What the auth manager has said: a page asks the same several times, and each is a query."""
        return {}

    def _may(self, method: Method, entity: Entity, dag_id: str) -> bool:
        asked = method, entity, dag_id
        if asked not in self._answers:
            self._answers[asked] = internals.may(self.user, *asked)
        return self._answers[asked]

    @cached_property
    def name(self) -> str:
        """What Airflow's audit log calls them."""
        return internals.name_of(self.user)

    def may_read(self, dag_id: str) -> bool:
        """Whether they may see a DAG's tasks."""
        return self._may("GET", "TASK_INSTANCE", dag_id)

    def may_read_personal(self, dag_id: str) -> bool:
        """Whether they may see what may be personal to guests: whoever may read the logs of the DAG's tasks."""
        return self.may_read(dag_id) and self._may("GET", "TASK_LOGS", dag_id)

    def may_control(self, dag_id: str) -> bool:
        """Whether they may tell a run what to do: whoever may edit the DAG's runs."""
        return self.may_read(dag_id) and self._may("PUT", "RUN", dag_id)

    def may_start(self, dag_id: str) -> bool:
        """Whether they may start a run of a DAG."""
        return self.may_read(dag_id) and self._may("POST", "RUN", dag_id)

    def readable(self, dag_ids: set[str]) -> set[str]:
        """Return of which of these DAGs they may list the runs."""
        return {dag_id for dag_id in dag_ids & internals.readable_dag_ids(self.user) if self.may_read(dag_id)}
