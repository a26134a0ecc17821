"""Read many bookings by their ids with as few requests as it takes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_jicoo.api.ahead import AT_ONCE
from airflow_provider_jicoo.api.bookings import booking_id, get_booking
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.errors import BrokenRowsError, NotFoundError, RequestError, ServerError, TransportError
from airflow_provider_jicoo.api.keys import Keys
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.paging import count
from airflow_provider_jicoo.api.rows import RowCheck, booking_problem, checked

Lookup = Generator[list[Call[Any]], list[Any], dict[str, Booking]]
_AT_FIRST = 3
"""How many bookings are tried before it is known that the server answers."""


def lookup_bookings(
    uids: Iterable[str],
    *,
    within: tuple[str, str] | None = None,
    absent_ok: bool = False,
    unreadable: dict[str, RequestError] | None = None,
    failing_ok: bool = False,
    check: RowCheck = booking_problem,
) -> Lookup:
    """Read bookings: by listing while that is cheaper than one GET each, the rest one by one.

    A generator that yields calls and is sent their results, for ``run`` of either client. The list is read newest
    first: nothing is lost when bookings are made meanwhile, and what one waits for is mostly new. A booking that the
    list does not show, for whatever reason, is read by itself, so that nothing rests on how Jicoo lists.

    :param uids: booking ids; doubles count once.
    :param within: the earliest start and the latest end that are to be expected, as Jicoo writes moments; only that
        part of the list is read.
    :param absent_ok: leave out what does not exist, instead of an error.
    :param unreadable: where given, a booking that cannot be read is put there with what is wrong, instead of an error,
        as long as others can.
    :param failing_ok: put there also a booking at which the server fails, or that it refuses.
    :param check: what is asked of a booking.
    :return: the bookings by uid, in the order of ``uids``.
    :raises InvalidRequestError: something is no booking id.
    :raises NotFoundError: there is no such booking.
    :raises UnexpectedAnswerError: a booking cannot be read.
    :raises RequestError: the server fails at all of many bookings.
    """
    wanted = {booking_id(uid): None for uid in ([uids] if isinstance(uids, str) else uids)}
    found: dict[str, Booking] = yield from _listed(wanted, within, check, failing_ok)
    missing = [uid for uid in wanted if uid not in found]
    while missing:
        # A few first, where it is not known yet whether the server answers at all.
        size = AT_ONCE if found or not failing_ok else _AT_FIRST
        some, missing = missing[:size], missing[size:]
        answers = yield [replace(get_booking(uid), is_optional=failing_ok) for uid in some]
        if len(some) == size and all(isinstance(answer, (ServerError, TransportError)) for answer in answers):
            raise answers[0]  # the server fails, not the bookings; retrying each of hundreds may take an hour
        for uid, answer in zip(some, answers, strict=True):
            single = _checked(uid, answer, check)
            if not isinstance(single, RequestError):
                found[uid] = single
            elif unreadable is not None and not isinstance(single, NotFoundError):
                unreadable[uid] = single
            elif not (absent_ok and isinstance(single, NotFoundError)):
                raise single
    for error in () if found else (unreadable or {}).values():
        if not isinstance(error, BrokenRowsError):
            raise error  # nothing could be read: the fault is not that of single bookings
    return {uid: found[uid] for uid in wanted if uid in found}


def _listed(wanted: Mapping[str, None], within: tuple[str, str] | None, check: RowCheck, failing_ok: bool) -> Lookup:
    """Return those that the list shows, as long as to read it costs less than to read the rest one by one."""
    found: dict[str, Booking] = {}
    listed = Keys()
    read, pages = 0, 2
    # A list that tells of ever more pages, or has the same on each, costs no more than one GET each would.
    while read < min(pages, len(wanted)) and pages - read < len(wanted) - len(found):
        # The first page alone: it tells how many there are.
        last = min(pages, read + AT_ONCE) if read else 1
        answers = yield [replace(_page(page, within), is_optional=failing_ok) for page in range(read + 1, last + 1)]
        has_new = False
        for number, answer in enumerate(answers, read + 1):
            if isinstance(answer, RequestError):
                return found
            rows, _ = checked(answer["data"], check, number)
            has_new = sum(listed.add(row["uid"]) for row in rows) > 0 or has_new
            found.update((row["uid"], row) for row in rows if row["uid"] in wanted)
            pages = _pages(answer) if answer["data"] else last
        if not has_new:
            return found
        read = last
    return found


def _checked(uid: str, answer: Any, check: RowCheck) -> Any:
    """Return a booking that was read by itself, or the error that it is."""
    if isinstance(answer, RequestError):
        return answer
    problem = check(answer)
    if problem is None and answer["uid"] != uid:
        problem = "another booking came"
    if problem is None:
        return answer
    return BrokenRowsError.of([f"booking {uid!r} cannot be used: {problem}."], f"/v1/bookings/{uid}")


def _page(page: int, within: tuple[str, str] | None) -> Call[Any]:
    query = {"order": "createdAt", "sort": "desc"}
    if within is not None:
        query["startedAt"], query["endedAt"] = within
    return Call("GET", "/v1/bookings", query=query, answer_shape="page", page=page)


def _pages(answer: Mapping[str, Any]) -> int:
    """Return how many pages there are; without any word of it, as good as none, so that single GETs are taken."""
    pages, total = count(answer.get("numberOfPages")) or 0, count(answer.get("totalCount")) or 0
    return max(pages, -(-total // len(answer["data"])))
