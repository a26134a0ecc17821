"""For a task: the bookings that it has not handled yet, whoever rang."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.api.booking_changes import (
    CHANGES,
    GONE,
    LOOKBACK,
    BookingChange,
    Period,
    Seen,
    absent,
    change_of,
    check_gone,
    past,
    period,
    seen,
)
from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.events.arguments import checked_events, checked_ids, checked_number
from airflow_provider_jicoo.events.cursor import REFRESH, Cursor
from airflow_provider_jicoo.events.handled import Handled
from airflow_provider_jicoo.events.stores import Variables, cursor_name

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.api.errors import RequestError

log = logging.getLogger(__name__)

EARLIER = timedelta(minutes=5)
"""How much before what started the first run a change still counts as new: clocks differ, and deliveries are late."""

HELD_AT_ONCE = 5_000
"""Bookings held in memory at once, of some two kilobytes each. Where more are new, the list is read again."""


class ChangedBooking(dict[str, Any]):
    """A booking as Jicoo gives it, and what happened to it.

    Of one that does not exist any more there is ``uid``, ``status`` (``gone``) and ``startedAt`` alone.

    :param row: the booking.
    :param change: what happened.
    """

    def __init__(self, row: Mapping[str, Any], change: BookingChange) -> None:
        super().__init__(row)
        self.change = change

    @property
    def event(self) -> str:
        """What happened: ``booked``, ``updated``, ``rescheduled`` or ``cancelled``."""
        return self.change.event

    @property
    def event_id(self) -> str:
        """The ``id`` that a trigger's event of the same change has, where it compared with the same state before."""
        return self.change.id


def new_bookings_since(
    context: Mapping[str, Any] | None = None,
    *,
    jicoo_conn_id: str = "jicoo_default",
    events: Collection[str] = CHANGES,
    horizon_days: int | None = None,
    event_type_ids: Collection[str] | None = None,
    begin: datetime | str = "now",
) -> Iterator[ChangedBooking]:
    """Yield the bookings that this task has not handled yet, each as it is now.

    ::

        @task(max_active_tis_per_dag=1)
        def handle():
            for booking in new_bookings_since():
                print(booking.event, booking["uid"])

    It does not matter who started the run, how often, or whether anybody did: the bookings are listed and compared with
    what was handled. A booking counts as handled when the loop comes back for the next one, so that a crash or an error
    repeats the one under way and no other. Several changes of a booking since it was handled are one.

    What was handled is kept in Variables (``jicoo_cursor_...``), for each DAG, task and connection: call it once in a
    task. Only one process may handle at a time: the task needs ``max_active_tis_per_dag=1``, or the DAG
    ``max_active_runs=1`` (which a backfill does not heed).

    :param context: the task's context; by default the current one's.
    :param jicoo_conn_id: the Airflow connection.
    :param events: which events: ``booked``, ``updated``, ``rescheduled``, ``cancelled``. The others count as handled.
    :param horizon_days: how many days ahead bookings are looked at; None for all.
    :param event_type_ids: only bookings of these event types; the others count as handled. None for all.
    :param begin: what counts as handled at the first use. ``now``: what was last changed more than five minutes before
        that which started this run, so that neither is the booking that rang lost, nor is everybody who booked this
        year handled at once. ``all``: nothing. A moment: what was last changed before it.
    :return: each time a :class:`ChangedBooking`.
    :raises InvalidRequestError: an argument cannot be right, or two processes could handle at once. Before the first
        request.
    :raises RequestError: the bookings cannot be read.
    :raises TakenOverError: another process has taken over.
    :raises CursorLostError: what was handled cannot be read.
    :raises VanishedError: many bookings that were there do not exist any more; none is told as cancelled.
    """
    if context is None:
        from airflow.sdk import get_current_context

        context = get_current_context()
    dag_id, task_id = _sole(context)
    wanted = checked_events(events)
    ids = checked_ids(event_type_ids)
    days = None if horizon_days is None else int(checked_number("horizon_days", horizon_days, 1))
    new_from = _new_from(begin, context)
    rang = _who_rang(context, jicoo_conn_id) if begin == "now" else frozenset()
    note = f"Which bookings the task {task_id} of the DAG {dag_id} has handled; airflow-provider-jicoo writes it."
    owner = str(getattr(context["ti"], "id", None) or uuid.uuid4())
    name = cursor_name("handled", dag_id, task_id, jicoo_conn_id)
    handled = Handled(Variables(note), name, owner)

    def is_wanted(change: BookingChange) -> bool:
        return change.event in wanted and (ids is None or change.event_type_id is None or change.event_type_id in ids)

    return _drain(jicoo_conn_id, handled, days, new_from, rang, is_wanted)


