"""Each planned change ends in exactly one line, and the page needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from contextlib import closing
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.bulk import (
    Selection,
    UpdateFields,
    apply_plan,
    merge_reports,
    plan_changes,
)
from airflow_provider_jicoo.bulk.errors import BulkFailedError
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlanFile
from airflow_provider_jicoo.bulk.progress import Progress
from airflow_provider_jicoo.bulk.report import Report, Timeline, write_report
from airflow_provider_jicoo.bulk.report.page import ROWS, WORST_FIRST, page
from airflow_provider_jicoo.bulk.report.reasons import MOST, NAMED, OTHERS, Reasons
from airflow_provider_jicoo.bulk.report.timeline import SAMPLES
from tests.bulk.tools import FAST, outcomes, quick, read_plan

QUICK = quick()
EVIL = "<script>alert(1)</script> & \"x\" 'y' <img src=https://evil.example/x.png>"


@pytest.fixture
def sandbox(server):
    server.reset(bookings=40, seed=3)
    return server


@pytest.fixture
def plan(jicoo, tmp_path):
    def make(shards=1, path=None):
        change = UpdateFields(description="Room 2")
        return plan_changes(
            jicoo, Selection(), change, path or tmp_path / "plan.jsonl", is_send_updates=False, shards=shards
        )

    return make


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.shown, self.ids = [], [], "", set()
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attributes]
        self.ids |= {value for name, value in attributes if name == "id"}
        self._in = tag

    def handle_data(self, data):
        if self._in not in ("script", "style"):
            self.shown += data + "\n"


def check_self_contained(text):
    read = Page(text)
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "a"} & set(read.tags)
    assert read.tags.count("script") == 1
    for tag, name, value in read.attributes:
        assert name not in ("src", "href", "xlink:href", "action", "srcset"), (tag, name, value)
        assert not name.startswith("on"), (tag, name, value)
        assert "http" not in (value or ""), (tag, name, value)
    for code in re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", text, re.DOTALL):
        assert "http" not in code
        assert "url(" not in code
        assert "import" not in code
        assert "fetch" not in code
    return read


# --- of a run --------------------------------------------------------------------------------------------------------


def test_all_went_well(sandbox, jicoo, plan):
    made = plan()
    report = apply_plan(jicoo, made, options=QUICK)
    found = outcomes(made.manifest["plan"])
    assert [each["uid"] for each in found] == [line["uid"] for line in read_plan(made.manifest["plan"])[1]]
    assert found == [{"uid": each["uid"], "action": "update", "outcome": "applied"} for each in found]
    assert report.ok
    assert dict(report.counts) == {**dict.fromkeys((each.value for each in Outcome), 0), "applied": 40}
    facts = json.loads((report.path / "report.json").read_bytes())
    assert facts == dict(report.facts)
    assert (facts["changes"], facts["digest"], facts["try"]) == (40, made.manifest["digest"], 1)
    assert facts["requests"] >= 41
    assert facts["refused"] == 0
    assert facts["endedEarly"] is None
    assert facts["startedAt"] <= facts["endedAt"]
    assert str(report).startswith("40 planned changes: 40 applied. Report: ")
    text = (report.path / "report.html").read_text()
    read = check_self_contained(text)
    assert "Everything went through" in read.shown
    assert not {"search", "wrong"} & read.ids
    assert sandbox.url in read.shown


def test_every_outcome_once(sandbox, jicoo, plan):
    made = plan()
    uids = [line["uid"] for line in read_plan(made.manifest["plan"])[1]]
    sandbox.edit(uids[3], priority="low" if sandbox.booking(uids[3])["priority"] == "high" else "high")
    sandbox.edit(uids[5], description="Room 2")
    sandbox.delete(uids[7])
    sandbox.fail("server_error", method="PATCH", path=f"/v1/bookings/{uids[9]}", times=20)
    with pytest.raises(BulkFailedError) as failed:
        apply_plan(jicoo, made, options=quick(tolerated_failures=5))
    found = outcomes(made.manifest["plan"])
    assert [each["uid"] for each in found] == uids
    by_uid = {each["uid"]: each for each in found}
    assert {uid: each["outcome"] for uid, each in by_uid.items()} == {
        **dict.fromkeys(uids, "applied"),
        uids[3]: "stale",
        uids[5]: "unchanged",
        uids[7]: "rejected",
        uids[9]: "failed",
    }
    assert "edited at" in by_uid[uids[3]]["detail"]
    assert by_uid[uids[7]]["detail"] == "the booking does not exist any more"
    assert "36 applied, 1 unchanged, 1 stale, 1 rejected, 1 failed" in str(failed.value)
    read = check_self_contained((report_of(made) / "report.html").read_text())
    assert {"search", "wrong"} <= read.ids
    listed = {uid for uid, _ in rows_of(report_of(made))}
    assert listed == {uids[3], uids[7], uids[9]}, "only what did not go through"
    assert changed_in(report_of(made)) == [uid for uid in uids if by_uid[uid]["outcome"] == "applied"]
    assert "Room 2" not in read.shown, "a value may be a guest's"
    told = json.loads((report_of(made) / "report.json").read_bytes())["reasons"]
    assert [(each["outcome"], each["uids"]) for each in told] == [
        ("failed", [uids[9]]),
        ("rejected", [uids[7]]),
        ("stale", [uids[3]]),
    ]


def changed_in(folder):
    """What the page lists as changed."""
    _, found, table = (folder / "report.html").read_text().partition('<table class="rows" id="changed">')
    return re.findall(r"<tr><td[^>]*><code>(.*?)</code></td>", table) if found else []


def report_of(made):
    return Path(f"{made.manifest['plan']}.report")


def test_a_further_try_writes_it_anew(sandbox, jicoo, plan):
    made = plan()
    sandbox.fail("server_error", method="PATCH", times=FAST.attempts)
    with pytest.raises(BulkFailedError):
        apply_plan(jicoo, made, options=QUICK)
    first = json.loads((report_of(made) / "report.json").read_bytes())
    assert first["endedEarly"] == "1 changes went wrong, and 0 are tolerated"
    assert first["counts"] == {**dict.fromkeys(first["counts"], 0), "failed": 1, "not_attempted": 39}
    assert "Ended early" in (report_of(made) / "report.html").read_text()
    sandbox.heal()
    report = apply_plan(jicoo, made, options=QUICK)
    assert report.counts["applied"] == 40
    assert report.facts["try"] == 2
    assert {each["outcome"] for each in outcomes(made.manifest["plan"])} == {"applied"}
    text = (report.path / "report.html").read_text()
    assert "Ended early" not in text
    # It counts all tries.
    assert [(each["try"], each["endedEarly"]) for each in report.facts["tries"]] == [
        (1, first["endedEarly"]),
        (2, None),
    ]
    assert report.facts["tries"][0]["requests"] == first["requests"]
    assert f"{first['requests'] + report.facts['requests']:,} in all tries" in text
    assert "did not come to an end" not in text


# --- of any entries --------------------------------------------------------------------------------------------------


def written(path, digest, entries, **more):
    facts = {
        "timeline": Timeline(),
        "requests": 7,
        "refused": 2,
        "sent_again": 3,
        "tries": 1,
        "approval": None,
        "reason": "",
        "error": None,
    }
    with closing(PlanFile(path, digest)) as lines:
        return write_report(path, lines, entries, **{**facts, **more})


def test_each_planned_change_has_one_line_whatever_is_known(plan, tmp_path_factory):
    made = plan()
    path = tmp_path_factory.mktemp("report") / "plan.jsonl"
    path.write_bytes((report_of(made).parent / "plan.jsonl").read_bytes())
    uids = [line["uid"] for line in read_plan(path)[1]]
    kinds = st.none() | st.builds(
        Entry, st.none() | st.sampled_from([each for each in Outcome if each is not Outcome.NOT_ATTEMPTED])
    )

    @settings(max_examples=30, deadline=None)
    @given(st.dictionaries(st.sampled_from([*uids, "no such booking"]), kinds))
    def run(drawn):
        entries = {uid: entry for uid, entry in drawn.items() if entry is not None}
        report = written(path, made.manifest["digest"], entries)
        found = outcomes(path)
        assert [each["uid"] for each in found] == uids
        assert sum(report.counts.values()) == len(uids)
        for each in found:
            entry = entries.get(each["uid"])
            wanted = "not_attempted" if entry is None else "unknown" if entry.outcome is None else entry.outcome.value
            assert each["outcome"] == wanted
        for name, count in report.counts.items():
            assert count == sum(each["outcome"] == name for each in found)
        lost = report.counts["failed"] or report.counts["unknown"]
        all_stale = report.counts["stale"] and not (report.counts["applied"] or report.counts["unchanged"])
        assert report.ok == (not lost and not all_stale)

    run()


def test_what_jicoo_said_is_text_and_no_code(plan):
    made = plan()
    path = report_of(made).parent / "plan.jsonl"
    uid = read_plan(path)[1][0]["uid"]
    report = written(path, made.manifest["digest"], {uid: Entry(Outcome.REJECTED, None, EVIL)}, reason=EVIL)
    text = (report.path / "report.html").read_text()
    read = check_self_contained(text)
    assert read.shown.count(EVIL) == 3, "why it ended, and why the change did not go through: by reason, and by booking"
    assert "<script>alert" not in text
    assert json.loads((report.path / "report.json").read_bytes())["endedEarly"] == EVIL
    assert outcomes(path)[0]["detail"] == EVIL
    assert not report.ok


def facts_of(**more):
    return {
        "plan": "plan.jsonl",
        "digest": "00",
        "jicoo": "https://api.jicoo.com",
        "selection": {"name_matches": EVIL},
        "change": {"function": "<lambda>"},
        "changes": 3,
        "counts": dict.fromkeys((each.value for each in Outcome), 0),
        "endedEarly": None,
        "try": 1,
        "startedAt": "a",
        "endedAt": "b",
        "seconds": 1.0,
        "requests": 0,
        "refused": 0,
        "timeline": [],
        **more,
    }


def test_selection_and_change_are_text_too():
    read = check_self_contained("".join(page(facts_of(), [])))
    assert "<lambda>" in read.shown
    assert EVIL in read.shown


def test_a_page_of_very_many_stays_a_page():
    wrong = ({"uid": f"uid{number}", "action": "update", "outcome": "stale"} for number in range(ROWS + 7))
    text = "".join(page(facts_of(), wrong))
    assert text.count("<tr><td") == ROWS
    assert "7 more are in outcomes.jsonl" in text
    check_self_contained(text)


@pytest.mark.parametrize("pace", [None, 12.5])
def test_the_plot_stays_within_its_frame(pace):
    timeline = [
        {"seconds": second, "done": 5 * second, "requests": 7 * second, "refused": second // 3, "pace": pace}
        for second in range(60)
    ]
    text = "".join(page(facts_of(timeline=timeline), []))
    check_self_contained(text)
    points = re.findall(r'points="([^"]+)"', text)
    assert len(points) == (2 if pace is None else 3)
    for x, y in (point.split(",") for line in points for point in line.split()):
        assert 0 <= float(x) <= 900
        assert 0 <= float(y) <= 220


def test_a_plot_of_no_time_at_all():
    still = [{"seconds": 0.0, "done": 0, "requests": number, "refused": 0, "pace": None} for number in range(4)]
    text = "".join(page(facts_of(timeline=still), []))
    check_self_contained(text)
    assert not re.search(r'points="[^"]*nan', text)


def burst(seconds=120):
    """A run that begins with as many requests as may be under way at once, and then finds its pace."""
    sent = 0
    for second in range(seconds):
        sent += 400 if second == 1 else 10
        yield {"seconds": float(second), "done": sent, "requests": sent, "refused": 0, "pace": None}


def test_a_burst_at_the_beginning_does_not_press_the_rest_to_the_ground():
    text = "".join(page(facts_of(timeline=list(burst())), []))
    (points,) = re.findall(r'<polyline class="sent" points="([^"]+)"', text)
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert min(heights) >= 0
    # What it did for nearly all of its time stands in the upper half of the plot.
    assert all(height < 110 for height in heights[1:])
    assert "▲ 400/s" in text


def test_what_was_always_high_is_not_cut_off():
    steady = [{"seconds": float(n), "done": n, "requests": 40 * n, "refused": 0, "pace": 40.0} for n in range(60)]
    assert "▲" not in "".join(page(facts_of(timeline=steady), []))


def test_of_a_short_run_nothing_is_cut_off():
    rising = [{"seconds": float(n), "done": n, "requests": 10 * n**3, "refused": 0, "pace": None} for n in range(6)]
    assert "▲" not in "".join(page(facts_of(timeline=rising), []))


@pytest.mark.parametrize(
    ("rate", "marked"),
    [
        (0, ["0", "0.5", "1"]),
        (4, ["0", "1", "2", "3", "4"]),
        (9.6, ["0", "5", "10"]),
        (13.7, ["0", "5", "10"]),
        (40, ["0", "10", "20", "30", "40"]),
        (0.3, ["0", "0.5", "1"]),
        (1234567, ["0", "500,000", "1,000,000"]),
    ],
)
def test_the_lines_across_a_plot_stand_for_round_rates(rate, marked):
    steady = [{"seconds": float(n), "done": n, "requests": rate * n, "refused": 0, "pace": None} for n in range(60)]
    text = "".join(page(facts_of(timeline=steady), []))
    assert re.findall(r"<text[^>]*>([^<]*)/s</text>", text) == marked


def test_a_try_that_was_killed_is_told_of():
    tries = [{"try": 2, "seconds": 5.0, "requests": 7, "refused": 1}]
    text = "".join(page(facts_of(**{"try": 3, "tries": tries}), []))
    assert "3; 2 of them did not come to an end" in text


def test_reasons_that_differ_in_particulars_are_one():
    reasons = Reasons()
    for number in range(30):
        said = f"uid{number}: edited at 2027-01-01T00:00:{number:02}.000Z, {number} times"
        reasons.add({"uid": f"uid{number}", "action": "update", "outcome": "stale", "detail": said})
    reasons.add({"uid": "one", "action": "update", "outcome": "unknown", "detail": "no answer"})
    reasons.add({"uid": "fine", "action": "update", "outcome": "applied"})
    worst, stale = reasons.json()
    assert worst == {"outcome": "unknown", "detail": "no answer", "count": 1, "uids": ["one"]}
    assert (stale["count"], stale["detail"]) == (30, "…: edited at …, … times")
    assert stale["uids"] == [f"uid{number}" for number in range(NAMED)]


def test_there_are_not_more_reasons_than_a_page_bears():
    reasons = Reasons()
    for number in range(3 * MOST):
        said = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        reasons.add({"uid": "u", "action": "update", "outcome": "rejected", "detail": said})
    found = reasons.json()
    assert len(found) == MOST + 1
    assert sum(each["count"] for each in found) == 3 * MOST
    assert found[0]["detail"] == OTHERS


# --- of several shards -----------------------------------------------------------------------------------------------


def test_merged_reports_add_up(sandbox, jicoo, plan, tmp_path):
    made = plan(shards=3)
    parts = made.manifest["shards"]
    uids = [line["uid"] for part in parts for line in read_plan(part["plan"])[1]]
    sandbox.delete(uids[-1])
    sandbox.edit(uids[0], priority="low" if sandbox.booking(uids[0])["priority"] == "high" else "high")
    reports = [apply_plan(jicoo, part, options=QUICK) for part in parts[:2]]
    with pytest.raises(BulkFailedError):
        apply_plan(jicoo, parts[2], options=QUICK)
    folders = [tmp_path / f"plan.jsonl.shard-{number}.report" for number in range(3)]
    merged = merge_reports(folders, tmp_path / "all" / "report")
    facts = [json.loads((folder / "report.json").read_bytes()) for folder in folders]
    assert merged.facts["changes"] == sum(merged.counts.values()) == 40
    for name in ("requests", "refused", "changes"):
        assert merged.facts[name] == sum(each[name] for each in facts)
    for name, count in merged.counts.items():
        assert count == sum(each["counts"][name] for each in facts)
    assert merged.counts["stale"] == merged.counts["rejected"] == 1
    assert reports[0].ok
    assert not merged.ok
    assert merged.facts["endedEarly"] == merged.reason == facts[2]["endedEarly"]
    found = [json.loads(line) for line in (tmp_path / "all" / "report" / "outcomes.jsonl").read_bytes().splitlines()]
    assert [each["uid"] for each in found] == uids
    read = check_self_contained((tmp_path / "all" / "report" / "report.html").read_text())
    assert uids[-1] in read.shown
    assert uids[0] in read.shown
    assert [uid for uid, _ in rows_of(tmp_path / "all" / "report")] == [uids[-1], uids[0]]
    assert uids[1] in changed_in(tmp_path / "all" / "report")


def test_a_shard_without_a_report_is_not_passed_over(jicoo, plan, tmp_path):
    made = plan(shards=2)
    apply_plan(jicoo, made.manifest["shards"][0], options=QUICK)
    folders = [tmp_path / f"plan.jsonl.shard-{number}.report" for number in range(2)]
    with pytest.raises(FileNotFoundError):
        merge_reports(folders, tmp_path / "all")


def test_of_no_shards(tmp_path):
    merged = merge_reports([], tmp_path / "all")
    assert merged.ok
    assert sum(merged.counts.values()) == 0
    check_self_contained((tmp_path / "all" / "report.html").read_text())


def shard(folder, outcomes, started, ended):
    """Write the report of a shard: how many changes ended in which outcome, one outcome after the other."""
    folder.mkdir(parents=True)
    made = [(outcome, number) for outcome, count in outcomes.items() for number in range(count)]
    lines = [
        json.dumps({"uid": f"{folder.name}-{name}-{number}", "action": "update", "outcome": name})
        for name, number in made
    ]
    (folder / "outcomes.jsonl").write_text("".join(f"{line}\n" for line in lines))
    counts = {each.value: outcomes.get(each.value, 0) for each in Outcome}
    clock = "2027-03-02T{}:00.000+00:00"
    # Whatever else a report may hold and a merged one adds up.
    zeros = dict.fromkeys(("requests", "refused", "sentAgain", "adjusted", "sentMoreThanOnce"), 0)
    facts = facts_of(startedAt=clock.format(started), endedAt=clock.format(ended), counts=counts, **zeros)
    (folder / "report.json").write_text(json.dumps({**facts, "changes": len(made), "seconds": 600.0}))
    return folder


def rows_of(folder):
    """What the page's table shows: uid and outcome of each row."""
    text = (folder / "report.html").read_text()
    return re.findall(r"<tr><td[^>]*><code>(.*?)</code></td><td[^>]*>update</td><td[^>]*>(.*?)</td>", text)


