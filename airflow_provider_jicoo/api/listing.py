"""Read a list, and prove while it is read that it came whole.

:func:`read` is a generator that yields what has to be done, a :class:`Call` to send or rows to pass on, and is sent
the answers. Both clients drive it, so that a list means the same to both.

How Jicoo lists was never seen, so that nothing is taken for granted that a few more requests can tell. Of any list:
its rows against its totals, and where its pages begin (:class:`~airflow_provider_jicoo.api.paging.Sweep`). Of bookings
besides:

- *that the list goes on to its end*: in the other direction it must begin with rows that came (one request);
- *that the filters by time leave out nothing that is meant*: they are asked for a day more on each side and applied
  again here, and the list without the filter is looked at where it begins to matter (one request);
- *that the order holds*, before the reading ends where the order says that nothing more is meant: in the pages read,
  in the list in the other direction, and in the middle of what is left (two requests);
- *that a list without a status shows all of them*: it must have as many rows as those by status, and theirs (two or
  three requests); and the other way round for a list by status.

Where one of these does not hold, the rows that it costs are read in another way if there is one. What is left is a
doubt: :class:`~airflow_provider_jicoo.api.errors.UnprovenListError`, or a warning where the user said so. Nothing of
this is needed where only the first rows are wanted: there the order alone is looked at.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, TypeVar

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.errors import BrokenRowsError, RequestError, UnprovenListError
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.paging import Paging, Sweep, count, page_call
from airflow_provider_jicoo.api.rows import booking_problem, checked

T = TypeVar("T")
Steps = Generator[Call[Any] | list[T], Any, None]
log = logging.getLogger(__name__)

WIDER = timedelta(days=1)
"""How much more than meant is asked of the filters by time: enough for one that leaves out the very moment, counts in
days, or takes UTC for the time of another zone."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)
TAILS = 3
"""How often the end of a list is read again, since it grew, before what it still does not show counts as left out."""
NAMED_AT_MOST = 3
BROKEN_AT_MOST = 20
"""How many rows that cannot be used are named, each with what is wrong."""


@dataclass(frozen=True)
class BookingListing(Listing[Booking]):
    """A list of bookings, and what is meant by it: what comes is compared with that, and the rest is left out.

    :param status: the status that is meant, also ``request``, which Jicoo does not document as a filter; None for all.
    :param starts: the first start that is meant.
    :param ends: the last end that is meant.
    :param before: the first start that is no longer meant. Jicoo has no filter for that.
    :param any_order: the order does not matter, so that what a list leaves out may come behind it.
    :param concerns: tells of a row that cannot be used whether it matters: whether it may be one that is meant.
    """

    status: str | None = None
    starts: datetime | None = None
    ends: datetime | None = None
    before: datetime | None = None
    any_order: bool = False
    concerns: Callable[[Any], bool] | None = None

    def variant(self, **changes: Any) -> BookingListing:
        """Return the same list with other filters, or in another order.

        :param changes: ``status``, ``starts``, ``ends``, ``order`` (the column), ``descending``.
        """
        order = changes.pop("order", self.column)
        descending = changes.pop("descending", self.descending)
        other = replace(self, **changes)
        return replace(other, query={"order": order, "sort": "desc" if descending else "asc"})

    @property
    def column(self) -> str:
        """The column of the order."""
        return self.query["order"]

    @property
    def descending(self) -> bool:
        """Whether the last comes first."""
        return self.query["sort"] == "desc"

    def asked(self) -> Listing[Booking]:
        """Return the list as Jicoo is asked for it: a little more than is meant."""
        query = dict(self.query)
        if self.status in ("open", "cancel", "request"):
            query["status"] = self.status
        if self.starts is not None:
            query["startedAt"] = _later(self.starts, -WIDER)
        if self.ends is not None:
            query["endedAt"] = _later(self.ends, WIDER)
        return Listing(self.path, query, key=self.key, forbidden=self.forbidden, check=booking_problem)


def _later(moment: datetime, by: timedelta) -> str:
    try:
        return times.wire(moment + by)
    except OverflowError:
        return times.wire(moment)


