"""Whatever ways of listing a server has: the doctor names them, and what it writes makes a list whole or fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_jicoo.api.bookings import list_bookings
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import UnexpectedAnswerError
from airflow_provider_jicoo.doctor import examine, filters, pages, rows
from airflow_provider_jicoo.doctor.findings import Verdict
from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.sandbox.quirks import QUIRKS, listing, parse
from tests.conftest import NOW

NOT_HELD = {
    "order-ignored": {filters.ORDER, filters.REVERSE},
    "order-ignored=uid": {filters.ORDER, filters.REVERSE},
    "order-ignored=-startedAt": {filters.ORDER, filters.REVERSE},
    "sort-ignored": {filters.REVERSE},
    "sort-ignored=desc": {filters.ORDER, filters.REVERSE},
    "sort-reversed": {filters.ORDER, filters.REVERSE},
    "ties-shuffled": {filters.TIES},
    "start-exclusive": {filters.START},
    "end-exclusive": {filters.END},
    "end-means-start": {filters.END},
    "filter-ignored": {filters.START, filters.END},
    "filter-shifted": {filters.START, filters.END},
    "open-only": {filters.ALL, examine.READING},
    "no-cancelled": {filters.ALL},
    "future-only": {filters.PAST},
    "near-only": {filters.PAST, filters.AHEAD},
    "near-ends": {filters.PAST, filters.AHEAD},
    "span-limit": {examine.READING},
    "status-ignored": {filters.ONE},
    "list-leaves-out": {rows.FIELDS, rows.SINGLE},
    "list-cuts=description": {rows.SINGLE},
    "bad-rows": {rows.USABLE, examine.READING},
    "page-cap": {pages.SIZE, pages.TOLD},
    "page-cap=1": {pages.SIZE, pages.TOLD},
    "page-limit": {pages.SIZE},
    "page-limit=33": {pages.SIZE},
    "page-fixed": {pages.SIZE},
    "list-cap=70": {filters.CAP, examine.READING},
    "list-cap-told=70": {filters.CAP, pages.TOLD, examine.READING},
    "pages-from-zero": {pages.FIRST, pages.TOLD},
    "current-from-zero": {pages.TOLD},
    "no-totals": {pages.TOLD},
    "no-totals=totalCount": {pages.TOLD},
    "no-totals=numberOfPages": {pages.TOLD},
    "text-totals": {pages.TOLD},
    "lying-totals": {pages.TOLD},
    "lying-totals=count": {pages.TOLD},
    "lying-totals=totalCount": {pages.TOLD, examine.READING},
    "total-of-page": {pages.TOLD},
    "endless-pages": {pages.SEAMS, examine.READING},
    "last-page-again": {pages.BEHIND},
    "unpaged": set(),
    "unpaged=bookings": {pages.SIZE, pages.TOLD, pages.BEHIND},
}
"""By the quirk, what does not hold of the lists of bookings."""
NOT_SEEN = {
    "no-requests": {filters.REQUESTS},
    "cancelled-gone": {filters.ALL, filters.ONE},
    "request-filter": set(),
    "late-list": set(),
    "late-read": set(),
}
"""By the quirk, what reading alone cannot tell: the other list is not there to compare with."""
PAGE_SIZES = {"page-cap": 20, "page-cap=1": 1, "page-limit": 20, "page-limit=33": 30, "page-fixed": 20}


@pytest.fixture(scope="module")
def jicoo():
    """One sandbox for all: the doctor changes nothing."""
    with Sandbox(bookings=230, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(jicoo, request):
    """That sandbox, with the quirks that a test asks for."""
    before = jicoo.bookings()
    jicoo.quirks = getattr(request, "param", [])
    yield jicoo
    jicoo.quirks = []
    assert jicoo.bookings() == before


def with_quirks(*quirks):
    """Run a test with each of these quirks."""
    return pytest.mark.parametrize("sandbox", [[quirk] for quirk in quirks], indirect=True, ids=quirks)


def names(report, *verdicts, of=(examine.LISTS, examine.ROWS)):
    return {
        finding.name for section in of for finding in report.sections.get(section, []) if finding.verdict in verdicts
    }


def read(settings):
    """Read all bookings as a plan does; None where that fails loudly."""
    told = []
    with JicooClient(settings) as client:
        try:
            found = list(client.iterate(replace(list_bookings(order_by="createdAt"), any_order=True), warnings=told))
        except UnexpectedAnswerError:
            return None, told
    return sorted(row["uid"] for row in found), told


def test_each_quirk_of_listing_is_here():
    known = {kind.name() for kind in listing.QUIRKS}
    assert known == {type(parse(name)).name() for name in (*NOT_HELD, *NOT_SEEN)}
    assert known <= QUIRKS.keys()


def test_without_quirks_all_holds(sandbox, look_at):
    report = look_at(sandbox)
    looked_at = [
        finding for name in (examine.LISTS, examine.ROWS, examine.ENDPOINTS) for finding in report.sections[name]
    ]
    assert {finding.verdict for finding in looked_at} == {Verdict.HOLDS}
    assert report.can_be_lived_with
    assert report.extras == {
        "page_size": 100,
        "on_unproven": "fail",
        "lists_requests": True,
        "period_start_parameter": "periodStart",
        "period_end_parameter": "periodEnd",
    }
    assert report.requests < 80


@with_quirks(*NOT_HELD)
def test_what_does_not_hold_is_named(sandbox, look_at, settings_of):
    (quirk,) = sandbox.quirks
    report = look_at(sandbox)
    assert names(report, Verdict.DIFFERS, Verdict.FAILS) == NOT_HELD[quirk]
    assert report.requests < 300
    assert report.extras.get("page_size") == PAGE_SIZES.get(quirk, report.extras.get("page_size"))

    found, _ = read(settings_of(sandbox, **report.extras))

    assert found is None or found == sorted(row["uid"] for row in sandbox.bookings())
    # What the doctor says of the package's own reading is what becomes of it.
    assert (examine.READING in names(report, Verdict.FAILS)) is (found is None)
    assert report.can_be_lived_with is not bool(names(report, Verdict.FAILS, of=report.sections))


@with_quirks(*NOT_SEEN)
def test_what_cannot_be_told_is_said(sandbox, look_at):
    (quirk,) = sandbox.quirks
    report = look_at(sandbox)
    assert names(report, Verdict.UNTOLD) == NOT_SEEN[quirk]
    assert names(report, Verdict.DIFFERS, Verdict.FAILS) == set()


@with_quirks("no-requests")
def test_requests_that_no_list_has(sandbox, look_at, settings_of):
    report = look_at(sandbox)
    assert "lists_requests" not in report.extras
    assert read(settings_of(sandbox, **report.extras))[1] != []


@with_quirks("unpaged")
def test_other_lists_that_come_unpaged(sandbox, look_at):
    report = look_at(sandbox)
    assert len(names(report, Verdict.DIFFERS, of=[examine.ENDPOINTS])) == len(listing.LISTS) - 1
    assert report.can_be_lived_with


@with_quirks("endless-pages")
def test_other_lists_that_cannot_be_read(sandbox, look_at):
    report = look_at(sandbox)
    assert len(names(report, Verdict.FAILS, of=[examine.ENDPOINTS])) == len(listing.LISTS) - 1
    assert not report.can_be_lived_with


@with_quirks("drift=uid", "drift=userId")
def test_rows_that_cannot_be_used(sandbox, look_at):
    report = look_at(sandbox)
    assert names(report, Verdict.FAILS) == {rows.USABLE}
    assert not report.can_be_lived_with


@pytest.mark.parametrize(
    ("sandbox", "words"),
    [
        (["drift=timeZone"], "timezone"),
        (["no-nulls"], "description"),
        (["extra-fields"], "labels"),
        (["host-fields"], "email"),
        (["plain-times"], "startedAt"),
        (["offset-times"], "startedAt"),
    ],
    indirect=["sandbox"],
)
def test_rows_that_look_otherwise(sandbox, look_at, words):
    (finding,) = [each for each in look_at(sandbox).sections[examine.ROWS] if each.name == rows.FIELDS]
    assert finding.verdict is Verdict.DIFFERS
    assert words in finding.seen


@with_quirks("cancelled-word")
def test_a_status_that_is_not_documented(sandbox, look_at):
    assert names(look_at(sandbox), Verdict.DIFFERS) == {filters.ALL, filters.ONE}


@with_quirks("clock-ahead", "no-errors", "null-errors", "no-date")
def test_what_does_not_matter(sandbox, look_at):
    assert names(look_at(sandbox), Verdict.DIFFERS, Verdict.FAILS, Verdict.UNTOLD) == set()


def test_other_names_of_the_parameters_of_free_slots(sandbox, settings_of):
    wrong = settings_of(sandbox, period_start_parameter="from", period_end_parameter="to")
    report = examine.examine(wrong)
    assert report.extras["period_start_parameter"] == "periodStart"
    assert report.extras["period_end_parameter"] == "periodEnd"
