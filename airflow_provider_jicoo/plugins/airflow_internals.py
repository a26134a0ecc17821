"""All that the plugin needs of Airflow and that is not public, in one place; each is tested on every version.

What a version lacks is asked by capability. Everything here blocks: call it from a thread. What it stores is committed
when it returns.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

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


def start_dag_run(dag_id: str, run_id: str, conf: Mapping[str, Any], user: str = USER) -> bool:
    """Start a run of a DAG, unless there is one of this id; return whether there was none.

    A paused DAG keeps the run until it is unpaused.

    :param dag_id: the DAG.
    :param run_id: id of the run.
    :param conf: its ``conf``.
    :param user: who starts it, as Airflow's UI shows it.
    :raises NotStoredError: there is no such DAG, or it takes no such run.
    """
    from airflow.utils.session import create_session
    from sqlalchemy.exc import IntegrityError

    try:
        with create_session(scoped=False) as session:
            return _create_run(dag_id, run_id, conf, user, session)
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


def _create_run(dag_id: str, run_id: str, conf: Mapping[str, Any], user: str, session: Session) -> bool:
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
            triggering_user_name=user,
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


# What follows is for the pages of runs.

Entity = Literal["TASK_INSTANCE", "TASK_LOGS", "RUN"]
Method = Literal["GET", "POST", "PUT"]
UNFINISHED = frozenset(
    {"queued", "running", "restarting", "up_for_retry", "up_for_reschedule", "deferred", "awaiting_input", "scheduled"}
)
"""States of a task that is at work, or that Airflow will let work on by itself."""


@dataclass(frozen=True)
class Noted:
    """A task that has noted which plan it makes or applies.

    :param note: what it noted, unchecked: whoever may write XComs of the DAG can have written it.
    :param progress: what it noted of its progress, unchecked; None where nothing.
    :param state: of the task.
    :param try_number: of its last try.
    :param run_after: when its run was due.
    :param started_by: who started the run; None where a schedule did.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    note: Any
    progress: Any
    state: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None
    run_after: datetime | None
    started_by: str | None

    @property
    def is_unfinished(self) -> bool:
        """Whether it is at work, or will be without anybody's doing."""
        # Between two tries there is a moment without a state.
        return self.state is None or self.state in UNFINISHED


@dataclass(frozen=True)
class Try:
    """One try of a task."""

    number: int
    state: str | None
    started: datetime | None
    ended: datetime | None
    host: str | None


def user_of_a_request() -> Callable[..., Any]:
    """Return the dependency of FastAPI that tells who asks, and answers 401 or 403 where nobody does."""
    from airflow.api_fastapi.core_api.security import get_user

    return get_user


def name_of(user: Any) -> str:
    """Return what a user is called in Airflow's audit log."""
    return str(user.get_name())


def may(user: Any, method: Method, entity: Entity, dag_id: str) -> bool:
    """Tell whether a user may do something with a DAG's tasks, their logs or its runs."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
    from airflow.models.dag import DagModel

    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    manager = get_auth_manager()
    return bool(
        manager.is_authorized_dag(method=method, access_entity=DagAccessEntity[entity], details=details, user=user)
    )


def base_url() -> str:
    """Return the address that people know Airflow by; empty where it is not configured."""
    from airflow.configuration import conf

    return str(conf.get("api", "base_url", fallback="") or "")


def readable_dag_ids(user: Any) -> set[str]:
    """Return the ids of the DAGs that a user may read."""
    from airflow.api_fastapi.app import get_auth_manager

    return set(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


def noted_dag_ids(key: str) -> set[str]:
    """Return the ids of the DAGs of which a task has noted something.

    :param key: of the XCom.
    """
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        return set(session.scalars(select(XComModel.dag_id).where(XComModel.key == key).distinct()))


def find_noted(
    dag_ids: Collection[str],
    keys: tuple[str, str],
    *,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int | None = None,
    offset: int = 0,
    limit: int = 50,
) -> list[Noted]:
    """Return tasks that have noted a plan, those of the latest runs first.

    :param dag_ids: of which DAGs.
    :param keys: the keys of the XComs with the plan and with the progress.
    :param run_id: of this run alone.
    :param task_id: this task alone.
    :param map_index: this one of a mapped task alone.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import and_, select

    index = _map_index(TaskInstance)
    wanted = (
        select(
            *(getattr(XComModel, name) for name in ("dag_id", "run_id", "task_id", "map_index", "value")),
            *(getattr(TaskInstance, name) for name in ("state", "try_number", "start_date", "end_date")),
            DagRun.run_after,
            DagRun.triggering_user_name,
        )
        .join(
            TaskInstance,
            and_(
                TaskInstance.dag_id == XComModel.dag_id,
                TaskInstance.run_id == XComModel.run_id,
                TaskInstance.task_id == XComModel.task_id,
                index == XComModel.map_index,
            ),
        )
        .join(DagRun, and_(DagRun.dag_id == XComModel.dag_id, DagRun.run_id == XComModel.run_id))
        .where(XComModel.key == keys[0], XComModel.dag_id.in_(sorted(dag_ids)))
        .order_by(DagRun.run_after.desc(), DagRun.id.desc(), XComModel.timestamp, XComModel.map_index)
        .offset(offset)
        .limit(limit)
    )
    given = ((XComModel.run_id, run_id), (XComModel.task_id, task_id), (XComModel.map_index, map_index))
    wanted = wanted.where(*(column == value for column, value in given if value is not None))
    with create_session(scoped=False) as session:
        rows = session.execute(wanted).all()
        progress = _progress({(row[0], row[1]) for row in rows}, keys[1], session)
    return [
        Noted(
            row.dag_id,
            row.run_id,
            row.task_id,
            row.map_index,
            _value(row.value),
            progress.get(tuple(row[:4])),
            str(row.state) if row.state else None,
            row.try_number,
            row.start_date,
            row.end_date,
            row.run_after,
            row.triggering_user_name,
        )
        for row in rows
    ]


