"""A cursor in small texts: whoever is killed while it is written leaves the one before."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.events import parts
from airflow_provider_jicoo.events.parts import CursorLostError, Get, load, pack, save


def run(steps, texts, *, writes=None):
    """Take the steps of a generator; after so many writes the process is killed."""
    came = None
    while True:
        try:
            step = steps.send(came)
        except StopIteration as end:
            return end.value
        if isinstance(step, Get):
            came = texts.get(step.name)
        else:
            if writes == 0:
                return None
            writes = None if writes is None else writes - 1
            assert len(step.text) <= parts.PART + 200
            texts[step.name] = step.text
            came = None


def cursor(count, seed=0):
    dice = random.Random(seed)
    entries = {f"{dice.getrandbits(72):018x}": f"open {dice.getrandbits(40):010x}" for _ in range(count)}
    return {"since": "2026-03-01T12:00:00+00:00", "entries": entries}


def test_there_is_none():
    assert run(load("a"), {}) is None


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20)), st.integers(1, 200))
def test_what_is_written_is_read(entries, size):
    texts = {}
    wanted = {"since": "now", "entries": entries}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART", size)
        run(save("a", pack(wanted)), texts)
    assert run(load("a"), texts) == wanted


@pytest.mark.parametrize("before", [0, 3, 40])
def test_a_kill_at_any_write_leaves_the_one_before(monkeypatch, before):
    monkeypatch.setattr(parts, "PART", 400)
    old, new = cursor(before, 1), cursor(120, 2)
    texts = {}
    run(save("a", pack(old)), texts)
    for writes in range(100):
        killed = dict(texts)
        run(save("a", pack(new)), killed, writes=writes)
        found = run(load("a"), killed)
        if found == new:
            assert writes > 5
            break
        assert found == old
        # And the next one goes on from there.
        run(save("a", pack(new)), killed)
        assert run(load("a"), killed) == new
    else:
        pytest.fail("it was never written")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"version": 2, "data": ""}',
        '{"version": 1, "data": "%%%"}',
        '{"version": 1, "data": "00"}',
    ],
)
def test_what_is_no_cursor(stored):
    with pytest.raises(CursorLostError):
        run(load("a"), {"a": stored})


def test_a_part_that_is_missing(monkeypatch):
    monkeypatch.setattr(parts, "PART", 400)
    texts = {}
    run(save("a", pack(cursor(60))), texts)
    parts_of = json.loads(texts["a"])["parts"]
    assert parts_of > 3
    del texts["a.a.1"]
    with pytest.raises(CursorLostError, match="a part of the stored cursor is missing"):
        run(load("a"), texts)
    run(save("a", pack(cursor(3))), texts)
    assert run(load("a"), texts) == cursor(3)
