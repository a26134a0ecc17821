"""Count free slots as people see them: by the weekdays and the wall clock of a time zone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import InvalidRequestError, UnexpectedAnswerError
from airflow_provider_jicoo.api.models import AvailableSchedule
from airflow_provider_jicoo.api.paths import INFERRED

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(r"([01]?\d|2[0-4])(?::([0-5]\d))?")
_DAY = 24 * 60


@dataclass(frozen=True)
class When:
    """Weekdays and hours of a time zone.

    :param weekdays: from 0 for Monday; None for all.
    :param hours: first minute of the day, and the one behind the last; None for all.
    :param zone: whose weekdays and hours; None only where both are all.
    """

    weekdays: frozenset[int] | None = None
    hours: tuple[int, int] | None = None
    zone: tzinfo | None = None

    @classmethod
    def of(cls, weekdays: Any = None, hours: Any = None, time_zone: str | None = None) -> When:
        """Read them as people write them.

        :param weekdays: names, as ``["mon", "fri"]`` or ``"mon,fri"``. No numbers: some begin with Sunday.
        :param hours: two wall-clock times, as ``("18:00", "22:00")`` or ``"18:00-22:00"``; the second is not included.
        :param time_zone: IANA name.
        :raises InvalidRequestError: one of them cannot be read.
        """
        zone = None if time_zone is None else _zone(time_zone)
        if zone is None and (weekdays is not None or hours is not None):
            raise InvalidRequestError("time_zone: weekdays and hours need one, as 'Asia/Tokyo'")
        return cls(
            None if weekdays is None else frozenset(map(_weekday, _parts(weekdays, ","))),
            None if hours is None else _hours(hours),
            zone,
        )

    def has(self, start: datetime) -> bool:
        """Tell whether a moment is on one of the weekdays, within the hours."""
        local = start.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return (self.weekdays is None or local.weekday() in self.weekdays) and (
            self.hours is None or self.hours[0] <= minute < self.hours[1]
        )


def free(slots: Iterable[AvailableSchedule], when: When = When()) -> list[AvailableSchedule]:  # noqa: B008 it is frozen
    """Return the slots that have room and start on these weekdays, within these hours.

    :raises UnexpectedAnswerError: a slot does not say when it starts.
    """
    return [slot for slot in slots if capacity(slot) > 0 and when.has(_start(slot))]


def capacity(slot: Mapping[str, Any]) -> int:
    """Return how many bookings a slot has room for; one, where it does not say: it would not be offered otherwise."""
    room = slot.get("remainingCapacity")
    try:
        return 1 if room is None else int(float(room))
    except (TypeError, ValueError, OverflowError):
        return 1


def per_day(slots: Iterable[AvailableSchedule], time_zone: str) -> dict[str, dict[str, int]]:
    """Count the slots that have room by the day on which they start.

    :param time_zone: whose days, an IANA name.
    :return: ``{"2031-03-05": {"slots": 4, "capacity": 7}, ...}``, for the days that have any, in their order.
    """
    zone = _zone(time_zone)
    found: dict[str, dict[str, int]] = {}
    for slot in sorted(free(slots), key=_start):
        day = _start(slot).astimezone(zone).date().isoformat()
        count = found.setdefault(day, {"slots": 0, "capacity": 0})
        count["slots"] += 1
        count["capacity"] += capacity(slot)
    return found


def _start(slot: Mapping[str, Any]) -> datetime:
    try:
        return times.moment(slot.get("startedAt"))
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"a free slot does not say when it starts: {error}.", method="GET", path=INFERRED["available_schedules"]
        ) from None


def _zone(name: str) -> tzinfo:
    try:
        return times.zone(name)
    except ValueError as error:
        raise InvalidRequestError(f"time_zone: {error}") from None


def _parts(value: Any, joint: str) -> list[Any]:
    parts = value.split(joint) if isinstance(value, str) else list(value)
    if not parts:
        raise InvalidRequestError("weekdays and hours: give at least one, or leave it out")
    return parts


def _weekday(name: Any) -> int:
    word = str(name).strip().lower()
    for known in (WEEKDAYS, _NAMES):
        if word in known:
            return known.index(word)
    raise InvalidRequestError(f"weekdays: {name!r} is none of {', '.join(WEEKDAYS)}")


def _hours(value: Any) -> tuple[int, int]:
    minutes = [_minute(part) for part in _parts(value, "-")]
    if len(minutes) != 2 or minutes[1] <= minutes[0]:
        raise InvalidRequestError(
            f"hours: {value!r} is not a begin and a later end of the same day, as ('18:00', '22:00')"
        )
    return minutes[0], minutes[1]


def _minute(clock: Any) -> int:
    found = _CLOCK.fullmatch(str(clock).strip())
    minute = _DAY + 1 if found is None else int(found[1]) * 60 + int(found[2] or 0)
    if minute > _DAY:
        raise InvalidRequestError(f"hours: {clock!r} is not a wall-clock time such as '18:00'")
    return minute
