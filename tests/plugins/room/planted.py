"""Plans, journals and reports on a disk, and what their tasks have noted in Airflow's database."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_jicoo.bulk.outcomes import Outcome
from airflow_provider_jicoo.bulk.plan.file import PlannedChange
from airflow_provider_jicoo.bulk.plan.header import VERSION, dump, dump_header

TERMS = {"isSendUpdates": False, "updateMessage": None, "baseUrl": "https://api.jicoo.com"}
HOSTS = {"u1": "Ada Lovelace", "u2": "Grace Hopper"}


def change(number: int, **more: Any) -> PlannedChange:
    """Make a change that hands a booking over and moves it by an hour."""
    day = f"2027-03-{number % 28 + 1:02}"
    given = {
        "uid": f"b{number:06}",
        "action": "update",
        "before": {"hosts": [{"userId": "u1", "role": "owner"}], "startedAt": f"{day}T01:00:00.000Z"},
        "after": {"hosts": [{"userId": "u2", "role": "owner"}], "startedAt": f"{day}T02:00:00.000Z"},
        "updated_at": "2027-01-01T00:00:00.000Z",
        "started_at": f"{day}T01:00:00.000Z",
        "ended_at": f"{day}T03:00:00.000Z",
        "status": "open",
        "time_zone": "Asia/Tokyo",
    }
    return PlannedChange(**{**given, **more})


def write_plan(path: Path, changes: Any, **more: Any) -> dict[str, Any]:
    """Write a plan, and return its manifest.

    :param more: keys of its header.
    """
    raw = [each.dump() for each in changes]
    digest = hashlib.sha256(dump(TERMS) + b"".join(raw)).hexdigest()
    counts = {"changes": len(raw), "unchanged": 1, "guests_notified": 2, "irreversible": 0}
    header = {
        "jicoo_plan": VERSION,
        "digest": digest,
        **counts,
        "selection": {"name_matches": "Stefanie Zweig"},
        "change": {"change": "ReplaceHost"},
        "madeBy": "room, run r, task plan",
        "madeAt": "2027-01-01T00:00:00.000+00:00",
        "owner": {"dagId": "room", "runId": "r", "taskId": "plan", "mapIndex": -1},
        "warnings": [],
        "cycles": [],
        "terms": TERMS,
        "hosts": HOSTS,
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(dump_header(header))
        file.writelines(raw)
    return {"plan": str(path), "digest": digest, **counts}


def write_report(manifest: dict[str, Any], outcomes: list[dict[str, Any]], **more: Any) -> Path:
    """Write the report of a plan."""
    folder = Path(f"{manifest['plan']}.report")
    folder.mkdir()
    (folder / "outcomes.jsonl").write_text("".join(json.dumps(each) + "\n" for each in outcomes))
    counts = {each.value: sum(made["outcome"] == each.value for made in outcomes) for each in Outcome}
    facts = {
        "plan": manifest["plan"],
        "digest": manifest["digest"],
        "approval": {"digest": manifest["digest"], "by": "Ada", "at": "2027-01-01T00:05:00+00:00"},
        "jicoo": "https://api.jicoo.com",
        "selection": {},
        "change": {},
        "changes": manifest["changes"],
        "counts": counts,
        "endedEarly": None,
        "try": 1,
        "startedAt": "2027-01-01T00:06:00.000+00:00",
        "endedAt": "2027-01-01T00:07:00.000+00:00",
        "seconds": 60.0,
        "requests": 12,
        "refused": 2,
        "sentAgain": 0,
        "adjusted": 0,
        "sentMoreThanOnce": 0,
        "timeline": [
            {"seconds": float(second), "done": 5 * second, "requests": 7 * second, "refused": 0, "pace": 9.0}
            for second in range(20)
        ],
        **more,
    }
    (folder / "report.json").write_text(json.dumps(facts))
    return folder


def write_claim(manifest: dict[str, Any], number: int = 1) -> Path:
    """Write into the journal of a plan that a worker has taken it."""
    folder = Path(f"{manifest['plan']}.{manifest['digest'][:12]}.journal")
    folder.mkdir(exist_ok=True)
    token = f"{number:032x}"
    told = {"lease": 5.0, "at": time.time(), "token": token, "approval": None}
    for name in (f"claim-{number:06d}-{token}.json", f"taken-{number:06d}.json"):
        (folder / name).write_text(json.dumps(told))
    return folder


def note(manifest: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what a task notes of its plan."""
    approval = {"digest": manifest["digest"], "by": "Ada Lovelace", "at": "2027-01-01T00:05:00+00:00"}
    return {**manifest, "shards": 1, "applies": True, "approval": approval, "control": None, **more}


def progress(**more: Any) -> dict[str, Any]:
    """Return what an apply notes of its progress."""
    given = {
        "total": 3,
        "done": 2,
        "counts": {"applied": 1, "stale": 1},
        "rate": 1.5,
        "remaining": 61,
        "paused": False,
        "at": "2027-01-01T00:06:30+00:00",
        "timeline": [],
    }
    return {**given, **more}


@dataclass
class Task:
    """A planted task.

    :param address: of its page.
    """

    dag_id: str
    run_id: str
    task_id: str
    address: str


def plant(dag_id: str, run_id: str, task_id: str, state: str | None, **xcoms: Any) -> Task:
    """Let a task of a run be in a state, and have pushed XComs."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    from airflow_provider_jicoo.plugins import airflow_internals
    from airflow_provider_jicoo.tasks.room import address_of

    airflow_internals.start_dag_run(dag_id, run_id, {}, "Grace")
    with create_session() as session:
        wanted = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == task_id)
        session.execute(update(TaskInstance).where(*wanted).values(state=state, try_number=1, hostname="worker-1"))
        for key, value in xcoms.items():
            XComModel.set(key=key, value=value, dag_id=dag_id, task_id=task_id, run_id=run_id, session=session)
    address = address_of(dag_id, run_id, task_id, -1)
    return Task(dag_id, run_id, task_id, address[address.index("/jicoo/") :])
