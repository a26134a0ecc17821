"""What stands on the pages: from Airflow's database and the files of a plan to the values of a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from airflow_provider_jicoo.bulk.documents import PlanNote, ProgressNote
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.pages import render
from airflow_provider_jicoo.bulk.pages.orders import SORTS
from airflow_provider_jicoo.bulk.pages.plot import plot
from airflow_provider_jicoo.bulk.pages.table import Page, Tables, Wanted, files_of
from airflow_provider_jicoo.bulk.plan.summary import PERSONAL
from airflow_provider_jicoo.bulk.report.page import of_all_tries
from airflow_provider_jicoo.plugins import airflow_internals as internals
from airflow_provider_jicoo.plugins.airflow_internals import Noted
from airflow_provider_jicoo.plugins.room import controls, source
from airflow_provider_jicoo.plugins.room.source import Source, UnreadableError
from airflow_provider_jicoo.plugins.room.viewer import Viewer
from airflow_provider_jicoo.tasks.room import PLAN, PROGRESS

RUNS = 50
"""How many plans and applies a page of the list has."""
REFRESH = 3
"""Seconds between two looks of a page at the progress of its run."""

Make = Callable[[str], Iterator[str]]
_tables = Tables()


@dataclass(frozen=True)
class Shown:
    """One task whose page somebody looks at, who may.

    :param note: of the plan; None where what it noted is none.
    :param source: the files of the plan; None where they cannot be read.
    :param problem: why not.
    :param personal: whether what may be personal to guests is shown.
    :param controls: whether the viewer may tell it what to do.
    """

    viewer: Viewer
    task: Noted
    note: PlanNote | None
    progress: ProgressNote | None
    source: Source | None
    problem: str
    personal: bool
    controls: bool


def find(viewer: Viewer, dag_id: str, run_id: str, task_id: str, index: str, *, files: bool = True) -> Shown | None:
    """Return what somebody looks at; None where it is not there, or they may not.

    :param files: whether the files of the plan are needed, or what the database has is enough.
    """
    number = map_index(index)
    if number is None or "\0" in dag_id + run_id + task_id or not viewer.may_read(dag_id):
        return None
    tasks = internals.find_noted({dag_id}, (PLAN, PROGRESS), run_id=run_id, task_id=task_id, map_index=number, limit=1)
    if not tasks:
        return None
    (task,) = tasks
    note, found, problem = source.plan_note(task.note), None, ""
    # Of a plan of another DAG, whatever is personal needs the right to read that one's logs too, and an order that to
    # edit its runs: a note that somebody has made up would stop the apply of any plan that they may see.
    owners: set[str] = {dag_id}

    def may_read(owner: str) -> bool:
        owners.add(owner)
        return viewer.may_read(owner)

    if note is None:
        problem = "What this task has noted is no note of a plan"
    elif files:
        try:
            found = source.find(note, may_read)
        except UnreadableError as error:
            problem = str(error)
    personal = all(viewer.may_read_personal(owner) for owner in owners)
    return Shown(
        viewer,
        task,
        note,
        source.progress_note(task.progress),
        found,
        problem,
        personal,
        all(viewer.may_control(owner) for owner in owners),
    )


def map_index(text: str) -> int | None:
    """Return a map index; None where it is none. A task that is not mapped has -1, for which Airflow's UI puts none."""
    if text == "{MAP_INDEX}":
        return -1
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 9 and int(text) >= -1 else None


def whole_number(text: str | None) -> int:
    """Return the number of a page, 1 where it is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 1


def runs(viewer: Viewer, dag_id: str | None, page: int, root: str) -> Make:
    """Return the list of plans and applies."""
    noted = internals.noted_dag_ids(PLAN)
    dag_ids = viewer.readable(noted if dag_id is None else noted & {dag_id})
    page = max(1, page)
    tasks = internals.find_noted(dag_ids, (PLAN, PROGRESS), offset=(page - 1) * RUNS, limit=RUNS + 1) if dag_ids else []
    has_more = len(tasks) > RUNS
    groups = [
        {
            "dag_id": key[0],
            "run_id": key[1],
            "at": key[2],
            "by": key[3],
            "tasks": [_listed(task, root) for task in group],
        }
        for key, group in groupby(
            tasks[:RUNS], lambda each: (each.dag_id, each.run_id, each.run_after, each.started_by)
        )
    ]
    values = {"groups": groups, "dag_id": dag_id, "page": page, "has_more": has_more, "root": root}
    return lambda nonce: render("runs.html", nonce=nonce, **values)


def _listed(task: Noted, root: str) -> dict[str, Any]:
    progress = source.progress_note(task.progress)
    return {
        "task_id": task.task_id,
        "map_index": task.map_index,
        "state": task.state,
        "note": source.plan_note(task.note),
        "counts": progress["counts"] if progress else {},
        "address": address(task, root),
        "ended": task.ended,
    }


def address(task: Noted, root: str) -> str:
    """Return the address of a task's page."""
    parts = (task.dag_id, task.run_id, task.task_id, str(task.map_index))
    return f"{root}/{'/'.join(quote(part, safe='') for part in parts)}"


