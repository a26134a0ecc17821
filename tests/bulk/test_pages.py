"""A plan as a table: how each change reads, and searching, sorting and paging through very many."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.pages.render import moment, number, span
from airflow_provider_jicoo.bulk.pages.rows import row_of
from airflow_provider_jicoo.bulk.pages.table import PER_PAGE, PlanTable, Tables, Wanted
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
