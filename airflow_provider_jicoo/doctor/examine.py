"""The examination: one look after the other, and what the connection should say."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.bookings import get_booking, list_bookings
from airflow_provider_jicoo.api.errors import PermissionDeniedError, UnexpectedAnswerError
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.doctor.endpoints import Endpoints
from airflow_provider_jicoo.doctor.filters import look_at_order, look_at_statuses, look_at_window
from airflow_provider_jicoo.doctor.findings import Finding, Report, differs, fails, holds, untold
from airflow_provider_jicoo.doctor.look import Enough, Look, RequestLog, WatchedClient, status_of
from airflow_provider_jicoo.doctor.pages import Pages, look_at_pages, page_size
from airflow_provider_jicoo.doctor.rows import look_at_rows
from airflow_provider_jicoo.doctor.writing import check_untried, try_booking

LISTS, ROWS, ENDPOINTS, ANSWERS, WRITING = "Lists of bookings", "Bookings", "Endpoints", "Answers", "Writing"
READING = "The package reads the bookings whole, with the extras below"
READABLE = "The key may read the list of bookings"
IN_TIME = "Answers come in time"
READING_AT_MOST = 60
"""How many requests the package's own reading may take."""
ATTEMPTS = 4
"""How often a request is sent at the most: a server that fails at a question is an answer too."""


def examine(
    settings: Settings, *, try_booking_uid: str | None = None, tell: Callable[[str], None] = lambda text: None
) -> Report:
    """Look at an account, and say which of the package's assumptions hold for it.

    It changes nothing, but for the description of ``try_booking_uid``, which is put back.

    :param settings: key and address.
    :param try_booking_uid: a booking whose description may be changed there and back, without messaging anybody.
    :param tell: is told what is looked at now.
    :raises InvalidRequestError: ``try_booking_uid`` is no booking's id, or an earlier examination has not put its
        description back.
    :raises NotFoundError: there is no such booking; nothing was changed.
    :raises RequestError: the key is refused, there is no connection, or a rate limit does not let anything through.
    :raises RestoreError: the examination was ended while the description was another, and it could not be put back.
    """
    begin = time.monotonic()
    watch = RequestLog()
    report = Report(settings.base_url)
    client = WatchedClient(settings, policy=RetryPolicy(attempts=ATTEMPTS), watch=watch)
    with client:
        if try_booking_uid is not None:
            # What cannot be tried is better known at once.
            booking = client.send(get_booking(try_booking_uid))
            check_untried(try_booking_uid, booking)
        look = Look(client, tell)
        rows = _look_at_bookings(look, settings, report)
        endpoints = Endpoints(look)
        endpoints.know_host(rows)
        endpoints.ask_all(rows[0]["uid"] if rows else None)
        report.sections[ENDPOINTS] = endpoints.findings
        if endpoints.period is not None:
            report.extras["period_start_parameter"], report.extras["period_end_parameter"] = endpoints.period
        if try_booking_uid is not None:
            tried = try_booking(look, try_booking_uid)
            report.sections[WRITING], report.lost = tried.findings, tried.lost
            if tried.seconds * 4 > settings.server_grace:
                report.extras["server_grace"] = round(tried.seconds * 4)
    report.sections[ANSWERS] = [_in_time(watch, settings, report.extras), _limit(watch)]
    report.requests, report.seconds = len(watch.seconds), time.monotonic() - begin
    return report


def _look_at_bookings(look: Look, settings: Settings, report: Report) -> list[Any]:
    """Look at the list of bookings, and return some of them."""
    try:
        pages, report.sections[LISTS] = look_at_pages(look)
    except PermissionDeniedError as error:
        advice = "Give the key the permission in Jicoo's dashboard, or make another one."
        report.sections[LISTS] = [fails(READABLE, status_of(error), advice)]
        return []
    if pages is None:
        return []
    findings = report.sections[LISTS]
    if not pages.first.rows:
        report.sections[ROWS] = look_at_rows(look, [pages.first])
        return []
    ends, more = look_at_order(look, pages)
    findings += more
    findings += look_at_window(look, pages)
    seen = [pages.first, *ends, *([pages.last] if pages.last else [])]
    lists_requests, more = look_at_statuses(look, seen)
    findings += more
    report.sections[ROWS] = look_at_rows(look, seen)
    size = page_size(pages)
    report.extras |= {"page_size": size} if size else {}
    report.extras["on_unproven"] = "fail"
    report.extras |= {"lists_requests": True} if lists_requests else {}
    proposed = replace(settings, page_size=size or settings.page_size, lists_requests=lists_requests)
    findings.append(_reading(look, proposed, pages))
    return [row for page in seen for row in page.rows]


def _reading(look: Look, proposed: Settings, pages: Pages) -> Finding:
    """Read the bookings with the package's own proofs, as a plan does; of many a window only."""
    look.tell("the package's own reading, with its proofs")
    listing: BookingListing = replace(list_bookings(order_by="createdAt"), any_order=True)
    what = "All"
    few = (pages.rows or 0) <= pages.size * READING_AT_MOST // 4
    if not few and pages.first.rows:
        start = times.moment(pages.first.rows[len(pages.first.rows) // 2]["startedAt"])
        listing = replace(list_bookings(started_at=start), any_order=True, before=start + timedelta(days=1))
        what = f"Those of a day from {times.wire(start)}"
    watch = look.client.watch
    warnings: list[str] = []
    watch.left = READING_AT_MOST
    with WatchedClient(proposed, policy=RetryPolicy(attempts=ATTEMPTS), watch=watch) as client:
        try:
            rows = sum(1 for _ in client.iterate(listing, on_unproven="warn", warnings=warnings))
        except Enough:
            return untold(READING, f"{what.lower()} take more than {READING_AT_MOST} requests")
        except UnexpectedAnswerError as error:
            return fails(READING, error.summary)
        finally:
            watch.left = None
    doubts = [text for text in warnings if not _is_note(text)]
    broken = [text for text in doubts if text.startswith("Row that cannot be used")]
    if doubts:
        others = [text for text in doubts if text not in broken]
        said = [*others[:1], *([f"{len(broken)} rows or more cannot be used: see below."] if broken else [])]
        return fails(READING, " ".join(said), "A plan fails, unless it says on_unproven='warn'.")
    return holds(READING, f"{what}: {rows:,}, and nothing speaks against that being all. {' '.join(warnings)}".rstrip())


def _is_note(text: str) -> bool:
    return text.endswith("those of the other statuses are all there.")


# --- answers ----------------------------------------------------------------------------------------------------------


def _in_time(watch: RequestLog, settings: Settings, extras: dict[str, Any]) -> Finding:
    median, worst = statistics.median(watch.seconds), max(watch.seconds)
    seen = f"Of {len(watch.seconds)} the median took {median:.2f} s, the slowest {worst:.2f} s."
    if worst * 2 <= settings.timeout:
        return holds(IN_TIME, seen)
    extras["timeout"] = math.ceil(worst * 3)
    return differs(IN_TIME, seen, f"The timeout is {settings.timeout:g} s: see timeout below.")


def _limit(watch: RequestLog) -> Finding:
    name = "A rate limit is told"
    headers = ", ".join(f"{name}: {value}" for name, value in sorted(watch.headers.items()))
    refused = f"{watch.limited} of the answers had status 429" if watch.limited else "no answer had status 429"
    if headers:
        return holds(name, f"Headers: {headers}; {refused}.")
    return untold(name, f"no header names one, and {refused}", "A bulk change learns the pace by itself.")
