"""Whether the rows of the list are what the package takes them for."""

from __future__ import annotations

import re

from airflow_provider_jicoo.api.bookings import get_booking
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.doctor.findings import Finding, differs, fails, holds, untold
from airflow_provider_jicoo.doctor.look import UNANSWERED, Look, Page, status_of

USABLE = "Every row has what the package works with"
FIELDS = "A row has the documented fields, and no others"
SINGLE = "The list shows what the single booking shows"

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SINGLES = 3
NAMED_AT_MOST = 3


def look_at_rows(look: Look, seen: list[Page]) -> list[Finding]:
    """Look at the rows that came, and at some of these bookings by themselves."""
    look.tell("rows: their fields, and whether single bookings show the same")
    rows = {row["uid"]: row for page in seen for row in page.rows}
    return [_usable(seen), _fields(list(rows.values())), _single(look, list(rows.values()))]


def _usable(seen: list[Page]) -> Finding:
    broken = [text for page in seen for text in page.broken]
    came = sum(page.came for page in seen)
    if not broken:
        return holds(USABLE, f"{came:,} rows were looked at.")
    named = "; ".join(broken[:NAMED_AT_MOST])
    more = f"; and {len(broken) - NAMED_AT_MOST} more" if len(broken) > NAMED_AT_MOST else ""
    seen_text = f"Of {came:,} rows {len(broken)} cannot be used: {named}{more}."
    if len(broken) * 2 > came:
        return fails(USABLE, seen_text, "The package cannot work with such bookings.")
    return differs(USABLE, seen_text, "The package leaves such rows out and fails at the end of the list, naming each.")


def _fields(rows: list[Booking]) -> Finding:
    if not rows:
        return untold(FIELDS, "no row can be used")
    documented = set(Booking.__annotations__)
    missing = sorted({name for row in rows for name in documented - row.keys()} - {"url"})
    more = sorted({name for row in rows for name in row.keys() - documented})
    of_hosts = sorted({name for row in rows for host in row["hosts"] for name in host.keys() - {"userId", "role"}})
    unusual = sorted(
        {
            name
            for row in rows
            for name in ("startedAt", "endedAt", "createdAt", "updatedAt")
            if not _MOMENT.fullmatch(str(row.get(name)))
        }
    )
    said = [
        *([f"without {', '.join(missing)} in some"] if missing else []),
        *([f"with {', '.join(more)} beside them"] if more else []),
        *([f"hosts have {', '.join(of_hosts)} too"] if of_hosts else []),
        *([f"the times in {', '.join(unusual)} are not written as 2024-03-01T20:00:00.000Z"] if unusual else []),
    ]
    if not said:
        return holds(FIELDS, f"So it is in {len(rows):,} bookings.")
    return differs(FIELDS, f"{'; '.join(said)}.", "The package sends documented fields only, and reads such times.")


def _single(look: Look, rows: list[Booking]) -> Finding:
    if not rows:
        return untold(SINGLE, "no row can be used")
    some = [rows[0], rows[len(rows) // 2], rows[-1]][: min(SINGLES, len(rows))]
    different: set[str] = set()
    for row in some:
        try:
            single = look.client.send(get_booking(row["uid"]))
        except UNANSWERED as error:
            return differs(
                SINGLE,
                f"Booking {row['uid']} is in the list, and by itself {status_of(error)}.",
                "The package says so of each such booking, and changes the others.",
            )
        names = row.keys() | single.keys()
        different |= {name for name in names if row.get(name) != single.get(name)}
    if not different:
        return holds(SINGLE, f"Of {len(some)} bookings all fields are the same.")
    return differs(
        SINGLE,
        f"Of {len(some)} bookings {', '.join(sorted(different))} differ.",
        "Where the list lags, say reread='each' with a plan: each booking is then read by itself before it is changed.",
    )
