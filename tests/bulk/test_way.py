"""One change's way is a table. With ``JICOO_REDRAW=1`` the page in the docs is drawn anew from it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from airflow_provider_jicoo.bulk.apply.way import (
    ARROWS,
    END_OF,
    ENDS,
    MAY_HAVE_ARRIVED,
    Event,
    State,
    WayError,
    follow,
)
from airflow_provider_jicoo.bulk.outcomes import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "one-change.md"
BEGINNINGS = (State.PLANNED, State.LEFT_IN_DOUBT)
WAY = [state for state in State if state not in ENDS]


def reachable(*beginnings, without=()):
    """The states that can be reached, without some events."""
    found, left = set(), list(beginnings)
    while left:
        state = left.pop()
        if state not in found:
            found.add(state)
            left += [to for event, (to, _) in ARROWS.get(state, {}).items() if event not in without]
    return found


def test_every_state_can_be_reached_and_left():
    assert reachable(*BEGINNINGS) == set(State)
    assert ARROWS.keys() == set(WAY), "the ends are ends"
    for state in WAY:
        assert reachable(state) & ENDS, state


def test_nothing_leaves_that_is_not_announced_by_this_try():
    assert not reachable(*BEGINNINGS, without=[Event.ANNOUNCE]) & {State.SENT, State.SENT_AGAIN}


def test_nothing_leaves_that_was_not_read():
    assert not reachable(*BEGINNINGS, without=[Event.AS_PLANNED]) & {State.SENT, State.SENT_AGAIN}


def test_what_may_have_arrived_is_never_said_to_be_somebody_elses_doing():
    for state in MAY_HAVE_ARRIVED:
        assert not ARROWS[state].keys() & {Event.UNCHANGED, Event.STALE}, state


def test_what_cannot_have_arrived_is_never_said_to_be_made_nor_unknown():
    for state in set(WAY) - MAY_HAVE_ARRIVED:
        assert not ARROWS[state].keys() & {Event.APPLIED, Event.UNKNOWN}, state


def test_a_fault_of_the_engine_has_a_way_out_of_everywhere():
    for state in WAY:
        assert (Event.UNKNOWN if state in MAY_HAVE_ARRIVED else Event.FAILED) in ARROWS[state], state


def test_each_outcome_is_an_end_and_has_an_event():
    assert {state.value for state in ENDS} == {event.value for event in END_OF.values()} == set(Outcome)
    for arrows in ARROWS.values():
        for event, (to, _) in arrows.items():
            assert (to in ENDS) == (event in END_OF.values())
            assert to not in ENDS or to.value == event.value


@pytest.mark.parametrize("state", State)
def test_what_does_not_fit_is_refused(state):
    for event in Event:
        if event in ARROWS.get(state, {}):
            assert follow(state, event) is ARROWS[state][event][0]
        else:
            with pytest.raises(WayError) as error:
                follow(state, event)
            assert (error.value.state, error.value.event) == (state, event)


# --- the page --------------------------------------------------------------------------------------------------------


def picture():
    """The states before the ends, as Mermaid."""
    yield from ("```mermaid", "stateDiagram-v2", "    direction LR")
    for state in WAY:
        yield f'    state "{state.value}" as {state.name}'
    for state in BEGINNINGS:
        yield f"    [*] --> {state.name}"
    for state in WAY:
        for event, (to, _) in ARROWS[state].items():
            if to not in ENDS and to is not state:
                yield f"    {state.name} --> {to.name}: {event.value}"
    for state in WAY:
        if not any(to not in ENDS and to is not state for to, _ in ARROWS[state].values()):
            yield f"    {state.name} --> [*]"
    yield "```"


def ends():
    """Which state can end how."""
    yield "| | " + " | ".join(outcome.value for outcome in Outcome) + " |"
    yield "| --- |" + " :-: |" * len(Outcome)
    for state in WAY:
        cells = ["●" if END_OF[outcome] in ARROWS[state] else "" for outcome in Outcome]
        yield f"| {state.value} | " + " | ".join(cells) + " |"


def sentences():
    """Every arrow with its sentence."""
    for state in WAY:
        yield from ("", f"**{state.value}**", "", "| when | it becomes | |", "| --- | --- | --- |")
        for event, (to, why) in ARROWS[state].items():
            yield f"| {'' if to in ENDS else event.value} | {to.value} | {why} |"


def test_each_arrow_has_one_sentence():
    for arrows in ARROWS.values():
        for _, why in arrows.values():
            assert re.fullmatch(r"[A-Z][^.]*\.", why), why


@pytest.mark.parametrize("block", [picture, ends, sentences], ids=lambda block: block.__name__)
def test_the_page_shows_the_table(block):
    drawn = "\n".join(block())
    page = PAGE.read_text()
    whole = re.compile(rf"(<!-- {block.__name__} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if os.environ.get("JICOO_REDRAW"):
        PAGE.write_text(whole.sub(lambda found: f"{found[1]}{drawn}{found[2]}", page))
    assert f"<!-- {block.__name__} -->\n{drawn}\n<!-- end -->" in PAGE.read_text()
