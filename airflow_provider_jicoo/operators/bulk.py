"""Operators that change many bookings: plan, apply, undo, and all in one."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.assets.applied import APPLIED, announce_applied
from airflow_provider_jicoo.bulk.changes import Change
from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.links.bulk import PlanLink, ReportLink
from airflow_provider_jicoo.operators.base import JicooOperator
from airflow_provider_jicoo.tasks.compat import conf, read_variable
from airflow_provider_jicoo.tasks.given import as_bool, as_float, as_int, as_json, as_span, unrendered
from airflow_provider_jicoo.tasks.lineage import BulkLineage, asset_uri, file_uri
from airflow_provider_jicoo.tasks.parts import NestedTemplates, as_selection
from airflow_provider_jicoo.tasks.room import note_address, note_plan, note_progress
from airflow_provider_jicoo.tasks.storage import open_path, warning_of
from airflow_provider_jicoo.tasks.tries import Tries
from airflow_provider_jicoo.tasks.waiting import Waits, Window

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context

    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.bulk.apply import Options
    from airflow_provider_jicoo.bulk.documents import Applied, AppliedManifest, Manifest, Owner
    from airflow_provider_jicoo.bulk.plan import Plan
    from airflow_provider_jicoo.bulk.progress import Progress
    from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator as ApproveBookingPlanOperator

Booking = Mapping[str, Any]

TELL_EVERY = 5.0
"""Seconds between two notes for the page of a run on how far an apply is."""
LOG_EVERY = 9.0
"""Seconds between two lines of the log that say the same."""
ORDER_HOLDS = 60.0
"""Seconds for which a Variable's order holds that Airflow does not say again: meanwhile nobody could stop the run."""


def __getattr__(name: str) -> Any:
    # Whoever asks nobody does not load what asks.
    if name == "ApproveBookingPlanOperator":
        from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator

        return ApproveBookingPlanOperator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _BulkOperator(BulkLineage, NestedTemplates, JicooOperator):
    """What the bulk operators share."""

    # What a selection and a change may have of a guest, their own text leaves out.
    private_fields = frozenset({"update_message"})
    operator_extra_links: Collection[BaseOperatorLink] = (PlanLink(),)
    plan_path: str

    def _path(self, path: str) -> Any:
        return open_path("plan", path)

    def _bookings(self) -> str:
        return asset_uri(self.jicoo_conn_id, "bookings")

    def _place(self) -> Any:
        """Return the path of the plan to be written; warn where only one of several machines would have it."""
        text = unrendered("plan_path", self.plan_path)
        if not isinstance(text, str) or not text:
            raise ValueError(f"plan_path: {text!r} is no path")
        warning = warning_of("plan_path", text, self.executor)
        if warning is not None:
            self.log.warning("%s", warning)
        return open_path("plan_path", text)

    def _planned(self, plan: Plan, context: Context) -> Manifest:
        """Log a plan, push its summary and what the page of the run needs, and return its manifest."""
        self.log.info("%s", plan.summary)
        self._touched([self._bookings()], [file_uri(plan.manifest["plan"])])
        context["ti"].xcom_push(key="summary", value=plan.summary)
        note_plan(context, plan.manifest, applies=False)
        return plan.manifest

    def _limits(self) -> dict[str, Any]:
        """Return the arguments that a plan and an undo share. An empty text, of a template, counts as not given."""
        names = ("is_send_updates", "update_message", "max_changes", "max_notified_guests")
        convert = {"is_send_updates": _said, "max_changes": as_int, "max_notified_guests": as_int}
        given = {name: unrendered(name, getattr(self, name)) for name in names}
        return {
            name: convert[name](name, value) if name in convert else value
            for name, value in given.items()
            if value is not None and value != ""
        }


def _said(name: str, value: Any) -> bool:
    """Return what was said, or was rendered to ``"true"`` or ``"false"``.

    :raises ValueError: it is neither: to guess may message thousands.
    """
    said = as_bool(name, value)
    if said is not True and said is not False:
        raise ValueError(f"{name}: {value!r} is neither true nor false")
    return said


