"""Sensors that wait for free slots of an event type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.sensors.base import JicooSensor
from airflow_provider_jicoo.tasks.given import as_bool, as_int, as_json
from airflow_provider_jicoo.triggers.event_types import AvailableSchedulesTrigger, judge

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.slots import When
    from airflow_provider_jicoo.hooks.jicoo import JicooHook
    from airflow_provider_jicoo.triggers.base import Judgement


class AvailableSchedulesSensor(JicooSensor):
    """Wait until an event type has enough free capacity in a period, and return its free slots.

    With ``below=True``, wait until there is no longer enough. Do we still have evening slots in the next ten days?

    ::

        AvailableSchedulesSensor(
            task_id="evenings_are_gone",
            event_type_id="o072r8CvwVF4",
            period_start="{{ dag_run.run_after.isoformat() }}",
            period_end="{{ (dag_run.run_after + macros.timedelta(days=10)).isoformat() }}",
            weekdays=["mon", "tue", "wed", "thu", "fri"],
            hours=("18:00", "22:00"),
            time_zone="Asia/Tokyo",
            min_slots=5,
            below=True,
        )

    Works in poke, reschedule and deferrable mode, and treats a failing poll as
    :class:`~airflow_provider_jicoo.sensors.bookings.BookingStatusSensor` does. Periods of more than seven days are read
    in pieces; see :class:`~airflow_provider_jicoo.operators.event_types.ListAvailableSchedulesOperator`, also for what
    is inferred. A slot counts where it has room; one that does not say has room for one booking.

    :param event_type_id: id of the event type. (templated)
    :param period_start: begin of the period: an aware datetime, ISO 8601 with an offset, or a wall clock in
        ``time_zone``. (templated)
    :param period_end: its end. (templated)
    :param min_slots: how many slots are enough; 1 where neither this nor ``min_capacity`` is given. (templated)
    :param min_capacity: room for how many bookings is enough, in all slots together. Where both are given, both are
        needed. (templated)
    :param weekdays: only slots on these, as ``["mon", "fri"]``; None for all. (templated)
    :param hours: only slots that start within these, as ``("18:00", "22:00")``, the second one not included; None for
        all. (templated)
    :param time_zone: IANA name: whose weekdays and hours, and of moments without an offset. (templated)
    :param below: wait until there is not enough. (templated)
    :param deferrable: wait in the triggerer instead of on a worker; by default as ``[operators] default_deferrable``.
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the slots that count, as Jicoo gives them.
    """

    template_fields: Sequence[str] = (
        "event_type_id",
        "period_start",
        "period_end",
        "min_slots",
        "min_capacity",
        "weekdays",
        "hours",
        "time_zone",
        "below",
        "jicoo_conn_id",
    )

    def __init__(
        self,
        *,
        event_type_id: str,
        period_start: datetime | str,
        period_end: datetime | str,
        min_slots: int | str | None = None,
        min_capacity: int | str | None = None,
        weekdays: Sequence[str] | None = None,
        hours: Sequence[str] | None = None,
        time_zone: str | None = None,
        below: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.event_type_id = event_type_id
        self.period_start = period_start
        self.period_end = period_end
        self.min_slots = min_slots
        self.min_capacity = min_capacity
        self.weekdays = weekdays
        self.hours = hours
        self.time_zone = time_zone
        self.below = below

    def _fetch(self, hook: JicooHook) -> list[Any]:
        from airflow_provider_jicoo.api.slots import free

        slots = hook.list_available_schedules(
            self.event_type_id,
            period_start=self.period_start,
            period_end=self.period_end,
            time_zone=self.time_zone,
        )
        return list(free(slots, self._when()))

    def _judge(self, rows: list[Any]) -> Judgement:
        from airflow_provider_jicoo.api.slots import capacity

        return judge(len(rows), sum(map(capacity, rows)), *self._wanted(), self._is_below())

    def _trigger(self, deadline: float) -> AvailableSchedulesTrigger:
        min_slots, min_capacity = self._wanted()
        return AvailableSchedulesTrigger(
            event_type_id=self.event_type_id,
            period_start=_text(self.period_start),
            period_end=_text(self.period_end),
            min_slots=min_slots,
            min_capacity=min_capacity,
            weekdays=_texts("weekdays", self.weekdays),
            hours=_texts("hours", self.hours),
            time_zone=self.time_zone,
            below=self._is_below(),
            poll_interval=float(self.poke_interval),
            deadline=deadline,
            jicoo_conn_id=self.jicoo_conn_id,
        )

    def _when(self) -> When:
        from airflow_provider_jicoo.api.slots import When

        return When.of(as_json("weekdays", self.weekdays), as_json("hours", self.hours), self.time_zone)

    def _wanted(self) -> tuple[int | None, int | None]:
        slots, room = as_int("min_slots", self.min_slots), as_int("min_capacity", self.min_capacity)
        return (1 if slots is None and room is None else slots), room

    def _is_below(self) -> bool:
        below = as_bool("below", self.below)
        if not isinstance(below, bool):
            raise ValueError(f"below: {below!r} is neither True nor False")
        return below

    def _check_arguments(self) -> None:
        from airflow_provider_jicoo.api.event_types import period
        from airflow_provider_jicoo.api.paths import checked_id

        checked_id("event_type_id", self.event_type_id)
        period(self.period_start, self.period_end, self.time_zone)
        self._when()
        self._is_below()
        for name, least in zip(("min_slots", "min_capacity"), self._wanted(), strict=True):
            if least is not None and least < 1:
                raise ValueError(f"{name}: {least!r} is not 1 or more")


def _text(moment: datetime | str) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()


def _texts(name: str, value: Any) -> list[str] | None:
    """Return weekdays or hours as a trigger's arguments can hold them: a list of texts."""
    value = as_json(name, value)
    if value is None:
        return None
    return value.split("-" if name == "hours" else ",") if isinstance(value, str) else [str(part) for part in value]
