"""Read many bookings by their ids with as few requests as it takes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from airflow_provider_jicoo.api.bookings import booking_id, get_booking
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.paging import PER_PAGE

Lookup = Generator[Call[Any], Any, dict[str, Booking]]


def lookup_bookings(uids: Iterable[str]) -> Lookup:
    """Read bookings: by listing while that is cheaper than one GET each, the rest one by one.

    A generator that yields calls and is sent their results, for ``run`` of either client. The list is read newest
    first: nothing is lost when bookings are made meanwhile, and what one waits for is mostly new. A booking that the
    list does not show (whether it shows requests awaiting approval is not documented) is read by itself.

    :param uids: booking ids; doubles count once.
    :return: the bookings by uid, in the order of ``uids``.
    :raises InvalidRequestError: something is no booking id.
    :raises NotFoundError: there is no such booking.
    """
    wanted = {booking_id(uid): None for uid in uids}
    found: dict[str, Booking] = {}
    page, pages = 0, 2
    while page < pages and pages - page < len(wanted) - len(found):
        page += 1
        answer = yield _page(page)
        found.update((row["uid"], row) for row in answer["data"] if row.get("uid") in wanted)
        pages = _pages(answer) if answer["data"] else page
    for uid in wanted.keys() - found.keys():
        found[uid] = yield get_booking(uid)
    return {uid: found[uid] for uid in wanted}


def _page(page: int) -> Call[Any]:
    query = {"order": "createdAt", "sort": "desc", "page": str(page), "perPage": str(PER_PAGE)}
    return Call("GET", "/v1/bookings", query=query, answers="page")


def _pages(answer: Mapping[str, Any]) -> int:
    """Return how many pages there are; without any word of it, as good as none, so that single GETs are taken."""
    pages, total = answer.get("numberOfPages"), answer.get("totalCount")
    if isinstance(pages, int):
        return pages
    return -(-total // len(answer["data"])) if isinstance(total, int) else 0