def read(
    listing: Listing[T], paging: Paging, *, on_unproven: str = "fail", warnings: list[str] | None = None
) -> Steps[T]:
    """Yield the calls that read a list, and its rows page by page, each once.

    It is sent the answer of each call, or the :class:`~airflow_provider_jicoo.api.errors.RequestError` that refused it.

    :param on_unproven: what to do with what cannot be proved: ``fail`` or ``warn``.
    :param warnings: where to put what is to be told; by default the log.
    :raises UnprovenListError: the list may lack rows. It comes after all rows were given.
    :raises BrokenRowsError: rows cannot be used. It comes after all others were given.
    :raises RequestError: the list cannot be read.
    """
    reading: Any = _Bookings(listing, paging) if isinstance(listing, BookingListing) else _Plain(listing, paging)
    left = listing.limit
    steps = reading.read()
    came = None
    try:
        while left != 0:
            step = steps.send(came)
            if isinstance(step, Call):
                came = yield step
                continue
            came = None
            if left is not None:
                step = step[:left]
                left -= len(step)
            yield step
    except StopIteration:
        pass
    broken = _named(reading.broken)
    if on_unproven == "fail" and (reading.doubts or broken):
        kind = UnprovenListError if reading.doubts else BrokenRowsError
        raise kind.of([*reading.doubts, *broken], listing.path)
    told = [*reading.doubts, *broken, *reading.notes]
    if warnings is not None:
        warnings += told
    else:
        for text in told:
            log.warning("GET %s: %s", listing.path, text)


def next_step(steps: Steps[T], came: Any) -> Call[Any] | list[T] | None:
    """Return what is to be done next, None where nothing is left.

    :param came: what came of the step before.
    """
    try:
        return steps.send(came)
    except StopIteration:
        return None


class _Plain:
    """The reading of a list without filters that can be checked, and without an order.

    ``doubts``, ``notes`` and ``broken`` have what is to be told of it.
    """

    def __init__(self, listing: Listing[Any], paging: Paging) -> None:
        self._listing = listing
        self._sweep: Sweep[Any] = Sweep(replace(listing, limit=None), paging=paging)
        self.doubts: list[str] = []
        self.notes: list[str] = []

    @property
    def broken(self) -> list[str]:
        """The rows that cannot be used, and why."""
        return self._sweep.broken

    def read(self) -> Steps[Any]:
        """Yield calls and rows."""
        sweep = self._sweep
        while (call := sweep.next_call()) is not None:
            answer = yield call
            if isinstance(answer, RequestError):
                sweep.refuse(answer)
                continue
            rows = sweep.take(answer)
            if self._listing.keep is not None:
                rows = list(filter(self._listing.keep, rows))
            if rows:
                yield rows
        if sweep.shortfall is not None:
            self.doubts.append(
                f"the list was expected to have all its rows on its pages, but {sweep.shortfall}. {_IF_KNOWN}"
            )


_IF_KNOWN = (
    "Where you know that nothing is missing, say on_unproven='warn': with a plan, or for every list in the extras of "
    "the connection."
)
_NARROW = "Narrow the time range, so that no single list is so long."


class _Page(NamedTuple):
    """A page that was looked at: its good rows, and how many rows the list has as it says."""

    rows: list[Booking]
    total: int | None