def _sole(context: Mapping[str, Any]) -> tuple[str, str]:
    """Return the ids of DAG and task, where only one process of the task can run at a time.

    :raises InvalidRequestError: several can.
    """
    dag, task, ti = context["dag"], context["task"], context["ti"]
    named = f"task {task.task_id!r} of DAG {dag.dag_id!r}"
    if (-1 if (index := getattr(ti, "map_index", None)) is None else index) >= 0:
        raise InvalidRequestError(f"{named} is mapped: its instances would handle the same bookings; do not map it")
    if getattr(task, "max_active_tis_per_dag", None) != 1 and getattr(dag, "max_active_runs", None) != 1:
        raise InvalidRequestError(
            f"two runs of {named} could handle the same booking at once: give the task max_active_tis_per_dag=1, "
            f"or the DAG max_active_runs=1 (it is {getattr(dag, 'max_active_runs', None)})"
        )
    return str(dag.dag_id), str(task.task_id)


def _new_from(begin: datetime | str, context: Mapping[str, Any]) -> str:
    """Return from which change on a booking is new at the first use, as Jicoo writes moments; empty for all."""
    from airflow_provider_jicoo.api import times

    if begin == "all":
        return ""
    if begin == "now":
        return times.wire(times.moment(min(_what_rang(context))) - EARLIER)
    try:
        return times.wire(times.moment(begin))
    except ValueError as error:
        raise InvalidRequestError(f"begin: neither 'now' nor 'all': {error}") from None


def _what_rang(context: Mapping[str, Any]) -> Iterator[datetime]:
    """Yield when the run was started and asked for, and what the events that started it say of their time."""
    from airflow_provider_jicoo.api import times

    yield datetime.now(timezone.utc)
    run = context.get("dag_run")
    run_after = getattr(run, "run_after", None)
    if run_after is not None:
        yield times.moment(run_after)
    for came, said in _told(context):
        if came is not None:
            yield came
        happened = _moment(said.get("created_at"))
        if happened is None and came is not None:
            # Of the poller. That of a booking whose day comes within the horizon may be of last year.
            happened = max(_moment(said.get("updated_at")) or came, came - LOOKBACK)
        if happened is not None:
            yield happened


def _who_rang(context: Mapping[str, Any], jicoo_conn_id: str) -> frozenset[str]:
    """Return the bookings of the events that started the run: new at the first use, whatever their times say."""
    return frozenset(
        uid
        for _, said in _told(context)
        if said.get("jicoo_conn_id", jicoo_conn_id) == jicoo_conn_id
        and isinstance(uid := said.get("booking_uid", said.get("uid")), str)
    )


def _told(context: Mapping[str, Any]) -> Iterator[tuple[datetime | None, Mapping[str, Any]]]:
    """Yield what the events say that started the run, and when Airflow had each; None where it does not say."""
    from airflow_provider_jicoo.api import times

    conf = getattr(context.get("dag_run"), "conf", None)
    if isinstance(conf, Mapping) and {"jicoo_conn_id", "event_id"} <= set(conf):  # of a webhook
        yield None, conf
    for events in (context.get("triggering_asset_events") or {}).values():
        for event in events:
            extra: Mapping[str, Any] = event.extra or {}
            payload = extra.get("payload")
            yield times.moment(event.timestamp), payload if isinstance(payload, Mapping) else extra


def _moment(said: Any) -> datetime | None:
    from airflow_provider_jicoo.api import times

    try:
        return times.moment(said)
    except ValueError:
        return None


