"""Whether the list of bookings obeys what it is asked for: order, window and status; and whether it has all."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.doctor.findings import Finding, Verdict, differs, holds, untold
from airflow_provider_jicoo.doctor.look import Look, Page, status_of
from airflow_provider_jicoo.doctor.pages import Pages

ORDER = "The order that is asked for is obeyed"
REVERSE = "The order is obeyed in reverse"
TIES = "Bookings that are equal in the order keep their places"
CAP = "The list goes on to its end"
START = "The filter startedAt lets through what starts at that moment or later"
END = "The filter endedAt lets through what ends at that moment or earlier"
PAST = "A list without dates has the bookings of the past too"
AHEAD = "A list without dates has all bookings to come"
ALL = "A list without a status has those of every status"
ONE = "A list by status has those of that status, and only those"
REQUESTS = "A list without a status has those that await approval"

LONG_AGO, FAR_AHEAD = "1970-01-01T00:00:00.000Z", "2037-12-31T00:00:00.000Z"
MS = timedelta(milliseconds=1)
DAY = timedelta(days=1)
KNOWN = ("open", "cancel", "request")
WHOLE = "The package sees that, and then reads the whole list and sorts it out itself: it costs more requests."


class Ends(NamedTuple):
    """Both ends of the list: the first pages in each direction, by start."""

    forwards: Page
    backwards: Page


# --- the order --------------------------------------------------------------------------------------------------------


def look_at_order(look: Look, pages: Pages) -> tuple[Ends, list[Finding]]:
    """Look at the list in both orders and in both directions."""
    look.tell("order: by start and by creation, forwards and in reverse")
    size = pages.size
    ends = Ends(look.page(size=size), look.page(size=size, sort="desc"))
    forwards = {"startedAt": ends.forwards, "createdAt": look.page(size=size, order="createdAt")}
    backwards = {"startedAt": ends.backwards, "createdAt": look.page(size=size, order="createdAt", sort="desc")}
    findings = [_order(ORDER, forwards, descending=False), _order(REVERSE, backwards, descending=True)]
    if not pages.is_all and any(page.rows and page.rows == forwards[name].rows for name, page in backwards.items()):
        findings[1] = differs(REVERSE, "In reverse comes what comes forwards.", WHOLE)
    findings.append(_ties(pages, ends))
    findings.append(_cap(look, pages, ends, obeyed=not any(_is_out_of_order(f) for f in findings[:2])))
    return ends, findings


def _is_out_of_order(finding: Finding) -> bool:
    return finding.verdict is Verdict.DIFFERS


def _order(name: str, pages: dict[str, Page], *, descending: bool) -> Finding:
    bad: list[str] = []
    told: list[str] = []
    for column, page in pages.items():
        if page.refused is not None:
            bad.append(f"by {column} it is refused ({status_of(page.refused)})")
            continue
        moments = [_moment(text) for text in page.column(column)]
        ordered = sorted(moments, reverse=descending)
        if len(set(moments)) > 1:
            (told if moments == ordered else bad).append(f"by {column}")
    if bad:
        return differs(name, f"Not {' and not '.join(bad)}.", WHOLE)
    if not told:
        return untold(name, "there are no two bookings that differ in it")
    return holds(name, f"So it comes {' and '.join(told)}.")


def _moment(text: str) -> str:
    try:
        return times.as_wire(text)
    except ValueError:
        return ""


def _ties(pages: Pages, ends: Ends) -> Finding:
    starts = pages.first.column("startedAt")
    if len(set(starts)) == len(starts):
        return untold(TIES, "no two bookings of the first page start at the same time")
    one, two = pages.first.uids, ends.forwards.uids
    if one == two:
        return holds(TIES, "The same page, asked for twice, has the same order.")
    return differs(
        TIES,
        "The same page, asked for twice, has another order.",
        "The package reads a list up to five times until nothing is left out, and fails where it cannot tell.",
    )


def _cap(look: Look, pages: Pages, ends: Ends, *, obeyed: bool) -> Finding:
    rows = pages.rows
    if pages.last is None or rows is None:
        return untold(CAP, "the last page was not found")
    if not obeyed:
        return untold(CAP, "the order is not obeyed, so that the other end of the list cannot be looked at")
    if not ends.backwards.rows or not pages.last.rows:
        return untold(CAP, "the last page has no row that can be used")
    latest, reached = ends.backwards.column("startedAt")[0], pages.last.column("startedAt")[-1]
    if _moment(latest) > _moment(reached):
        return differs(
            CAP,
            f"Its pages end after {rows:,} rows, and in reverse it begins with others.",
            "The package sees that and fails. Narrow the time range, so that no single list is so long.",
        )
    total = pages.first.total
    if total is not None and total > rows:
        return holds(CAP, f"It ends after {rows:,} rows with the booking that comes first in reverse.")
    return holds(CAP, f"Its last row is the one that comes first in reverse, after {rows:,} rows.")


# --- the window -------------------------------------------------------------------------------------------------------


def look_at_window(look: Look, pages: Pages) -> list[Finding]:
    """Ask for windows around one booking whose ends are its own, and a little beside them."""
    look.tell("filters by time: whether the ends of a window are where they were asked for")
    booking = _in_the_middle(pages)
    if booking is None:
        why = "there are too few bookings that differ in their times"
        return [untold(START, why), untold(END, why), _past(look), _ahead(look)]
    start, end = times.moment(booking["startedAt"]), times.moment(booking["endedAt"])
    wide = {"startedAt": times.wire(start - DAY), "endedAt": times.wire(end + DAY)}
    return [
        _edge(look, START, booking, wide, "startedAt", start, +MS),
        _edge(look, END, booking, wide, "endedAt", end, -MS),
        _past(look),
        _ahead(look),
    ]


def _in_the_middle(pages: Pages) -> Booking | None:
    """Return a booking that others start before, and others after."""
    rows = pages.first.rows
    starts = sorted({_moment(row["startedAt"]) for row in rows})
    if len(starts) < 3:
        return None
    middle = starts[len(starts) // 2]
    return next(row for row in rows if _moment(row["startedAt"]) == middle)


def _edge(
    look: Look, name: str, booking: Booking, wide: dict[str, str], field: str, moment: datetime, inside: timedelta
) -> Finding:
    """Ask for the very moment of a booking, and for one that it is just no longer in."""
    size = look.client.paging.size

    def ask(edge: datetime) -> Page:
        window = {**wide, field: times.wire(edge)}
        return look.page(size=size, startedAt=window["startedAt"], endedAt=window["endedAt"])

    at, beside = ask(moment), ask(moment + inside)
    if at.refused is not None or beside.refused is not None:
        refused = at.refused or beside.refused
        assert refused is not None
        return differs(name, f"It is refused ({status_of(refused)}).", "The package cannot narrow its lists by it.")
    later = inside > timedelta(0)
    beyond = [
        row
        for row in at.rows
        if (times.moment(row[field]) < moment if later else times.moment(row[field]) > moment)  # type: ignore[literal-required]
    ]
    advice = "The package asks for a day more on each side, filters the rows itself, and looks for what is left out."
    if beyond:
        words = "earlier" if later else "later"
        verb = "start" if later else "end"
        return differs(name, f"Asked for {times.wire(moment)}, rows came that {verb} {words}.", advice)
    uid = booking["uid"]
    if uid not in at.uids:
        return differs(name, f"Asked for {times.wire(moment)}, booking {uid}, which is at it, does not come.", advice)
    if uid in beside.uids:
        shown = times.wire(moment + inside)
        return differs(name, f"Asked for {shown}, booking {uid} still comes, which is at {times.wire(moment)}.", advice)
    return holds(name, "A booking at the moment itself comes; a thousandth of a second beside it does not.")


def _past(look: Look) -> Finding:
    """Compare the beginning of the list with that of one that begins long ago."""
    plain, long_ago = look.page(), look.page(startedAt=LONG_AGO, endedAt=FAR_AHEAD)
    if long_ago.refused is not None:
        return untold(PAST, f"startedAt=1970 is refused ({status_of(long_ago.refused)})")
    if not long_ago.rows or not plain.rows:
        return untold(PAST, "there are no bookings" if not long_ago.rows else "no row can be used")
    more = (long_ago.total or 0) - (plain.total or 0)
    if set(long_ago.uids) - set(plain.uids) and min(long_ago.column("startedAt")) < min(plain.column("startedAt")):
        told = f", {more:,} more by totalCount" if more > 0 else ""
        return differs(
            PAST,
            f"With startedAt=1970 earlier bookings come than without{told}.",
            "A plan reads both lists; ListBookingsOperator fails without started_at, so give one.",
        )
    return holds(PAST, "With startedAt=1970 the list begins with the same bookings.")


def _ahead(look: Look) -> Finding:
    """Compare the end of the list with that of one that ends far ahead."""
    plain, far = look.page(sort="desc"), look.page(sort="desc", startedAt=LONG_AGO, endedAt=FAR_AHEAD)
    if far.refused is not None:
        return untold(AHEAD, f"endedAt=2037 is refused ({status_of(far.refused)})")
    if not far.rows or not plain.rows:
        told = "with startedAt=1970 and endedAt=2037 none comes" if plain.rows else "no row can be used"
        return untold(AHEAD, told)
    if set(far.uids) - set(plain.uids) and max(far.column("startedAt")) > max(plain.column("startedAt")):
        return differs(
            AHEAD,
            "With endedAt=2037 later bookings come than without.",
            "A plan reads both lists; ListBookingsOperator fails without ended_at, so give one.",
        )
    return holds(AHEAD, "With endedAt=2037 the list ends with the same bookings.")


# --- the status -------------------------------------------------------------------------------------------------------


def look_at_statuses(look: Look, seen: list[Page]) -> tuple[bool, list[Finding]]:
    """Look at the lists by status, and at what the one without shows.

    :param seen: pages of the list without a status.
    :return: whether the list without a status was seen to have bookings that await approval, and the findings.
    """
    look.tell("statuses: which ones a list without a status has")
    now = times.wire(datetime.now(timezone.utc))
    seen = [*seen, look.page(startedAt=now), look.page(order="createdAt", sort="desc", startedAt=now)]
    found: set[str] = {row["status"] for page in seen for row in page.rows}
    by_status = {status: look.page(status=status) for status in KNOWN}
    requests = "request" in found
    hidden = [status for status in KNOWN if status not in found and _hides(look, by_status[status], status)]
    return requests, [
        _of_all(found, hidden, by_status),
        _by_status({status: by_status[status] for status in ("open", "cancel")}),
        _requests(requests, hidden, by_status["request"]),
    ]


def _hides(look: Look, page: Page, status: str) -> bool:
    """Tell whether the list without a status leaves out a booking of this one."""
    row = next((row for row in page.rows if row["status"] == status), None)
    if row is None:
        return False
    start, end = times.moment(row["startedAt"]), times.moment(row["endedAt"])
    around = look.page(startedAt=times.wire(start - DAY), endedAt=times.wire(end + DAY))
    return row["uid"] not in around.uids


def _of_all(found: set[str], hidden: list[str], by_status: dict[str, Page]) -> Finding:
    shown = ", ".join(sorted(found))
    if hidden:
        return differs(
            ALL,
            f"It has {shown}, and leaves out {', '.join(hidden)}, which the list by status has.",
            "A plan reads the lists by status too; ListBookingsOperator fails without a status, so give one.",
        )
    unknown = found - set(KNOWN)
    if unknown:
        return differs(
            ALL,
            f"It has {shown}, of which {', '.join(sorted(unknown))} is not documented.",
            "Bookings of it are in no selection by a documented status: select them with where=.",
        )
    missing = [status for status in ("open", "cancel") if status not in found]
    if missing:
        empty = all(not by_status[status].came for status in missing)
        where = "there is none by status either" if empty else "its first and last pages have none"
        return untold(ALL, f"it shows {shown}; of {' and '.join(missing)} {where}")
    return holds(ALL, f"It has {shown}.")


def _by_status(pages: dict[str, Page]) -> Finding:
    for status, page in pages.items():
        if page.refused is not None:
            return differs(ONE, f"status={status} is refused ({status_of(page.refused)}).", WHOLE)
        others = {row["status"] for row in page.rows} - {status}
        if others:
            return differs(
                ONE,
                f"Asked for status={status}, {', '.join(sorted(others))} came too.",
                "The package filters the rows itself, at the cost of reading more of them.",
            )
    empty = [status for status, page in pages.items() if not page.came]
    if empty:
        return untold(ONE, f"of {' and '.join(empty)} there are none")
    return holds(ONE, f"So it is for {' and '.join(pages)}.")


def _requests(requests: bool, hidden: list[str], by_request: Page) -> Finding:
    lists = "status=request is no filter" if by_request.refused is not None else "status=request is answered"
    if by_request.refused is None and any(row["status"] != "request" for row in by_request.rows):
        lists = "status=request is ignored"
    if requests:
        return holds(REQUESTS, f"One came, so that lists_requests below is true; {lists}.")
    if "request" in hidden:
        return differs(REQUESTS, f"It leaves them out; {lists}.", "A plan reads the list by status=request too.")
    return untold(
        REQUESTS,
        f"none was seen; {lists}",
        "A selection of those fails until one was seen. Make a booking that needs approval and run this again, or set "
        "lists_requests where you know it.",
    )