def test_the_worst_of_all_shards_comes_first(tmp_path):
    one = shard(tmp_path / "one", {"applied": 7, "not_attempted": 5_200, "stale": 2}, "10:00", "10:10")
    two = shard(tmp_path / "two", {"stale": 1, "failed": 3, "unknown": 1, "rejected": 2}, "10:30", "10:40")
    merged = merge_reports([one, two], tmp_path / "all")
    assert [outcome for _, outcome in rows_of(merged.path)] == (
        ["unknown"] + 3 * ["failed"] + 2 * ["rejected"] + 3 * ["stale"]
    )
    assert [uid for uid, outcome in rows_of(merged.path) if outcome == "failed"] == [
        f"two-failed-{number}" for number in range(3)
    ]
    text = check_self_contained((merged.path / "report.html").read_text()).shown
    assert "5,200 not attempted: the run ended before their turn." in text
    assert "more are in outcomes.jsonl" not in text
    assert merged.counts["not_attempted"] == 5_200
    assert len((merged.path / "outcomes.jsonl").read_bytes().splitlines()) == 5_216


def test_what_is_bad_is_not_hidden_by_what_is_less_so(tmp_path):
    one = shard(tmp_path / "one", {"stale": ROWS + 10, "rejected": ROWS - 5}, "10:00", "10:10")
    two = shard(tmp_path / "two", {"stale": 1, "unknown": 1}, "10:00", "10:10")
    merged = merge_reports([one, two], tmp_path / "all")
    shown = [outcome for _, outcome in rows_of(merged.path)]
    assert shown == ["unknown"] + (ROWS - 5) * ["rejected"] + 4 * ["stale"]
    assert f"{ROWS + 7:,} more are in outcomes.jsonl" in (merged.path / "report.html").read_text()


