"""Triggers that wait for free slots of an event type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.triggers.base import Judgement, PollingTrigger, Verdict

if TYPE_CHECKING:
    from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook


def judge(slots: int, room: int, min_slots: int | None, min_capacity: int | None, below: bool) -> Judgement:
    """Say whether there is enough free capacity, or no longer.

    :param slots: how many slots have room.
    :param room: how many bookings they have room for.
    :param min_slots: how many slots are enough; None where that does not count.
    :param min_capacity: how much room is enough; None where that does not count.
    :param below: it is waited until there is not enough.
    """
    enough = (min_slots is None or slots >= min_slots) and (min_capacity is None or room >= min_capacity)
    least = " and ".join(
        f"{number} {what}" for number, what in ((min_slots, "slots"), (min_capacity, "bookings")) if number is not None
    )
    reason = (
        f"{slots} free slots have room for {room} bookings; waiting for {'less than' if below else 'at least'} {least}"
    )
    return Judgement(Verdict.REACHED if enough is not below else Verdict.WAITING, reason)


class AvailableSchedulesTrigger(PollingTrigger):
    """Wait until an event type has enough free capacity in a period, or no longer.

    :param event_type_id: id of the event type.
    :param period_start: begin of the period, ISO 8601.
    :param period_end: its end.
    :param min_slots: how many slots are enough; None where that does not count.
    :param min_capacity: room for how many bookings is enough; None where that does not count.
    :param weekdays: names of weekdays; None for all.
    :param hours: two wall-clock times; None for all.
    :param time_zone: IANA name.
    :param below: wait until there is not enough.
    :param poll_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which to give up; None for never.
    :param jicoo_conn_id: the Airflow connection.
    """

    def __init__(
        self,
        event_type_id: str,
        period_start: str,
        period_end: str,
        min_slots: int | None,
        min_capacity: int | None,
        weekdays: Sequence[str] | None,
        hours: Sequence[str] | None,
        time_zone: str | None,
        below: bool,
        poll_interval: float,
        deadline: float | None = None,
        jicoo_conn_id: str = "jicoo_default",
    ) -> None:
        period: dict[str, Any] = {
            "event_type_id": event_type_id,
            "period_start": period_start,
            "period_end": period_end,
            "time_zone": time_zone,
        }
        super().__init__(
            poll_interval,
            deadline,
            jicoo_conn_id,
            **period,
            min_slots=min_slots,
            min_capacity=min_capacity,
            weekdays=weekdays,
            hours=hours,
            below=below,
        )
        self.period = period
        self.min_slots = min_slots
        self.min_capacity = min_capacity
        self.weekdays = weekdays
        self.hours = hours
        self.time_zone = time_zone
        self.below = below

    async def look(self, hook: JicooAsyncHook) -> Judgement:
        """Read the slots, count them and judge."""
        from airflow_provider_jicoo.api.slots import When, capacity, free

        when = When.of(self.weekdays, self.hours, self.time_zone)
        slots = free(await hook.list_available_schedules(**self.period), when)
        return judge(len(slots), sum(map(capacity, slots)), self.min_slots, self.min_capacity, self.below)
