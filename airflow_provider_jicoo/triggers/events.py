"""The trigger of an ``AssetWatcher``: DAGs that start when somebody books, moves or cancels."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Hashable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_jicoo.api.booking_changes import CHANGES, BookingChange
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.events.stores import Cursors, cursor_name
from airflow_provider_jicoo.tasks.compat import asset_stores, shared_stream_producer

if TYPE_CHECKING:
    from airflow_provider_jicoo.events.sweeping import Sweep
    from airflow_provider_jicoo.events.watcher import Watcher


class BookingEventTrigger(BaseEventTrigger):
    """Watch the bookings of a connection, and tell what happens to them.

    ::

        watcher = AssetWatcher(name="bookings", trigger=BookingEventTrigger(jicoo_conn_id="jicoo_default"))
        bookings = Asset("jicoo://jicoo_default/bookings", watchers=[watcher])

    Jicoo has no filter by the time of a change: all bookings that are still to come, or began since the day before the
    last sweep, are listed each time and compared with what was told. Of what happens to a booking between two sweeps
    the last is told.

    **What is kept.** A cursor, with an entry for each booking. From Airflow 3.3 on it is in the state store of the
    watched asset, all watchers with the same connection, interval, horizon and ``max_failures`` share one sweep in each
    triggerer, and the cursor moves when the events are in Airflow's database. Before, it is in a Variable
    (``jicoo_cursor_...``), each watcher sweeps by itself, and the cursor moves one sweep late. At the first start, and
    where the cursor was lost or cannot be stored, the trigger begins with what is there: what happened before is not
    told. :func:`~airflow_provider_jicoo.events.new_bookings_since` keeps a cursor of its own and finds it.

    **At least once.** After a crash events may be told again; ``id`` is the same then. Before Airflow 3.4 a burst of
    events may leave some without a run until the next one comes: let the DAG ask for ``new_bookings_since``.

    The event's payload is ``{"id", "event", "uid", "status", "started_at", "updated_at", "event_type_id",
    "jicoo_conn_id"}``: ids and times alone, since Airflow logs and shows it.

    It sweeps for ever, and waits ``poll_interval`` between two sweeps on every path. After an error it waits twice as
    long each time, up to an hour. After ``max_failures`` errors in a row it gives up; Airflow then starts it anew.

    :param jicoo_conn_id: the Airflow connection.
    :param events: which events to tell: ``booked``, ``updated``, ``rescheduled``, ``cancelled``.
    :param poll_interval: seconds between two sweeps, 1 or more.
    :param horizon_days: how many days ahead bookings are looked at; a booking beyond is told as ``booked`` when its
        day comes within. None for all, which is safer: a horizon only saves requests.
    :param event_type_ids: only bookings of these event types; None for all.
    :param max_failures: how many sweeps in a row may fail.
    :raises InvalidRequestError: an argument cannot be right.
    """

    def __init__(
        self,
        jicoo_conn_id: str = "jicoo_default",
        events: Collection[str] = CHANGES,
        poll_interval: float = 60.0,
        horizon_days: int | None = None,
        event_type_ids: Sequence[str] | None = None,
        max_failures: int = 10,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        from airflow_provider_jicoo.events.arguments import checked_events, checked_ids, checked_number

        self.jicoo_conn_id = jicoo_conn_id
        self.events = checked_events(events)
        self.poll_interval = float(checked_number("poll_interval", poll_interval, 1))
        self.horizon_days = None if horizon_days is None else int(checked_number("horizon_days", horizon_days, 1))
        self.event_type_ids = checked_ids(event_type_ids)
        self.max_failures = int(checked_number("max_failures", max_failures, 1))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments: numbers, texts, lists of texts; always the same for the same."""
        names = ("jicoo_conn_id", "events", "poll_interval", "horizon_days", "event_type_ids", "max_failures")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    @discreet
    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sweep alone, and tell: Airflow before 3.3."""
        watcher = self._watcher()
        last: Sweep | None = None
        async with aclosing(_sweeps(self.serialize()[1])) as found:
            async for sweep in found:
                if last is not None:
                    # Airflow has had the events of that one for an interval.
                    await _commit(last)
                told = await watcher.take(sweep)
                for change in told:
                    yield self._event(change)
                last = sweep if told else None
                if last is None:
                    await _commit(sweep)

    def shared_stream_key(self) -> Hashable | None:
        """Return what the watchers that share a sweep have in common (Airflow 3.3)."""
        return ("jicoo", self.jicoo_conn_id, self.poll_interval, self.horizon_days, self.max_failures)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> Any:
        """Return what sweeps for all watchers with the same key (Airflow 3.3)."""
        return SweepProducer(kwargs)

    @discreet
    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Tell what the sweeps of all show that this watcher has not told (Airflow 3.3)."""
        watcher = self._watcher()
        async for sweep in shared_stream:
            for change in await watcher.take(sweep):
                yield self._event(change)

    def _watcher(self) -> Watcher:
        from airflow_provider_jicoo.events.stores import AssetStore, VariableStore
        from airflow_provider_jicoo.events.watcher import Watcher

        stores = asset_stores(self)
        # Triggers that tell different things, on the same asset, have each a cursor of its own.
        what = (self.jicoo_conn_id, self.events, self.event_type_ids, self.horizon_days)
        if stores:
            cursors = Cursors(AssetStore(stores), cursor_name("trigger", *what))
        else:
            note = f"What a BookingEventTrigger of the connection {self.jicoo_conn_id} has told; the package's own."
            cursors = Cursors(VariableStore(note), cursor_name("trigger", *what))
        return Watcher(cursors, self._wants, self.horizon_days, self.max_failures)

    def _wants(self, change: BookingChange) -> bool:
        return change.event in self.events and (
            self.event_type_ids is None or change.event_type_id is None or change.event_type_id in self.event_type_ids
        )

    def _event(self, change: BookingChange) -> TriggerEvent:
        return TriggerEvent(
            {
                "id": change.id,
                "event": change.event,
                "uid": change.uid,
                "status": change.status,
                "started_at": change.started_at,
                "updated_at": change.updated_at,
                "event_type_id": change.event_type_id,
                "jicoo_conn_id": self.jicoo_conn_id,
            }
        )


class SweepProducer(shared_stream_producer()):  # type: ignore[misc]
    """One sweep for all watchers; their cursors move when what they told is in Airflow's database.

    :param kwargs: the arguments of one of the triggers. It reads those that are in the shared key.
    """

    def __init__(self, kwargs: dict[str, Any]) -> None:
        self._kwargs = kwargs
        self._newest = 0

    @discreet
    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield the sweeps."""
        async with aclosing(_sweeps(self._kwargs)) as found:
            async for sweep in found:
                self._newest = sweep.number
                yield sweep, sweep

    async def advance(self, batch: Sequence[Any]) -> None:
        """Let the watchers store their cursors."""
        for sweep, outcome in batch:
            if outcome.is_clean:
                await _commit(sweep)
                continue
            for watcher, _ in sweep.takers:
                watcher.doubt(self._newest)


def _sweeps(kwargs: dict[str, Any]) -> AsyncGenerator[Sweep, None]:
    from airflow_provider_jicoo.events.sweeping import sweeps

    return sweeps(kwargs["jicoo_conn_id"], kwargs["poll_interval"], kwargs["horizon_days"], kwargs["max_failures"])


async def _commit(sweep: Sweep) -> None:
    for watcher, cursor in sweep.takers:
        await watcher.store(cursor)
