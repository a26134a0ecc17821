"""What the proofs of a list of bookings share: the list itself, and looks at others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from typing import Any, NamedTuple

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.ahead import Ask
from airflow_provider_jicoo.api.booking_list import WIDER, BookingListing, later
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.meaning import Meaning
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.paging import Paging, count, page_call
from airflow_provider_jicoo.api.rows import Unreadable, booking_problem, checked
from airflow_provider_jicoo.api.sweep import Sweep

Steps = Generator[Ask | list[Booking], Any, None]

TAILS = 3
"""How often the end of a list is read again, since it grew, before what it still does not show counts as left out."""
NAMED_AT_MOST = 3
IF_KNOWN = (
    "Where you know that nothing is missing, say on_unproven='warn': with a plan, or for every list in the extras of "
    "the connection."
)
NARROW = "Narrow the time range, so that no single list is so long."


class Page(NamedTuple):
    """A page that was looked at: its good rows, how many rows the list has as it says, and whether all are good."""

    rows: list[Booking]
    total: int | None
    is_whole: bool


class BookingReader:
    """Reads a list of bookings, the main list, and looks at other lists of the same bookings.

    Its generators yield what to ask for and rows, as :func:`~airflow_provider_jicoo.api.listing.read` does.

    ``doubts`` has what cannot be proved, ``notes`` what else is to be told; ``sweep`` is the reading of the main list;
    ``expected`` are the looks that will probably follow; ``span`` has the first and the last start of the main list,
    None where it is empty; ``early`` is how many bookings came that start too early, ``statuses`` how many there are of
    each status; ``total_now`` is how many rows the main list said later that it has; ``totals_of_all`` says that the
    totals count without regard to the filters; ``is_ordered`` that the order was proved.
    """

    def __init__(self, listing: BookingListing, paging: Paging) -> None:
        self.listing = listing
        self.paging = paging
        self.meaning = Meaning(listing)
        self.doubts: list[str] = []
        self.notes: list[str] = []
        # Jicoo's list by status=request is not documented: it is looked at only where it has to be.
        self.main = listing.variant(status=None) if listing.status == "request" else listing
        self.sweep: Sweep[Booking] = Sweep(
            self.main.asked(),
            self.meaning.beyond(),
            paging=paging,
            concerns=self.meaning.concerns,
            left=self.meaning.left,
            enough=listing.limit,
        )
        self._sweeps = [self.sweep]
        self.expected: list[Call[Any]] = []
        self.span: tuple[str, str] | None = None
        self.early = 0
        self.total_now: int | None = None
        self.totals_of_all = False
        self.is_ordered = False
        self.statuses: Counter[str] = Counter()

    @property
    def broken(self) -> list[str]:
        """The rows that cannot be used, and why."""
        return [row for sweep in self._sweeps for row in sweep.broken]

    def read_all(self, sweep: Sweep[Booking], look: Callable[..., Any] | None = None) -> Steps:
        """Yield the rows of a sweep.

        :param look: looks at each page before it is taken; says whether to ask anew instead.
        """
        while (answer := (yield from sweep.ask())) is not None:
            if isinstance(answer, RequestError):
                sweep.refuse(answer)
                continue
            if sweep is self.sweep:
                self.note_requests(self.main, answer)
            if not (look is not None and sweep.is_paging and (yield from look(sweep, answer))):
                rows = sweep.take(answer)
                if sweep is self.sweep:
                    self.note_span(rows)
                rows = self.take_meant(rows)
                if rows:
                    yield rows

    def note_span(self, rows: list[Booking]) -> None:
        """Note from when to when the bookings of the main list start."""
        starts = [*(self.span or ()), *(times.as_wire(row["startedAt"]) for row in rows)]
        self.span = (min(starts), max(starts)) if starts else None

    def take_meant(self, rows: list[Booking]) -> list[Booking]:
        """Return the rows that are meant, and count what the proofs need."""
        if self.meaning.starts is not None:
            self.early += sum(times.as_wire(row["startedAt"]) < self.meaning.starts for row in rows)
        if self.listing.status is not None:
            self.statuses.update(row["status"] for row in rows if self.meaning.is_in_time(row))
        return rows if self.meaning.is_all else [row for row in rows if self.meaning.is_meant(row)]

    def unseen(self, rows: Iterable[Booking]) -> list[str]:
        """Return those of the bookings that never came."""
        return [row["uid"] for row in rows if row["uid"] not in self.sweep.seen]

    def missed(self, page: Page | None, status: str | None = None) -> list[str]:
        """Return the bookings on a page that the main list should have had and that never came.

        :param status: only those of this status.
        """
        status = status or self.main.status
        rows = () if page is None else page.rows
        return self.unseen(row for row in rows if status in (None, row["status"]) and self.meaning.is_in_time(row))

    def ask(self, listing: BookingListing, page: int = 1) -> Generator[Ask, Any, Page | None]:
        """Look at a page of another list; None where Jicoo refuses it."""
        call = self.page_call(listing, page)
        if call in self.expected:
            self.expected.remove(call)
        window = self.paging.window
        answer = (yield Ask(call, self.expected[: window.most - 1], window.size)).came
        if isinstance(answer, RequestError):
            return None
        self.note_requests(listing, answer)
        rows, broken = checked(answer["data"], booking_problem, page)
        return Page(rows, count(answer.get("totalCount")), not broken)

    def page_call(self, listing: BookingListing, page: int = 1) -> Call[Any]:
        """Return the request of a page of another list."""
        return page_call(listing.asked(), self.paging, page, self.sweep.size)

    def note_requests(self, listing: BookingListing, answer: Mapping[str, Any]) -> None:
        """Note whether a list without a status shows bookings that await approval.

        For that a row need not be good: what is wrong with it is told anyway.
        """
        if listing.status is None and not self.paging.lists_requests:
            self.paging.lists_requests = any(status_of(row) == "request" for row in answer["data"])

    def read_besides(self, listing: BookingListing) -> Steps:
        """Read another list, for what the main one leaves out."""
        beyond = self.meaning.beyond() if self.is_ordered else None
        sweep = Sweep(
            listing.asked(),
            beyond,
            paging=self.paging,
            besides=self.sweep,
            concerns=self.meaning.concerns,
            left=self.meaning.left,
        )
        self._sweeps.append(sweep)
        yield from self.read_all(sweep)
        if not sweep.is_cut:
            yield from self.prove_end(listing, sweep)
        if sweep.shortfall is not None and not self.totals_of_all:
            self.doubt(f"the list was expected to have all its rows on its pages, but {sweep.shortfall}.", IF_KNOWN)

    def doubt(self, seen: str, remedy: str) -> None:
        """Note what cannot be proved.

        :param remedy: what the user can do.
        """
        text = f"{seen} {remedy}"
        if text not in self.doubts:
            self.doubts.append(text)

    def prove_end(self, listing: BookingListing, sweep: Sweep[Booking]) -> Steps:
        """See whether the list in the other direction begins with rows that came."""
        left_out: set[str] = set()
        for _ in range(TAILS):
            page = yield from self.ask(listing.variant(descending=not listing.descending))
            if page is None:
                return
            if listing is self.main:
                self.total_now = page.total
            unseen = set(self.unseen(page.rows))
            if not unseen:
                return
            if unseen & left_out:
                self.doubt(
                    f"the list was expected to go on to its end, but its pages end after {sweep.rows:,} rows, and in "
                    f"the other direction it begins with others ({some(unseen & left_out)}): it ends at a limit of "
                    "its own.",
                    NARROW,
                )
                return
            left_out = unseen
            yield from self._read_tail(listing, sweep)  # they may have joined the list since

    def _read_tail(self, listing: BookingListing, sweep: Sweep[Booking]) -> Steps:
        """Read the end of a list again, from the page before the last one that had rows.

        Where a row has left the list meanwhile, another one has gone from page to page.
        """
        page, last = max(1, sweep.last_page - 1), None
        while (found := (yield from self.ask(listing, page))) is not None and found.rows:
            yield from self._take_in(found)
            uids = [row["uid"] for row in found.rows]
            if len(uids) < sweep.size or uids == last:  # behind the end may come the last page again, for ever
                return
            page, last = page + 1, uids

    def _take_in(self, page: Page) -> Steps:
        """Yield those rows of a page that never came, where they are meant."""
        meant = self.take_meant([row for row in page.rows if self.sweep.seen.add(row["uid"])])
        if meant:
            yield meant

    def still_missed(self, missed: list[str]) -> Generator[Ask | list[Booking], Any, list[str]]:
        """Return those of the missed bookings that are not new: which were made while the list was read, it shows now.

        They are passed on.
        """
        if missed:
            newest = yield from self.ask(self.main.variant(order="createdAt", descending=True))
            if newest is not None:
                yield from self._take_in(newest)
        return [uid for uid in missed if uid not in self.sweep.seen]

    @property
    def number(self) -> int | None:
        """How many rows the main list has with its filters; None where that is not known."""
        return self.sweep.total if self.sweep.is_cut else self.sweep.rows

    def count_again(self) -> Generator[Ask, Any, None]:
        """See how many rows the main list says that it has now."""
        page = yield from self.ask(self.main)
        self.total_now = None if page is None else page.total

    def is_more(self, total: int | None) -> bool:
        """Tell whether this is more than the main list has, as far as both numbers may be relied on."""
        whole = self.whole()
        numbers = (total, whole, self.sweep.total)
        return total is not None and whole is not None and total > whole and all(map(self.is_count, numbers))

    def whole(self) -> int | None:
        """Return how many rows the main list says it has, now rather than at its last page: it may have grown."""
        return self.sweep.total if self.total_now is None or self.sweep.total is None else self.total_now

    def is_count(self, total: int | None) -> bool:
        """Tell whether a total may be relied on: that of a full page may count the page only."""
        return total is not None and total != self.sweep.size

    def read_if(self, missed: list[str], other: BookingListing, name: str, besides: str) -> Steps:
        """Read another list where the main one leaves out bookings.

        :param missed: some of them.
        """
        if missed and self.listing.any_order:
            yield from self.read_besides(other)
        elif missed:
            self.doubt(
                f"the list {name} was expected to have all that is meant, but leaves out bookings that the list "
                f"{besides} has ({some(missed)}).",
                "Ask for them by other filters, or for all and keep those you want.",
            )

    def compare_totals(self, wider: BookingListing, page: Page | None) -> Generator[Ask, Any, None]:
        """See from a list with fewer filters whether the totals count without regard to them.

        :param page: a page of it.
        """
        total = self.sweep.total
        if page is None or total is None or page.total != total or all(map(self._is_asked, page.rows)):
            return
        if self.sweep.shortfall is not None and not self.totals_of_all:
            last = yield from self.ask(wider, -(-total // self.sweep.size))
            self.totals_of_all = last is not None and bool(last.rows)  # as many as that there are

    def _is_asked(self, row: Booking) -> bool:
        """Tell whether a booking belongs into the main list."""
        starts = self.main.starts
        return self.main.status in (None, row["status"]) and (
            starts is None or times.as_wire(row["startedAt"]) >= later(starts, -WIDER)
        )


def status_of(row: Any) -> Any:
    """Return the status of a row, which may be one that cannot be used."""
    if type(row) is dict:  # as nearly all are: to ask what a Mapping is takes longer than all the rest
        return row.get("status")
    row = row.row if isinstance(row, Unreadable) else row
    return row.get("status") if isinstance(row, Mapping) else None


def some(uids: Collection[str]) -> str:
    """Name some bookings."""
    shown = sorted(uids)[:NAMED_AT_MOST]
    more = len(uids) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
