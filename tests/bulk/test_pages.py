"""A plan as a table: how each change reads, and searching, sorting and paging through very many."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.pages import texts
from airflow_provider_jicoo.bulk.pages.orders import SORTS
from airflow_provider_jicoo.bulk.pages.render import moment, number, span
from airflow_provider_jicoo.bulk.pages.rows import row_of, text_of
from airflow_provider_jicoo.bulk.pages.table import ORDERS, PER_PAGE, PlanTable, Tables, Wanted
from airflow_provider_jicoo.bulk.plan.file import DECODER
from airflow_provider_jicoo.bulk.plan.tally import roles_of
from tests.plugins.room.planted import HOSTS, change, write_plan


def read(side):
    """A side of a difference, with what differs in brackets."""
    return "".join(f"[{part.text}]" if part.differs else part.text for part in side)


def shown(line, personal=True):
    row = row_of(line, HOSTS, personal)
    return row, {each.name: (read(each.before), read(each.after)) for each in row.differences}


class TestRow:
    def test_a_move_on_the_clock_of_its_zone(self):
        row, told = shown(change(4))
        assert (row.when, row.zone) == ("Fri 2027-03-05 10:00–12:00", "Asia/Tokyo")
        assert told["time"] == ("Fri 2027-03-05 [10:00–12:00]", "Fri 2027-03-05 [11:00–12:00]")
        assert told["host"] == ("[Ada Lovelace]", "[Grace Hopper]")

    def test_a_reschedule_keeps_its_length(self):
        line = change(4, action="reschedule", before={}, after={"startedAt": "2027-03-06T20:00:00.000Z"})
        assert shown(line)[1]["time"][1] == "[Sun 2027-03-07] [05:00–07:00]"

    def test_over_midnight(self):
        line = change(4, started_at="2027-03-04T14:00:00.000Z", ended_at="2027-03-04T16:00:00.000Z", after={})
        assert shown(line)[0].when == "Thu 2027-03-04 23:00 to Fri 2027-03-05 01:00"

    def test_a_cancel(self):
        line = change(4, action="cancel", before={"status": "open"}, after={"status": "cancel"})
        assert shown(line)[1] == {"status": ("[open]", "[cancel]")}

    def test_a_zone_that_there_is_not(self):
        row, _ = shown(change(4, time_zone="Mars/Olympus"))
        assert (row.when, row.zone) == ("Fri 2027-03-05 01:00–03:00", "UTC")

    def test_times_that_cannot_be_read(self):
        row, _ = shown(change(4, started_at="soon", ended_at="later", after={"startedAt": 7}))
        assert row.when == "soon"

    def test_only_what_differs_is_marked(self):
        line = change(4, before={"name": "Room 1, second floor"}, after={"name": "Room 2, second floor"})
        assert shown(line)[1]["name"] == ("Room [1,] second floor", "Room [2,] second floor")

    @pytest.mark.parametrize(
        ("now", "then", "before", "after"),
        [
            (None, "x", "[(empty)]", "[x]"),
            ("a b", "a b c", "a b", "a b[ c]"),
            ("a b c", "b c", "[a] b c", "b c"),
            ("a a a", "a a", "a a[ a]", "a a"),
            ({"a": 1}, [1, "é"], '[{"a": 1}]', '[[1, "é"]]'),
        ],
    )
    def test_of_any_values(self, now, then, before, after):
        told = shown(change(4, before={"name": now}, after={"name": then}))[1]["name"]
        assert [part.replace("[ ", " [") for part in told] == [part.replace("[ ", " [") for part in (before, after)]

    def test_a_long_value_is_cut(self):
        told = shown(change(4, before={}, after={"name": "x" * 10_000}))[1]["name"]
        assert len(told[1]) < 310

    def test_what_may_be_personal(self):
        line = change(4, before={"name": "Zweig", "priority": "low"}, after={"name": "Stefan", "priority": "high"})
        row, told = shown(line, personal=False)
        assert row.hidden == ("name",)
        assert told == {"priority": ("[low]", "[high]")}
        assert "zweig" not in row.text()
        assert "zweig" in shown(line)[0].text()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    lines = sorted(
        (change(n, before={"name": f"Guest {n}"}, after={"name": "x"}) for n in range(1203)),
        key=lambda each: each.started_at,
    )
    manifest = write_plan(tmp_path_factory.mktemp("plan") / "plan.jsonl", lines)
    return PlanTable([(Path(manifest["plan"]), manifest["digest"])])


def uids(page):
    return [row.uid for row in page.rows]


class TestTable:
    def test_its_pages_are_all_of_it(self, table):
        pages = [table.page(Wanted(page=page), True) for page in range(1, 26)]
        assert {page.pages for page in pages} == {25}
        assert [len(page.rows) for page in pages] == [PER_PAGE] * 24 + [3]
        assert sorted(uid for page in pages for uid in uids(page)) == [f"b{n:06}" for n in range(1203)]
        assert (pages[1].first, pages[1].found, pages[1].total) == (51, 1203, 1203)

    @pytest.mark.parametrize("page", [0, -3, 26, 10**9])
    def test_a_page_that_there_is_not_is_the_nearest(self, table, page):
        assert table.page(Wanted(page=page), True).page == (1 if page < 1 else 25)

    def test_sorted(self, table):
        assert uids(table.page(Wanted(sort="booking"), True))[:2] == ["b000000", "b000001"]
        assert uids(table.page(Wanted(sort="booking", descending=True), True))[0] == "b001202"
        by_start = [row.when for row in table.page(Wanted(), True).rows]
        assert by_start == sorted(by_start, key=lambda when: when[4:])
        assert table.page(Wanted(sort="no such"), True).rows == table.page(Wanted(), True).rows

    def test_searched(self, table):
        found = table.page(Wanted("b00077", "booking"), True)
        assert uids(found) == [f"b000{n}" for n in range(770, 780)]
        assert (found.found, found.total) == (10, 1203)
        assert uids(table.page(Wanted("GUEST  b000077"), True)) == ["b000077"]
        assert table.page(Wanted("no such guest"), True).rows == []
        assert table.page(Wanted("2027-03-05"), True).found == 43

    def test_what_may_be_personal_is_not_found(self, table):
        assert table.page(Wanted("guest"), True).found == 1203
        assert table.page(Wanted("guest"), False).found == 0
        assert table.page(Wanted("guest"), True).found == 1203

    def test_many_readers_at_once(self, table):
        problems = []

        def look(number):
            try:
                for page in range(1, 20):
                    rows = table.page(Wanted(sort="booking", page=page, descending=bool(number % 2)), True).rows
                    assert [row.uid for row in rows] == sorted((row.uid for row in rows), reverse=bool(number % 2))
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []


LETTERS = st.sampled_from(["a", "b", "ß", "İ", "ſ", "K", "é", "e\u0301", "😀", "\u202e", ",", '"', "\\", "<", "1", "."])
SPACES = st.sampled_from([" ", "  ", "\n", "\t", "\u00a0", "\u2028", "\x1c", ""])
WORDS = st.lists(st.one_of(LETTERS, SPACES), max_size=8).map("".join)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 99),
    WORDS,
    WORDS.map(lambda text: text * 200),
    st.lists(WORDS, max_size=2),
    st.dictionaries(WORDS, WORDS, max_size=2),
)
MOMENTS = st.one_of(
    st.sampled_from(["2027-03-05T01:00:00.000Z", "2027-03-05T14:30:00Z", "2027-03-31T23:59:59.999+09:00", "soon", ""]),
    st.integers(0, 3000).map(lambda hours: f"2027-{hours % 12 + 1:02}-{hours % 28 + 1:02}T{hours % 24:02}:30:00.000Z"),
)
BOOKED = st.lists(
    st.fixed_dictionaries(
        {"userId": st.sampled_from(["u1", "u2", "u3"])}, optional={"role": st.sampled_from(["owner", "guest", None, 7])}
    ),
    max_size=3,
)
SIDE = st.fixed_dictionaries(
    {},
    optional={
        "name": VALUES,
        "priority": VALUES,
        "timeZone": VALUES,
        "startedAt": st.one_of(MOMENTS, st.sampled_from([None, 7, []])),
        "endedAt": st.one_of(MOMENTS, st.none()),
        "hosts": st.one_of(BOOKED, st.sampled_from([None, "u1", [7]])),
        "status": st.sampled_from(["open", "cancel", None, ""]),
        "answer ß": VALUES,
    },
)
CHANGES = st.builds(
    change,
    st.integers(0, 30),
    uid=WORDS,
    action=st.sampled_from(["update", "reschedule", "cancel"]),
    before=SIDE,
    after=SIDE,
    send=st.one_of(st.none(), SIDE),
    started_at=MOMENTS,
    ended_at=MOMENTS,
    time_zone=st.sampled_from(["Asia/Tokyo", "America/New_York", "", "Mars/Olympus"]),
)
NAMED = {"u1": "Ada Lovelace", "u2": "Straße \ud83d"}
"""The header is read as JSON, which lets half of a pair of surrogates be."""
SLOW_KEYS = {
    "start": lambda line: (line.started_at, line.uid),
    "booking": lambda line: line.uid,
    "action": lambda line: (line.action, line.started_at, line.uid),
    "new": lambda line: (str(line.after.get("startedAt", line.started_at)), line.uid),
    "host": lambda line: (
        ", ".join(NAMED.get(uid) or uid for uid in roles_of(line.before.get("hosts"))).casefold(),
        line.started_at,
        line.uid,
    ),
}


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES, st.booleans())
def test_the_text_of_a_change_is_that_of_its_row(line, personal):
    assert text_of(line, NAMED, personal).split() == row_of(line, NAMED, personal).text().split()


@settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(CHANGES, max_size=12), st.data(), st.booleans(), st.sampled_from([1, 90, 1 << 20]))
def test_a_search_finds_what_is_to_be_read_in_a_row(tmp_path, lines, data, personal, at_once):
    """Whatever is searched for, and however much of it is looked through at once: as if each row were made and read."""
    lines = [DECODER.decode(line.dump()) for line in lines]  # in the file, names stand in another order
    manifest = write_plan(tmp_path / "plan.jsonl", lines, hosts={})
    table = PlanTable([(Path(manifest["plan"]), manifest["digest"])])
    table.hosts.update(NAMED)
    rows = [row_of(line, NAMED, personal) for line in lines]
    # Pieces of what is there, so that most searches find some rows and not all; and what is not, or is by chance.
    there = sorted({word[at : at + 6] for row in rows for word in row.text().split() for at in (0, len(word) // 2)})
    pieces = st.sampled_from(there or ["fri"])
    searches = st.one_of(pieces, pieces.map(str.upper), st.lists(st.one_of(pieces, WORDS), max_size=3).map(" ".join))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "_AT_ONCE", at_once)
        for _ in range(4):
            search = data.draw(searches)
            wanted = Wanted(search, data.draw(st.sampled_from(sorted(SORTS))), data.draw(st.booleans()))
            words = search.casefold().split()
            numbers = [number for number, row in enumerate(rows) if all(word in row.text() for word in words)]
            numbers.sort(key=lambda number: SLOW_KEYS[wanted.sort](lines[number]))
            if wanted.descending:
                numbers.reverse()
            page = table.page(wanted, personal)
            assert (page.rows, page.found, page.total) == (
                [rows[number] for number in numbers],
                len(numbers),
                len(rows),
            )


def test_a_look_does_not_wait_for_a_search(table):
    """A search of a plan of 100,000 takes seconds, and whoever only turns a page is not to notice it."""
    table.page(Wanted(sort="booking"), True)
    begun, end = threading.Event(), threading.Event()

    def search():
        begun.set()
        assert end.wait(60)
        return range(0)

    searching = threading.Thread(target=table._kept, args=(("start", True, ("slow",)), search))
    searching.start()
    try:
        assert begun.wait(60)
        looking = threading.Thread(target=table.page, args=(Wanted(sort="booking", page=2), True))
        looking.start()
        looking.join(60)
        assert not looking.is_alive()
    finally:
        end.set()
        searching.join()


def test_few_searches_are_remembered(table):
    for at in range(3 * ORDERS):
        table.page(Wanted(f"b{at:06}"), True)
    assert len(table._orders) == ORDERS


def test_a_damaged_plan(tmp_path):
    manifest = write_plan(tmp_path / "plan.jsonl", map(change, range(3)))
    path = tmp_path / "plan.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(PlanMismatchError, match="damaged"):
        PlanTable([(path, manifest["digest"])])


def test_tables_are_kept_and_let_go(tmp_path):
    tables = Tables(most=2)
    plans = []
    for n in range(3):
        manifest = write_plan(tmp_path / f"{n}.jsonl", [change(n)])
        plans.append([(tmp_path / f"{n}.jsonl", manifest["digest"])])
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    kept = [tables.of(plan) for plan in plans]
    assert tables.of(plans[2]) is kept[2]
    assert tables.of(plans[0]) is not kept[0], "the oldest was let go"
    del kept
    tables = None
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) <= before, "and so were its files"


def test_few_changes_are_kept(tmp_path):
    tables = Tables(most=4, changes=5)
    plans = []
    for n in (2, 2, 2, 9):
        path = tmp_path / f"{len(plans)}.jsonl"
        plans.append([(path, write_plan(path, map(change, range(n)))["digest"])])
    kept = [tables.of(plan) for plan in plans[:3]]
    assert [tables.of(plan) is table for plan, table in zip(plans[1:3], kept[1:], strict=True)] == [True, True]
    assert tables.of(plans[0]) is not kept[0]
    # One that has more by itself is kept alone.
    large = tables.of(plans[3])
    assert tables.of(plans[3]) is large
    assert tables.of(plans[1]) is not kept[1]


def test_words():
    assert [number(each) for each in (1234567, 1234.56, None, True, "x")] == ["1,234,567", "1,234.6", "?", "?", "?"]
    assert [span(each) for each in (0, 9.94, 59, 61, 3723, -1, None)] == [
        "0.0 s",
        "9.9 s",
        "59 s",
        "1 min 1 s",
        "1 h 2 min",
        "?",
        "?",
    ]
    assert moment("2027-01-01T09:00:00+09:00") == moment(1798761600) == "2027-01-01 00:00:00 UTC"
    assert [moment(each) for each in (None, "soon", 1e300)] == ["", "soon", "1e+300"]