def test_the_times_of_a_merged_report_are_those_of_the_whole(tmp_path):
    two = shard(tmp_path / "two", {"applied": 1}, "10:30", "10:40")
    one = shard(tmp_path / "one", {"applied": 1}, "10:00", "10:10")
    merged = merge_reports([two, one], tmp_path / "all")
    assert merged.facts["startedAt"] == "2027-03-02T10:00:00.000+00:00"
    assert merged.facts["endedAt"] == "2027-03-02T10:40:00.000+00:00"
    assert merged.facts["seconds"] == 2400.0


def test_the_report_of_one_run_shows_the_worst_first_too(plan):
    made = plan()
    path = report_of(made).parent / "plan.jsonl"
    uids = [line["uid"] for line in read_plan(path)[1]]
    ends = {uids[3]: Outcome.STALE, uids[9]: Outcome.FAILED, uids[20]: Outcome.UNKNOWN, uids[30]: Outcome.REJECTED}
    report = written(path, made.manifest["digest"], {uid: Entry(end) for uid, end in ends.items()})
    assert [uid for uid, _ in rows_of(report.path)] == [uids[20], uids[9], uids[30], uids[3]]
    assert "36 not attempted" in (report.path / "report.html").read_text()


def test_where_nothing_was_attempted_not_everything_went_through(tmp_path):
    merged = merge_reports([shard(tmp_path / "one", {"not_attempted": 3}, "10:00", "10:01")], tmp_path / "all")
    text = (merged.path / "report.html").read_text()
    assert "Everything went through" not in text
    assert "3 not attempted" in text


