"""Read many bookings by their ids with as few requests as it takes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from airflow_provider_jicoo.api.bookings import booking_id, get_booking
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.errors import NotFoundError
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.paging import PER_PAGE

Lookup = Generator[list[Call[Any]], list[Any], dict[str, Booking]]
AT_ONCE = 16
"""How many pages or bookings are read at the same time, where the client can."""


def lookup_bookings(uids: Iterable[str], *, within: tuple[str, str] | None = None, absent_ok: bool = False) -> Lookup:
    """Read bookings: by listing while that is cheaper than one GET each, the rest one by one.

    A generator that yields calls and is sent their results, for ``run`` of either client. The list is read newest
    first: nothing is lost when bookings are made meanwhile, and what one waits for is mostly new. A booking that the
    list does not show (whether it shows requests awaiting approval is not documented) is read by itself.

    :param uids: booking ids; doubles count once.
    :param within: the earliest start and the latest end that are to be expected, as Jicoo writes moments; only that
        part of the list is read.
    :param absent_ok: leave out what does not exist, instead of an error.
    :return: the bookings by uid, in the order of ``uids``.
    :raises InvalidRequestError: something is no booking id.
    :raises NotFoundError: there is no such booking.
    """
    wanted = {booking_id(uid): None for uid in ([uids] if isinstance(uids, str) else uids)}
    found: dict[str, Booking] = {}
    read, pages = 0, 2
    while read < pages and pages - read < len(wanted) - len(found):
        # The first page alone: it tells how many there are.
        last = min(pages, read + AT_ONCE) if read else 1
        answers = yield [_page(page, within) for page in range(read + 1, last + 1)]
        for answer in answers:
            found.update((row["uid"], row) for row in answer["data"] if row.get("uid") in wanted)
            pages = _pages(answer) if answer["data"] else last
        read = last
    missing = [uid for uid in wanted if uid not in found]
    for start in range(0, len(missing), AT_ONCE):
        some = missing[start : start + AT_ONCE]
        answers = yield [get_booking(uid) for uid in some]
        for uid, single in zip(some, answers, strict=True):
            if not isinstance(single, NotFoundError):
                found[uid] = single
            elif not absent_ok:
                raise single
    return {uid: found[uid] for uid in wanted if uid in found}


def _page(page: int, within: tuple[str, str] | None) -> Call[Any]:
    query = {"order": "createdAt", "sort": "desc", "page": str(page), "perPage": str(PER_PAGE)}
    if within is not None:
        query["startedAt"], query["endedAt"] = within
    return Call("GET", "/v1/bookings", query=query, answers="page")


def _pages(answer: Mapping[str, Any]) -> int:
    """Return how many pages there are; without any word of it, as good as none, so that single GETs are taken."""
    pages, total = answer.get("numberOfPages"), answer.get("totalCount")
    if isinstance(pages, int):
        return pages
    return -(-total // len(answer["data"])) if isinstance(total, int) else 0