@discreet
def _drain(
    jicoo_conn_id: str,
    handled: Handled,
    horizon_days: int | None,
    new_from: str,
    rang: frozenset[str],
    is_wanted: Callable[[BookingChange], bool],
) -> Iterator[ChangedBooking]:
    from airflow_provider_jicoo.hooks.jicoo import JicooHook

    handled.open()
    with JicooHook(jicoo_conn_id) as hook:
        is_whole = False
        while not is_whole:
            began = datetime.now(timezone.utc)
            cursor = handled.cursor
            if cursor is None:
                counted = _entries_before(hook.client, period(began, began, horizon_days), new_from, rang)
                cursor = handled.begin(Cursor(began, counted))
            asked = period(cursor.since, began, horizon_days)
            look = _Look(hook.client, cursor.entries, is_wanted)
            look.look(asked)
            for booking in look.found():
                yield booking
                handled.note(booking.change)
            is_whole = not look.is_cut
            saw_all = is_whole and look.failed is None
            old = past(cursor.entries, asked.lower) if saw_all else []
            for uid in old:
                del cursor.entries[uid]
            if look.is_news or old or began - cursor.since >= REFRESH:
                handled.write(Cursor(began if saw_all else cursor.since, cursor.entries))
            if is_whole and look.failed is not None:
                raise look.failed


def _entries_before(client: JicooClient, asked: Period, new_from: str, rang: frozenset[str]) -> dict[str, str]:
    """Return what counts as handled at the first use."""
    from airflow_provider_jicoo.api import times

    entries: dict[str, str] = {}
    if not new_from:
        return entries
    for row in _rows(client, asked):
        try:
            is_old = times.as_wire(row["updatedAt"]) < new_from
        except ValueError:
            is_old = True
        if is_old and row["uid"] not in rang:
            entries[row["uid"]] = seen(row).entry
    return entries


def _rows(client: JicooClient, asked: Period) -> Iterator[Mapping[str, Any]]:
    from airflow_provider_jicoo.events.listing import bookings_in

    warnings: list[str] = []
    yield from client.iterate(bookings_in(asked), on_unproven="warn", warnings=warnings)
    for text in warnings:
        log.warning("%s", text)


class _Look:
    """One look at the bookings.

    :param entries: what was handled, by uid. What happened and is not wanted is entered there at once.
    """

    def __init__(
        self, client: JicooClient, entries: dict[str, str], is_wanted: Callable[[BookingChange], bool]
    ) -> None:
        self._client = client
        self._entries = entries
        self._is_wanted = is_wanted
        self._found: list[ChangedBooking] = []
        self.is_cut = False
        self.is_news = False
        self.failed: RequestError | None = None
        """What kept a booking from being looked up; to be raised when the others are handled."""

    def look(self, asked: Period) -> None:
        """Find what is new."""
        came: set[str] = set()
        for row in _rows(self._client, asked):
            came.add(row["uid"])
            self._take(row["uid"], row)
        missing = absent(self._entries, came, asked)
        if missing:
            looked_up = self._look_up(missing)
            check_gone(self._entries, looked_up)
            for uid, found in looked_up.items():
                self._take(uid, found)

    def found(self) -> Iterator[ChangedBooking]:
        """Yield what is new, the change that is longest ago first."""
        yield from sorted(self._found, key=lambda booking: booking.change.updated_at or "~")

    def _take(self, uid: str, row: Mapping[str, Any] | None) -> None:
        now: Seen | None = None if row is None else seen(row)
        change = change_of(uid, self._entries.get(uid), now)
        self.is_news = self.is_news or change is not None
        if change is not None and self._is_wanted(change):
            if len(self._found) >= HELD_AT_ONCE:
                self.is_cut = True
                return
            gone = {"uid": uid, "status": GONE, "startedAt": change.started_at}
            self._found.append(ChangedBooking(row or gone, change))
        elif now is not None:
            self._entries[uid] = now.entry
        else:
            self._entries.pop(uid, None)

    def _look_up(self, uids: list[str]) -> dict[str, Mapping[str, Any] | None]:
        from airflow_provider_jicoo.api.errors import BrokenRowsError
        from airflow_provider_jicoo.events.listing import look_up

        unreadable: dict[str, RequestError] = {}
        found = self._client.run(look_up(uids, unreadable))
        for error in unreadable.values():
            log.warning("%s", error)
            if not isinstance(error, BrokenRowsError):
                self.failed = error
        return {uid: found.get(uid) for uid in uids if uid not in unreadable}