class _Bookings:
    """The reading of a list of bookings, with its proofs.

    Its generators yield calls and rows, as :func:`read` does.
    """

    def __init__(self, listing: BookingListing, paging: Paging) -> None:
        self._listing = listing
        self._paging = paging
        self.doubts: list[str] = []
        self.notes: list[str] = []
        self._starts, self._ends, self._before = (
            None if moment is None else times.wire(moment) for moment in (listing.starts, listing.ends, listing.before)
        )
        # Jicoo's list by status=request is not documented: it is looked at only where it has to be.
        self._main = listing.variant(status=None) if listing.status == "request" else listing
        self._sweep: Sweep[Booking] = Sweep(self._main.asked(), self._beyond(), paging=paging, concerns=self._concerns)
        self._sweeps = [self._sweep]
        self._early = 0
        self._total: int | None = None
        self._totals_of_all = False
        self._is_ordered = False

    @property
    def broken(self) -> list[str]:
        """The rows that cannot be used, and why."""
        return [row for sweep in self._sweeps for row in sweep.broken]

    def _concerns(self, row: Any) -> bool:
        """Tell of a row that cannot be used whether it may be meant: whether what it says rules that out."""
        if isinstance(row, Mapping):
            status, start = row.get("status"), row.get("startedAt")
            if isinstance(status, str) and status and self._listing.status not in (None, status):
                return False
            try:
                if not self._starts_in_time(times.as_wire(start)):  # type: ignore[arg-type]
                    return False
            except (TypeError, ValueError):
                pass  # it does not say
        return self._listing.concerns is None or self._listing.concerns(row)

    def read(self) -> Steps[Booking]:
        """Yield calls and rows."""
        if self._listing.limit is None:
            yield from self._read_all(self._sweep, self._look_at_order if self._before is not None else None)
        elif not (yield from self._read_first(self._listing.limit)):
            return
        if not self._sweep.is_cut:
            yield from self._prove_end(self._main, self._sweep)
        yield from self._prove_times()
        yield from self._prove_statuses()
        self._prove_total()

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _beyond(self) -> Callable[[Booking], bool] | None:
        if self._before is None or self._listing.column != "startedAt" or self._listing.descending:
            return None
        before = self._before
        return lambda row: times.as_wire(row["startedAt"]) >= before

    def _read_all(self, sweep: Sweep[Booking], look: Callable[..., Any] | None = None) -> Steps[Booking]:
        """Yield the rows of a sweep.

        :param look: looks at each page before it is taken; says whether to ask anew instead.
        """
        while (call := sweep.next_call()) is not None:
            answer = yield call
            if isinstance(answer, RequestError):
                sweep.refuse(answer)
            elif not (look is not None and sweep.is_paging and (yield from look(sweep, answer))):
                rows = self._meant(sweep.take(answer))
                if rows:
                    yield rows

    def _meant(self, rows: list[Booking]) -> list[Booking]:
        """Return the rows that are meant, and count what the proofs need."""
        if self._main.status is None:
            self._note_requests(rows)
        if self._starts is not None:
            self._early += sum(times.as_wire(row["startedAt"]) < self._starts for row in rows)
        return [row for row in rows if self._is_meant(row)]

    def _is_meant(self, row: Booking) -> bool:
        return self._listing.status in (None, row["status"]) and self._is_in_time(row)

    def _is_in_time(self, row: Booking) -> bool:
        return self._starts_in_time(times.as_wire(row["startedAt"])) and (
            self._ends is None or times.as_wire(row["endedAt"]) <= self._ends
        )

    def _starts_in_time(self, start: str) -> bool:
        return (self._starts is None or start >= self._starts) and (self._before is None or start < self._before)

    def _unseen(self, rows: Iterable[Booking]) -> list[str]:
        return [row["uid"] for row in rows if row["uid"] not in self._sweep.seen]

    def _missed(self, page: _Page | None, status: str | None = None) -> list[str]:
        """Return the bookings on a page that are meant and never came.

        :param status: only those of this status, whether or not it is meant.
        """
        if page is None:
            return []
        is_it = self._is_meant if status is None else lambda row: row["status"] == status and self._is_in_time(row)
        return self._unseen(filter(is_it, page.rows))

    def _ask(self, listing: BookingListing, page: int = 1) -> Generator[Call[Any], Any, _Page | None]:
        """Look at a page of another list; None where Jicoo refuses it."""
        answer = yield page_call(listing.asked(), self._paging, page, self._sweep.size)
        if isinstance(answer, RequestError):
            return None
        rows, _ = checked(answer["data"], booking_problem, page)
        if listing.status is None:
            self._note_requests(rows)
        return _Page(rows, count(answer.get("totalCount")))

    def _note_requests(self, rows: list[Booking]) -> None:
        if not self._paging.lists_requests:
            self._paging.lists_requests = any(row["status"] == "request" for row in rows)

    def _read_besides(self, listing: BookingListing) -> Steps[Booking]:
        """Read another list, for what the main one leaves out."""
        beyond = self._beyond() if self._is_ordered else None
        sweep = Sweep(listing.asked(), beyond, paging=self._paging, seen=self._sweep.seen, concerns=self._concerns)
        sweep.seen_broken = self._sweep.seen_broken
        self._sweeps.append(sweep)
        yield from self._read_all(sweep)
        if not sweep.is_cut:
            yield from self._prove_end(listing, sweep)
        if sweep.shortfall is not None:
            self._doubt(f"the list was expected to have all its rows on its pages, but {sweep.shortfall}.", _IF_KNOWN)

    def _doubt(self, seen: str, remedy: str) -> None:
        self.doubts.append(f"{seen} {remedy}")

    # --- the first rows only ------------------------------------------------------------------------------------------

    def _read_first(self, limit: int) -> Generator[Call[Any] | list[Booking], Any, bool]:
        """Yield the first rows; tell whether the list ended before they were all.

        Where they do not come in the order that says which are the first, all are read and put in order here.
        """
        sweep, order = self._sweep, _Order(self._listing)
        best: list[Booking] = []
        given = 0
        while given < limit and (call := sweep.next_call()) is not None:
            answer = yield call
            if isinstance(answer, RequestError):
                sweep.refuse(answer)
                continue
            if sweep.is_paging and sweep.page == 1 and (yield from self._has_page_zero(answer)):
                continue
            if sweep.is_paging:
                order.follow(checked(answer["data"], booking_problem, sweep.page)[0], first=sweep.page == 1)
            rows = self._meant(sweep.take(answer))
            if order.holds or given:
                given += len(rows)
                yield rows
            else:
                best = order.first(limit, best + rows)
        if best:
            yield best
        elif given and not order.holds:
            self._doubt(
                f"the first {limit} rows were asked for, but they do not come in the order by {self._listing.column}.",
                "Ask for all, and sort them.",
            )
        return given < limit

    def _has_page_zero(self, answer: Mapping[str, Any]) -> Generator[Call[Any], Any, bool]:
        """Tell whether what came as the first page is the second, where the reading may never get to the end."""
        paging, came, size = self._paging, answer["data"], self._sweep.size
        total = count(answer.get("totalCount"))
        if paging.first_is_known or not came or (total is not None and len(came) >= total):
            return False
        if size > 1:
            alone = yield page_call(self._main.asked(), paging, 1, 1)
            if not isinstance(alone, RequestError) and [_uid(row) for row in alone["data"][:1]] == [_uid(came[0])]:
                paging.first_is_known = True
                return False
        before = yield page_call(self._main.asked(), paging, 0, size)
        known = {str(_uid(row)) for row in came}
        if isinstance(before, RequestError) or not before["data"] or known & {str(_uid(row)) for row in before["data"]}:
            return False
        paging.first, paging.first_is_known = 0, True
        return True

    # --- the order, before it ends the reading ------------------------------------------------------------------------

    def _look_at_order(self, sweep: Sweep[Booking], answer: Mapping[str, Any]) -> Generator[Call[Any], Any, bool]:
        """See before a page is taken whether the order may end the reading there; tell whether to ask for it anew."""
        if sweep.page == 1:
            self._order = _Order(self._main)
            if (yield from self._has_page_zero(answer)):
                return True
        if sweep.beyond is None:
            return False
        rows, _ = checked(answer["data"], booking_problem, sweep.page)
        self._order.follow(rows)
        if self._order.holds and not self._is_ordered and rows and sweep.beyond(rows[-1]):
            self._is_ordered = yield from self._proves_order(rows, count(answer.get("totalCount")))
            if not self._is_ordered:
                sweep.beyond = None
        elif not self._order.holds:
            sweep.beyond = None  # all is read, and what is meant is found here
        return False

    def _proves_order(self, rows: list[Booking], total: int | None) -> Generator[Call[Any], Any, bool]:
        """Tell whether nothing that is meant comes behind these rows, as far as two looks at what does can tell."""
        known = {row["uid"] for row in rows}
        last = times.as_wire(rows[-1]["startedAt"])

        def is_behind(page: _Page | None, order: _Order) -> bool:
            if page is None or not page.rows:
                return False
            order.follow(page.rows)
            return order.holds and not any(uid not in known for uid in self._missed(page))

        other = self._main.variant(descending=True)
        end = yield from self._ask(other)
        if not is_behind(end, _Order(other)) or times.as_wire(end.rows[0]["startedAt"]) < last:  # type: ignore[union-attr]
            return False
        size = self._sweep.size
        left = 0 if total is None else total - self._sweep.rows - len(rows)
        if left <= size:
            return True
        middle = yield from self._ask(self._main, (self._sweep.rows + len(rows) + left // 2) // size + 1)
        return is_behind(middle, _Order(self._main)) and times.as_wire(middle.rows[0]["startedAt"]) >= last  # type: ignore[union-attr]

    # --- the end ------------------------------------------------------------------------------------------------------

    def _prove_end(self, listing: BookingListing, sweep: Sweep[Booking]) -> Steps[Booking]:
        """See whether the list in the other direction begins with rows that came."""
        left_out: set[str] = set()
        for _ in range(TAILS):
            page = yield from self._ask(listing.variant(descending=not listing.descending))
            if page is None:
                return
            if listing is self._main:
                self._total = page.total
            unseen = set(self._unseen(page.rows))
            if not unseen:
                return
            if unseen & left_out:
                self._doubt(
                    f"the list was expected to go on to its end, but its pages end after {sweep.rows:,} rows, and in "
                    f"the other direction it begins with others ({_some(unseen & left_out)}): it ends at a limit of "
                    "its own.",
                    _NARROW,
                )
                return
            left_out = unseen
            yield from self._read_tail(listing, sweep)  # they may have joined the list since

    def _read_tail(self, listing: BookingListing, sweep: Sweep[Booking]) -> Steps[Booking]:
        """Read the end of a list again, from the last page that had rows."""
        page = sweep.last_page
        while True:
            found = yield from self._ask(listing, page)
            rows = [] if found is None else [row for row in found.rows if self._sweep.seen.add(row["uid"])]
            meant = self._meant(rows)
            if meant:
                yield meant
            if not rows:
                return
            page += 1

    # --- the filters by time ------------------------------------------------------------------------------------------

    def _prove_times(self) -> Steps[Booking]:
        """See whether the lists without the filters by time have rows that are meant and never came."""
        main, early = self._main, self._early
        size = self._sweep.size
        number = self._sweep.total if self._sweep.is_cut or self._sweep.total is not None else self._sweep.rows
        if main.starts is None:
            # Without a time it may list what is to come only.
            other = main.variant(starts=LONG_AGO + WIDER)
            page = yield from self._ask(other.variant(order="startedAt", descending=False))
            yield from self._read_if_missed(page, other, "that says no first start", "with startedAt=1970")
        else:
            other = main.variant(starts=None)
            backwards = other.variant(order="startedAt", descending=True)
            if number is not None:
                page = yield from self._ask(backwards, (number - early) // size + 1)
            else:
                page = yield from self._ask(backwards.variant(ends=main.before))
            self._compare_totals(page)
            yield from self._read_if_missed(page, other, "by startedAt", "without it")
        if main.ends is not None and number is not None:
            other = main.variant(ends=None)
            page = yield from self._ask(other.variant(order="startedAt", descending=False), number // size + 1)
            yield from self._read_if_missed(page, other, "by endedAt", "without it")

    def _read_if_missed(
        self, page: _Page | None, other: BookingListing, name: str, besides: str, status: str | None = None
    ) -> Steps[Booking]:
        """Read another list where a page of it has bookings that are meant and never came."""
        missed = self._missed(page, status)
        if missed and self._listing.any_order:
            yield from self._read_besides(other)
        elif missed:
            self._doubt(
                f"the list {name} was expected to have all that is meant, but leaves out bookings that the list "
                f"{besides} has ({_some(missed)}).",
                "Ask for them by other filters, or for all and keep those you want.",
            )

    # --- the statuses -------------------------------------------------------------------------------------------------

    def _prove_statuses(self) -> Steps[Booking]:
        """See whether the lists by status, or the one without, have rows that are meant and never came."""
        if self._main.status is not None:
            yield from self._prove_by_status()
            return
        hidden = yield from self._hidden_statuses()
        if self._listing.status is None:
            for status, uids in hidden.items():
                yield from self._read_hidden(status, uids)
        if not self._paging.lists_requests and (hidden or self._listing.any_order):
            yield from self._look_for_requests(bool(hidden))

    def _prove_by_status(self) -> Steps[Booking]:
        other = self._main.variant(status=None)
        for descending in (False,) if self._sweep.is_cut else (False, True):
            page = yield from self._ask(other.variant(descending=descending))
            self._compare_totals(page)
            if self._missed(page):
                yield from self._read_if_missed(page, other, f"by status={self._main.status}", "without a status")
                return

    def _hidden_statuses(self) -> Generator[Call[Any], Any, dict[str, list[str]]]:
        """Return the statuses that a list without one leaves out, each with some bookings where they are known."""
        pages: dict[str, _Page] = {}
        for status in ("open", "cancel"):
            page = yield from self._ask(self._main.variant(status=status))
            if page is None or any(row["status"] != status for row in page.rows):
                return {}  # Jicoo does not list by status: no other list has more than this one
            pages[status] = page
        hidden = {status: missed for status, page in pages.items() if (missed := self._missed(page, status))}
        # What the list says now, and not at its last page: the three numbers are of one moment.
        whole = self._sweep.total if self._total is None else self._total
        parts = [page.total or 0 for page in pages.values()]
        if not hidden and sum(parts) > (whole or 0) and all(map(self._is_count, (*parts, whole, self._sweep.total))):
            hidden = {status: [] for status, page in pages.items() if page.total}
        return hidden

    def _is_count(self, total: int | None) -> bool:
        """Tell whether a total may be relied on: that of a full page may count the page only."""
        return total is not None and total != self._sweep.size

    def _read_hidden(self, status: str, uids: list[str]) -> Steps[Booking]:
        if self._listing.any_order:
            yield from self._read_besides(self._main.variant(status=status))
        else:
            named = f" ({_some(uids)})" if uids else ""
            self._doubt(
                f"the list without a status was expected to have all, but leaves out those of the status {status} "
                f"that the list by status has{named}.",
                "List by each status that you want.",
            )

    def _look_for_requests(self, hides_others: bool) -> Steps[Booking]:
        """Look for bookings that await approval where no list without a status has shown any."""
        yield from self._ask(self._main.variant(starts=None, ends=None, order="createdAt", descending=True))
        if self._paging.lists_requests:
            return
        other = self._main.variant(status="request")
        page = yield from self._ask(other)
        if page is not None and all(row["status"] == "request" for row in page.rows):
            yield from self._read_if_missed(page, other, "without a status", "by status=request", "request")
            return
        seen = (
            "no booking that awaits approval came, and Jicoo does not list them by status=request, so that the list "
            "without a status may leave them out"
        )
        if self._listing.status == "request" or hides_others:
            self._doubt(f"{seen}.", _IF_KNOWN)
        else:
            self.notes.append(f"{seen}; those of the other statuses are all there.")

    # --- the totals ---------------------------------------------------------------------------------------------------

    def _compare_totals(self, page: _Page | None) -> None:
        """See from a list with fewer filters whether the totals count without regard to them."""
        if page is not None and page.total is not None and page.total == self._sweep.total:
            self._totals_of_all = self._totals_of_all or not all(map(self._is_asked, page.rows))

    def _is_asked(self, row: Booking) -> bool:
        """Tell whether a booking belongs into the main list."""
        starts = self._main.starts
        return self._main.status in (None, row["status"]) and (
            starts is None or times.as_wire(row["startedAt"]) >= _later(starts, -WIDER)
        )

    def _prove_total(self) -> None:
        if self._sweep.shortfall is None or self._totals_of_all:
            return
        if self._main.status is None and self._sweep.total is not None and len(self._sweep.seen) >= self._sweep.total:
            return  # the other lists had the rest
        self._doubt(
            f"the list was expected to have all its rows on its pages, but {self._sweep.shortfall}.",
            f"{_NARROW} {_IF_KNOWN}",
        )


class _Order:
    """Whether rows come in the order that was asked for; ``holds`` until one does not."""

    def __init__(self, listing: BookingListing) -> None:
        self._column, self._descending = listing.column, listing.descending
        self._last: str | None = None
        self.holds = True

    def follow(self, rows: Iterable[Booking], *, first: bool = False) -> None:
        """Take in the rows of the next page.

        :param first: it is the first page, perhaps of another reading.
        """
        if first:
            self._last, self.holds = None, True
        last = self._last
        for row in rows:
            moment = self._moment(row)
            if moment is None:
                continue
            if last is not None and moment != last and (moment < last) is not self._descending:
                self.holds = False
            last = moment
        self._last = last

    def first(self, number: int, rows: Iterable[Booking]) -> list[Booking]:
        """Return the first rows of this order."""
        choose = heapq.nlargest if self._descending else heapq.nsmallest
        return choose(number, rows, key=lambda row: self._moment(row) or "")

    def _moment(self, row: Mapping[str, Any]) -> str | None:
        try:
            return times.as_wire(row[self._column])
        except (KeyError, TypeError, ValueError):
            return None  # createdAt is none of the fields that a booking is refused for


def _uid(row: Any) -> Any:
    return row.get("uid") if isinstance(row, Mapping) else None


def _named(broken: list[str]) -> list[str]:
    more = len(broken) - BROKEN_AT_MOST
    return [
        *(f"Row that cannot be used: {row}." for row in broken[:BROKEN_AT_MOST]),
        *([f"And {more:,} more that cannot be used."] if more > 0 else []),
    ]


def _some(uids: Collection[str]) -> str:
    shown = sorted(uids)[:NAMED_AT_MOST]
    more = len(uids) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
