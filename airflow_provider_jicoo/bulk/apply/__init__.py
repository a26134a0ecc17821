"""Carry out a plan: read each booking again, send what is still as planned, and know what became of each.

The way through::

    apply_plan                    the plan is read and checked; a thread with an event loop of its own
    └── run.Run.run               one try, of which this is the table of contents
        ├── takeover.py           claim the plan, wait out other workers' leases, read what they left (journal.py)
        ├── watch.py              beside the work: lease, control (control.py), progress
        ├── feed.py               chunk by chunk, wave by wave (waves.py): read again (reading.py), judge (judge.py),
        │                         announce (ledger.py), hand out
        ├── crew.py               workers, each with one change at a time
        │   └── delivery.py       send it when the gate (gate.py) and the pace (pace.py) let it leave, and find out what
        │                         became of it
        ├── settle.py             its outcome is recorded (ledger.py), and whether the run goes on
        └── report/               written at the end, whatever happened

What can happen to one change on its way is a table, ``way.py``, drawn in ``docs/one-change.md``; ``change.py`` is a
change that goes through it. What the engine needs of the world outside its loop comes as one argument, ``effects.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.bulk import bar
from airflow_provider_jicoo.bulk.apply.control import ReadControl, control_file
from airflow_provider_jicoo.bulk.apply.garbage import only_of_this_run
from airflow_provider_jicoo.bulk.apply.options import Options, Timing
from airflow_provider_jicoo.bulk.apply.run import Run
from airflow_provider_jicoo.bulk.apply.stop import Stop, in_a_thread
from airflow_provider_jicoo.bulk.approval import MAX_PLAN_AGE, check_age, check_approval
from airflow_provider_jicoo.bulk.documents import Approval, PlanHeader
from airflow_provider_jicoo.bulk.errors import BulkFailedError, PlanError, PlanMismatchError, StoppedError
from airflow_provider_jicoo.bulk.files import StorePath, as_store_path
from airflow_provider_jicoo.bulk.journal_files import has_begun, journal_of
from airflow_provider_jicoo.bulk.plan import Plan, PlanFile
from airflow_provider_jicoo.bulk.plan.header import find_shards, read_header
from airflow_provider_jicoo.bulk.progress import Progress
from airflow_provider_jicoo.bulk.report import Report

__all__ = ["Options", "Timing", "apply_plan"]


@discreet
def apply_plan(
    client: JicooClient,
    plan: Plan | Mapping[str, Any] | StorePath | str,
    *,
    digest: str | None = None,
    options: Options | None = None,
    control: ReadControl | None = None,
    progress: Callable[[Progress], None] | None = None,
    progress_interval: float = 10.0,
    stop: Stop | None = None,
    by: str = "",
    approval: Mapping[str, Any] | None = None,
    max_plan_age: timedelta | None = MAX_PLAN_AGE,
    open_path: Callable[[str], StorePath] = Path,
    every: float | None = None,
) -> Report:
    """Carry out a plan, or go on with it where an earlier try was ended.

    A guest is messaged at most once for each planned change, or the booking is reported as unknown.

    :param client: a client of the Jicoo that the plan is for; its settings are used.
    :param plan: a plan, its manifest, or its path.
    :param digest: what was agreed to; needed with a path, otherwise by default the manifest's own.
    :param options: how.
    :param control: reads what the run is told while it runs; by default the file beside the plan.
    :param progress: called while it runs and at the end; by default a bar where there is a terminal.
    :param progress_interval: seconds between two calls of ``progress``.
    :param stop: to end the run from outside.
    :param by: who applies it, the same text for every retry. Once the control has stopped the plan, a further try by
        the same does not go on with it.
    :param approval: who agreed to the plan: ``{"digest", "by", "at"}``. A plan that it is not for is refused; that of a
        plan in shards is for each of them. It stands in the journal and in the report.
    :param max_plan_age: how old a plan may be when its apply begins; None for no limit. What was begun in time may be
        gone on with later.
    :param open_path: makes a path of a manifest's text.
    :param every: the old name of ``progress_interval``.
    :return: the report, which is written beside the plan.
    :raises PlanMismatchError: the plan is not what was agreed to, is too old, is damaged, is of another Jicoo, or one
        of its shards is missing.
    :raises JournalDamagedError: what earlier tries have sent is not known any more.
    :raises BulkFailedError: something failed, is unknown or is beyond the tolerance, or every booking was edited since
        the plan was made; the report is written.
    :raises StoppedError: it was stopped, or another worker has taken over.
    :raises AuthenticationError: the key was refused; the rest was not attempted, the report is written.
    """
    if every is not None:
        # 3: "discreet" stands between this function and its caller.
        warnings.warn("apply_plan: every is progress_interval now", DeprecationWarning, stacklevel=3)
        progress_interval = every
    path, agreed = _which(plan, digest, approval, open_path)
    options, stop = options or Options(), stop or Stop()
    with closing(PlanFile(path, agreed)) as lines:
        agreed_by = _admit(client, path, lines.header, approval, max_plan_age)

        def carry_out(tell: Callable[[Progress], None] | None, tell_every: float) -> Report:
            run = Run(
                client.settings,
                path,
                lines,
                options,
                control=control or control_file(path),
                stop=stop,
                by=by,
                approval=agreed_by,
                tell=tell,
                tell_every=tell_every,
            )
            with only_of_this_run():
                return _finish(in_a_thread(run.run(), stop))

        if progress is None and bar.on_a_terminal():
            with bar.applying() as shown:
                return carry_out(shown, 0.5)
        return carry_out(progress, progress_interval)


def _admit(
    client: JicooClient,
    path: StorePath,
    header: PlanHeader,
    approval: Mapping[str, Any] | None,
    max_plan_age: timedelta | None,
) -> Approval | None:
    """Return who agreed to a plan that may be applied, before anything of it is read or sent.

    :raises PlanMismatchError: it may not.
    """
    if header["terms"]["baseUrl"] != client.settings.base_url:
        raise PlanMismatchError(
            f"{path} is a plan for {header['terms']['baseUrl']}, not for {client.settings.base_url}"
        )
    agreed_by = None if approval is None else check_approval(approval, header, path)
    find_shards(path, header)
    if not has_begun(journal_of(path, header["digest"])):
        check_age(header, path, max_plan_age)
    return agreed_by


def _which(
    plan: Plan | Mapping[str, Any] | StorePath | str,
    digest: str | None,
    approval: Mapping[str, Any] | None,
    open_path: Callable[[str], StorePath],
) -> tuple[StorePath, str]:
    if isinstance(plan, Plan):
        plan = plan.manifest
    if isinstance(plan, Mapping):
        if len(plan.get("shards", ())) > 1:
            raise PlanError(f"{plan['plan']} is a plan in shards: apply each of manifest['shards']")
        return open_path(plan["plan"]), digest or plan["digest"]
    plan = as_store_path(plan)
    if digest is None and approval is None:
        raise PlanError(f"{plan}: with a path, give the digest that was agreed to, or the approval")
    # An approval may be for the plan that this is a shard of: then it is for whatever digest belongs to that.
    return plan, digest or read_header(plan)["digest"]


def _finish(report: Report) -> Report:
    """Return a report of which all is well; raise for any other."""
    if isinstance(report.error, BulkFailedError):
        raise BulkFailedError(str(report), permanent=report.error.permanent)
    if isinstance(report.error, StoppedError):
        raise StoppedError(f"{report.reason}. {report}", permanent=report.error.permanent)
    if report.error is not None:
        raise report.error
    if report.reason:
        raise StoppedError(f"{report.reason}. {report}")
    if not report.ok:
        raise BulkFailedError(str(report), permanent=report.all_stale)
    return report
