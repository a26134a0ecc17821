"""What a quirk is: a class with some of the hooks below.

The sandbox calls each hook in one place. A quirk overrides those that it needs; its docstring is what the user reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Answer


@dataclass(frozen=True)
class Asked:
    """What a request wants of the list of bookings. The times are as the API writes them.

    :param status: the status, or None for any.
    :param started: the earliest start, or None.
    :param ended: the latest end, or None.
    :param order: the column to sort by.
    :param sort: ``asc`` or ``desc``.
    """

    status: str | None
    started: str | None
    ended: str | None
    order: str
    sort: str


@dataclass
class Page:
    """One page of a list, before it is cut out.

    :param name: which list: the last part of its path, as ``bookings``.
    :param uids: the whole list, in its order.
    :param number: the number of the page, from 1.
    :param rows_of: the number of the page whose rows it has.
    :param is_numbered: whether the request said which.
    :param asked: how many rows were asked for.
    :param size: how many rows there are on a page.
    :param total: how many rows the list has.
    """

    name: str
    uids: Sequence[str]
    number: int
    rows_of: int
    is_numbered: bool
    asked: int
    size: int
    total: int


@dataclass(frozen=True)
class Exchange:
    """The request that an answer is for.

    :param method: HTTP method.
    :param path: its path.
    :param guests: the contacts of the booking that it is about.
    :param is_limit: whether the rate limit refused it.
    :param now: the time by the server's clock, in UTC.
    """

    method: str
    path: str
    guests: Sequence[Row]
    is_limit: bool
    now: datetime


class Quirk:
    """One way in which a Jicoo may behave differently. Its name is that of the class: ``TrimmedNames``, trimmed-names.

    :param text: the value, as a text; None for :attr:`default`.
    :raises ValueError: the value is none that the quirk takes.
    """

    default: ClassVar[str | None] = None
    """The value where none is given, as a text; None for a quirk that takes no value."""
    example: ClassVar[str | None] = None
    """How a value is written, where that is not plain from the default."""

    def __init__(self, text: str | None = None) -> None:
        if text is not None and self.default is None:
            raise ValueError(f"the quirk {self.name()} takes no value, so not {text!r}")
        chosen = text if text is not None else self.default
        try:
            self.value: Any = None if chosen is None else self.read(chosen)
        except ValueError as error:
            raise ValueError(f"the quirk {self.name()}: {error}") from None

    @classmethod
    def name(cls) -> str:
        """Return the name, in kebab case."""
        return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "-", cls.__name__).lower()

    @classmethod
    def read(cls, text: str) -> Any:
        """Turn the text of a value into the value.

        :raises ValueError: it is none.
        """
        return text

    # --- hooks, in the order in which a request meets them -----------------------------------------------------------

    def select(self, asked: Asked, now: str) -> Asked:
        """Return what the list of bookings is taken to be asked for."""
        return asked

    def lists(self, row: Row, asked: Asked) -> bool:
        """Say whether a booking that was asked for stands in the list."""
        return True

    def arrange(self, uids: Sequence[str], rows: Mapping[str, Row], asked: Asked) -> Sequence[str]:
        """Return the list of bookings in the order in which it is given out."""
        return uids

    def cut(self, page: Page) -> None:
        """Change which rows a page has. Every list comes by here.

        :raises Refusal: the page is refused.
        """

    def tell(self, told: Row, page: Page) -> Row:
        """Return what stands beside the rows of a page."""
        return told

    def finds(self, row: Row) -> bool:
        """Say whether there is such a booking."""
        return True

    def store(self, fields: Row, before: Row | None) -> Row:
        """Return the fields that are stored for those that were asked for; ``before`` is None where a row is new.

        :raises Refusal: they are refused.
        """
        return fields

    def stamp(self, stamp: str, before: Row, after: Row) -> str:
        """Return the ``updatedAt`` of a changed row."""
        return stamp

    def answer(self, before: Row, after: Row) -> Row | None:
        """Return the booking that a change is answered with."""
        return after

    def show(self, row: Row, users: Mapping[str, Row]) -> Any:
        """Return a row as it goes out, alone or in a list."""
        return row

    def envelope(self, content: Row) -> Row:
        """Return the whole body of a good answer."""
        return content

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        """Return the HTTP answer that goes out."""
        return answer
