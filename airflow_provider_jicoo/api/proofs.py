"""Read a list of bookings, and prove while it is read that it came whole.

How Jicoo lists was never seen, so that nothing is taken for granted that a few more requests can tell. Beside what
every list is looked at for (:class:`~airflow_provider_jicoo.api.paging.Sweep`):

- *that the list goes on to its end*: in the other direction it must begin with rows that came (one request);
- *that the filters by time leave out nothing that is meant*: they are asked for a day more on each side and applied
  again here, and the list without the filter is looked at where it begins to matter (one request);
- *that the order holds*, before the reading ends where the order says that nothing more is meant: in the pages read,
  in the list in the other direction, and in the middle of what is left (two requests);
- *that a list without a status shows all of them*: it must have as many rows as those by status, and theirs (two to
  four requests); and the other way round for a list by status.

Where one of these does not hold, the rows that it costs are read in another way if there is one. What is left is a
doubt. Where only the first rows are wanted, the order alone is looked at.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple, get_args

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.booking_list import WIDER, BookingListing, later
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.models import Booking, BookingStatus
from airflow_provider_jicoo.api.paging import Paging, Sweep, count, page_call
from airflow_provider_jicoo.api.rows import Unreadable, booking_problem, checked

Steps = Generator[Call[Any] | list[Booking], Any, None]

LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)
TAILS = 3
"""How often the end of a list is read again, since it grew, before what it still does not show counts as left out."""
NAMED_AT_MOST = 3
_STATUSES = frozenset(get_args(BookingStatus))

IF_KNOWN = (
    "Where you know that nothing is missing, say on_unproven='warn': with a plan, or for every list in the extras of "
    "the connection."
)
_NARROW = "Narrow the time range, so that no single list is so long."


class _Page(NamedTuple):
    """A page that was looked at: its good rows, how many rows the list has as it says, and whether all are good."""

    rows: list[Booking]
    total: int | None
    is_whole: bool


class BookingReading:
    """The reading of a list of bookings, with its proofs.

    Its generators yield calls and rows, as :func:`~airflow_provider_jicoo.api.listing.read` does. ``doubts``, ``notes``
    and ``broken`` have what is to be told of it.
    """

    def __init__(self, listing: BookingListing, paging: Paging) -> None:
        self._listing = listing
        self._paging = paging
        self.doubts: list[str] = []
        self.notes: list[str] = []
        self._starts, self._ends, self._before = (
            None if moment is None else times.wire(moment) for moment in (listing.starts, listing.ends, listing.before)
        )
        self._means_all = {listing.status, self._starts, self._ends, self._before} == {None}
        # Jicoo's list by status=request is not documented: it is looked at only where it has to be.
        self._main = listing.variant(status=None) if listing.status == "request" else listing
        self._sweep: Sweep[Booking] = Sweep(self._main.asked(), self._beyond(), paging=paging, concerns=self._concerns)
        self._sweeps = [self._sweep]
        self._early = 0
        self._total: int | None = None
        self._totals_of_all = False
        self._is_ordered = False
        self._statuses: Counter[str] = Counter()

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

    def read(self) -> Steps:
        """Yield calls and rows."""
        if self._listing.limit is None:
            yield from self._read_all(self._sweep, self._look_at_order if self._before is not None else None)
        elif not (yield from self._read_first(self._listing.limit)):
            return
        if not self._sweep.is_cut:
            yield from self._prove_end(self._main, self._sweep)
        yield from self._prove_times()
        yield from self._prove_statuses()
        self._look_at_strange_statuses()
        self._prove_total()

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _beyond(self) -> Callable[[Booking], bool] | None:
        if self._before is None or self._listing.column != "startedAt" or self._listing.descending:
            return None
        before = self._before
        return lambda row: times.as_wire(row["startedAt"]) >= before

    def _read_all(self, sweep: Sweep[Booking], look: Callable[..., Any] | None = None) -> Steps:
        """Yield the rows of a sweep.

        :param look: looks at each page before it is taken; says whether to ask anew instead.
        """
        while (call := sweep.next_call()) is not None:
            answer = yield call
            if isinstance(answer, RequestError):
                sweep.refuse(answer)
                continue
            if sweep is self._sweep:
                self._note_requests(self._main, answer)
            if not (look is not None and sweep.is_paging and (yield from look(sweep, answer))):
                rows = self._meant(sweep.take(answer))
                if rows:
                    yield rows

    def _meant(self, rows: list[Booking]) -> list[Booking]:
        """Return the rows that are meant, and count what the proofs need."""
        if self._starts is not None:
            self._early += sum(times.as_wire(row["startedAt"]) < self._starts for row in rows)
        if self._listing.status is not None:
            self._statuses.update(row["status"] for row in rows if self._is_in_time(row))
        return rows if self._means_all else [row for row in rows if self._is_meant(row)]

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
        """Return the bookings on a page that the main list should have had and that never came.

        :param status: only those of this status.
        """
        status = status or self._main.status
        rows = () if page is None else page.rows
        return self._unseen(row for row in rows if status in (None, row["status"]) and self._is_in_time(row))

    def _ask(self, listing: BookingListing, page: int = 1) -> Generator[Call[Any], Any, _Page | None]:
        """Look at a page of another list; None where Jicoo refuses it."""
        answer = yield page_call(listing.asked(), self._paging, page, self._sweep.size)
        if isinstance(answer, RequestError):
            return None
        self._note_requests(listing, answer)
        rows, broken = checked(answer["data"], booking_problem, page)
        return _Page(rows, count(answer.get("totalCount")), not broken)

    def _note_requests(self, listing: BookingListing, answer: Mapping[str, Any]) -> None:
        """Note whether a list without a status shows bookings that await approval.

        For that a row need not be good: what is wrong with it is told anyway.
        """
        if listing.status is None and not self._paging.lists_requests:
            self._paging.lists_requests = any(_status(row) == "request" for row in answer["data"])

    def _read_besides(self, listing: BookingListing) -> Steps:
        """Read another list, for what the main one leaves out."""
        beyond = self._beyond() if self._is_ordered else None
        sweep = Sweep(listing.asked(), beyond, paging=self._paging, seen=self._sweep.seen, concerns=self._concerns)
        sweep.seen_broken = self._sweep.seen_broken
        self._sweeps.append(sweep)
        yield from self._read_all(sweep)
        if not sweep.is_cut:
            yield from self._prove_end(listing, sweep)
        if sweep.shortfall is not None and not self._totals_of_all:
            self._doubt(f"the list was expected to have all its rows on its pages, but {sweep.shortfall}.", IF_KNOWN)

    def _doubt(self, seen: str, remedy: str) -> None:
        text = f"{seen} {remedy}"
        if text not in self.doubts:
            self.doubts.append(text)

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
            self._note_requests(self._main, answer)
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

    def _prove_end(self, listing: BookingListing, sweep: Sweep[Booking]) -> Steps:
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

    def _read_tail(self, listing: BookingListing, sweep: Sweep[Booking]) -> Steps:
        """Read the end of a list again, from the last page that had rows."""
        page, last = sweep.last_page, None
        while (found := (yield from self._ask(listing, page))) is not None and found.rows:
            yield from self._take_in(found)
            uids = [row["uid"] for row in found.rows]
            if len(uids) < sweep.size or uids == last:  # behind the end may come the last page again, for ever
                return
            page, last = page + 1, uids

    def _take_in(self, page: _Page) -> Steps:
        """Yield those rows of a page that never came, where they are meant."""
        meant = self._meant([row for row in page.rows if self._sweep.seen.add(row["uid"])])
        if meant:
            yield meant

    def _still_missed(self, missed: list[str]) -> Generator[Call[Any] | list[Booking], Any, list[str]]:
        """Return those of the missed bookings that are not new: which were made while the list was read, it shows now.

        They are passed on.
        """
        if missed:
            newest = yield from self._ask(self._main.variant(order="createdAt", descending=True))
            if newest is not None:
                yield from self._take_in(newest)
        return [uid for uid in missed if uid not in self._sweep.seen]

    # --- the filters by time ------------------------------------------------------------------------------------------

    def _prove_times(self) -> Steps:
        """See whether the lists without the filters by time have rows that the main list should have had."""
        main = self._main
        number = self._sweep.total if self._sweep.is_cut else self._sweep.rows
        if main.starts is None:
            # Without a time it may list what is to come only.
            other = main.variant(starts=LONG_AGO + WIDER)
            missed = yield from self._left_out_without_start(other)
            yield from self._read_if(missed, other, "without startedAt", "with startedAt=1970")
        else:
            other = main.variant(starts=None)
            missed = yield from self._left_out_by_start(other, number)
            missed = yield from self._still_missed(missed)
            yield from self._read_if(missed, other, "by startedAt", "without it")
        if main.ends is not None and number is not None:
            other = main.variant(ends=None)
            by_start = other.variant(order="startedAt", descending=False)
            page = yield from self._ask(by_start, number // self._sweep.size + 1)
            missed = yield from self._still_missed(self._missed(page))
            yield from self._read_if(missed, other, "by endedAt", "without it")

    def _left_out_without_start(self, other: BookingListing) -> Generator[Call[Any] | list[Booking], Any, list[str]]:
        """Return bookings that only a list with a first start has, however long ago that is."""
        by_start = other.variant(order="startedAt", descending=False)
        page = yield from self._ask(by_start)
        missed = yield from self._still_missed(self._missed(page))
        if page is None or missed or not self._is_more(page.total):
            return missed
        # By the numbers it has more; but they may be of different moments.
        yield from self._count_again()
        page = (yield from self._ask(by_start)) or page
        return [row["uid"] for row in page.rows] if self._is_more(page.total) else []

    def _count_again(self) -> Generator[Call[Any], Any, None]:
        page = yield from self._ask(self._main)
        self._total = None if page is None else page.total

    def _left_out_by_start(self, other: BookingListing, number: int | None) -> Generator[Call[Any], Any, list[str]]:
        """Return bookings that the filter by start leaves out although they start in time.

        In the list without it, the last first, as many start in time as the filter lets through: where these end, the
        next ones must start too early.

        :param number: how many bookings the filter lets through; None where that is not known.
        """
        backwards = other.variant(order="startedAt", descending=True)
        if number is None:
            page = yield from self._ask(backwards.variant(ends=self._main.before))
            return self._missed(page)
        in_time, size = max(0, number - self._early), self._sweep.size
        page = yield from self._ask(backwards, in_time // size + 1)
        yield from self._compare_totals(backwards, page)
        behind = [] if page is None or not page.is_whole else page.rows[in_time % size :]
        late = [row for row in behind if self._starts is None or times.as_wire(row["startedAt"]) >= self._starts]
        return self._missed(page) or self._unseen(late)

    def _read_if(self, missed: list[str], other: BookingListing, name: str, besides: str) -> Steps:
        """Read another list where the main one leaves out bookings.

        :param missed: some of them.
        """
        if missed and self._listing.any_order:
            yield from self._read_besides(other)
        elif missed:
            self._doubt(
                f"the list {name} was expected to have all that is meant, but leaves out bookings that the list "
                f"{besides} has ({_some(missed)}).",
                "Ask for them by other filters, or for all and keep those you want.",
            )

    # --- the statuses -------------------------------------------------------------------------------------------------

    def _prove_statuses(self) -> Steps:
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

    def _look_at_strange_statuses(self) -> None:
        """Doubt rows that were left out for a status that may be another way of writing the one that is meant."""
        meant = self._listing.status
        none_came = self._main.status is not None and not self._statuses[self._main.status]
        for status in sorted(self._statuses.keys() - _STATUSES):
            if none_came or status.strip().lower() == meant:
                self.doubts.append(
                    f"a booking was expected to have one of the statuses {', '.join(sorted(_STATUSES))}, but of those "
                    f"looked at for {meant}, {self._statuses[status]:,} came with {status!r:.40} and were left out. "
                    "List without a status, and look at what each booking has."
                )

    def _prove_by_status(self) -> Steps:
        other = self._main.variant(status=None)
        for descending in (False,) if self._sweep.is_cut else (False, True):
            page = yield from self._ask(other.variant(descending=descending))
            yield from self._compare_totals(other, page)
            missed = yield from self._still_missed(self._missed(page))
            if missed:
                yield from self._read_if(missed, other, f"by status={self._main.status}", "without a status")
                return

    def _hidden_statuses(self) -> Generator[Call[Any] | list[Booking], Any, dict[str, list[str]]]:
        """Return the statuses that a list without one leaves out, each with some bookings where they are known."""
        for _ in range(2):
            pages: dict[str, _Page] = {}
            for status in ("open", "cancel"):
                page = yield from self._ask(self._main.variant(status=status))
                if page is None or any(row["status"] != status for row in page.rows):
                    return {}  # Jicoo does not list by status: no other list has more than this one
                pages[status] = page
            hidden = {}
            for status, page in pages.items():
                if missed := (yield from self._still_missed(self._missed(page, status))):
                    hidden[status] = missed
            totals = [page.total for page in pages.values()]
            counts_each = set(totals) != {self._whole()} and all(map(self._is_count, totals))
            if not hidden and counts_each and self._is_more(sum(filter(None, totals))):
                hidden = {status: [] for status, page in pages.items() if page.total}
            if not hidden or any(hidden.values()):
                return hidden
            yield from self._count_again()  # the numbers may be of different moments
        return hidden

    def _is_more(self, total: int | None) -> bool:
        """Tell whether this is more than the main list has, as far as both numbers may be relied on."""
        whole = self._whole()
        numbers = (total, whole, self._sweep.total)
        return total is not None and whole is not None and total > whole and all(map(self._is_count, numbers))

    def _whole(self) -> int | None:
        """Return how many rows the main list says it has, now rather than at its last page: it may have grown."""
        return self._sweep.total if self._total is None or self._sweep.total is None else self._total

    def _is_count(self, total: int | None) -> bool:
        """Tell whether a total may be relied on: that of a full page may count the page only."""
        return total is not None and total != self._sweep.size

    def _read_hidden(self, status: str, uids: list[str]) -> Steps:
        if self._listing.any_order:
            yield from self._read_besides(self._main.variant(status=status))
        else:
            named = f" ({_some(uids)})" if uids else ""
            self._doubt(
                f"the list without a status was expected to have all, but leaves out those of the status {status} "
                f"that the list by status has{named}.",
                "List by each status that you want.",
            )

    def _look_for_requests(self, hides_others: bool) -> Steps:
        """Look for bookings that await approval where no list without a status has shown any."""
        yield from self._ask(self._main.variant(starts=None, ends=None, order="createdAt", descending=True))
        if self._paging.lists_requests:
            return
        other = self._main.variant(status="request")
        page = yield from self._ask(other)
        if page is not None and all(row["status"] == "request" for row in page.rows):
            missed = yield from self._still_missed(self._missed(page, "request"))
            yield from self._read_if(missed, other, "without a status", "by status=request")
            return
        seen = (
            "no booking that awaits approval came, and Jicoo does not list them by status=request, so that the list "
            "without a status may leave them out"
        )
        if self._listing.status == "request" or hides_others:
            self._doubt(
                f"{seen}.",
                "Where you know that it does not, set lists_requests to true in the extras of the connection.",
            )
        else:
            self.notes.append(f"{seen}; those of the other statuses are all there.")

    # --- the totals ---------------------------------------------------------------------------------------------------

    def _compare_totals(self, wider: BookingListing, page: _Page | None) -> Generator[Call[Any], Any, None]:
        """See from a list with fewer filters whether the totals count without regard to them.

        :param page: a page of it.
        """
        total = self._sweep.total
        if page is None or total is None or page.total != total or all(map(self._is_asked, page.rows)):
            return
        if self._sweep.shortfall is not None and not self._totals_of_all:
            last = yield from self._ask(wider, -(-total // self._sweep.size))
            self._totals_of_all = last is not None and bool(last.rows)  # as many as that there are

    def _is_asked(self, row: Booking) -> bool:
        """Tell whether a booking belongs into the main list."""
        starts = self._main.starts
        return self._main.status in (None, row["status"]) and (
            starts is None or times.as_wire(row["startedAt"]) >= later(starts, -WIDER)
        )

    def _prove_total(self) -> None:
        if self._sweep.shortfall is None or self._totals_of_all:
            return
        if self._main.status is None and self._sweep.total is not None and len(self._sweep.seen) >= self._sweep.total:
            return  # the other lists had the rest
        self._doubt(
            f"the list was expected to have all its rows on its pages, but {self._sweep.shortfall}.",
            f"{_NARROW} {IF_KNOWN}",
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


def _status(row: Any) -> Any:
    row = row.row if isinstance(row, Unreadable) else row
    return row.get("status") if isinstance(row, Mapping) else None


def _some(uids: Collection[str]) -> str:
    shown = sorted(uids)[:NAMED_AT_MOST]
    more = len(uids) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
