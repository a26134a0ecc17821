"""What a person tells a run: pause, slow, go on, stop; and to take back what it has changed.

Each order is written into the plan's journal and into Airflow's audit log, with the name of who gave it, before it is
carried out. An order comes from a page of ours, or is refused: a browser sends the cookie of Airflow along whoever made
the request.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_jicoo.api.ceiling import rate_problem
from airflow_provider_jicoo.bulk.documents import ControlDocument, ControlNote
from airflow_provider_jicoo.bulk.files import StorePath, make_folder, write_durably, written_durably
from airflow_provider_jicoo.plugins import airflow_internals as internals
from airflow_provider_jicoo.plugins.airflow_internals import NotStoredError
from airflow_provider_jicoo.plugins.room.source import Source, read

if TYPE_CHECKING:
    from airflow_provider_jicoo.plugins.room.pages import Shown

UNDO_DAG = "jicoo_undo_last_run"
"""The DAG that takes a plan back, after somebody has agreed to it."""
HEADER = "x-jicoo-page"
"""A header that a form of another site cannot send: only a script can, and that of another site must ask first."""
_STATES = {"pause": "pause", "go_on": "run", "slow": "run", "stop": "stop"}
_SAID = {
    "pause": "Paused: nothing new is sent from within a few seconds on, and what is under way is finished.",
    "go_on": "Going on within a few seconds.",
    "slow": "At most {rate:g} requests per second from within a few seconds on.",
    "stop": "Stopping: nothing new is sent, what is under way is finished, and the report is written.",
    "release": "The stop is taken back. Clear the task: it goes on with what is left.",
}


def refuse_foreign(headers: Mapping[str, str], base_url: str) -> str:
    """Return why a request is refused that may be from another site; empty where it is from a page of ours.

    :param base_url: Airflow's own, which a proxy may know under another name than this server.
    """
    if HEADER not in headers:
        return f"Refused: the header {HEADER} is missing, so that this was not sent by the page of the run."
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return "Refused: this was sent by another site."
    origin = headers.get("origin")
    hosts = {headers.get("host", "").lower(), urlsplit(base_url).netloc.lower()} - {""}
    if origin is not None and _host_of(origin) not in hosts:
        return "Refused: this was sent by another site. Behind a proxy, [api] base_url has to be Airflow's address."
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return "Refused: the order is to be JSON."
    return ""


def _host_of(origin: str) -> str:
    """Return the host, and the port where it has one; empty where an origin is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # an address of IPv6 that is none
        return ""


def offered(shown: Shown) -> dict[str, Any]:
    """Return what the page offers to its viewer, and why it does not offer the rest.

    ``now`` is what the run is told at the moment; ``why`` says why it cannot be told anything, empty where it can;
    ``release`` is whether a stop can be taken back that it has obeyed.
    """
    now = told_now(shown.source) if shown.source else None
    return {
        "now": now,
        "why": _why_not(shown),
        "release": _is_release(shown, now) and _why_not(shown, is_release=True) == "",
        "undo": _may_undo(shown) == "",
    }


def _why_not(shown: Shown, is_release: bool = False) -> str:
    if shown.note is None or not shown.note["applies"] or not (shown.task.is_unfinished or is_release):
        return "It is not under way."
    if not shown.controls:
        return "To tell it what to do takes the right to edit the runs of its DAG, and of the one that made the plan."
    if shown.note["control"]:
        return f"It is told what to do by the Airflow Variable {shown.note['control']}: change that."
    if shown.source is None:
        return "The file that it is told by cannot be reached from Airflow's API server."
    return ""


def _is_release(shown: Shown, now: ControlDocument | None) -> bool:
    """Tell whether to go on takes back a stop that has been obeyed: it stands there, also for a task that is cleared.

    :param now: what the run is told at the moment.
    """
    return not shown.task.is_unfinished and now is not None and now["state"] == "stop"


def _may_undo(shown: Shown) -> str:
    """Return why a viewer may not have a run taken back; empty where they may."""
    if shown.note is None or not shown.note["applies"] or shown.task.is_unfinished:
        return "Only what an apply has changed that has ended can be taken back."
    if not shown.controls or not shown.viewer.may_start(UNDO_DAG):
        return f"It takes the right to edit the runs of this DAG, and to start runs of {UNDO_DAG}."
    if not internals.dag_is_there(UNDO_DAG):
        return f"There is no DAG {UNDO_DAG}: deploy the example of that name."
    return ""


def told_now(source: Source) -> ControlDocument | None:
    """Return what a run is told at the moment; None where nothing, or it cannot be read."""
    try:
        told = json.loads(read(_control_of(source)))
    except Exception:  # whatever the storage raises
        return None
    if not isinstance(told, dict):
        return None
    state, ceiling = told.get("state", "run"), told.get("max_requests_per_second")
    return {
        "state": state if state in ("run", "pause", "stop") else "run",
        "max_requests_per_second": None if ceiling is None or rate_problem(ceiling) else ceiling,
    }


