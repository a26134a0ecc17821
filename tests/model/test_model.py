"""The protocol of an apply, searched whole: what holds, what does not, and that a fault in it would be found.

``docs/model.md`` names the figures and the traces; what it says is compared with what is found here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.model.protocol import (
    APPLIED_TRUE,
    FENCED_SILENT,
    INTENT_FIRST,
    MADE_ONCE,
    NOT_SILENT,
    PROPERTIES,
    REPORT_TRUE,
    Model,
    search,
)

DOCS = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
QUIET = frozenset({INTENT_FIRST, FENCED_SILENT, APPLIED_TRUE})
"""What holds of a quiet change whenever the server makes it."""
FINE_CLOCK = {"lease": 2, "timeout": 2, "grace": 2}

HOLDS = {
    "leave, 3 bookings, 2 workers, 2 crashes": Model(tries=2),
    "leave, 1 booking, 4 workers, 2 crashes": Model(bookings=1),
    "leave, 1 booking, 3 workers, 2 crashes, 1 stop": Model(bookings=1, tries=3, stops=1),
    "leave, 1 booking, 3 workers, 2 crashes, fine clock": Model(bookings=1, tries=3, **FINE_CLOCK),
    "again, 1 booking, 3 workers, 2 crashes": Model("again", bookings=1, tries=3),
    "again, 1 booking, 2 workers, 1 crash, 1 stop": Model("again", bookings=1, tries=2, crashes=1, stops=1),
    "again, 1 booking, 2 workers, 1 crash, fine clock": Model("again", bookings=1, tries=2, crashes=1, **FINE_CLOCK),
    "quiet, 1 booking, 3 workers, 1 crash": Model("quiet", bookings=1, tries=3, crashes=1, goals=QUIET),
}
COUNTEREXAMPLES = {
    "again, the server later than the grace": (Model("again", bookings=1, endless=True), MADE_ONCE),
    "quiet, the server later than the reading": (Model("quiet", bookings=1), MADE_ONCE),
    "quiet, the report": (Model("quiet", bookings=1, goals=frozenset({REPORT_TRUE})), REPORT_TRUE),
}
LEAVE = Model(bookings=2, tries=3)
FAULTS = {
    "no intent": (LEAVE, INTENT_FIRST),
    "no lease": (LEAVE, FENCED_SILENT),
    "no wait": (LEAVE, FENCED_SILENT),
    "journal not read again": (LEAVE, NOT_SILENT),
    "unknown is planned anew": (LEAVE, NOT_SILENT),
    "sends what is in doubt": (LEAVE, MADE_ONCE),
    "no doubt after a release": (Model("again", bookings=1, tries=3, stops=1), MADE_ONCE),
    "no timeout": (Model("again", bookings=1, tries=2, **FINE_CLOCK), MADE_ONCE),
}


def section(title: str) -> str:
    """Return what the docs say under a heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/model.md has no heading {title!r}"
    return found[1]


# The largest has a third of all states.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.proof if "3 bookings" in name else ()) for name in HOLDS]
)
def test_all_states_hold(name: str) -> None:
    found = search(HOLDS[name])

    assert not found.broken, "\n".join([found.broken, *found.trace])
    assert f"| {name} | {found.states:,} | {found.steps:,} | {found.depth} |" in DOCS


@pytest.mark.parametrize("name", COUNTEREXAMPLES)
def test_what_does_not_hold_is_documented(name: str) -> None:
    model, broken = COUNTEREXAMPLES[name]

    found = search(model)

    assert found.broken == broken
    told = re.findall(r"^\| \d+ \| (.*?) \|", section(name), re.MULTILINE)
    assert told == found.trace, "\n".join(f"| {number} | {step} |" for number, step in enumerate(found.trace, 1))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_protocol_is_found(fault: str) -> None:
    model, broken = FAULTS[fault]
    found = search(replace(model, faults=frozenset({fault})))

    print(f"{fault}: {found.broken}, after {found.states:,} states:", *found.trace, sep="\n  ")
    assert found.broken == broken
    assert f"| {fault} | {found.broken} | {found.states:,} | {len(found.trace)} |" in DOCS


def test_reports_are_true_where_the_server_is_never_late() -> None:
    found = search(Model("quiet", bookings=1, tries=3, prompt=True, goals=PROPERTIES - {MADE_ONCE}))

    assert not found.broken, "\n".join([found.broken, *found.trace])