def test_each_outcome_is_a_row_or_a_number():
    assert {*WORST_FIRST, "applied", "unchanged", "not_attempted"} == {each.value for each in Outcome}


# --- over time -------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=3000), st.integers(1, 3))
def test_a_timeline_is_bounded_and_in_order(gaps, times):
    timeline, now, done = Timeline(), 1000.0, 0
    for gap in gaps * times:
        now += gap
        done += 3
        timeline.sample(now, done, 2 * done, 0, None)
        assert len(timeline.samples) <= SAMPLES + 1
    made = timeline.json()
    assert made[0]["seconds"] == 0.0
    assert [each["seconds"] for each in made] == sorted(each["seconds"] for each in made)
    assert [each["done"] for each in made] == sorted(each["done"] for each in made)


def test_a_day_long_run_is_spread_over_the_plot():
    timeline = Timeline()
    for tick in range(4 * 86_400):
        timeline.sample(tick / 4, tick, tick, 0, None)
    seconds = [each["seconds"] for each in timeline.json()]
    assert SAMPLES / 3 <= len(seconds) <= SAMPLES
    assert seconds[-1] > 86_400 * 0.99
    gaps = [after - before for before, after in pairwise(seconds)]
    assert max(gaps) <= 4 * min(gaps)


def test_the_rate_is_that_of_late():
    timeline = Timeline()
    assert timeline.rate(0.0, 0) == 0.0
    timeline.sample(0.0, 0, 0, 0, None)
    assert timeline.rate(0.0, 0) == 0.0
    for tick in range(1, 400):  # 100 s at 4 a second
        timeline.sample(tick / 4, tick, tick, 0, None)
    assert timeline.rate(tick / 4, tick) == pytest.approx(4.0, rel=0.02)
    for tick in range(400, 800):  # then at 40 a second
        timeline.sample(tick / 4, 400 + 10 * (tick - 400), tick, 0, None)
    assert timeline.rate(tick / 4, 400 + 10 * (tick - 400)) == pytest.approx(40.0, rel=0.02)
    for tick in range(800, 900):  # then it stands still
        timeline.sample(tick / 4, 4400, tick, 0, None)
    assert timeline.rate(tick / 4, 4400) == 0.0


