"""All that the receiver needs of Airflow and that is not public, in one place; each is tested on every version.

What a version lacks is asked by capability. Everything here blocks: call it from a thread. What it stores is committed
when it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.api.errors import JicooError

if TYPE_CHECKING:
    from airflow.models.connection import Connection
    from sqlalchemy.orm import Session

USER = "jicoo webhook"
"""Who started a run, as Airflow's UI shows it."""


class NotStoredError(JicooError):
    """Airflow's database has nothing of the event. The text says what to do, and shows nothing of a guest's."""


def find_connection(conn_id: str) -> Connection | None:
    """Return a connection from wherever Airflow keeps them; None where there is none.

    Airflow's own function takes a backend that fails for one that knows no such connection, and the database is one.

    :param conn_id: its id.
    :raises Exception: whatever the backend that failed raises, where no other knows the connection.
    """
    from airflow.configuration import ensure_secrets_loaded

    failed: Exception | None = None
    for backend in ensure_secrets_loaded():
        try:
            found: Connection | None = backend.get_connection(conn_id=conn_id)
        except Exception as error:
            failed = error
            continue
        if found is not None:
            return found
    if failed is not None:
        raise failed
    return None


def start_dag_run(dag_id: str, run_id: str, conf: Mapping[str, Any]) -> bool:
    """Start a run of a DAG, unless there is one of this id; return whether there was none.

    A paused DAG keeps the run until it is unpaused.

    :param dag_id: the DAG.
    :param run_id: id of the run.
    :param conf: its ``conf``.
    :raises NotStoredError: there is no such DAG, or it takes no such run.
    """
    from airflow.utils.session import create_session
    from sqlalchemy.exc import IntegrityError

    try:
        with create_session(scoped=False) as session:
            return _create_run(dag_id, run_id, conf, session)
    except IntegrityError:
        # Another request for the same event came first; any other conflict is an error.
        with create_session(scoped=False) as session:
            if _run_exists(dag_id, run_id, session):
                return False
        raise


def _create_run(dag_id: str, run_id: str, conf: Mapping[str, Any], session: Session) -> bool:
    from airflow.models.dag import DagModel
    from airflow.models.dagbag import DBDagBag
    from airflow.providers.common.compat.sdk import AirflowException
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    if _run_exists(dag_id, run_id, session):
        return False
    model = session.get(DagModel, dag_id)
    if model is None or model.is_stale:
        raise NotStoredError(f"there is no DAG {dag_id!r}: see webhook_dag_ids of the connection, or deploy the DAG")
    if model.has_import_errors:
        raise NotStoredError(f"the file of the DAG {dag_id!r} has import errors, so that no run can be started")
    # Made anew each time: it keeps whatever it has read for ever.
    dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(dag_id, session=session)
    if dag is None:
        raise NotStoredError(f"the DAG {dag_id!r} is not serialized yet")
    allowed = getattr(dag, "allowed_run_types", None)
    if allowed is not None and DagRunType.MANUAL not in allowed:
        raise NotStoredError(f"the DAG {dag_id!r} does not allow manual runs (allowed_run_types), which these are")
    try:
        dag.create_dagrun(
            run_id=run_id,
            logical_date=None,
            data_interval=None,
            run_after=datetime.now(timezone.utc),
            conf=dict(conf),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name=USER,
            state=DagRunState.QUEUED,
            session=session,
        )
    except (AirflowException, ValueError) as error:  # of its parameters; Airflow 3.1 raises the first
        raise NotStoredError(f"the DAG {dag_id!r} refuses the run: {str(error)[:300]}") from None
    return True


def _run_exists(dag_id: str, run_id: str, session: Session) -> bool:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select

    return session.scalar(select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)) is not None
