"""Triggers that wait for bookings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.api.status import documented_status
from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.triggers.base import Judgement, PollingTrigger, Verdict

if TYPE_CHECKING:
    from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook

_NAMED_AT_MOST = 5
UNREADABLE = "unreadable"
"""What stands for the status of a booking that cannot be read."""


def judge(bookings: Mapping[str, Mapping[str, Any]], statuses: Collection[str], fail_on: Collection[str]) -> Judgement:
    """Say whether all bookings have one of the wanted statuses.

    :param bookings: the bookings by uid.
    :param statuses: the statuses waited for.
    :param fail_on: the statuses that can no longer become right.
    """
    status = {uid: str(documented_status(booking.get("status"))) for uid, booking in bookings.items()}
    lost = {uid: now for uid, now in status.items() if now in fail_on}
    if lost:
        return Judgement(Verdict.LOST, f"{_named(lost)} can no longer become {' or '.join(statuses)}")
    waiting = {uid: now for uid, now in status.items() if now not in statuses}
    if waiting:
        return Judgement(
            Verdict.WAITING, f"{len(waiting)} of {len(status)} are not {' or '.join(statuses)}: {_named(waiting)}"
        )
    return Judgement(Verdict.REACHED, f"all {len(status)} are {' or '.join(statuses)}")


def _named(status: Mapping[str, str]) -> str:
    first = [f"booking {uid} is {now}" for uid, now in list(status.items())[:_NAMED_AT_MOST]]
    rest = Counter(list(status.values())[_NAMED_AT_MOST:])
    return ", ".join([*first, *(f"{count} more are {now}" for now, count in rest.items())])


class BookingStatusTrigger(PollingTrigger):
    """Wait until all bookings have one of the wanted statuses.

    One trigger waits for thousands of bookings: each poll reads them by listing where that takes fewer requests than
    one GET each.

    :param uids: booking ids.
    :param statuses: the statuses waited for.
    :param fail_on: the statuses that can no longer become right.
    :param poll_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which to give up; None for never.
    :param jicoo_conn_id: the Airflow connection.
    """

    def __init__(
        self,
        uids: list[str],
        statuses: list[str],
        fail_on: list[str],
        poll_interval: float,
        deadline: float | None = None,
        jicoo_conn_id: str = "jicoo_default",
    ) -> None:
        super().__init__(poll_interval, deadline, jicoo_conn_id, uids=uids, statuses=statuses, fail_on=fail_on)
        self.uids = uids
        self.statuses = statuses
        self.fail_on = fail_on

    async def look(self, hook: JicooAsyncHook) -> Judgement:
        """Read the bookings and judge them."""
        unreadable: dict[str, Any] = {}
        by_uid: dict[str, Any] = dict(await hook.lookup_bookings(self.uids, unreadable=unreadable))
        for error in unreadable.values():
            self.log.warning("%s", error)
        by_uid |= {uid: {"status": UNREADABLE} for uid in unreadable}
        return judge(by_uid, self.statuses, self.fail_on)


def enough(count: int, wanted: int) -> Judgement:
    """Say whether so many bookings are as many as are waited for."""
    reason = f"{count} of at least {wanted} bookings match"
    return Judgement(Verdict.REACHED if count >= wanted else Verdict.WAITING, reason)


class BookingsTrigger(PollingTrigger):
    """Wait until enough bookings match a selection.

    :param min_count: how many are enough.
    :param poll_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which to give up; None for never.
    :param jicoo_conn_id: the Airflow connection.
    :param selection: the fields of a :class:`~airflow_provider_jicoo.bulk.selection.Selection` as texts; a Python
        function cannot be among them, since a trigger's arguments are JSON.
    """

    def __init__(
        self,
        min_count: int,
        poll_interval: float,
        deadline: float | None = None,
        jicoo_conn_id: str = "jicoo_default",
        **selection: Any,
    ) -> None:
        super().__init__(poll_interval, deadline, jicoo_conn_id, min_count=min_count, **selection)
        self.selection = selection
        self.min_count = min_count

    async def look(self, hook: JicooAsyncHook) -> Judgement:
        """Read bookings until enough match, and count them."""
        from airflow_provider_jicoo.bulk.selection import select_async

        count = 0
        warnings: list[str] = []
        client, selection = await hook.get_client(), Selection(**self.selection)
        async for _ in select_async(client, selection, on_unproven="warn", warnings=warnings):
            count += 1
            if count >= self.min_count:
                break
        # Of uids that are named it is waited for that they match.
        for warning in warnings if selection.uids is None else ():
            self.log.warning("%s", warning)
        return enough(count, self.min_count)
