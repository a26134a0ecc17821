"""An endpoint of the throw-away Airflow, and signed requests to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.in_database import store
from tests.plugins.sending import SECRET

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(autouse=True)
def nothing_said_yet(airflow_home: Path) -> None:
    """Let each test hear what an earlier one has heard within the same minute."""
    from airflow_provider_jicoo.plugins import endpoints, receiver

    for module in (endpoints, receiver):
        module.log.forget()


@pytest.fixture(scope="session")
def webhook_dags(airflow_database: Path, dags: Any) -> None:
    """The DAGs of the tests in Airflow's database, as the DAG processor puts them there."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    store(dags(DAGS), "webhooks")
    with create_session() as session:
        is_paused = DagModel.dag_id == "webhook_paused"
        session.execute(update(DagModel).where(DagModel.dag_id.startswith("webhook_")).values(is_paused=is_paused))


@pytest.fixture
def runs(webhook_dags: None) -> Any:
    """The runs of a DAG: its ids, and the conf of each."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    def read(dag_id: str) -> dict[str, Any]:
        with create_session() as session:
            return {run.run_id: run.conf for run in session.scalars(select(DagRun).where(DagRun.dag_id == dag_id))}

    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id.startswith("webhook_")))
    return read


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a connection receive webhooks; call it to change its extras, or another one's."""

    def make(conn_id: str = "jicoo_default", /, **extras: Any) -> None:
        given = {"webhook_secret": SECRET, "webhook_dag_ids": "webhook_first", **extras}
        fields = {"conn_type": "jicoo", "password": "sk_live_tests", "extra": given}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    make()
    return make


@pytest.fixture
def asset_events(webhook_dags: None) -> Any:
    """The events of the asset: partition key and extra of each; and the DAGs that are to start for them."""
    from airflow.models import asset as models
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    queues = [models.AssetDagRunQueue, getattr(models, "AssetPartitionDagRun", models.AssetDagRunQueue)]
    logs = [models.PartitionedAssetKeyLog] if hasattr(models, "PartitionedAssetKeyLog") else []

    def read() -> tuple[list[tuple[str | None, dict[str, Any]]], list[str]]:
        with create_session() as session:
            events = session.scalars(select(models.AssetEvent).order_by(models.AssetEvent.id))
            made = [(getattr(event, "partition_key", None), event.extra) for event in events]
            queued = [each.target_dag_id for queue in dict.fromkeys(queues) for each in session.scalars(select(queue))]
        return made, sorted(queued)

    with create_session() as session:
        for table in (*logs, *dict.fromkeys(queues), models.AssetEvent):
            session.execute(delete(table))
    return read


@pytest.fixture
def pause(webhook_dags: None) -> Any:
    """Pause DAGs, or unpause them, until the end of the test."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    def change(*dag_ids: str, paused: bool = True) -> None:
        with create_session() as session:
            session.execute(update(DagModel).where(DagModel.dag_id.in_(dag_ids)).values(is_paused=paused))

    yield change
    change("webhook_first", "webhook_woken", "webhook_partitioned", paused=False)