def _control_of(source: Source) -> StorePath:
    path: StorePath = source.path.parent / f"{source.path.name}.control"
    return path


def obey(shown: Shown, body: bytes) -> tuple[int, str]:
    """Do what a request asks for; return the status of the answer, and what it says."""
    try:
        asked = json.loads(body)
        action, rate = asked.get("action"), asked.get("rate")
    except (ValueError, AttributeError, RecursionError):
        return 422, "This is no order: send JSON with an action."
    if action == "undo":
        return _undo(shown)
    if not isinstance(action, str) or action not in _STATES:
        return 422, "There is no such order: it is one of pause, slow, go_on, stop, undo."
    is_release = action == "go_on" and shown.source is not None and _is_release(shown, told_now(shown.source))
    why = _why_not(shown, is_release)
    if why or shown.source is None:
        return (403 if not shown.controls else 409), why
    if action == "slow":
        problem = "is missing" if rate is None else rate_problem(rate)
        if problem:
            return 422, f"The rate {problem}: give requests per second."
    return _tell(shown, shown.source, action, rate if action == "slow" else None)


def _tell(shown: Shown, source: Source, action: str, rate: float | None) -> tuple[int, str]:
    now = told_now(source) or {"state": "run", "max_requests_per_second": None}
    ceiling = rate if action == "slow" else now["max_requests_per_second"]
    told: ControlDocument = {"state": _STATES[action], "max_requests_per_second": ceiling}  # type: ignore[typeddict-item]
    if now["state"] == "stop" and action != "stop" and shown.task.is_unfinished:
        return 409, "It has been stopped for good. When its task has ended, let it go on here, and then clear the task."
    try:
        _write_note(source, shown, told)
    except Exception as error:  # whatever the storage raises
        return 409, _not_written(source, error)
    internals.write_audit(f"jicoo {action}", shown.task, shown.viewer.user, {**told, "plan": str(source.path)})
    try:
        _write_control(source, told)
    except Exception as error:  # as above
        return 409, _not_written(source, error)
    return 200, _SAID[action if shown.task.is_unfinished else "release"].format(rate=rate)


def _write_note(source: Source, shown: Shown, told: ControlDocument) -> None:
    """Write into the journal who tells the run what, in a file of its own: nobody else writes that."""
    at = datetime.now(timezone.utc)
    note: ControlNote = {
        "by": shown.viewer.name,
        "at": at.timestamp(),
        "state": told["state"],
        "max_requests_per_second": told["max_requests_per_second"],
    }
    make_folder(source.journal)
    path = source.journal / f"control-{at:%Y%m%d%H%M%S%f}-{secrets.token_hex(4)}.json"
    write_durably(path, json.dumps(note, ensure_ascii=False).encode())


def _write_control(source: Source, told: ControlDocument) -> None:
    """Write what the run is told, readable by whoever can read the plan: the API server may be another user."""
    content = {name: value for name, value in told.items() if value is not None}
    with written_durably(_control_of(source)) as file:
        file.write(json.dumps(content).encode())
        with suppress(AttributeError, OSError, ValueError):
            plan = os.stat(str(getattr(source.path, "path", source.path)))
            if plan.st_uid != os.geteuid():
                os.fchown(file.fileno(), plan.st_uid, plan.st_gid)


def _not_written(source: Source, error: Exception) -> str:
    return f"Nothing was told: {_control_of(source)} could not be written ({type(error).__name__})."


def _undo(shown: Shown) -> tuple[int, str]:
    why = _may_undo(shown)
    if why or shown.note is None:
        return (403 if not shown.controls else 409), why
    note, task = shown.note, shown.task
    conf = {"plan": note["plan"]}
    # The DAGs keep plans as <plans>/<dag>/<run>.jsonl: the plan of the undo goes beside the one it takes back.
    folder = re.fullmatch(rf"(.+)/{re.escape(task.dag_id)}/[^/]+", note["plan"])
    if folder:
        conf["plans"] = folder[1]
    # One within a minute, however often it is clicked.
    run_id = f"jicoo_undo__{note['digest'][:12]}__{datetime.now(timezone.utc):%Y%m%dT%H%M}"
    internals.write_audit("jicoo undo", task, shown.viewer.user, {**conf, "run_id": run_id})
    try:
        internals.start_dag_run(UNDO_DAG, run_id, conf, shown.viewer.name)
    except NotStoredError as error:
        return 409, f"Nothing was started: {error}"[:500]
    if internals.is_paused(UNDO_DAG):
        return 200, f"Made: run {run_id} of {UNDO_DAG}. The DAG is paused: nothing is planned until it is unpaused."
    return 200, f"Started: run {run_id} of {UNDO_DAG}. It plans what can be taken back, and asks for approval."