def _made_by(context: Context) -> str:
    ti = context["ti"]
    return f"{ti.dag_id}, run {ti.run_id}, task {ti.task_id}"


def _owner(context: Context) -> Owner:
    """Return the task that makes a plan, as it stands in the plan's header."""
    ti = context["ti"]
    index = getattr(ti, "map_index", None)
    return {
        "dagId": ti.dag_id,
        "runId": ti.run_id,
        "taskId": ti.task_id,
        "mapIndex": -1 if index is None else index,
    }


def _warn_about(operator: _BulkOperator) -> None:
    """Warn while the DAG is parsed of a path that only one of several machines would have."""
    warning = warning_of(f"{operator.task_id}: plan_path", operator.plan_path, operator.executor)
    if warning is None:
        return
    # What stands between here and the DAG file is Airflow's, and not always as deep.
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_back and frame.f_globals["__name__"].startswith("airflow"):
        frame = frame.f_back
    assert frame is not None
    once = frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(warning, UserWarning, frame.f_code.co_filename, frame.f_lineno, registry=once)


class PlanBookingChangesOperator(_BulkOperator):
    """Write a plan of changes to many bookings, without changing any.

    Returns the manifest: ``{"plan", "digest", "changes", "unchanged", "guests_notified", "irreversible", "warnings",
    "shards"}``.
    A further XCom, ``summary``, is Markdown made to be the body of Airflow's ``ApprovalOperator``. The ``shards`` of
    the manifest are manifests too; Airflow maps only over what a task returns, so that a task hands them on::

        @task
        def shards(manifest):
            return manifest["shards"]

        ApplyBookingPlanOperator.partial(task_id="apply").expand(plan=shards(plan.output))

    :param selection: which bookings; its fields are templated. Or the output of
        :class:`~airflow_provider_jicoo.transfers.sql_selection.SqlToBookingSelection`: the bookings that it names.
    :param change: what each becomes: ``UpdateFields``, ``ReplaceHost``, ``ShiftTime``, ``Reschedule``, ``Cancel``
        (their fields are templated), or a Python function of one booking that returns one of them or None. Not given
        where each booking has values of its own in the output of such a task.
    :param plan_path: the file to write, as ``s3://bucket/plans/{{ dag.dag_id }}/{{ run_id }}.jsonl``: a path of this
        run alone, where all workers that may run the next tasks, and their retries, read and write it. The plan of
        another run is never written over, nor one that has begun to be applied. Which storage is safe:
        :mod:`airflow_provider_jicoo.bulk.files`. (templated)
    :param is_send_updates: whether Update Booking messages the guests. It has no default; cancel and reschedule always
        message. (templated)
    :param update_message: words for those messages, at most 2,000 characters. (templated)
    :param max_changes: fail rather than plan more changes. (templated)
    :param max_notified_guests: fail rather than plan to message the guests of more bookings. (templated)
    :param shards: into how many plans to split it, to be applied by as many workers. (templated)
    :param on_unproven: what to do where it cannot be proved that these are all the bookings that the selection means:
        ``fail``, or ``warn`` in manifest and summary; by default as the connection says, which is to fail. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    template_fields: Sequence[str] = (
        "selection",
        "change",
        "plan_path",
        "is_send_updates",
        "update_message",
        "max_changes",
        "max_notified_guests",
        "shards",
        "on_unproven",
        "jicoo_conn_id",
    )

    def __init__(
        self,
        *,
        selection: Selection | Any,
        change: Change | Callable[[Any], Change | None] | None = None,
        plan_path: str,
        is_send_updates: bool | str | None = None,
        update_message: str | None = None,
        max_changes: int | str | None = None,
        max_notified_guests: int | str | None = None,
        shards: int | str = 1,
        on_unproven: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.selection = selection
        self.change = change
        self.plan_path = plan_path
        _warn_about(self)
        self.is_send_updates = is_send_updates
        self.update_message = update_message
        self.max_changes = max_changes
        self.max_notified_guests = max_notified_guests
        self.shards = shards
        self.on_unproven = on_unproven

    def execute(self, context: Context) -> Manifest:
        """Plan."""
        with self._hook() as hook:
            return self._planned(self._plan(hook.client, context), context)

    def _plan(self, client: JicooClient, context: Context) -> Plan:
        from airflow_provider_jicoo.bulk.plan import plan_changes

        selection, change = _wanted(self.selection, self.change)
        return plan_changes(
            client,
            selection,
            change,
            self._place(),
            shards=as_int("shards", self.shards),
            made_by=_made_by(context),
            owner=_owner(context),
            progress=self._read,
            on_unproven=unrendered("on_unproven", self.on_unproven) or None,
            **self._limits(),
        )

    def _read(self, count: int) -> None:
        if count % 10_000 == 0:
            self.log.info("%s bookings read", f"{count:,}")


def _wanted(selection: Any, change: Any) -> tuple[Selection, Change | Callable[[Any], Change | None]]:
    """Return which bookings, and what each becomes.

    :param selection: a selection, or the manifest of bookings that each have values of their own.
    :raises ValueError: what becomes of them is said twice, or not at all.
    """
    given = as_json("selection", unrendered("selection", selection))
    if isinstance(given, Mapping):
        from airflow_provider_jicoo.bulk.values import read_values

        if not isinstance(given.get("values"), str):
            raise ValueError("selection: it is neither a Selection nor what SqlToBookingSelection returns")
        found = read_values(open_path("selection", given["values"]), given)
        if (found.change is None) == (change is None):
            said = "twice, by change and by the columns" if change is not None else "nowhere: give change, or columns"
            raise ValueError(f"selection: what its bookings are to become is said {said} beside uid")
        return Selection(uids=found.uids), found.change or change
    if change is None:
        raise ValueError("change: say what the bookings are to become")
    return as_selection(selection), change


class PlanBookingUndoOperator(_BulkOperator):
    """Write a plan that takes back what the apply of a plan has changed, without changing anything.

    Only fields that the apply has changed go back, and only where nobody has changed them since; the rest is listed, as
    are cancelled bookings, which nothing brings back. Returns what :class:`PlanBookingChangesOperator` returns, for the
    same :class:`ApplyBookingPlanOperator`.

    :param plan: the plan that was applied: its manifest or its path. (templated)
    :param plan_path: the file to write. (templated)
    :param is_send_updates: as for :class:`PlanBookingChangesOperator`. (templated)
    :param update_message: likewise. (templated)
    :param max_changes: likewise. (templated)
    :param max_notified_guests: likewise. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    template_fields: Sequence[str] = (
        "plan",
        "plan_path",
        "is_send_updates",
        "update_message",
        "max_changes",
        "max_notified_guests",
        "jicoo_conn_id",
    )

    def __init__(
        self,
        *,
        plan: Mapping[str, Any] | str,
        plan_path: str,
        is_send_updates: bool | str | None = None,
        update_message: str | None = None,
        max_changes: int | str | None = None,
        max_notified_guests: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.plan_path = plan_path
        _warn_about(self)
        self.is_send_updates = is_send_updates
        self.update_message = update_message
        self.max_changes = max_changes
        self.max_notified_guests = max_notified_guests

    def execute(self, context: Context) -> Manifest:
        """Plan."""
        from airflow_provider_jicoo.bulk.undo import plan_undo

        with self._hook() as hook:
            applied = as_json("plan", unrendered("plan", self.plan))
            plan = plan_undo(
                hook.client,
                self._path(applied) if isinstance(applied, str) else applied,
                self._place(),
                made_by=_made_by(context),
                owner=_owner(context),
                open_path=self._path,
                **self._limits(),
            )
            self._touched([file_uri(applied if isinstance(applied, str) else applied["plan"])], [])
            return self._planned(plan, context)


class _Apply:
    """The apply of a plan by an operator, as the arguments of the operator say.

    No base of the operators: one of the two plans as well.
    """

    def __init__(self, operator: ApplyBookingPlanOperator | BulkUpdateBookingsOperator, context: Context) -> None:
        from airflow_provider_jicoo.bulk.apply.stop import Stop

        self._operator = operator
        self._context = context
        self.stop = Stop()
        self._options = self._read_options()
        self._logged = 0.0
        self._order: str | None = None
        self._order_at: float | None = None
        self._order_is_new = False

    def __call__(
        self, client: JicooClient, plan: Any, digest: str | None, *, control: Waits | None = None, **admission: Any
    ) -> Applied:
        """Apply a plan, and return where the report is and how many changes have which outcome.

        :param control: what to read instead of the file or the Variable of the operator.
        """
        from airflow_provider_jicoo.bulk.apply import apply_plan

        self._note(plan, admission.get("approval"))
        report = apply_plan(
            client,
            plan,
            digest=digest,
            options=self._options,
            control=control or (self._read_variable if self._operator.control_variable else None),
            progress=self._tell,
            progress_interval=TELL_EVERY,
            stop=self.stop,
            by=self._by(),
            open_path=self._operator._path,
            **admission,
        )
        self._operator.log.info("%s", report)
        self._operator._touched(
            [file_uri(report.facts["plan"])], [self._operator._bookings(), file_uri(report.path / "report.json")]
        )
        if self._operator.announces:
            announce_applied(self._context, self._operator.jicoo_conn_id, report)
        return {"report": str(report.path), "counts": dict(report.counts)}

    def _read_options(self) -> Options:
        from airflow_provider_jicoo.bulk.apply import Options

        operator = self._operator
        given = {name: unrendered(name, getattr(operator, name)) for name in ("on_stamp", "on_doubt", "reread")}
        lease = unrendered("lease", operator.lease)
        if lease not in (None, ""):
            given["lease"] = as_float("lease", lease)
        return Options(
            waves=_waves(operator.waves),
            tolerated_failures=operator.tolerated_failures,
            concurrency=as_int("concurrency", operator.concurrency),
            on_stale=operator.on_stale,  # type: ignore[arg-type]
            **{name: value for name, value in given.items() if value not in (None, "")},
        )

    def _by(self) -> str:
        """Return the same text for a task and its retries, and another one once a person has cleared it."""
        ti = self._context["ti"]
        # Airflow counts the tries of a cleared task anew, from those there were.
        return f"{_made_by(self._context)}, map index {getattr(ti, 'map_index', -1)}, of {ti.max_tries + 1} tries"

    def _read_variable(self) -> str | None:
        """Return what the control is told; while Airflow does not say it, what it said last.

        :raises ConnectionError: it has not said it for :data:`ORDER_HOLDS`, or never.
        """
        try:
            self._order = read_variable(str(self._operator.control_variable))
        except ConnectionError as error:
            if self._order_at is None or time.monotonic() - self._order_at > ORDER_HOLDS:
                raise
            if self._order_is_new:
                self._operator.log.warning("%s; what it said last holds for up to %.0f s", error, ORDER_HOLDS)
            self._order_is_new = False
        else:
            self._order_at, self._order_is_new = time.monotonic(), True
        return self._order

    def _note(self, plan: Any, approval: Any) -> None:
        """Note for the page of the run which plan is applied, before anything is sent."""
        from airflow_provider_jicoo.bulk.errors import PlanMismatchError
        from airflow_provider_jicoo.bulk.plan.header import read_header

        if isinstance(plan, Mapping):
            about = plan
        else:
            try:
                about = {**read_header(plan), "plan": str(plan)}
            except PlanMismatchError:
                return  # the apply itself says so
        note_plan(
            self._context, about, applies=True, approval=approval, control=self._operator.control_variable or None
        )
        note_address(self._context, *self._operator.operator_extra_links)

    def _tell(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.done >= progress.total or now - self._logged >= LOG_EVERY:
            self._logged = now
            self._operator.log.info("%s", progress)
        note_progress(self._context, progress)
        # Airflow 3.3 shows it beside the task; the journal alone is what a further try goes by.
        store = self._context.get("task_state_store")
        if store is None:
            return
        told: dict[str, Any] = {"done": progress.done, "total": progress.total, "counts": dict(progress.counts)}
        try:
            store.set("progress", told)
        except Exception as error:  # whatever is wrong with Airflow's API: it is no reason to end the run
            self._operator.log.warning("the progress could not be stored: %s", error)


def _waves(given: Any) -> tuple[Any, ...]:
    waves = as_json("waves", unrendered("waves", given))
    if isinstance(waves, (str, int)):
        return () if waves == "" else (waves,)
    return tuple(waves)


class ApplyBookingPlanOperator(_BulkOperator):
    """Carry out a plan, or go on with it where an earlier try was killed.

    Each booking is read again shortly before it is changed, and left alone where somebody has edited it since. The
    task fails where anything failed, is unknown, or goes beyond the tolerance; the report is written all the same, and
    the error names it. Nothing is sent twice: what an earlier try has done is in the journal beside the plan, and what
    is in doubt is read back.

    :param plan: the manifest that :class:`PlanBookingChangesOperator` returns, one of its shards, or the path of a
        plan. (templated)
    :param digest: what was agreed to; a plan with another one is refused. By default the manifest's own; needed with a
        path. (templated)
    :param approval: what :class:`~airflow_provider_jicoo.operators.approval.ApproveBookingPlanOperator` returns. A plan
        that it is not for is refused, and so is one that nobody has agreed to; that of a plan in shards is for each of
        them. Who agreed, and when, stands in journal and report. (templated)
    :param max_plan_age: how old a plan may be when its apply begins: a ``timedelta`` or a number of seconds, 24 hours
        by default; None or an empty text for no limit. What was begun in time may be gone on with later. (templated)
    :param waves: sizes of the first waves, as counts or percentages of the plan; the rest comes last. A wave begins
        when the one before it ended within the tolerance. (templated)
    :param tolerated_failures: how many changes may be rejected, fail or stay unknown before the run stops, as a count
        or a percentage of the plan. (templated)
    :param concurrency: how many requests are under way at once. (templated)
    :param on_stale: ``skip`` a booking that was edited since the plan was made, or ``fail``. (templated)
    :param on_stamp: what is done with a booking of which only ``updatedAt`` has moved since, every planned field being
        as planned: ``send`` the change, or ``skip`` it as stale. (templated)
    :param on_doubt: what follows where the answer to a change was lost and it is not seen in the booking: ``leave`` it
        as unknown, or send it ``again`` (where it messages a guest, only when Jicoo can no longer be at work on the
        first). By default ``leave`` where it messages a guest, else ``again``. (templated)
    :param reread: how a booking is read again before its change: by ``list``, many at once, or ``each`` by itself right
        before. By default each where the change messages a guest, since a list may lag behind. (templated)
    :param lease: seconds for which a worker may send after it has looked whether another one has taken the plan; 5 by
        default. So long a later worker waits before it goes on. Longer for slow storage. (templated)
    :param control_variable: an Airflow Variable that tells the run what to do while it runs: ``{"state": "pause"}``,
        ``{"state": "stop"}``, ``{"state": "run", "max_requests_per_second": 5}``. By default the file
        ``<plan>.control`` beside the plan. (templated)
    :param only_between: times of day, as ``("21:00", "07:00")``: nothing is sent outside of them. What is under way
        then is finished. (templated)
    :param time_zone: by whose clocks, as ``Asia/Tokyo``. (templated)
    :param deferrable: leave the worker while the run is paused or outside of ``only_between``: the triggerer waits, and
        the task goes on from the journal. The triggerer must be able to read the plan's folder.
    :param announces: whether an event of the asset ``jicoo://<conn_id>/bookings`` goes out where something was changed,
        so that DAGs scheduled on it start: :func:`~airflow_provider_jicoo.assets.applied.announce_applied`. Not for
        mapped tasks that end at the same time: Airflow 3.3 fails one of them after it has applied its shard.
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: ``{"report": path, "counts": {outcome: count}}``.
    """

    operator_extra_links = (PlanLink(), ReportLink())
    template_fields: Sequence[str] = (
        "plan",
        "digest",
        "approval",
        "max_plan_age",
        "waves",
        "tolerated_failures",
        "concurrency",
        "on_stale",
        "on_stamp",
        "on_doubt",
        "reread",
        "lease",
        "control_variable",
        "only_between",
        "time_zone",
        "jicoo_conn_id",
    )

    def __init__(
        self,
        *,
        plan: Mapping[str, Any] | str,
        digest: str | None = None,
        approval: Mapping[str, Any] | str | None = None,
        max_plan_age: timedelta | float | str | None = timedelta(hours=24),
        waves: Sequence[int | str] = ("1", "1%", "10%"),
        tolerated_failures: int | str = 0,
        concurrency: int | str = 32,
        on_stale: str = "skip",
        on_stamp: str = "send",
        on_doubt: str | None = None,
        reread: str | None = None,
        lease: float | str | None = None,
        control_variable: str | None = None,
        announces: bool = False,
        only_between: Sequence[str] | str | None = None,
        time_zone: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.digest = digest
        self.approval = approval
        self.max_plan_age = max_plan_age
        self.waves = waves
        self.tolerated_failures = tolerated_failures
        self.concurrency = concurrency
        self.on_stale = on_stale
        self.on_stamp = on_stamp
        self.on_doubt = on_doubt
        self.reread = reread
        self.lease = lease
        self.control_variable = control_variable
        self.announces = announces
        self.only_between = only_between
        self.time_zone = time_zone
        self.deferrable = deferrable
        if announces:
            self.outlets = [*self.outlets, APPLIED]
        self._apply: _Apply | None = None
        # A task that asks and returns nothing, since it was skipped or failed, is not the same as nobody to be asked.
        self._asks = approval is not None

    def execute(self, context: Context) -> Applied:
        """Apply."""
        with self._hook() as hook:
            plan = as_json("plan", unrendered("plan", self.plan))
            digest = unrendered("digest", self.digest) or None
            admission = {
                "approval": self._approval(),
                "max_plan_age": as_span("max_plan_age", unrendered("max_plan_age", self.max_plan_age)),
            }
            self._apply = _Apply(self, context)
            if isinstance(plan, Mapping) and {"plan", "digest"} <= plan.keys():
                path = self._path(plan["plan"])
            elif isinstance(plan, str):
                plan = path = self._path(plan)
            else:
                raise ValueError(
                    f"plan: a {type(plan).__name__} is neither a manifest, nor one of its shards, nor a path"
                )
            return self._apply_in_time(hook.client, plan, path, digest, admission)

    def _apply_in_time(
        self, client: JicooClient, plan: Any, path: Any, digest: str | None, admission: dict[str, Any]
    ) -> Applied:
        """Apply; where nothing may be sent for now, leave the worker, and go on from the journal later.

        :param path: the plan's.
        :raises TaskDeferred: the triggerer is to wait.
        """
        from airflow_provider_jicoo.bulk.apply.control import control_file
        from airflow_provider_jicoo.bulk.errors import StoppedError

        assert self._apply is not None
        window = Window.parse(
            as_json("only_between", unrendered("only_between", self.only_between)),
            unrendered("time_zone", self.time_zone),
        )
        is_deferrable = as_bool("deferrable", self.deferrable) is True
        if self.control_variable and is_deferrable:
            raise ValueError("control_variable: the triggerer reads the control file alone; give deferrable=False")
        read = self._apply._read_variable if self.control_variable else control_file(path)
        waits = Waits(read, window, self._apply.stop if is_deferrable else None)
        why = waits.why() if is_deferrable else None
        if why is not None:
            self._wait(path, why)
        try:
            return self._apply(client, plan, digest, control=waits, **admission)
        except StoppedError as error:
            # The lease was released and the journal written. Another end than this one is an end.
            if waits.reason is None or error.permanent or self._apply.stop.reason != waits.reason:
                raise
        self._wait(path, waits.reason)
        raise AssertionError("to defer raises")

    def _wait(self, path: Any, why: str) -> None:
        from airflow_provider_jicoo.triggers.apply import ApplyMayGoOnTrigger

        self.log.info("%s: the triggerer waits, and no worker", why)
        between = as_json("only_between", unrendered("only_between", self.only_between))
        self.defer(
            trigger=ApplyMayGoOnTrigger(
                plan=str(path),
                only_between=list(between) if between else None,
                time_zone=unrendered("time_zone", self.time_zone) or None,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Applied:
        """Go on from the journal, after the triggerer has waited.

        :raises StoppedError: the triggerer cannot wait.
        """
        from airflow_provider_jicoo.bulk.errors import StoppedError

        if not isinstance(event, Mapping) or event.get("status") != "success":
            said = event.get("message") if isinstance(event, Mapping) else event
            raise StoppedError(f"the triggerer could not wait: {said}")
        return self.execute(context)

    def _approval(self) -> Mapping[str, Any] | None:
        """Return the approval that was given.

        :raises ValueError: somebody is to be asked, and nobody has agreed.
        """
        if not self._asks:
            return None
        approval = as_json("approval", unrendered("approval", self.approval))
        if not isinstance(approval, Mapping):
            raise ValueError(
                f"approval: {approval!r:.100} is none: nobody has agreed to the plan; nothing was sent. Give what "
                "ApproveBookingPlanOperator returns"
            )
        return approval

    def on_kill(self) -> None:
        """Take no new work; what is under way is finished, journal and report are written."""
        if self._apply is not None:
            self._apply.stop("the task was killed")


class BulkUpdateBookingsOperator(PlanBookingChangesOperator):
    """Plan and apply in one task, for changes that nobody has to agree to.

    The parameters are those of :class:`PlanBookingChangesOperator` and :class:`ApplyBookingPlanOperator`. A further try
    goes on with the plan of the first one, which it knows by DAG, run, task and map index in its header. It never takes
    another plan for its own, and does not plan anew where an earlier try may have sent something: where plan and
    journal are gone, as from the disk of another machine, it fails and says how to look.

    :param dry_run: stop after the plan. (templated)
    :return: the manifest, with ``report`` and ``counts`` where it was applied.
    """

    operator_extra_links = (PlanLink(), ReportLink())
    template_fields: Sequence[str] = (
        *(name for name in PlanBookingChangesOperator.template_fields if name != "shards"),
        *(
            name
            for name in ApplyBookingPlanOperator.template_fields
            if name not in ("plan", "digest", "approval", "max_plan_age", "only_between", "time_zone", "jicoo_conn_id")
        ),
        "plan_only",
    )

    def __init__(
        self,
        *,
        dry_run: bool | str = False,
        waves: Sequence[int | str] = ("1", "1%", "10%"),
        tolerated_failures: int | str = 0,
        concurrency: int | str = 32,
        on_stale: str = "skip",
        on_stamp: str = "send",
        on_doubt: str | None = None,
        reread: str | None = None,
        lease: float | str | None = None,
        control_variable: str | None = None,
        announces: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Not ``dry_run``: Airflow's operators have a method of that name.
        self.plan_only = dry_run
        self.waves = waves
        self.tolerated_failures = tolerated_failures
        self.concurrency = concurrency
        self.on_stale = on_stale
        self.on_stamp = on_stamp
        self.on_doubt = on_doubt
        self.reread = reread
        self.lease = lease
        self.control_variable = control_variable
        self.announces = announces
        if announces:
            self.outlets = [*self.outlets, APPLIED]
        self._apply: _Apply | None = None

    def execute(self, context: Context) -> Manifest:
        """Plan and apply."""
        with self._hook() as hook:
            # What is wrong with its arguments is to be said before anything is read.
            self._apply = _Apply(self, context)
            dry = _said("dry_run", self.plan_only)
            if as_int("shards", self.shards) != 1:
                raise ValueError("shards: one task applies one plan; use PlanBookingChangesOperator for shards")
            tries = Tries(self._place(), _owner(context), context.get("task_state_store"))
            manifest = tries.earlier_plan() if context["ti"].try_number > 1 else None
            if manifest is None:
                tries.begin()
                manifest = self._planned(self._plan(hook.client, context), context)
            if dry:
                return manifest
            tries.note(manifest)
            # A plan of this very task is as old as its first try.
            applied = self._apply(hook.client, manifest, None, max_plan_age=None)
            done: AppliedManifest = {**manifest, "report": applied["report"], "counts": applied["counts"]}
            return done

    def on_kill(self) -> None:
        """Take no new work; what is under way is finished, journal and report are written."""
        if self._apply is not None:
            self._apply.stop("the task was killed")
