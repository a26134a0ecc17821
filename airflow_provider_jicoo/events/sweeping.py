"""Sweeping the bookings, over and over, for as many watchers as there are: paced on every path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_jicoo.api.booking_changes import Period, Seen, period, seen
from airflow_provider_jicoo.api.secret import discreet

if TYPE_CHECKING:
    from airflow_provider_jicoo.events.cursor import Cursor
    from airflow_provider_jicoo.events.watcher import Watcher
    from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook

log = logging.getLogger(__name__)

LONGEST_WAIT = 3600.0
"""Seconds between two tries at the most, where nothing works; the interval, where that is longer."""

LONGEST_ASKED_FOR = 86_400.0
"""Seconds of Jicoo's ``Retry-After`` that are waited at the most: whoever asks for years would silence the poller."""


class Sweep:
    """What one look at the bookings saw.

    :param number: how many there were before it, from the same source.
    :param began: when it began.
    :param asked: the starts it asked for.
    :param rows: the bookings, by uid. It may lack some: what is not in it is looked up before anything is said of it.
    :param hook: what lacking ones are looked up with.
    """

    def __init__(
        self, number: int, began: datetime, asked: Period, rows: dict[str, Seen], hook: JicooAsyncHook
    ) -> None:
        self.number = number
        self.began = began
        self.asked = asked
        self.rows = rows
        self.takers: list[tuple[Watcher, Cursor]] = []
        """Who told of it, and the cursor to store when what was told is in the database."""
        self.wanted_since: datetime | None = None
        self._hook = hook
        self._tried: set[str] = set()
        self._looked_up: dict[str, Seen | None] = {}
        self._looking = asyncio.Lock()
        self._again = asyncio.Event()

    async def look_up(self, uids: Iterable[str]) -> dict[str, Seen | None]:
        """Read bookings that it lacks, each once for all watchers.

        :return: by uid; None for one that does not exist any more. One that cannot be read is left out.
        :raises RequestError: they cannot be read.
        """
        wanted = list(uids)
        async with self._looking:
            missing = [uid for uid in wanted if uid not in self._tried]
            if missing:
                self._looked_up |= await _look_up(self._hook, missing)
                self._tried.update(missing)
        return {uid: self._looked_up[uid] for uid in wanted if uid in self._looked_up}

    def ask_again(self, since: datetime) -> None:
        """Ask for the next sweep at once, and that it goes back as far as this."""
        self.wanted_since = since if self.wanted_since is None else min(since, self.wanted_since)
        self._again.set()

    async def wait(self, seconds: float) -> None:
        """Wait until the next one is due."""
        try:
            await asyncio.wait_for(self._again.wait(), seconds)
        except asyncio.TimeoutError:
            return


@discreet
async def sweeps(
    jicoo_conn_id: str, poll_interval: float, horizon_days: int | None, max_failures: int
) -> AsyncGenerator[Sweep, None]:
    """Sweep for ever.

    After an error the connection is read anew. The waits begin with the interval and double up to an hour, or are as
    long as Jicoo asks for, up to a day.

    :param jicoo_conn_id: the Airflow connection.
    :param poll_interval: seconds from the end of a sweep to the next one.
    :param horizon_days: how many days ahead bookings are looked at; None for all.
    :param max_failures: how many sweeps in a row may fail; the error of the last one is raised.
    """
    from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook

    failures = 0
    since: datetime | None = None
    told: set[str] = set()
    number = 0
    async with JicooAsyncHook(jicoo_conn_id) as hook:
        while True:
            began = datetime.now(timezone.utc)
            try:
                sweep = await _sweep(number, hook, period(since or began, began, horizon_days), began, told)
            except Exception as error:
                failures += 1
                if failures >= max_failures:
                    log.error("Gives up after %d sweeps in a row that failed. %s", failures, _what_to_do(error))
                    raise
                wait = _wait(error, poll_interval, failures)
                log.warning(
                    "Sweep %d of %d failed; the next in %.0f s. %s", failures, max_failures, wait, _what_to_do(error)
                )
                await hook.close()
                await asyncio.sleep(wait)
                continue
            failures = 0
            number += 1
            yield sweep
            await sweep.wait(poll_interval)
            since = sweep.wanted_since or sweep.began


def _wait(error: Exception, poll_interval: float, failures: int) -> float:
    doubled = poll_interval * 2.0 ** min(failures - 1, 30)
    asked_for = min(getattr(error, "retry_after", None) or 0.0, LONGEST_ASKED_FOR)
    return max(min(doubled, max(LONGEST_WAIT, poll_interval)), asked_for)


def _what_to_do(error: Exception) -> str:
    from airflow_provider_jicoo.api.errors import AuthenticationError, JicooError, PermissionDeniedError

    if isinstance(error, AuthenticationError):
        return f"Jicoo refuses the API key: put a valid one into the connection, it is read anew each time. {error}"
    if isinstance(error, PermissionDeniedError):
        return f"The API key may not list bookings: no event can be found until it may. {error}"
    return str(error) if isinstance(error, JicooError) else f"{type(error).__name__}: {error}"


async def _sweep(number: int, hook: JicooAsyncHook, asked: Period, began: datetime, told: set[str]) -> Sweep:
    from airflow_provider_jicoo.events.listing import bookings_in

    warnings: list[str] = []
    client = await hook.get_client()
    rows: dict[str, Seen] = {}
    async for row in client.iterate(bookings_in(asked), on_unproven="warn", warnings=warnings):
        rows[row["uid"]] = seen(row)
    for text in warnings:
        # What cannot be proved of the list is the same with each sweep.
        log.log(logging.DEBUG if text in told else logging.WARNING, "%s", text)
    told.update(warnings)
    return Sweep(number, began, asked, rows, hook)


async def _look_up(hook: JicooAsyncHook, uids: list[str]) -> dict[str, Seen | None]:
    from airflow_provider_jicoo.api.errors import RequestError
    from airflow_provider_jicoo.events.listing import look_up

    unreadable: dict[str, RequestError] = {}
    client = await hook.get_client()
    found = await client.run(look_up(uids, unreadable))
    for text in dict.fromkeys(map(str, unreadable.values())):
        log.warning("Could not look up a booking that the list does not show; the next sweep will: %s", text)
    return {uid: seen(found[uid]) if uid in found else None for uid in uids if uid not in unreadable}
