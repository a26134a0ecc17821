"""When an apply sends nothing: while it is paused, and outside of a time window."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from airflow_provider_jicoo.bulk.apply.stop import Stop

Read = Callable[[], "str | None"]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Window:
    """The hours of a day in which an apply may send: from ``begin``, and until right before ``end``.

    :param begin: by the clocks of the zone.
    :param end: likewise. Where it is before ``begin``, it is on the next day.
    """

    begin: time
    end: time
    zone: tzinfo

    @classmethod
    def parse(cls, only_between: Any, time_zone: Any) -> Window | None:
        """Return the window of an operator's arguments; None where none was given.

        :param only_between: as ``("21:00", "07:00")``.
        :param time_zone: as ``Asia/Tokyo``.
        :raises ValueError: one of them cannot be right.
        """
        if only_between in (None, "", (), []):
            return None
        if isinstance(only_between, str) or len(only_between) != 2:
            raise ValueError(f"only_between: {only_between!r:.100} is not two times of day, as ('21:00', '07:00')")
        if not isinstance(time_zone, str) or not time_zone:
            raise ValueError("only_between: say by which clocks, as time_zone='Asia/Tokyo'")
        try:
            zone = ZoneInfo(time_zone)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"time_zone: {time_zone!r:.100} is no time zone, as Asia/Tokyo is") from None
        begin, end = (_time_of_day(given) for given in only_between)
        if begin == end:
            raise ValueError(f"only_between: {only_between!r:.100} begins when it ends; leave it out for the whole day")
        return cls(begin, end, zone)

    def is_open(self, at: datetime) -> bool:
        """Tell whether a moment is within it."""
        clock = at.astimezone(self.zone).time()
        if self.begin < self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end

    def __str__(self) -> str:
        """Return it as a person writes it."""
        return f"{self.begin:%H:%M} to {self.end:%H:%M} {self.zone}"


def _time_of_day(given: Any) -> time:
    try:
        found = time.fromisoformat(given)
    except (TypeError, ValueError):
        raise ValueError(f"only_between: {given!r:.100} is no time of day, as '21:00'") from None
    if found.tzinfo is not None:
        raise ValueError(f"only_between: {given!r:.100} has an offset; give time_zone instead")
    return found


def why_it_waits(told: str | None, window: Window | None, now: datetime) -> str | None:
    """Return why nothing may be sent at a moment; None where something may, or a run must look for itself.

    :param told: what the control says. What cannot be understood, and a stop, are for the run.
    """
    from airflow_provider_jicoo.bulk.apply.control import parse
    from airflow_provider_jicoo.bulk.errors import PlanError

    try:
        state = parse(told).state
    except PlanError:
        return None
    if state == "pause":
        return "it is paused"
    if state == "run" and window is not None and not window.is_open(now):
        return f"it may send only from {window}"
    return None


class Waits:
    """The control of a run, which also pauses outside of a window; or ends the run in order, to go on later.

    :param read: reads the control.
    :param stop: ends the run where it has to wait; None where it waits itself.
    """

    def __init__(
        self, read: Read, window: Window | None, stop: Stop | None, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self._read, self._window, self._stop, self._clock = read, window, stop, clock
        self.reason: str | None = None
        """Why the run was ended to go on later."""

    def why(self) -> str | None:
        """Return why nothing may be sent now, or None."""
        return why_it_waits(self._read(), self._window, self._clock())

    def __call__(self) -> str | None:
        """Return what the run is told."""
        told = self._read()
        why = why_it_waits(told, self._window, self._clock())
        if why is None:
            return told
        if self._stop is not None and not self._stop.asked:
            self.reason = why
            self._stop(why)
        control = json.loads(told) if told and told.strip() else {}
        return json.dumps({**control, "state": "pause"})
