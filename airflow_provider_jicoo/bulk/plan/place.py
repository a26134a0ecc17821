"""The place of a plan: whose plan stands there, and whether another one may be written over it.

A plan that a task of Airflow made says so in its header: ``"owner": {"dagId", "runId", "taskId", "mapIndex"}``. One
made elsewhere has no owner. What another one has planned is never written over, nor what has begun to be applied: its
journal is of no use without it. Outside of Airflow that holds until the apply has ended.
"""

from __future__ import annotations

from airflow_provider_jicoo.bulk.documents import Owner, PlanHeader
from airflow_provider_jicoo.bulk.errors import PlanError, PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath, try_to_write
from airflow_provider_jicoo.bulk.journal_files import has_begun, is_under_way, journal_of, journals
from airflow_provider_jicoo.bulk.plan.header import START, first_line, parse_header, read_header, shard_paths


def prepare_place(path: StorePath, owner: Owner | None) -> None:
    """Make sure that a plan can be written to a path, before anything is read.

    :param owner: who is about to make it; None outside of Airflow.
    :raises PlanError: the folder cannot be written to, or something stands there that must not be lost.
    """
    check_place(path, owner)
    try:
        try_to_write(path)
    except OSError as error:
        raise PlanError(f"the plan cannot be written to {path}: {error}; nothing was sent") from error


def check_place(path: StorePath, owner: Owner | None) -> None:
    """Refuse to write a plan where something stands that must not be lost.

    :raises PlanError: says what it is, and what to do.
    """
    try:
        line = first_line(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PlanError(f"the plan cannot be written to {path}: {error}; nothing was sent") from error
    try:
        header = parse_header(line, path)
    except PlanMismatchError:
        _check_remains(path, line)
        return
    theirs = header.get("owner")
    if theirs != owner and (theirs or owner):
        raise PlanError(
            f"the plan cannot be written to {path}: it holds that of {described(theirs, header)}, which is not written "
            "over. Give every run a path of its own, such as one with {{ dag.dag_id }} and {{ run_id }} in it; nothing "
            "was sent"
        )
    _refuse_begun(path, header, owner)


def _check_remains(path: StorePath, line: bytes) -> None:
    """Refuse to write over what is no plan, unless it is what is left of one that was never whole.

    :raises PlanError: it may be something else.
    """
    left = journals(path)
    torn = line.startswith(START) or START.startswith(line)
    if not torn or left:
        what = f"a damaged plan with the journal {left[0]}" if left else "a file that is no plan"
        raise PlanError(
            f"the plan cannot be written to {path}: it holds {what}, which is not written over. Look at it and move it "
            "away, or give another path; nothing was sent"
        )


def _refuse_begun(path: StorePath, header: PlanHeader, owner: Owner | None) -> None:
    """Refuse to write over a plan whose apply has begun; in a notebook, where that has ended, a person may mean it.

    :raises PlanError: it could be gone on with, or undone.
    """
    is_lost = has_begun if owner else is_under_way
    for file in shard_paths(path, header):
        if not file.exists():
            continue
        journal = journal_of(file, read_header(file)["digest"])
        if is_lost(journal):
            made, other = ("this task has", "such as one with {{ ti.try_number }} in it,") if owner else ("was", "")
            raise PlanError(
                f"the plan cannot be written to {path}: it holds the one that {made} made before, and its apply "
                f"has begun ({journal}). Written over, that could neither be gone on with nor undone. To plan anew in "
                f"this run, give another path, {other} or move the plan away; nothing was sent"
            )


def described(owner: Owner | None, header: PlanHeader) -> str:
    """Return in words who made a plan."""
    if not owner:
        return header.get("madeBy") or "somebody who is not a task of Airflow"
    index = owner.get("mapIndex", -1)
    mapped = f", map index {index}" if index is not None and index >= 0 else ""
    return f"DAG {owner.get('dagId')}, run {owner.get('runId')}, task {owner.get('taskId')}{mapped}"
