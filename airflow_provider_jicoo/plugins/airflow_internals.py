"""All that the receiver needs of Airflow and that is not public, in one place; each is tested on every version.

What a version lacks is asked by capability. Everything here blocks: call it from a thread. What it stores is committed
when it returns.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.api.errors import JicooError

if TYPE_CHECKING:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.connection import Connection
    from sqlalchemy.orm import Session

USER = "jicoo webhook"
"""Who started a run, as Airflow's UI shows it."""

_ONE_PARTITION_AT_A_TIME = threading.Lock()
"""For SQLite, which locks no rows; elsewhere the lock on the asset's row holds for all processes."""


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


def conf_of_run(dag_id: str, run_id: str) -> Mapping[str, Any]:
    """Return the ``conf`` of a run; nothing where it has none, or there is no such run.

    :param dag_id: the DAG.
    :param run_id: id of the run.
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        found = session.scalar(select(DagRun.conf).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    return found if isinstance(found, Mapping) else {}


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


def has_partitions() -> bool:
    """Say whether this Airflow has partitioned assets: since 3.2."""
    from airflow.models import asset

    return hasattr(asset, "PartitionedAssetKeyLog")


def emit_partition(uri: str, partition_key: str, extra: Mapping[str, Any], since: datetime) -> bool:
    """Make a partitioned event of an asset, unless there is one of this key; return whether there was none.

    Airflow itself takes a second event of a key for the same only as long as the run for the first is not made.

    :param uri: the asset; whatever name it has.
    :param partition_key: the key.
    :param extra: what the event tells.
    :param since: how far back an event of this key is looked for: its rows have an index by time, not by key.
    :raises NotStoredError: no DAG would start.
    """
    from airflow.models.asset import PartitionedAssetKeyLog
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with _ONE_PARTITION_AT_A_TIME, create_session(scoped=False) as session:
        assets = _assets(uri, session, lock=True)
        if _partition(assets, partition_key, since, session) is not None:
            return False
        # To be found by the number of their rows: there is no other index, and Airflow removes none of them.
        last = session.scalar(select(func.max(PartitionedAssetKeyLog.id))) or 0
        events = [_register(asset, extra, session, partition_key=partition_key) for asset in assets]
        started = (
            select(PartitionedAssetKeyLog.id)
            .join(DagModel, DagModel.dag_id == PartitionedAssetKeyLog.target_dag_id)
            .where(
                PartitionedAssetKeyLog.id > last,
                PartitionedAssetKeyLog.asset_event_id.in_(events),
                DagModel.is_stale.is_(False),
            )
        )
        if session.scalar(started.limit(1)) is None:
            raise NotStoredError(
                f"no DAG that is switched on has a PartitionedAssetTimetable on the asset {uri!r}: deploy or unpause it"
            )
    return True


def extra_of_partition(uri: str, partition_key: str, since: datetime) -> Mapping[str, Any]:
    """Return the ``extra`` of a partitioned event of an asset; nothing where it has none, or there is no such event.

    :param uri: the asset; whatever name it has.
    :param partition_key: the key.
    :param since: how far back it is looked for.
    """
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        found = _partition(_assets(uri, session, lock=False), partition_key, since, session)
        return {} if found is None or not isinstance(found.extra, Mapping) else found.extra


def _partition(assets: list[AssetModel], partition_key: str, since: datetime, session: Session) -> AssetEvent | None:
    """Return a partitioned event of one of some assets, the oldest of its key; None where there is none."""
    from airflow.models.asset import AssetEvent
    from sqlalchemy import select

    known = (
        select(AssetEvent)
        .where(
            AssetEvent.asset_id.in_([asset.id for asset in assets]),
            AssetEvent.partition_key == partition_key,
            AssetEvent.timestamp >= since,
        )
        .order_by(AssetEvent.id)
    )
    found: AssetEvent | None = session.scalar(known.limit(1))
    return found


def wake(uri: str, extra: Mapping[str, Any]) -> None:
    """Make a plain event of an asset. It is no message: Airflow may start one run for several.

    :param uri: the asset; whatever name it has.
    :param extra: what the event tells.
    :raises NotStoredError: no DAG would start.
    """
    from airflow.models.asset import AssetDagRunQueue
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        assets = _assets(uri, session, lock=False)
        for asset in assets:
            _register(asset, extra, session)
        queued = (
            select(AssetDagRunQueue.target_dag_id)
            .join(DagModel, DagModel.dag_id == AssetDagRunQueue.target_dag_id)
            .where(
                AssetDagRunQueue.asset_id.in_([asset.id for asset in assets]),
                DagModel.is_stale.is_(False),
                DagModel.is_paused.is_(False),
            )
        )
        if session.scalar(queued.limit(1)) is None:
            raise NotStoredError(f"no DAG that is switched on is scheduled on the asset {uri!r}: deploy or unpause it")


def _assets(uri: str, session: Session, *, lock: bool) -> list[AssetModel]:
    """Return the assets of a uri: they are told apart by name and uri.

    :param lock: keep others from doing the same until the end of the transaction.
    :raises NotStoredError: there is none.
    """
    from airflow.models.asset import AssetModel
    from sqlalchemy import select

    wanted = select(AssetModel).where(AssetModel.uri == uri).order_by(AssetModel.id)
    # The lock that Airflow takes itself for a partition: one of another kind would wait for those that add events.
    found = list(session.scalars(wanted.with_for_update(key_share=True) if lock else wanted))
    if not found:
        raise NotStoredError(f"no DAG uses the asset {uri!r}: deploy one that is scheduled on it")
    return found


def _register(asset: AssetModel, extra: Mapping[str, Any], session: Session, **more: Any) -> int:
    from airflow.assets.manager import asset_manager

    event = asset_manager.register_asset_change(asset=asset, extra=dict(extra), session=session, **more)
    if event is None:
        raise NotStoredError(f"Airflow took no event of the asset {asset.uri!r}")
    session.flush()
    return event.id
