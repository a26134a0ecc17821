"""A plan says all that will be sent, refuses what cannot be kept, and is used only where it is what was agreed to."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import InvalidRequestError, NotFoundError
from airflow_provider_jicoo.api.written import reflects_exactly
from airflow_provider_jicoo.bulk import (
    Cancel,
    ReplaceHost,
    Reschedule,
    Selection,
    ShiftTime,
    UpdateFields,
    apply_plan,
    plan_changes,
    plan_undo,
)
from airflow_provider_jicoo.bulk.errors import PlanError, PlanLimitError, PlanMismatchError
from airflow_provider_jicoo.bulk.plan import PlanFile, read_header
from airflow_provider_jicoo.bulk.plan.seen import fingerprint
from airflow_provider_jicoo.bulk.plan.tally import SAMPLE
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import NOW, connect, quick, read_plan

EVERYTHING = Selection()
LOUD = UpdateFields(priority="high")


@pytest.fixture
def sandbox(server):
    server.reset(bookings=70, seed=3)
    return server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plan.jsonl"


def plan(jicoo, path, change=LOUD, selection=EVERYTHING, said=False, **more):
    return plan_changes(jicoo, selection, change, path, is_send_updates=said, **more)


def far(booking):
    """A slot years from now, which is free."""
    return Reschedule(times.moment(booking["startedAt"]) + timedelta(days=3640))


def nothing_happened(sandbox, folder):
    assert sandbox.count() == sandbox.count("GET")
    assert sandbox.messages == []
    assert list(folder.iterdir()) == []


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_a_line_says_what_is_and_what_will_be(sandbox, jicoo, path):
    manifest = plan(jicoo, path, UpdateFields(priority="high", time_zone="Asia/Tokyo")).manifest
    header, lines = read_plan(path)
    wanted = [row for row in sandbox.bookings() if (row["priority"], row["timeZone"]) != ("high", "Asia/Tokyo")]
    assert {line["uid"] for line in lines} == {row["uid"] for row in wanted}
    for line in lines:
        row = sandbox.booking(line["uid"])
        assert line == {
            "uid": row["uid"],
            "action": "update",
            "before": {"priority": row["priority"], "timeZone": row["timeZone"]},
            "after": {"priority": "high", "timeZone": "Asia/Tokyo"},
            "updatedAt": row["updatedAt"],
            "startedAt": row["startedAt"],
            "endedAt": row["endedAt"],
            "status": row["status"],
            "seen": fingerprint(row),
            "timeZone": row["timeZone"],
        }
    assert [line["startedAt"] for line in lines] == sorted(line["startedAt"] for line in lines)
    assert header["changes"] == manifest["changes"] == len(wanted) > 0
    assert header["unchanged"] == manifest["unchanged"] == 70 - len(wanted) > 0
    assert header["guests_notified"] == manifest["guests_notified"] == 0
    assert header["digest"] == manifest["digest"]


@pytest.mark.parametrize(
    ("change", "said", "notified", "irreversible"),
    [
        (LOUD, True, True, False),
        (LOUD, False, False, False),
        (far, None, True, False),
        (far, True, True, False),
        (Cancel(), None, True, True),
        (Cancel(), True, True, True),
    ],
)
def test_guests_and_what_cannot_be_undone_are_counted(jicoo, path, change, said, notified, irreversible):
    manifest = plan(jicoo, path, change, Selection(status="open"), said).manifest
    count = manifest["changes"]
    assert count > 0
    assert manifest["guests_notified"] == (count if notified else 0)
    assert manifest["irreversible"] == (count if irreversible else 0)
    header, _ = read_plan(path)
    assert {name: header[name] for name in ("changes", "unchanged", "guests_notified", "irreversible")} == {
        name: manifest[name] for name in ("changes", "unchanged", "guests_notified", "irreversible")
    }


def test_a_function_may_mix_and_leave_alone(sandbox, jicoo, path):
    kinds = {"high": Cancel(), "low": LOUD, "middle": None}

    def mixed(booking):
        return far(booking) if booking["priority"] is None else kinds[booking["priority"]]

    manifest = plan(jicoo, path, mixed, Selection(status="open"), True).manifest
    rows = Counter(row["priority"] for row in sandbox.bookings() if row["status"] == "open")
    actions = Counter(line["action"] for line in read_plan(path)[1])
    assert actions == {"cancel": rows["high"], "update": rows["low"], "reschedule": rows[None]}
    assert manifest["irreversible"] == rows["high"]
    assert manifest["unchanged"] == 0


@pytest.mark.parametrize("is_deep", [True, False], ids=["within", "itself"])
def test_a_function_may_edit_the_booking_that_it_is_given(sandbox, jicoo, path, is_deep):
    """What it hands back is then no longer another value than the booking has, and nothing would be planned."""

    def hand_over(booking):
        if is_deep:
            booking["hosts"][0]["userId"] = "somebody"
        else:
            booking["hosts"] = [{"userId": "somebody", "role": "admin"}]
        return UpdateFields(hosts=booking["hosts"])

    before = {row["uid"]: row["hosts"] for row in sandbox.bookings()}
    manifest = plan(jicoo, path, hand_over, said=False).manifest
    assert (manifest["changes"], manifest["unchanged"]) == (len(before), 0)
    for line in read_plan(path)[1]:
        assert line["before"] == {"hosts": before[line["uid"]]}
        assert line["after"]["hosts"][0]["userId"] == "somebody"


def test_nothing_is_changed_by_planning(sandbox, jicoo, path):
    before = sandbox.bookings()
    plan(jicoo, path, Cancel(), said=None)
    assert sandbox.bookings() == before
    assert sandbox.count() == sandbox.count("GET")
    assert sandbox.messages == []


def test_what_is_so_already_is_counted_and_left_out(sandbox, jicoo, path):
    for row in sandbox.bookings():
        sandbox.edit(row["uid"], priority="high")
    made = plan(jicoo, path)
    assert (made.manifest["changes"], made.manifest["unchanged"]) == (0, 70)
    assert "**0 bookings will be changed**, 70 are so already" in made.summary


def test_a_selection_that_matches_nothing(sandbox, jicoo, path):
    made = plan(jicoo, path, selection=Selection(name_matches="nobody is called this"))
    assert (made.manifest["changes"], made.manifest["unchanged"]) == (0, 0)
    report = apply_plan(jicoo, made, options=quick())
    assert report.ok
    assert sum(report.counts.values()) == 0
    assert sandbox.count() == sandbox.count("GET")


def test_progress_tells_how_many_were_read(jicoo, path):
    told = []
    plan(jicoo, path, progress=told.append)
    assert told == list(range(1, 71))


# --- the digest ------------------------------------------------------------------------------------------------------


def test_the_same_inputs_give_the_same_digest(jicoo, tmp_path):
    first = plan(jicoo, tmp_path / "a.jsonl", made_by="dag monday").manifest["digest"]
    again = plan(jicoo, tmp_path / "a.jsonl", made_by="dag tuesday").manifest["digest"]
    other = plan(jicoo, tmp_path / "deeper" / "b.jsonl").manifest["digest"]
    assert first == again == other
    assert (tmp_path / "a.jsonl").read_bytes().split(b"\n", 1)[1] == (
        tmp_path / "deeper" / "b.jsonl"
    ).read_bytes().split(b"\n", 1)[1]


def test_shards_have_the_same_digest_too(jicoo, tmp_path):
    made = [plan(jicoo, tmp_path / name, shards=3).manifest for name in "ab"]
    assert made[0]["digest"] == made[1]["digest"]
    assert [each["digest"] for each in made[0]["shards"]] == [each["digest"] for each in made[1]["shards"]]


@pytest.mark.parametrize(
    "other",
    [
        {"said": True},
        {"said": True, "update_message": "We move."},
        {"change": UpdateFields(priority="low")},
        {"change": UpdateFields(priority="high", description="x")},
        {"selection": Selection(status="open")},
        {"change": Cancel(), "said": None},
        {"shards": 2},
    ],
)
def test_another_plan_has_another_digest(jicoo, tmp_path, other):
    assert plan(jicoo, tmp_path / "a").manifest["digest"] != plan(jicoo, tmp_path / "b", **other).manifest["digest"]


def test_other_words_have_another_digest(jicoo, tmp_path):
    made = [
        plan(jicoo, tmp_path / words, said=True, update_message=words).manifest["digest"]
        for words in ("We move.", "We move!")
    ]
    assert made[0] != made[1]


def test_an_edit_in_between_gives_another_digest(sandbox, jicoo, path):
    first = plan(jicoo, path).manifest["digest"]
    uid = read_plan(path)[1][0]["uid"]
    sandbox.edit(uid, description="somebody else was here")
    assert plan(jicoo, path).manifest["digest"] != first


def test_another_jicoo_has_another_digest(jicoo, path):
    first = plan(jicoo, path).manifest["digest"]
    with Sandbox(bookings=70, seed=3, now=NOW) as other, connect(other) as there:
        assert plan(there, path).manifest["digest"] != first


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max_changes", "max_notified_guests"])
def test_a_plan_that_is_too_large_is_refused(sandbox, jicoo, tmp_path, name):
    most = 5
    count = sum(row["priority"] != "high" for row in sandbox.bookings())
    with pytest.raises(PlanLimitError) as refused:
        plan(jicoo, tmp_path / "sub" / "plan.jsonl", said=True, **{name: most})
    text = str(refused.value)
    assert f"{name} is 5, and the plan has {count}: {count - 5} too many; nothing was sent" in text
    assert re.findall(r"- \d+ × priority low → high\n", text)
    assert re.findall(r"- `[\w-]+` \w{3} 202\d-\d\d-\d\d \d\d:\d\d [\w/]+: priority \w+ → high", text)
    nothing_happened(sandbox, tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_changes": "2"}, "max_changes: '2' is no whole number"),
        ({"max_notified_guests": float("nan")}, "max_notified_guests: nan is no whole number"),
        ({"max_changes": -1}, "max_changes: -1 is not 0 or more"),
        ({"shards": 1.5}, "shards: 1.5 is no whole number"),
        ({"shards": True}, "shards: True is no whole number"),
    ],
)
def test_a_limit_that_is_no_number_is_refused_before_anything_is_read(jicoo, tmp_path, sandbox, given, said):
    reads = sandbox.count()
    with pytest.raises(PlanError, match=f"^{said}"):
        plan_changes(jicoo, Selection(), UpdateFields(priority="high"), tmp_path / "p", is_send_updates=False, **given)
    assert sandbox.count() == reads


def test_a_plan_that_is_just_small_enough(sandbox, jicoo, path):
    count = sum(row["priority"] != "high" for row in sandbox.bookings())
    plan(jicoo, path, said=True, max_changes=count, max_notified_guests=count)
    plan(jicoo, path, said=False, max_notified_guests=0)
    with pytest.raises(PlanLimitError):
        plan(jicoo, path, said=True, max_changes=count - 1)
    with pytest.raises(PlanLimitError):
        plan(jicoo, path, Cancel(), Selection(status="open"), None, max_notified_guests=0)


def test_a_refused_plan_leaves_the_one_before_as_it_is(jicoo, path):
    plan(jicoo, path)
    before = path.read_bytes()
    with pytest.raises(PlanLimitError):
        plan(jicoo, path, UpdateFields(priority="low"), max_changes=1)
    assert path.read_bytes() == before


# --- whether guests are messaged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [LOUD, ReplaceHost("a", "b"), ShiftTime(minutes=5), lambda booking: LOUD])
def test_whether_guests_are_messaged_must_be_said(sandbox, jicoo, tmp_path, change):
    with pytest.raises(PlanError, match="is_send_updates must be said"):
        plan(jicoo, tmp_path / "plan.jsonl", change, said=None)
    nothing_happened(sandbox, tmp_path)


def test_it_is_asked_for_before_anything_is_read(sandbox, jicoo, path):
    with pytest.raises(PlanError):
        plan(jicoo, path, said=None)
    assert sandbox.count() == 0


@pytest.mark.parametrize(("change", "hint"), [(far, "ShiftTime"), (Cancel(), "")])
def test_silence_that_jicoo_does_not_keep_is_not_promised(sandbox, jicoo, tmp_path, change, hint):
    with pytest.raises(PlanError, match=rf"booking \S+: Jicoo messages the guest at every .*{hint}"):
        plan(jicoo, tmp_path / "plan.jsonl", change, Selection(status="open"), False)
    nothing_happened(sandbox, tmp_path)


@pytest.mark.parametrize("said", ["false", "True", 1, 0, "{{ params.send }}"])
def test_what_is_neither_yes_nor_no(sandbox, jicoo, tmp_path, said):
    with pytest.raises(PlanError, match="is_send_updates"):
        plan(jicoo, tmp_path / "plan.jsonl", said=said)
    assert sandbox.count() == 0


@pytest.mark.parametrize(
    ("change", "said", "words", "why"),
    [
        (LOUD, False, "hello", "nobody would get it"),
        (LOUD, True, "x" * 2001, "2001 characters, at most 2000"),
        (Cancel(), None, "hello", "nobody would get it"),
        (Cancel(), True, "hello", "update_message"),
        (Reschedule("2030-01-01T10:00"), True, "hello", "update_message"),
        (lambda booking: Cancel(), True, "hello", "update_message"),
    ],
)
def test_words_that_nobody_would_get(sandbox, jicoo, tmp_path, change, said, words, why):
    with pytest.raises(PlanError, match=why):
        plan(jicoo, tmp_path / "plan.jsonl", change, Selection(status="open"), said, update_message=words)
    nothing_happened(sandbox, tmp_path)


def test_words_that_arrive(sandbox, jicoo, path):
    made = plan(jicoo, path, said=True, update_message="x" * 2000)
    assert read_header(path)["terms"] == {
        "isSendUpdates": True,
        "updateMessage": "x" * 2000,
        "baseUrl": sandbox.url,
    }
    assert f"with these words: {'x' * 2000}" in made.summary


# --- what goes wrong -------------------------------------------------------------------------------------------------


def rubbish(booking):
    return "cancel"


def raising(booking):
    raise KeyError("no such key")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rubbish, "returned a str, neither a change nor None"),
        (raising, "KeyError: 'no such key'"),
        (lambda booking: UpdateFields(status="cancel"), "unknown field 'status'"),
        (lambda booking: UpdateFields(description="x", is_send_updates=True), "given to the plan"),
        (lambda booking: UpdateFields(ended_at=booking["startedAt"]), "is not after its start"),
        (lambda booking: ShiftTime(), "either minutes or to_date"),
        (lambda booking: ShiftTime(minutes=60 * 24 * 365 * 9000), "OverflowError"),
        (lambda booking: Reschedule("some day"), "is not a moment"),
        (UpdateFields(ended_at="1999-01-01T00:00Z"), "is not after its start"),
    ],
)
def test_a_booking_that_cannot_become_that_is_named(sandbox, jicoo, tmp_path, change, words):
    uid = min(sandbox.bookings(), key=lambda row: (row["createdAt"], row["uid"]))["uid"]
    with pytest.raises(PlanError, match=re.escape(f"booking {uid}: ")) as refused:
        plan(jicoo, tmp_path / "plan.jsonl", change, said=True)
    assert words in str(refused.value)
    assert str(refused.value).endswith("nothing was planned and nothing was sent")
    assert refused.value.__cause__ is not None
    nothing_happened(sandbox, tmp_path)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"selection": Selection(status="opened")}, InvalidRequestError),
        ({"selection": Selection(uids=["mzgdPJVBb7RE"])}, NotFoundError),
        ({"change": "cancel"}, ValueError),
        ({"shards": 0}, PlanError),
    ],
)
def test_what_cannot_be_planned(sandbox, jicoo, tmp_path, more, error):
    with pytest.raises(error):
        plan(jicoo, tmp_path / "plan.jsonl", **more)
    nothing_happened(sandbox, tmp_path)


def test_a_path_that_cannot_be_written(sandbox, jicoo, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file" / "plan.jsonl", tmp_path):
        with pytest.raises(PlanError, match=r"cannot be written to .*; nothing was sent"):
            plan(jicoo, path)
    with pytest.raises(PlanError, match="cannot be written"):
        plan(jicoo, Path("/dev/full"))
    assert sandbox.count() == sandbox.count("GET")


# --- moves -----------------------------------------------------------------------------------------------------------


def one_host_back_to_back(sandbox, count):
    sandbox.reset(bookings=0, seed=1)
    user = sandbox.users[0]["uid"]
    return [
        sandbox.add_booking(
            startedAt=NOW + timedelta(days=9, minutes=30 * number),
            endedAt=NOW + timedelta(days=9, minutes=30 * number + 30),
            hosts=[{"userId": user, "role": "admin"}],
        )["uid"]
        for number in range(count)
    ]


def onto(neighbour):
    """Each takes the slot of another one."""

    def change(booking):
        there = neighbour.get(booking["uid"])
        return None if there is None else Reschedule(there)

    return change


@pytest.mark.parametrize("shards", [1, 3])
def test_moves_stand_behind_those_they_wait_for(sandbox, jicoo, path, shards):
    uids = one_host_back_to_back(sandbox, 12)
    starts = [sandbox.booking(uid)["startedAt"] for uid in uids]
    change = onto(dict(zip(uids, [*starts[1:], "2030-01-01T00:00Z"], strict=True)))
    made = plan(jicoo, path, change, said=None, shards=shards)
    assert read_header(path)["cycles"] == []
    for part in made.manifest["shards"]:
        lines = read_plan(part["plan"])[1]
        before = []
        for line in lines:
            assert set(line.get("waitsFor", ())) <= set(before), "waits for one in another file, or behind it"
            before.append(line["uid"])
        report = apply_plan(jicoo, part, options=quick())
        assert report.counts["applied"] == len(lines)
    assert [sandbox.booking(uid)["startedAt"] for uid in uids[:-1]] == starts[1:]


def test_moves_that_take_each_others_slots_are_reported(sandbox, jicoo, path):
    uids = one_host_back_to_back(sandbox, 5)
    starts = [sandbox.booking(uid)["startedAt"] for uid in uids]
    # The first two swap, the others go round.
    to = [starts[1], starts[0], starts[3], starts[4], starts[2]]
    made = plan(jicoo, path, onto(dict(zip(uids, to, strict=True))), said=None)
    assert sorted(map(sorted, read_header(path)["cycles"])) == sorted([sorted(uids[:2]), sorted(uids[2:])])
    assert made.summary.count("**No order works**") == 2
    for uid in uids:
        assert uid in made.summary


# --- shards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", range(1, 8))
def test_shards_hold_all_lines_once(jicoo, tmp_path, shards):
    whole = plan(jicoo, tmp_path / "whole", said=True)
    made = plan(jicoo, tmp_path / "parts", said=True, shards=shards)
    parts = [read_plan(part["plan"]) for part in made.manifest["shards"]]
    assert len(parts) == shards
    lines = [line for _, part in parts for line in part]
    assert lines == read_plan(tmp_path / "whole")[1]
    for name in ("changes", "guests_notified", "irreversible", "unchanged"):
        assert made.manifest[name] == whole.manifest[name]
    for manifest, (header, part) in zip(made.manifest["shards"], parts, strict=True):
        assert manifest["changes"] == header["changes"] == len(part)
        assert manifest["digest"] == header["digest"]
        with closing(PlanFile(Path(manifest["plan"]), manifest["digest"])) as checked:
            assert len(checked) == len(part)
    if shards > 1:
        assert f"In {shards} shards" in made.summary
        assert sum(header["unchanged"] for header, _ in parts) == 0


def test_the_header_of_a_plan_in_shards(jicoo, path):
    made = plan(jicoo, path, Cancel(), Selection(status="open"), None, shards=2)
    header, lines = read_plan(path)
    assert lines == []
    assert header["shards"] == ["plan.jsonl.shard-0", "plan.jsonl.shard-1"]
    assert header["digest"] == made.manifest["digest"]
    assert header["irreversible"] == made.manifest["irreversible"] > 0
    assert header["unchanged"] == made.manifest["unchanged"]


def test_more_shards_than_lines(sandbox, jicoo, path):
    uids = [row["uid"] for row in sandbox.bookings() if row["priority"] != "high"][:2]
    made = plan(jicoo, path, selection=Selection(uids=uids), shards=5)
    assert sorted(part["changes"] for part in made.manifest["shards"]) == [0, 0, 0, 1, 1]
    for part in made.manifest["shards"]:
        assert apply_plan(jicoo, part, options=quick()).counts["applied"] == part["changes"]


def test_a_plan_in_shards_is_not_applied_as_one(jicoo, path):
    made = plan(jicoo, path, shards=2)
    with pytest.raises(PlanError, match="in shards"):
        apply_plan(jicoo, made)
    with pytest.raises(PlanMismatchError, match=r"plan\.jsonl\.shard-0, plan\.jsonl\.shard-1"):
        apply_plan(jicoo, path, digest=made.manifest["digest"])


# --- what it keeps to itself -----------------------------------------------------------------------------------------


def test_the_summary_shows_no_words_of_or_for_a_guest(sandbox, jicoo, path):
    for number, row in enumerate(sandbox.bookings()):
        sandbox.edit(row["uid"], name=f"Old Guest {number}", description=f"Old words {number}")
    made = plan(jicoo, path, lambda row: UpdateFields(name="New Guest", description="New words", priority="high"))
    assert made.manifest["changes"] == 70
    for words in ("Old Guest", "Old words", "New Guest", "New words"):
        assert words not in made.summary
        assert words not in json.dumps(made.manifest)
    assert "name changes" in made.summary
    assert "description changes" in made.summary
    assert re.search(r"priority \w+ → high", made.summary)
    assert made._repr_markdown_() == made.summary


def test_the_limits_sample_shows_no_words_either(sandbox, jicoo, path):
    with pytest.raises(PlanLimitError) as refused:
        plan(jicoo, path, UpdateFields(name="New Guest"), max_changes=1)
    assert "New Guest" not in str(refused.value)
    assert not [row["name"] for row in sandbox.bookings() if row["name"] in str(refused.value)]


def test_the_summary_shows_some_and_says_so(jicoo, path):
    made = plan(jicoo, path)
    assert made.summary.count("` |\n") == SAMPLE
    assert f"{SAMPLE} of {made.manifest['changes']}, spread over the kinds of changes." in made.summary
    few = plan(jicoo, path, selection=Selection(uids=[line["uid"] for line in read_plan(path)[1][:3]]))
    assert few.summary.count("` |\n") == 3
    assert "spread over" not in few.summary
    assert f"Digest: `{few.manifest['digest']}`" in few.summary


def test_the_key_is_in_no_file(sandbox, jicoo, tmp_path):
    sandbox.fail("server_error", method="PATCH", times=3)
    made = plan(jicoo, tmp_path / "plan.jsonl", said=True, update_message="We move.")
    apply_plan(jicoo, made, options=quick(on_doubt="again"))
    undo = plan_undo(jicoo, made, tmp_path / "undo.jsonl", is_send_updates=False)
    apply_plan(jicoo, undo, options=quick())
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 12, "plans, journals and reports are expected"
    for file in files:
        assert sandbox.api_key.encode() not in file.read_bytes(), file


# --- memory ----------------------------------------------------------------------------------------------------------


def test_memory_does_not_hold_the_bookings(tmp_path):
    def peak(jicoo, selection):
        tracemalloc.start()
        try:
            changes = plan(jicoo, tmp_path / "plan", selection=selection).manifest["changes"]
            return changes, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    with Sandbox(bookings=4000, seed=2, now=NOW, remember=False) as sandbox, connect(sandbox) as jicoo:
        starts = sorted(row["startedAt"] for row in sandbox.bookings())
        row_size = len(json.dumps(sandbox.bookings()[0]))
        plan(jicoo, tmp_path / "warm")
        few, less = peak(jicoo, Selection(started_before=starts[500]))
        many, more = peak(jicoo, EVERYTHING)
    assert many > few + 2000
    each = (more - less) / (many - few)
    print(f"{each:.0f} bytes for each further booking, of {row_size} as JSON")
    assert each < row_size


# --- what was agreed to ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(server, tmp_path_factory):
    """A plan, its bytes and its digest. The path may be written over."""
    one_host_back_to_back(server, 9)
    path = tmp_path_factory.mktemp("kept") / "plan.jsonl"
    with connect(server) as client:
        change = ShiftTime(minutes=30)
        digest = plan(client, path, change, said=True, update_message="We move.").manifest["digest"]
    assert b'"waitsFor"' in path.read_bytes()
    return path, path.read_bytes(), digest


def read_all(path, digest):
    with closing(PlanFile(path, digest)) as lines:
        return [line.uid for line in lines]


def test_the_lines_as_written(kept):
    path, content, digest = kept
    path.write_bytes(content)
    assert read_all(path, digest) == [line["uid"] for line in read_plan(path)[1]]


def test_any_byte_of_a_line_counts(kept):
    path, content, digest = kept
    begin = content.index(b"\n") + 1

    @settings(max_examples=150, deadline=None)
    @given(st.integers(begin, len(content) - 1), st.integers(1, 255))
    def run(at, flip):
        path.write_bytes(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
        with pytest.raises(PlanMismatchError, match="damaged"):
            read_all(path, digest)

    run()


def test_any_cut_counts(kept):
    path, content, digest = kept
    for end in range(0, len(content), 37):
        path.write_bytes(content[:end])
        with pytest.raises(PlanMismatchError):
            read_all(path, digest)
    path.write_bytes(content[:-1])
    with pytest.raises(PlanMismatchError, match="damaged"):
        read_all(path, digest)


@pytest.mark.parametrize("change", ["swap", "repeat", "leave out", "add"])
def test_the_lines_are_those_and_in_that_order(kept, change):
    path, content, digest = kept
    header, *lines = content.splitlines(keepends=True)
    lines = {
        "swap": [lines[1], lines[0], *lines[2:]],
        "repeat": [lines[0], *lines],
        "leave out": lines[1:],
        "add": [*lines, b"\n"],
    }[change]
    path.write_bytes(b"".join([header, *lines]))
    with pytest.raises(PlanMismatchError, match="damaged"):
        read_all(path, digest)


@pytest.mark.parametrize(
    "terms",
    [
        {"isSendUpdates": False},
        {"updateMessage": None},
        {"updateMessage": "We stay."},
        {"baseUrl": "https://x.example"},
    ],
)
def test_the_terms_count(kept, terms):
    path, content, digest = kept
    first, rest = content.split(b"\n", 1)
    header = json.loads(first)
    header["terms"].update(terms)
    path.write_bytes(json.dumps(header).encode() + b"\n" + rest)
    with pytest.raises(PlanMismatchError, match="damaged"):
        read_all(path, digest)


def test_another_digest_than_the_one_that_was_agreed_to(kept):
    path, content, digest = kept
    path.write_bytes(content)
    with pytest.raises(PlanMismatchError, match=f"has the digest {digest}, but 0000 was agreed to"):
        read_all(path, "0000")


def test_another_plan_at_the_same_path_is_not_applied(sandbox, jicoo, path):
    agreed = plan(jicoo, path)
    plan(jicoo, path, UpdateFields(priority="low"))
    with pytest.raises(PlanMismatchError, match="was agreed to; nothing was sent"):
        apply_plan(jicoo, agreed)
    assert sandbox.count() == sandbox.count("GET")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\xff\xfe\n",
        b"not JSON\n",
        b"[1, 2]\n",
        b'"jicoo_plan"\n',
        b"{}\n",
        b'{"jicoo_plan": 2, "digest": "0", "terms": {}, "changes": 0}\n',
        b'{"jicoo_plan": 1}\n',
        b'{"jicoo_plan": 1, "digest": "0", "terms": {}}\n',
        b'{"jicoo_plan": 1, "changes": 0, "terms": {}}\n',
    ],
)
def test_what_is_no_plan(path, content):
    path.write_bytes(content)
    with pytest.raises(PlanMismatchError):
        read_all(path, "0")


def test_no_plan_at_all(sandbox, jicoo, tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(PlanMismatchError, match="cannot be read as a plan"):
            apply_plan(jicoo, path, digest="0")
    with pytest.raises(PlanError, match="with a path, give the digest"):
        apply_plan(jicoo, tmp_path / "none")
    assert sandbox.count() == 0


def test_the_summary_is_of_all_lines(jicoo, path):
    made = plan(jicoo, path, said=True)
    count = made.manifest["changes"]
    assert f"**{count:,} bookings will be changed**" in made.summary
    assert f"Guests of **{count:,}** bookings will be messaged." in made.summary
    assert all(reflects_exactly(line["after"], {"priority": "high"}) for line in read_plan(path)[1])
