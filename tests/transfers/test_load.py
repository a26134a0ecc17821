"""Loads at their edges: fields that are new, days, cursors, and tries."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jicoo.api.errors import NotFoundError, UnprovenListError
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.transfers import cursor as cursors
from airflow_provider_jicoo.transfers import load as loads
from airflow_provider_jicoo.transfers.cursor import load_cursor
from airflow_provider_jicoo.transfers.load import Order, load
from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS, HOSTS, USERS, RowError, read
from airflow_provider_jicoo.transfers.shaping import Shaper
from tests.transfers.somebody import READERS, read_days, read_file

OWNER = {"dagId": "dag", "runId": "one", "taskId": "task", "mapIndex": -1}


@pytest.fixture
def settings(jicoo_sandbox):
    return Settings(jicoo_sandbox.api_key, jicoo_sandbox.url)


class TestShaping:
    @pytest.mark.parametrize(
        "odd",
        [
            {},
            {"colour": "red"},
            {"name": 5},
            {"startedAt": "2026-02-31T00:00:00.000Z"},
            {"startedAt": "2026-02-03 00:00:00.000Z"},
            {"startedAt": "2026-02-03T00:00:00+0900"},
            {"startedAt": "2026-02-03T09:00:00+09:00"},
            {"startedAt": None, "hosts": None},
            {"startedAt": "x" * 24},
        ],
        ids=str,
    )
    def test_a_page_at_once_is_as_each_row_by_itself(self, jicoo_sandbox, odd):
        first, second, *_ = jicoo_sandbox.bookings()
        rows = [first, {**second, **odd}]
        shaped = Shaper(BOOKINGS).shape(rows)
        made = [{column.name: getattr(row, column.name) for column in BOOKINGS.columns} for row in shaped]
        assert made == [BOOKINGS.shape(row) for row in rows]


class TestDays:
    def test_a_booking_that_moves_leaves_no_trace_in_its_day(self, settings, jicoo_sandbox, tmp_path):
        order = Order(BOOKINGS, tmp_path, partition_by="startedAt")
        jicoo_sandbox.reset(bookings=0)
        kept = jicoo_sandbox.add_booking(startedAt="2026-03-02T23:59:00.000Z")["uid"]
        moved = jicoo_sandbox.add_booking(startedAt="2026-03-01T10:00:00.000Z")["uid"]
        assert load(settings, order)["partitions"]["written"] == ["2026-03-01", "2026-03-02"]
        jicoo_sandbox.edit(moved, startedAt="2026-03-03T10:00:00.000Z")
        made = load(settings, order)
        assert made["partitions"] == {"all": 2, "written": ["2026-03-03"], "removed": ["2026-03-01"]}
        assert {row["uid"] for row in read_days(tmp_path, "jsonl")} == {kept, moved}

    def test_a_day_that_an_incomplete_sweep_did_not_show_keeps_its_file(self, settings, jicoo_sandbox, tmp_path):
        order = Order(BOOKINGS, tmp_path, partition_by="startedAt", on_unproven="warn")
        jicoo_sandbox.reset(bookings=0)
        for day in range(1, 4):
            jicoo_sandbox.add_booking(startedAt=f"2026-03-0{day}T10:00:00.000Z")
        lost, gone, shown = (booking["uid"] for booking in jicoo_sandbox.bookings())
        load(settings, order)
        manifest = json.loads((tmp_path / "_jicoo_bookings.manifest.json").read_bytes())
        jicoo_sandbox.delete(gone)
        jicoo_sandbox.break_row(lost, "no-startedAt")
        made = load(settings, order)
        assert made["warnings"]
        assert made["partitions"] == {"all": 1, "written": [], "removed": []}
        assert {row["uid"] for row in read_days(tmp_path, "jsonl")} == {lost, gone, shown}
        assert json.loads((tmp_path / "_jicoo_bookings.manifest.json").read_bytes()) == manifest
        jicoo_sandbox.mend_row(lost)
        assert load(settings, order)["partitions"] == {"all": 2, "written": [], "removed": ["2026-03-02"]}

    def test_a_window_leaves_the_other_days_alone(self, settings, jicoo_sandbox, tmp_path):
        jicoo_sandbox.reset(bookings=0)
        for day in range(1, 6):
            jicoo_sandbox.add_booking(startedAt=f"2026-03-0{day}T10:00:00.000Z")
        load(settings, Order(BOOKINGS, tmp_path, partition_by="startedAt"))
        window = Selection(started_after="2026-03-02T00:00:00Z", started_before="2026-03-04T00:00:00Z")
        for booking in jicoo_sandbox.bookings():
            jicoo_sandbox.edit(booking["uid"], name="edited")
        made = load(settings, Order(BOOKINGS, tmp_path, partition_by="startedAt", selection=window))
        assert made["partitions"]["written"] == ["2026-03-02", "2026-03-03"]
        edited = {row["startedAt"][:10] for row in read_days(tmp_path, "jsonl") if row["name"] == "edited"}
        assert edited == {"2026-03-02", "2026-03-03"}
        assert len(read_days(tmp_path, "jsonl")) == 5

    @pytest.mark.parametrize(
        ("selection", "column"),
        [
            (Selection(started_after="2026-03-02T09:00:00Z"), "startedAt"),
            (Selection(started_after="2026-03-02T00:00:00Z"), "createdAt"),
            (Selection(uids=["abc"]), "startedAt"),
        ],
    )
    def test_a_selection_that_cuts_a_day_is_refused(self, settings, jicoo_sandbox, tmp_path, selection, column):
        with pytest.raises(ValueError, match="only a part of a day"):
            load(settings, Order(BOOKINGS, tmp_path, partition_by=column, selection=selection))
        assert jicoo_sandbox.count() == 0

    def test_a_folder_of_other_files_is_refused(self, settings, jicoo_sandbox, tmp_path):
        load(settings, Order(BOOKINGS, tmp_path, partition_by="startedAt"))
        with pytest.raises(ValueError, match="name another folder"):
            load(settings, Order(BOOKINGS, tmp_path, partition_by="createdAt"))


class TestChanges:
    def test_a_further_try_returns_what_the_first_has_written(self, settings, jicoo_sandbox, tmp_path):
        order = Order(BOOKINGS, tmp_path / "one.jsonl", sync="changes")
        made = load(settings, order, owner=OWNER)
        content = (tmp_path / "one.jsonl").read_bytes()
        jicoo_sandbox.add_booking()
        assert load(settings, order, owner=OWNER) == made
        assert (tmp_path / "one.jsonl").read_bytes() == content
        with pytest.raises(ValueError, match="has the changes of another run"):
            load(settings, order, owner={**OWNER, "runId": "two"})
        assert load(settings, Order(BOOKINGS, tmp_path / "two.jsonl", sync="changes"), owner=OWNER)["rows"] == 1

    def test_the_changes_of_an_earlier_run_are_not_written_over(self, settings, jicoo_sandbox, tmp_path):
        """Somebody clears it: what it has written would be gone, since the cursor has gone on."""
        first = Order(BOOKINGS, tmp_path / "one.jsonl", sync="changes")
        load(settings, first, owner=OWNER)
        content = first.path.read_bytes()
        second = {"order": Order(BOOKINGS, tmp_path / "two.jsonl", sync="changes"), "owner": {**OWNER, "runId": "two"}}
        made = load(settings, **second)
        assert made["rows"] == 0
        for owner in (OWNER, {**OWNER, "runId": "three"}):
            with pytest.raises(ValueError, match=r"one\.jsonl has the changes of another run"):
                load(settings, first, owner=owner)
        assert first.path.read_bytes() == content
        assert load(settings, **second) == made

    def test_a_further_try_does_not_tell_of_a_file_that_is_gone(self, settings, tmp_path):
        order = Order(BOOKINGS, tmp_path / "one.jsonl", sync="changes")
        load(settings, order, owner=OWNER)
        order.path.unlink()
        with pytest.raises(ValueError, match=r"one\.jsonl was written by an earlier try, and is gone.*put it back"):
            load(settings, order, owner=OWNER)
        # Whoever has taken it in may have removed it, and it can be written by the next run.
        assert load(settings, order, owner={**OWNER, "runId": "two"})["rows"] == 0

    def test_other_uids_are_other_data(self, settings, jicoo_sandbox, tmp_path):
        """Else those of the run before would be told to be gone."""
        one, two, *_ = (booking["uid"] for booking in jicoo_sandbox.bookings())
        load(settings, Order(BOOKINGS, tmp_path / "0", sync="changes", selection=Selection(uids=[one])))
        with pytest.raises(ValueError, match="selection differ"):
            load(settings, Order(BOOKINGS, tmp_path / "1", sync="changes", selection=Selection(uids=[two])))
        made = load(settings, Order(BOOKINGS, tmp_path / "2", sync="changes", selection=Selection(uids=f'["{one}"]')))
        assert made["changes"] == {"created": 0, "updated": 0, "deleted": 0}

    @pytest.mark.parametrize("number", [1, 2])
    def test_a_killed_load_without_changes_can_be_tried_again(self, settings, tmp_path, killed, number):
        load(settings, Order(BOOKINGS, tmp_path / "0.jsonl", sync="changes"))
        order = Order(BOOKINGS, tmp_path / "1.jsonl", sync="changes")
        killed(number, order)
        assert order.path.exists() == (number == 2)
        assert load(settings, order, owner=OWNER)["rows"] == 0

    @pytest.fixture
    def killed(self, settings, monkeypatch):
        """Let a load be killed before it gives a file its place: the cursor with the doubts, the data, the cursor."""

        def load_until(number, order):
            done = []

            def publish(*arguments):
                if len(done) == number:
                    raise KeyboardInterrupt
                done.append(arguments)
                return published(*arguments)

            published = cursors.publish
            with monkeypatch.context() as patch:
                patch.setattr(cursors, "publish", publish)
                patch.setattr(loads, "publish", publish)
                with pytest.raises(KeyboardInterrupt):
                    load(settings, order, owner=OWNER)

        return load_until

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_killed_before_the_cursor_is_there_it_comes_again(self, settings, tmp_path, killed, number):
        order = Order(BOOKINGS, tmp_path / "one.jsonl", sync="changes")
        killed(number, order)
        assert order.path.exists() == (number == 2)
        assert load(settings, order, owner=OWNER)["changes"] == {"created": 50, "updated": 0, "deleted": 0}

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_who_has_the_file_of_a_killed_load_gets_what_became_of_it(
        self, settings, jicoo_sandbox, tmp_path, killed, number
    ):
        """Also of what is gone since then, is as it was before, or is back."""

        def back(booking):
            with jicoo_sandbox._state.lock:
                jicoo_sandbox._state.rows.bookings[booking["uid"]] = dict(booking)

        load(settings, Order(BOOKINGS, tmp_path / "0.jsonl", sync="changes"))
        edited, removed, *_ = jicoo_sandbox.bookings()
        made = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.edit(edited["uid"], name="for a moment")
        jicoo_sandbox.delete(removed["uid"])
        killed(number, Order(BOOKINGS, tmp_path / "1.jsonl", sync="changes"))
        jicoo_sandbox.delete(made)
        back(edited)
        back(removed)
        load(settings, Order(BOOKINGS, tmp_path / "2.jsonl", sync="changes"))
        table = {}
        for path in sorted(tmp_path.glob("*.jsonl")):
            for row in read_file(path, "jsonl"):
                if row.pop("_change") == "deleted":
                    table.pop(row["uid"], None)
                else:
                    table[row["uid"]] = row
        assert table == {booking["uid"]: booking for booking in jicoo_sandbox.bookings()}
        assert load(settings, Order(BOOKINGS, tmp_path / "3.jsonl", sync="changes"))["rows"] == 0

    def test_the_cursor_of_other_data_is_refused(self, settings, jicoo_sandbox, tmp_path):
        load(settings, Order(BOOKINGS, tmp_path / "one", sync="changes"))
        before = jicoo_sandbox.count()
        for change, words in (
            ({"selection": Selection(status="open")}, "selection differ"),
            ({"include_contacts": True}, "include_contacts differ"),
        ):
            with pytest.raises(ValueError, match=words):
                load(settings, Order(BOOKINGS, tmp_path / "two", sync="changes", **change))
        assert jicoo_sandbox.count() == before

    @pytest.mark.parametrize(
        "content", [b"", b"[]\n", b'{"jicoo_cursor": 1}\n', b"\x00", b'{"jicoo_cursor": 9, "of": {}}']
    )
    def test_a_damaged_cursor_is_refused(self, tmp_path, content):
        (tmp_path / "cursor").write_bytes(content)
        with pytest.raises(ValueError, match="To load all anew, remove it"):
            load_cursor(tmp_path / "cursor", {})

    def test_where_not_all_is_proved_nothing_is_deleted(self, settings, jicoo_sandbox, tmp_path):
        order = {"sync": "changes", "on_unproven": "warn"}
        load(settings, Order(BOOKINGS, tmp_path / "0", **order))
        jicoo_sandbox.quirks = ["list-cap=20"]
        made = load(settings, Order(BOOKINGS, tmp_path / "1", **order))
        assert made["warnings"]
        assert made["changes"]["deleted"] == 0
        jicoo_sandbox.quirks = []
        # What did not come was not forgotten either.
        assert load(settings, Order(BOOKINGS, tmp_path / "2", **order))["rows"] == 0

    @pytest.mark.parametrize("on_unproven", ["fail", "warn"])
    def test_what_is_told_and_no_doubt_lets_deletions_be(self, settings, jicoo_sandbox, tmp_path, on_unproven):
        """Where no booking awaits approval, each list may tell that it cannot know whether it shows such."""
        for booking in jicoo_sandbox.bookings():
            if booking["status"] == "request":
                jicoo_sandbox.edit(booking["uid"], status="open")
        order = {"sync": "changes", "on_unproven": on_unproven}
        load(settings, Order(BOOKINGS, tmp_path / "0", **order))
        jicoo_sandbox.delete(jicoo_sandbox.bookings()[0]["uid"])
        made = load(settings, Order(BOOKINGS, tmp_path / "1", **order))
        assert "awaits approval" in made["warnings"][0]
        assert made["changes"] == {"created": 0, "updated": 0, "deleted": 1}

    def test_other_resources_have_changes_too(self, settings, jicoo_sandbox, tmp_path):
        assert load(settings, Order(USERS, tmp_path / "0", sync="changes"))["changes"]["created"] == 8
        assert load(settings, Order(USERS, tmp_path / "1", sync="changes"))["rows"] == 0
        assert load(settings, Order(CONTACTS, tmp_path / "2", sync="changes"))["rows"] > 50
        assert json.loads((tmp_path / "2").read_text().splitlines()[0])["_change"] == "created"


class TestJicooAsItMayBe:
    def test_where_not_all_is_proved_nothing_is_written(self, settings, jicoo_sandbox, tmp_path):
        (tmp_path / "file").write_text("old")
        jicoo_sandbox.quirks = ["list-cap=20"]
        with pytest.raises(UnprovenListError):
            load(settings, Order(BOOKINGS, tmp_path / "file"))
        assert (tmp_path / "file").read_text() == "old"
        with pytest.raises(UnprovenListError):
            load(settings, Order(BOOKINGS, tmp_path / "days", partition_by="startedAt"))
        assert not list((tmp_path / "days").glob("*/*"))

    @pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
    def test_a_field_that_is_new_is_kept(self, settings, jicoo_sandbox, tmp_path, kind):
        columns = load(settings, Order(BOOKINGS, tmp_path / "before", format=kind))["columns"]
        jicoo_sandbox.quirks = ["extra-fields"]
        made = load(settings, Order(BOOKINGS, tmp_path / "after", format=kind))
        assert made["columns"] == columns
        rows = READERS[kind](tmp_path / "after")
        extra = [row["_extra"] if isinstance(row["_extra"], dict) else json.loads(row["_extra"]) for row in rows]
        assert all(extra)
        assert not set(extra[0]).intersection(columns)

    def test_an_event_type_without_an_id_is_named(self, settings, jicoo_sandbox, tmp_path):
        with jicoo_sandbox._state.lock:
            next(iter(jicoo_sandbox._state.rows.event_types.values()))["uid"] = 7
        with pytest.raises(RowError, match="event type number 1 has no uid"):
            load(settings, Order(HOSTS, tmp_path / "file"))

    @pytest.mark.parametrize("is_gone", [True, False])
    def test_an_event_type_that_is_removed_while_hosts_are_read(
        self, settings, jicoo_sandbox, jicoo, tmp_path, is_gone
    ):
        """Its hosts are asked for by its id, and Jicoo may say that there is no such thing."""
        jicoo_sandbox.fail("refused", status=404, path="/v1/event_type_hosts", times=1)
        if is_gone:
            jicoo_sandbox.fail("refused", status=404, path="/v1/event_types/{uid}", times=2)
            assert load(settings, Order(HOSTS, tmp_path / "file"))["rows"] > 0
        else:
            with pytest.raises(NotFoundError):
                load(settings, Order(HOSTS, tmp_path / "file"))
        jicoo_sandbox.fail("refused", status=404, path="/v1/event_type_hosts", times=1)
        if is_gone:
            assert list(read(jicoo, HOSTS))
        else:
            with pytest.raises(NotFoundError):
                list(read(jicoo, HOSTS))

    def test_a_field_that_is_called_as_a_column_of_ours(self, settings, jicoo_sandbox, tmp_path):
        theirs = {"contacts": ["theirs"], "_change": "theirs", "_extra": {"a": 1}}
        uid = jicoo_sandbox.bookings()[0]["uid"]
        with jicoo_sandbox._state.lock:
            jicoo_sandbox._state.rows.bookings[uid] |= theirs
        load(settings, Order(BOOKINGS, tmp_path / "file", sync="changes", include_contacts=True))
        (row,) = [row for row in READERS["jsonl"](tmp_path / "file") if row["uid"] == uid]
        assert row["contacts"] == jicoo_sandbox.contacts(uid)
        assert row["_change"] == "created"
        assert row["_extra"] == {**theirs["_extra"], "contacts": ["theirs"], "_change": "theirs"}

    @pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
    def test_a_guest_whose_text_is_no_unicode(self, settings, jicoo_sandbox, tmp_path, kind):
        parquet = pytest.importorskip("pyarrow.parquet")
        uid = jicoo_sandbox.bookings()[0]["uid"]
        with jicoo_sandbox._state.lock:
            jicoo_sandbox._state.rows.contacts[uid][0]["message"] = "cut \ud83d"
        load(settings, Order(CONTACTS, tmp_path / "file", format=kind))
        if kind == "parquet":
            rows = parquet.read_table(tmp_path / "file").to_pylist()
        else:
            rows = READERS[kind](tmp_path / "file")
        messages = [row["message"] for row in rows if row["bookingUid"] == uid]
        assert messages == ["cut \N{REPLACEMENT CHARACTER}"]

    @pytest.mark.parametrize("quirk", ["no-nulls", "text-totals", "page-cap=20"])
    def test_other_ways_to_list_make_no_difference(self, settings, jicoo_sandbox, tmp_path, quirk):
        load(settings, Order(BOOKINGS, tmp_path / "before"))
        jicoo_sandbox.quirks = [quirk]
        load(settings, Order(BOOKINGS, tmp_path / "after"))
        assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()
