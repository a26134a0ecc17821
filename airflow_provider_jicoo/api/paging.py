"""What a client knows of how its server pages lists, and how a page is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_jicoo.api.ahead import Window
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.settings import PER_PAGE, Settings

T = TypeVar("T")


@dataclass
class Paging:
    """What a client knows of how its server pages lists: told by the settings, or learnt. It lasts as long as it does.

    :param size: how many rows to ask for at once.
    :param first: number of the first page.
    :param first_is_known: whether that was seen to be so.
    :param accepted: the largest size that was not refused.
    :param lists_requests: whether a list without a status was seen to have bookings that await approval.
    :param window: how many pages may be under way at once.
    """

    size: int = PER_PAGE
    first: int = 1
    first_is_known: bool = False
    accepted: int = 0
    lists_requests: bool = False
    window: Window = field(default_factory=Window)

    def query(self, page: int, size: int | None = None) -> dict[str, str]:
        """Return what asks for a page.

        :param page: its number, from 1 wherever the server begins; 0 for the page before that which is taken for the
            first.
        """
        return {"page": str(page - 1 + self.first), "perPage": str(size or self.size)}

    def halve(self, size: int, error: RequestError, sent: Mapping[str, str]) -> bool:
        """Note that a page was refused, and tell whether a smaller one is worth asking for.

        :param size: how many rows were asked for.
        :param error: what the server says.
        :param sent: the query; where the error names something else in it, it is not about the size.
        """
        named = set(error.errors).intersection(sent) if isinstance(error.errors, Mapping) else set()
        if size <= max(1, self.accepted) or (named and "perPage" not in named):
            return False
        self.size = min(self.size, size // 2)
        return True


def page_call(listing: Listing[Any], paging: Paging, page: int, size: int | None = None) -> Call[Mapping[str, Any]]:
    """Return the request of a page of a list.

    :param page: its number, from 1.
    :param size: how many rows to ask for; by default as many as are known to be given.
    """
    query = {**listing.query, **paging.query(page, size)}
    # Not every server rejects page 0: it may compute a negative offset and fail in its database.
    return Call(
        "GET",
        listing.path,
        query=query,
        answer_shape="page",
        permission_hint=listing.permission_hint,
        is_optional=page == 0,
    )


def paging_of(settings: Settings, at_once: int) -> Paging:
    """Return what a client knows of its server's pages at the beginning.

    :param at_once: how many pages may be under way at once. Under a ceiling it is as many as may leave in a second, so
        that what is no longer needed keeps no later request waiting for longer.
    """
    rate = settings.max_requests_per_second
    window = Window(at_once if rate is None else max(1, min(at_once, int(rate))))
    return Paging(settings.page_size, lists_requests=settings.lists_requests, window=window)


def fit(call: Call[T], paging: Paging) -> Mapping[str, str]:
    """Return the query of a call, with its page as this server wants it."""
    return call.query if call.page is None else {**call.query, **paging.query(call.page)}


def told(page: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what a page tells of how much there is."""
    return page.get("totalCount"), page.get("numberOfPages")


def count(value: Any) -> int | None:
    """Return a number of rows or pages, whether it came as a number or as its digits; None for anything else."""
    if isinstance(value, str) and len(value) < 16 and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