def _progress(runs: Iterable[tuple[str, str]], key: str, session: Session) -> dict[tuple[Any, ...], Any]:
    """Return what the tasks of some runs have noted of their progress."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    runs = list(runs)
    if not runs:
        return {}
    columns = [getattr(XComModel, name) for name in ("dag_id", "run_id", "task_id", "map_index", "value")]
    wanted = select(*columns).where(
        XComModel.key == key,
        XComModel.dag_id.in_({dag_id for dag_id, _ in runs}),
        XComModel.run_id.in_({run_id for _, run_id in runs}),
    )
    return {tuple(row[:4]): _value(row[4]) for row in session.execute(wanted)}


def _value(stored: Any) -> Any:
    """Return the value of an XCom; Airflow 3.1 stores a text of JSON in the column of JSON."""
    if not isinstance(stored, str):
        return stored
    try:
        return json.loads(stored)
    except (ValueError, RecursionError):
        return stored


def _map_index(model: Any) -> Any:
    """Return the column of the map index, which Airflow 3.4 calls otherwise."""
    return getattr(model, "region_index", None) if hasattr(model, "region_index") else model.map_index


def tries_of(dag_id: str, run_id: str, task_id: str, map_index: int) -> list[Try]:
    """Return the tries of a task, the first one first."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    models: list[Any] = [TaskInstance]
    try:
        from airflow.models.taskinstancehistory import TaskInstanceHistory

        models.append(TaskInstanceHistory)
    except ImportError:  # Airflow 3.4 has all tries in one table, and shows the last ones unless it is asked
        pass
    found = {}
    names = ("try_number", "state", "start_date", "end_date", "hostname")
    with create_session(scoped=False) as session:
        for model in reversed(models):
            wanted = select(*(getattr(model, name) for name in names)).where(
                model.dag_id == dag_id,
                model.run_id == run_id,
                model.task_id == task_id,
                _map_index(model) == map_index,
            )
            for row in session.execute(wanted.execution_options(include_all_attempts=True)):
                state = str(row[1]) if row[1] else None
                # One that waits for its turn still has the times of the try before.
                start, end = (None, None) if state in (None, "scheduled", "queued") else (row[2], row[3])
                found[row[0]] = Try(row[0], state, start, end, row[4] or None)
    return [found[number] for number in sorted(found) if number]


def write_audit(event: str, task: Noted, user: Any, extra: Mapping[str, Any]) -> None:
    """Write into Airflow's audit log what a user does to a task.

    :param event: what it is called there.
    :param extra: what else there is to know, as JSON.
    """
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    name = name_of(user)
    with create_session(scoped=False) as session:
        session.add(
            Log(
                event=event,
                owner=name,
                owner_display_name=name,
                extra=json.dumps(dict(extra)),
                dag_id=task.dag_id,
                run_id=task.run_id,
                task_id=task.task_id,
                map_index=task.map_index,
                try_number=task.try_number,
            )
        )


def dag_is_there(dag_id: str) -> bool:
    """Tell whether there is a DAG of which runs can be started."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        model = session.get(DagModel, dag_id)
        return model is not None and not model.is_stale


def is_paused(dag_id: str) -> bool:
    """Tell whether a DAG is paused, so that the scheduler leaves its runs alone."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        model = session.get(DagModel, dag_id)
        return model is not None and bool(model.is_paused)
