"""Sensors that wait for bookings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.bulk.selection import STATUSES, Selection
from airflow_provider_jicoo.sensors.base import JicooSensor
from airflow_provider_jicoo.tasks.given import as_int, as_json, as_list
from airflow_provider_jicoo.tasks.parts import NestedTemplates, as_selection
from airflow_provider_jicoo.triggers.bookings import UNREADABLE, BookingStatusTrigger, BookingsTrigger, enough, judge

if TYPE_CHECKING:
    from airflow_provider_jicoo.hooks.jicoo import JicooHook
    from airflow_provider_jicoo.triggers.base import Judgement


class BookingStatusSensor(JicooSensor):
    """Wait until all bookings have one of the wanted statuses, and return the bookings.

    Works in poke, reschedule and deferrable mode. A poll that fails for a passing reason (no connection, 429, 5xx) is
    logged and taken again after the interval; one that fails for good (a refused key, no such booking) fails the task
    at once, as does a booking that can no longer become right. One that cannot be read is waited for, and named.

    The bookings go to an XCom, in the order of ``uid``; set ``do_xcom_push=False`` where nobody reads them: many
    thousands of bookings do not fit, and the last reading is then saved too.

    :param uid: booking id, or several. (templated)
    :param status: ``request``, ``open``, ``cancel``, or several of them. (templated)
    :param fail_on: the statuses that can no longer become right; by default ``cancel``, unless it is waited for,
        since a cancelled booking stays cancelled. (templated)
    :param deferrable: wait in the triggerer instead of on a worker; by default as ``[operators] default_deferrable``.
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the bookings; see https://developer.jicoo.com/api-5453063.
    """

    template_fields: Sequence[str] = ("uid", "status", "fail_on", "jicoo_conn_id")

    def __init__(
        self,
        *,
        uid: str | Iterable[str],
        status: str | Iterable[str],
        fail_on: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.uid = uid
        self.status = status
        self.fail_on = fail_on

    def _fetch(self, hook: JicooHook) -> list[Any]:
        unreadable: dict[str, Any] = {}
        rows: list[Any] = list(hook.lookup_bookings(self._uids(), unreadable=unreadable).values())
        for error in unreadable.values():
            self.log.warning("%s", error)
        return [*rows, *({"uid": uid, "status": UNREADABLE} for uid in unreadable)]

    def _judge(self, rows: list[Any]) -> Judgement:
        return judge({booking["uid"]: booking for booking in rows}, self._statuses(), self._fail_on())

    def _trigger(self, deadline: float) -> BookingStatusTrigger:
        return BookingStatusTrigger(
            uids=self._uids(),
            statuses=self._statuses(),
            fail_on=self._fail_on(),
            poll_interval=float(self.poke_interval),
            deadline=deadline,
            jicoo_conn_id=self.jicoo_conn_id,
        )

    def _uids(self) -> list[str]:
        return as_list("uid", self.uid)

    def _statuses(self) -> list[str]:
        return as_list("status", self.status)

    def _fail_on(self) -> list[str]:
        if self.fail_on is None:
            return [status for status in ("cancel",) if status not in self._statuses()]
        given = as_json("fail_on", self.fail_on)
        return as_list("fail_on", given) if given else []

    def _check_arguments(self) -> None:
        from airflow_provider_jicoo.api.bookings import booking_id

        for uid in self._uids():
            booking_id(uid)
        for name, values in (("status", self._statuses()), ("fail_on", self._fail_on())):
            for value in values:
                if value not in STATUSES:
                    raise ValueError(f"{name}: {value!r} is none of {', '.join(STATUSES)}")
        both = set(self._statuses()) & set(self._fail_on())
        if both:
            raise ValueError(f"{', '.join(sorted(both))} is waited for and in fail_on")


class BookingsSensor(NestedTemplates, JicooSensor):
    """Wait until enough bookings match a selection, and return as many of them.

    Works in poke, reschedule and deferrable mode, and treats a failing poll as :class:`BookingStatusSensor` does. Where
    it cannot be proved that a list has all bookings, or rows of it cannot be used, the log says so at each poll.

    :param selection: which bookings; its fields are templated. In deferrable mode it cannot have ``where``: a Python
        function does not get into the triggerer.
    :param min_count: how many are enough. (templated)
    :param deferrable: wait in the triggerer instead of on a worker; by default as ``[operators] default_deferrable``.
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: ``min_count`` of the bookings that match; see https://developer.jicoo.com/api-5453063.
    """

    template_fields: Sequence[str] = ("selection", "min_count", "jicoo_conn_id")

    def __init__(self, *, selection: Selection, min_count: int | str = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.selection = selection
        self.min_count = min_count

    def _fetch(self, hook: JicooHook) -> list[Any]:
        from airflow_provider_jicoo.bulk.selection import select

        # What is waited for may come yet: that a list cannot be proved whole is told, and does not end the waiting.
        warnings: list[str] = []
        rows = list(islice(select(hook.client, self.selection, on_unproven="warn", warnings=warnings), self._count()))
        # Of uids that are named it is waited for that they match.
        for warning in warnings if self.selection.uids is None else ():
            self.log.warning("%s", warning)
        return rows

    def _judge(self, rows: list[Any]) -> Judgement:
        return enough(len(rows), self._count())

    def _trigger(self, deadline: float) -> BookingsTrigger:
        given = {each.name: getattr(self.selection, each.name) for each in fields(self.selection)}
        flat = {name: as_flat(name, value) for name, value in given.items() if value is not None}
        return BookingsTrigger(
            min_count=self._count(),
            poll_interval=float(self.poke_interval),
            deadline=deadline,
            jicoo_conn_id=self.jicoo_conn_id,
            **flat,
        )

    def _count(self) -> int:
        return int(as_int("min_count", self.min_count))

    def _check_arguments(self) -> None:
        from airflow_provider_jicoo.bulk.selection import Matcher

        Matcher(as_selection(self.selection))
        if self.min_count is None or self._count() < 1:
            raise ValueError(f"min_count: {self.min_count!r} is not 1 or more")
        if self.deferrable and self.selection.where is not None:
            raise ValueError(
                "selection: where is a Python function, which does not get into the triggerer; "
                "use deferrable=False and mode='reschedule'"
            )


def as_flat(name: str, value: Any) -> Any:
    """Return a field of a selection as a trigger's arguments can hold it: a text, or a list of texts."""
    if name == "uids":
        return [str(uid) for uid in as_list(name, value)]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
