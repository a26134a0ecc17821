"""What has come of orders: in the files beside a plan, in Airflow's audit log, and as runs of the undo."""

from __future__ import annotations

import json
from pathlib import Path


def plan_of(task):
    """The path of a planted task's plan, read where the page reads it."""
    from airflow_provider_jicoo.plugins import airflow_internals

    (found,) = airflow_internals.find_noted({task.dag_id}, ("jicoo_plan", "jicoo_progress"), run_id=task.run_id)
    return Path(found.note["plan"])


def told(task):
    """What it is told at the moment; None where nothing."""
    path = plan_of(task)
    file = path.parent / f"{path.name}.control"
    return json.loads(file.read_text()) if file.exists() else None


def notes(task):
    """What the journal has of it."""
    path = plan_of(task)
    return [json.loads(file.read_text()) for file in path.parent.glob(f"{path.name}.*.journal/control-*.json")]


def audit():
    """What the audit log has of ours."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(Log).where(Log.event.startswith("jicoo")).order_by(Log.id))
        return [(each.event, each.owner, each.dag_id, each.task_id, json.loads(each.extra)) for each in found]


def runs_of_the_undo():
    """Id, conf and user of each."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(DagRun).where(DagRun.dag_id == "jicoo_undo_last_run"))
        return [(each.run_id, each.conf, each.triggering_user_name) for each in found]