def test_the_rate_counts_what_was_done_since_the_last_sample():
    timeline = Timeline()
    timeline.sample(10.0, 0, 0, 0, None)
    assert timeline.rate(10.2, 40) == pytest.approx(200.0)


def test_no_time_between_two_samples():
    timeline = Timeline()
    for done in (0, 5):
        timeline.sample(1.0, done, done, 0, None)
    assert timeline.rate(1.0, 5) == 0.0


# --- in words --------------------------------------------------------------------------------------------------------


def test_a_report_in_words(tmp_path):
    counts = {**dict.fromkeys((each.value for each in Outcome), 0), "applied": 1200, "stale": 3}
    assert str(Report(tmp_path, counts)) == (
        f"1,203 planned changes: 1,200 applied, 3 stale. Report: {tmp_path / 'report.html'}"
    )
    assert "Ended early: told so." in str(Report(tmp_path, counts, "told so"))
    assert "nothing to do" in str(Report(tmp_path, {}))


def test_progress_in_words():
    some = Progress(2000, {"applied": 1000, "stale": 3}, 12.34, 81.2)
    assert some.done == 1003
    assert str(some) == "1,003 of 2,000 done (1,000 applied, 3 stale), 12.3/s, 81 s to go"
    assert str(Progress(5, {}, 0.0, None)) == "0 of 5 done (nothing yet), 0.0/s"


def test_what_is_final_is_not_in_doubt():
    assert Outcome.REJECTED.is_final
    assert Outcome.REJECTED.is_bad
    assert [outcome for outcome in Outcome if not outcome.is_final] == [
        Outcome.FAILED,
        Outcome.UNKNOWN,
        Outcome.NOT_ATTEMPTED,
    ]
