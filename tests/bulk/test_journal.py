"""What the journal tells the next try: what is known, what is in doubt, and whether somebody else is at it."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.bulk.apply.change import Change
from airflow_provider_jicoo.bulk.apply.journal import History, Journal, history, outcome_line
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.way import Event
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.bulk.journal_files import journal_of
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlannedChange


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "plan.jsonl.0123456789ab.journal"


def claimed(folder, lease=5.0):
    journal = Journal(folder, lease)
    journal.claim(history(folder))
    return journal


def done(uid, outcome="applied", **more):
    return {"uid": uid, "outcome": outcome, **more}


def known(folder):
    return {uid: entry.outcome and entry.outcome.value for uid, entry in history(folder).entries.items()}


# --- where it is -----------------------------------------------------------------------------------------------------


def test_another_plan_at_the_same_path_has_another_journal(tmp_path):
    one, other = (journal_of(tmp_path / "plan.jsonl", digit * 64) for digit in "ab")
    assert one.parent == other.parent == tmp_path
    assert one.name == "plan.jsonl.aaaaaaaaaaaa.journal"
    assert one != other


def segment(folder, claim, number):
    """The path of a segment."""
    (found,) = folder.glob(f"{claim:06d}-*-{number:06d}.jsonl")
    return found


def test_nothing_was_tried_yet(folder):
    assert history(folder) == History({}, 0, True)
    assert not folder.exists()


# --- what is known ---------------------------------------------------------------------------------------------------


def test_an_intent_is_in_doubt_until_its_outcome(folder):
    journal = claimed(folder)
    journal.write([], ["a", "b"])
    assert known(folder) == {"a": None, "b": None}
    journal.write([done("a", updatedAt="2026-09-01T00:00:00.000Z", detail="why")], ["c"])
    assert history(folder).entries == {
        "a": Entry(Outcome.APPLIED, "2026-09-01T00:00:00.000Z", "why"),
        "b": Entry(sends=1),
        "c": Entry(sends=1),
    }


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.NOT_ATTEMPTED])
def test_every_outcome_is_read_as_written(folder, outcome):
    claimed(folder).write([done("a", outcome.value)], [])
    assert known(folder) == {"a": outcome.value}


def test_what_was_never_sent_is_not_in_doubt(folder):
    journal = claimed(folder)
    journal.write([], ["a", "b"])
    journal.write([{"uid": "a", "outcome": None}], [])
    assert known(folder) == {"b": None}
    journal.write([{"uid": "never announced", "outcome": None}], [])
    assert known(folder) == {"b": None}


def test_it_is_in_doubt_again_when_it_is_announced_again(folder):
    journal = claimed(folder)
    journal.write([], ["a"])
    journal.write([{"uid": "a", "outcome": None}], ["a"])
    assert known(folder) == {"a": None}


def test_each_intent_may_be_one_more_sending(folder):
    first = claimed(folder)
    first.write([], ["a", "b", "c"])
    first.write([done("b", "failed", sends=1), {"uid": "c", "outcome": None}], [])
    first.write([], ["a", "b", "c"])
    claimed(folder).write([], ["a"])
    assert {uid: entry.sends for uid, entry in history(folder).entries.items()} == {"a": 3, "b": 2, "c": 1}


def test_an_intent_that_was_withdrawn_does_not_count_though_an_earlier_one_may_have_been_sent(folder):
    claimed(folder).write([], ["a"])

    async def announce_and_withdraw():
        journal = claimed(folder)
        ledger = Ledger(journal, asyncio.to_thread, history(folder).entries, ())
        planned = PlannedChange("a", "update", {}, {"priority": "high"}, "u", "s", "e")
        change = Change(planned, messages=False, doubt=ledger.entries["a"])
        change.happens(Event.AS_PLANNED)
        await ledger.announce([change])
        assert history(folder).entries["a"].sends == 2, "it may be killed now"
        ledger.record(change, change.withheld())
        await ledger.flush()

    asyncio.run(announce_and_withdraw())

    entry = history(folder).entries["a"]
    assert (entry.outcome, entry.sends) == (Outcome.UNKNOWN, 1)


def test_later_words_go_before_earlier_ones(folder):
    first = claimed(folder)
    first.write([], ["a", "b"])
    first.write([done("a", "failed"), done("b", "unknown")], [])
    second = claimed(folder)
    second.write([done("b", "applied")], ["a"])
    assert known(folder) == {"a": None, "b": "applied"}
    second.write([done("a")], [])
    assert known(folder) == {"a": "applied", "b": "applied"}


def test_more_segments_than_digits_of_the_first(folder):
    journal = claimed(folder)
    for number in range(12):
        journal.write([done("a", "failed", detail=str(number))], [])
    assert history(folder).entries["a"].detail == "11"


def test_nothing_to_say_writes_nothing(folder):
    journal = claimed(folder)
    journal.write([], [])
    assert sorted(path.name.split("-")[0] for path in folder.iterdir()) == ["claim", "taken"]


def test_texts_of_any_kind(folder):
    detail = 'Jicoo said "{\n}"\u2028 \x85 名前 \\ {"end":true}'
    claimed(folder).write([done("a", "rejected", detail=detail), done("b")], ["c"])
    assert history(folder).entries["a"].detail == detail
    assert known(folder) == {"a": "rejected", "b": "applied", "c": None}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_history_reads_as_it_was_written(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("journals") / "one"
    uids = st.sampled_from("abcde")
    model = {}
    for _ in range(data.draw(st.integers(1, 3))):
        journal = claimed(folder)
        for _ in range(data.draw(st.integers(0, 4))):
            outcomes = data.draw(st.lists(st.tuples(uids, st.none() | st.sampled_from(["applied", "failed", "stale"]))))
            intents = data.draw(st.lists(uids, unique=True))
            journal.write([done(uid, outcome) for uid, outcome in outcomes], intents)
            for uid, outcome in outcomes:
                if outcome is None:
                    model.pop(uid, None)
                else:
                    model[uid] = outcome
            model |= dict.fromkeys(intents)
    assert known(folder) == model


# --- a worker that was killed while it wrote -------------------------------------------------------------------------


def test_a_torn_segment_counts_for_nothing(folder):
    journal = claimed(folder)
    journal.write([done("a")], ["b"])
    journal.write([done("b", "rejected", detail="no")], ["c"])
    last = segment(folder, 1, 2)
    whole = last.read_bytes()
    for end in range(len(whole) - 1):  # without its last line break it is whole
        last.write_bytes(whole[:end])
        assert known(folder) == {"a": "applied", "b": None}, whole[:end]
    last.write_bytes(whole)
    assert known(folder) == {"a": "applied", "b": "rejected", "c": None}


def test_an_empty_or_torn_claim_is_a_claim(folder):
    claimed(folder, lease=3.0)
    (claim,) = folder.glob("claim-*")
    whole = claim.read_bytes()
    for content in (whole[:end] for end in range(len(whole))):
        claim.write_bytes(content)
        journal = Journal(folder, 0.5)
        found = history(folder)
        assert (found.claims, found.released) == (1, False)
        journal.claim(found)
        assert journal.lease_before == 0.5, "its own lease where nothing better is known"
        for path in (*folder.glob("claim-000002-*"), *folder.glob("taken-000002*")):
            path.unlink()


# --- several workers -------------------------------------------------------------------------------------------------


def test_a_later_claim_fences_off_the_earlier_one(folder):
    first = claimed(folder, lease=7.0)
    assert first.mine()
    assert first.lease_before == 0.0
    second = claimed(folder, lease=1.0)
    assert not first.mine()
    assert second.mine()
    assert second.lease_before == 7.0


def test_who_has_released_it_need_not_be_waited_for(folder):
    first = claimed(folder)
    assert not history(folder).released
    first.release()
    assert history(folder).released
    assert claimed(folder).lease_before == 0.0
    assert not history(folder).released, "that was the earlier one's word"


def test_the_longest_lease_before_counts(folder):
    claimed(folder, lease=2.0)
    claimed(folder, lease=9.0)
    claimed(folder, lease=3.0).release()
    assert claimed(folder, lease=1.0).lease_before == 9.0


def test_of_two_at_once_one_at_the_most_goes_on(folder):
    found = history(folder)
    first, second = Journal(folder, 5.0), Journal(folder, 5.0)
    first.claim(found)
    with pytest.raises(StoppedError, match="another worker"):
        second.claim(found)


def test_of_many_at_once_one_at_the_most_goes_on(folder):
    for _ in range(20):
        found = history(folder)
        ready = threading.Barrier(4)
        journals, won = [Journal(folder, 5.0) for _ in range(4)], []

        def claim(journal, found=found, ready=ready, won=won):
            ready.wait()
            try:
                journal.claim(found)
                won.append(journal)
            except StoppedError:
                pass

        threads = [threading.Thread(target=claim, args=(journal,)) for journal in journals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) <= 1


def test_each_claim_writes_segments_of_its_own(folder):
    for number in (1, 2):
        journal = claimed(folder)
        journal.write([], ["a"])
        assert segment(folder, number, 1).exists()
        assert history(folder).claims == number


def test_a_journal_that_was_never_claimed_is_nobodys(folder):
    claimed(folder)
    assert not Journal(folder, 5.0).mine()


def test_what_is_written_is_whole_lines_of_json(folder):
    claimed(folder).write([done("a")], ["b"])
    lines = segment(folder, 1, 1).read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == [done("a"), {"intent": ["b"]}, {"end": True}]
    assert lines[-1] == b""


def test_of_two_with_one_number_each_gives_up_at_a_later_look(folder):
    """Their listings lagged at the moment of the claim: neither has seen the other."""
    first, second = Journal(folder, 5.0), Journal(folder, 5.0)
    first.claim(history(folder))
    second._number = 1
    (folder / second._name).write_bytes(b"{}")
    assert not first.mine()
    assert not second.mine()
    later = claimed(folder)
    assert later.mine()


class Lagging:
    """A folder whose listing lags behind its files for ever."""

    def __init__(self, path):
        self._path = path

    def __getattr__(self, name):
        return getattr(self._path, name)

    def __truediv__(self, part):
        return self._path / part

    def exists(self):
        return True

    def iterdir(self):
        return iter(())


def test_a_listing_that_lags_hides_no_later_claim(folder):
    """What is asked for by its name is there at once, on S3 as on a disk."""
    folder.mkdir()
    first, second = Journal(Lagging(folder), 5.0), Journal(Lagging(folder), 5.0)
    first.claim(History())
    assert first.mine()
    with pytest.raises(StoppedError, match="another worker"):
        second.claim(History())
    third = Journal(Lagging(folder), 5.0)
    third.claim(History(claims=1))
    assert third.mine()
    assert not first.mine()


# --- damage ----------------------------------------------------------------------------------------------------------


def three_segments(folder, *, released=False):
    journal = claimed(folder)
    journal.write([], ["a", "b"])
    journal.write([done("a")], ["c"])
    journal.write([done("b")], [])
    if released:
        journal.release()
    return journal


def test_a_foreign_file_is_left_alone(folder):
    three_segments(folder)
    for name in ("claim-000001-copy of it.json", "claim-000009 copy.json", "000001-000009.jsonl", "notes.txt", ".tmp"):
        (folder / name).write_text("whatever")
    found = history(folder)
    assert (found.claims, found.damage) == (1, [])
    assert known(folder) == {"a": "applied", "b": "applied", "c": None}
    assert claimed(folder).mine()


@pytest.mark.parametrize("number", [1, 2])
def test_a_hole_in_the_numbering_is_damage(folder, number):
    three_segments(folder)
    segment(folder, 1, number).unlink()
    (damage,) = history(folder).damage
    assert f"-{number:06d}.jsonl is missing" in damage


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b'{"uid": 7}\n{"end":true}\n', b'[1]\n{"end":true}\n', b"\xff\xfe", b"\0" * 64),
        *(b'{"uid":"a","outcome":["applied"]}\n{"end":true}\n', b"[" * 100_000 + b'\n{"end":true}\n'),
        b'{"uid":"a","outcome":"applied","sends":"twice"}\n{"end":true}\n',
        b'{"uid":"a","outcome":"applied","stored":7}\n{"end":true}\n',
    ],
)
def test_a_segment_that_cannot_be_read_is_damage(folder, content):
    three_segments(folder)
    segment(folder, 1, 2).write_bytes(content)
    (damage,) = history(folder).damage
    assert "000002.jsonl cannot be read" in damage
    assert known(folder)["b"] == "applied", "the others are read"


def test_the_last_segment_of_a_worker_that_was_done_is_missed_too(folder):
    three_segments(folder, released=True)
    assert history(folder).damage == []
    segment(folder, 1, 3).unlink()
    (damage,) = history(folder).damage
    assert "000003.jsonl is missing" in damage


def test_all_segments_of_a_worker_that_was_done_are_missed(folder):
    three_segments(folder, released=True)
    for number in (1, 2, 3):
        segment(folder, 1, number).unlink()
    assert len(history(folder).damage) == 3


def test_a_claim_that_is_gone_is_damage(folder):
    claimed(folder)
    claimed(folder)
    for path in folder.glob("claim-000001-*"):
        path.unlink()
    assert history(folder).damage == ["the claim 000001 is missing"]


@pytest.mark.parametrize("left", ["released", "stopped", "segment"])
def test_any_file_of_a_claim_tells_that_there_was_one(folder, left):
    journal = three_segments(folder, released=left == "released")
    if left == "stopped":
        journal.note_stop("dag, run, task")
    for path in folder.iterdir():
        if not path.name.startswith({"segment": "0"}.get(left, left)):
            path.unlink()
    found = history(folder)
    assert found.claims == 1
    assert bool(found.damage) == (left == "released"), "whatever else is left may be of a worker that just begins"
    claimed(folder)
    assert (folder / "taken-000002.json").exists()
    assert bool(history(folder).damage) == (left != "segment")


def test_what_jicoo_stored_is_kept(folder):
    entry = Entry(Outcome.APPLIED, "2026-09-01T00:00:00.000Z", "", {"name": "A b"}, True, 2)
    claimed(folder).write([outcome_line("a", entry)], [])
    assert history(folder).entries == {"a": entry}


def test_a_stop_is_remembered_until_the_next_claim(folder):
    claimed(folder).note_stop("dag, run, task")
    assert history(folder).stopped_by == "dag, run, task"
    claimed(folder)
    assert history(folder).stopped_by == ""
