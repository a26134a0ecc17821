"""Whether a list comes on pages as the package assumes: numbers, sizes, seams, totals and the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_jicoo.api.errors import TransportError
from airflow_provider_jicoo.api.paging import count
from airflow_provider_jicoo.api.settings import PER_PAGE
from airflow_provider_jicoo.doctor.findings import Finding, differs, fails, holds, untold
from airflow_provider_jicoo.doctor.look import Look, Page, status_of

SMALLER = (PER_PAGE, 40, 30, 25, 20, 10, 5, 2, 1)
LARGER = (100, 200, 500, 1000)
FAR = 1 << 17
"""Number of a page that no list has."""
PAGE_AT_MOST = 200
"""More rows at once save little (100,000 bookings are 500 requests), and make an answer slow."""
TOTALS = ("totalCount", "count", "currentPage", "numberOfPages")
ITSELF = "The package finds that out by itself, at the cost of a few requests."

FIRST = "The first page is page 1"
SIZE = f"A page has as many rows as are asked for, {PER_PAGE} at least"
SEAMS = "Page 2 goes on where page 1 ends"
BEHIND = "Behind the last page there is nothing"
TOLD = "What a page tells of totals is true"


@dataclass
class Pages:
    """What was learnt of the pages.

    :param first: the first page, with as many rows as were to be had.
    :param size: the largest page that there is, or that was asked for.
    :param is_all: whether that page is the whole list.
    :param is_paged: whether a second page has other rows than the first.
    :param last: the last page; None where it was not found.
    :param number: its number.
    """

    first: Page
    size: int
    is_all: bool = False
    is_paged: bool = True
    last: Page | None = None
    number: int = 1

    @property
    def rows(self) -> int | None:
        """How many rows the list has, by what its pages have."""
        return None if self.last is None else (self.number - 1) * self.size + self.last.came


def look_at_pages(look: Look) -> tuple[Pages | None, list[Finding]]:
    """Return what the pages of the list of bookings are like; None where there is no page at all."""
    look.tell("pages: where they begin, and how many rows one has")
    first, refused = _accepted(look)
    if first.refused is not None:
        return None, [fails("The list of bookings can be read", status_of(first.refused))]
    first, finding = _first_page(look, first)
    findings = [finding]
    if not first.came:
        return None, [*findings, untold("The rest of the list of bookings", "there are no bookings")]
    pages, finding = _sizes(look, first, refused)
    findings.append(finding)
    look.tell("pages: whether they meet, and where they end")
    findings.append(_seams(look, pages))
    findings.append(_behind_the_end(look, pages))
    findings.append(_totals(pages))
    look.client.paging.size = min(pages.size, PAGE_AT_MOST)
    return pages, findings


def page_size(pages: Pages) -> int | None:
    """Return how many rows should be asked for at once; None where the account has too few to tell."""
    if pages.is_all and pages.first.asked >= PER_PAGE:
        return None
    return min(pages.size if not pages.is_all else pages.first.asked, PAGE_AT_MOST)


def _accepted(look: Look) -> tuple[Page, list[str]]:
    """Return the first page of the largest usual size that is not refused, and how larger ones were."""
    refused: list[str] = []
    for size in SMALLER:
        page = look.page(size=size)
        if page.refused is None or page.refused.status not in (400, 409, 413, 422):
            break
        refused.append(f"{size} rows at once are refused ({status_of(page.refused)})")
    return page, refused[-1:]


def _first_page(look: Look, first: Page) -> tuple[Page, Finding]:
    zero = look.page(0, first.asked)
    paging = look.client.paging
    if zero.came and not set(zero.uids).intersection(first.uids):
        paging.first, paging.first_is_known = 0, True
        return zero, differs(FIRST, "page=0 has rows that come before those of page=1.", ITSELF)
    if not first.came:
        return first, untold(FIRST, "there are no bookings")
    paging.first_is_known = True
    if zero.refused is not None:
        return first, holds(FIRST, f"page=0 is refused ({zero.refused.status}).")
    return first, holds(FIRST, "page=0 has nothing that page=1 has not.")


def _sizes(look: Look, first: Page, refused: list[str]) -> tuple[Pages, Finding]:
    """Find the largest page."""
    tried = [first]
    for size in LARGER if not refused else ():
        try:
            page = look.page(size=size)
        except TransportError as error:
            refused.append(f"{size:,} rows at once do not come ({error.summary})")
            break
        if page.refused is not None:
            refused.append(f"{size:,} rows at once are refused ({page.refused.status})")
            break
        tried.append(page)
    best = max(tried, key=lambda page: page.came)
    size = best.came
    more = look.page(2, size)
    pages = Pages(best, size, is_all=not (set(more.uids) - set(best.uids)) and not _is_broken_only(more))
    if pages.is_all and more.uids and set(more.uids) == set(best.uids) and (best.total or 0) > best.came:
        pages.is_all, pages.is_paged = False, False
    one = look.page(size=1) if size > 1 else best
    return pages, _of_sizes(pages, tried, one, refused)


def _is_broken_only(page: Page) -> bool:
    return bool(page.broken) and not page.rows


def _of_sizes(pages: Pages, tried: list[Page], one: Page, refused: list[str]) -> Finding:
    size = pages.size
    asked = f"{tried[0].asked} asked for: {tried[0].came} came"
    most = f"{asked}; the largest page has {size:,}" + (", which is the whole list." if pages.is_all else ".")
    told = " ".join([most, *(f"{text}." for text in refused)])
    if one.came > 1:
        return differs(SIZE, f"One row asked for: {one.came} came, as many as always.", ITSELF)
    if tried[0].asked < PER_PAGE:
        return differs(SIZE, told, f"{ITSELF} To save them, page_size below says how many to ask for.")
    if tried[0].came < PER_PAGE and not pages.is_all:
        return differs(SIZE, told, f"{ITSELF} To save them, page_size below says how many to ask for.")
    return holds(SIZE, told)


def _seams(look: Look, pages: Pages) -> Finding:
    if not pages.is_paged:
        return fails(SEAMS, "Page 2 has the rows of page 1 again.", "Nothing behind the first page can be read.")
    half = pages.size // 2
    if pages.is_all and pages.size < 2:
        return untold(SEAMS, "there is one booking only")
    if half < 1:
        return holds(SEAMS, "Page 2 has another row than page 1.")
    one, two = look.page(1, half), look.page(2, half)
    if one.came != half:  # it gives as many as it likes: the page behind tells
        return holds(SEAMS, f"Page 2 has other rows than page 1, {pages.size} on each.")
    parts = Page(half, rows=[*one.rows, *two.rows])
    whole = Page(pages.size, rows=pages.first.rows[: len(parts.rows)])
    # Equal ones may come in another order each time: that is looked at by itself.
    if parts.uids == whole.uids or parts.column("startedAt") == whole.column("startedAt"):
        return holds(SEAMS, f"Two pages of {half} have what one of {2 * half} has, in its order.")
    if two.uids and two.uids == one.uids:
        pages.is_paged = False
        return fails(SEAMS, "Page 2 has the rows of page 1 again.", "Nothing behind the first page can be read.")
    return differs(
        SEAMS,
        f"Two pages of {half} have not what one of {2 * half} has, in its order.",
        "The package reads a list again that moves, up to five times, and says so where it cannot read it whole.",
    )


# --- the end ----------------------------------------------------------------------------------------------------------


def _behind_the_end(look: Look, pages: Pages) -> Finding:
    """Find the last page, and what comes behind it."""
    if not pages.is_paged:
        return untold(BEHIND, "page 2 has the rows of page 1 again")
    far = look.page(FAR, pages.size)
    again = bool(far.came)

    def is_behind(number: int) -> tuple[bool, Page]:
        page = look.page(number, pages.size)
        return (page.came == 0 or (again and page.uids == far.uids)), page

    pages.number, pages.last = _last(is_behind, pages, far if again else None)
    if again:
        return differs(BEHIND, "Behind it, the last page comes again.", ITSELF)
    what = "an empty page" if far.refused is None else f"a refusal ({far.refused.status})"
    return holds(BEHIND, f"Far behind it comes {what}.")


def _last(is_behind: Callable[[int], tuple[bool, Page]], pages: Pages, again: Page | None) -> tuple[int, Page]:
    """Find the last page between one that has rows and one that has none; the totals say where to look first."""
    low, last, high = 1, pages.first, FAR
    guess = max(2, math.ceil((pages.first.total or 0) / pages.size))
    # First where the totals say it is, and behind it; then between, or ever further.
    for number in (guess, guess + 1):
        if low < number < high:
            behind, page = is_behind(number)
            low, last, high = (low, last, number) if behind else (number, page, high)
    while high - low > 1:
        number = min(2 * low, (low + high) // 2)
        behind, page = is_behind(number)
        low, last, high = (low, last, number) if behind else (number, page, high)
    if again is not None and again.uids != last.uids:
        return high, again
    return low, last


def _totals(pages: Pages) -> Finding:
    first, rows = pages.first, pages.rows
    told = {name: count(first.told.get(name)) for name in TOTALS}
    missing = [name for name, value in told.items() if value is None]
    texts = [name for name in TOTALS if isinstance(first.told.get(name), str)]
    wrong = [f"there is no {name}" for name in missing]
    wrong += [f"{name} is a text" for name in texts]
    if rows is not None:
        number = math.ceil(rows / pages.size)
        wrong += _wrong(
            told,
            totalCount=(rows, "rows are on the pages"),
            count=(first.came, "came"),
            numberOfPages=(number, f"pages there are, of {pages.size}"),
        )
    if pages.last is not None and pages.last is not first:
        wrong += _wrong(
            {"count": count(pages.last.told.get("count"))}, count=(pages.last.came, "came on the last page")
        )
    wrong += _wrong(told, currentPage=(1, "was asked for"))
    if not wrong:
        return holds(TOLD, f"There are {rows:,} bookings, as totalCount says." if rows is not None else "As it says.")
    return differs(
        TOLD,
        f"Of pages of {first.asked:,}: {'; '.join(wrong)}.",
        "The package counts the rows itself; where a total promises more rows than come, it says so and fails.",
    )


def _wrong(told: dict[str, int | None], **true: tuple[int, str]) -> list[str]:
    return [
        f"{name} is {told[name]:,}, but {value:,} {words}"
        for name, (value, words) in true.items()
        if told[name] is not None and told[name] != value
    ]
