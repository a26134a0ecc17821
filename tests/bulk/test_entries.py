"""What is known of each booking, packed: as a ``dict`` would have it."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as some

from airflow_provider_jicoo.bulk.entries import Entries
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome

STAMPS = some.none() | some.sampled_from(
    [
        "2026-09-01T03:16:44.342Z",
        "2026-09-01T03:16:44Z",
        "",
        "2026-09-01T03:16:44.342ｚ",
        "0000-00-00T00:00:00.000Z",
        "2026-09-01 03:16:44.342Z",
        "20260901031644342",
        "x" * 24,
    ]
)
ENTRIES = some.builds(
    Entry,
    some.none() | some.sampled_from(Outcome),
    STAMPS,
    some.sampled_from(["", "Jicoo refused it"]),
    some.none() | some.just({"name": "other"}),
    some.booleans(),
    some.integers(0, 300),
)
UIDS = some.sampled_from(["mzgdPJVBb7RE", "b", "", "ü", "\ud800", "a longer one than most"]) | some.text(max_size=3)
STEPS = some.lists(some.tuples(UIDS, some.none() | ENTRIES), max_size=60)


@given(STEPS)
def test_it_holds_what_a_dict_holds(steps):
    known, packed = {}, Entries()
    for uid, entry in steps:
        if entry is None:
            assert packed.pop(uid, None) == known.pop(uid, None)
        else:
            known[uid] = packed[uid] = entry
        assert packed.get(uid) == known.get(uid)
        assert (uid in packed) == (uid in known)
    assert len(packed) == len(known)
    assert dict(packed) == known
    assert bool(packed) == bool(known)


def test_many_are_told_apart_and_small():
    tracemalloc.start()
    packed = Entries()
    for number in range(20_000):
        packed[f"uid-{number:08d}"] = Entry(Outcome.APPLIED, f"2026-09-01T03:16:{number % 60:02d}.342Z", sends=1)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size / 20_000 < 60  # bytes; as objects in a dict, more than three times as many
    for number in (0, 7, 19_999):
        assert packed[f"uid-{number:08d}"].updated_at == f"2026-09-01T03:16:{number % 60:02d}.342Z"
    assert "uid-00020000" not in packed
    with pytest.raises(KeyError):
        del packed["uid-00020000"]
    del packed["uid-00000007"]
    assert len(packed) == 19_999
    assert packed.get("uid-00000007") is None


def test_what_is_read_is_a_copy():
    packed = Entries()
    for uid, detail in (("packed", ""), ("whole", "words")):
        packed[uid] = Entry(Outcome.FAILED, None, detail)
        packed[uid].sends = 7
        assert packed[uid].sends == 0