def run(shown: Shown, asked: Mapping[str, str], root: str) -> Make:
    """Return the page of one task."""
    here = address(shown.task, root)
    wanted = _wanted(asked)
    facts = source.report_facts(shown.source) if shown.source else None
    values = {
        **_shared(shown),
        "root": root,
        "here": here,
        "personal": shown.personal,
        "wanted": wanted,
        "sorts": tuple(SORTS),
        "query": lambda **more: urlencode({"sort": wanted.sort, "dir": _direction(wanted), **more}),
        "table": lambda: _table(shown, wanted),
        "header": shown.source.header if shown.source else None,
        "selection": _public(shown.source.header.get("selection"), shown.personal) if shown.source else None,
        "change": _public(shown.source.header.get("change"), shown.personal) if shown.source else None,
        "facts": facts,
        **(of_all_tries(facts) if facts else {}),
        "reasons": facts["reasons"] if facts else (),
        "report_plot": plot(facts.get("timeline", ())) if facts and not shown.task.is_unfinished else None,
        "tries": lambda: internals.tries_of(
            shown.task.dag_id, shown.task.run_id, shown.task.task_id, shown.task.map_index
        ),
        "claims": lambda: source.claims(shown.source) if shown.source else (),
        "control": controls.offered(shown),
        "refresh": REFRESH,
    }
    return lambda nonce: render("run.html", nonce=nonce, **values)


def progress(shown: Shown) -> Make:
    """Return the part of a task's page that changes while it runs."""
    return lambda nonce: render("progress.html", **_shared(shown))


def message(said: str, root: str, sign_in: str = "") -> Make:
    """Return a page that says one thing.

    :param sign_in: where one signs in to Airflow, if that is what is missing.
    """
    return lambda nonce: render("message.html", nonce=nonce, said=said, root=root, sign_in=sign_in)


def _shared(shown: Shown) -> dict[str, Any]:
    progress = shown.progress
    return {
        "task": shown.task,
        "note": shown.note,
        "problem": shown.problem,
        "progress": progress,
        "plot": plot(progress["timeline"]) if progress else None,
    }


def _wanted(asked: Mapping[str, str]) -> Wanted:
    """Return which part of the plan somebody asks for.

    :param asked: ``q``, ``sort``, ``dir`` and ``page``; ``go`` has others of these that a button stands for.
    """
    try:
        asked = {**asked, **dict(parse_qsl(asked.get("go", ""), max_num_fields=5))}
    except ValueError:
        return Wanted()
    sort = asked.get("sort", "")
    return Wanted(
        asked.get("q", "")[:200],
        sort if sort in SORTS else "start",
        asked.get("dir") == "down",
        whole_number(asked.get("page")),
    )


def _direction(wanted: Wanted) -> str:
    return "down" if wanted.descending else "up"


def _public(values: Any, personal: bool) -> dict[str, str]:
    """Return what a plan selects or changes, without what it may say of a guest where that is not to be shown."""
    if not isinstance(values, Mapping):
        return {}
    return {
        str(name): "(not shown)" if name in PERSONAL and not personal else str(value) for name, value in values.items()
    }


@dataclass(frozen=True)
class _Found:
    """A page of the table, or why there is none."""

    page: Page | None
    problem: str = ""


def _table(shown: Shown, wanted: Wanted) -> _Found:
    if shown.source is None:
        return _Found(None, shown.problem)
    try:
        files = files_of(shown.source.path, shown.source.header, shown.source.header["digest"])
        return _Found(_tables.of(files).page(wanted, shown.personal))
    except PlanMismatchError:
        return _Found(None, "Its content is not that of its digest: it is damaged, or another plan by now")
    except Exception:  # whatever the storage raises; the head of the page is sent by now
        return _Found(None, "It could not be read to its end")
