"""Bookings that a query or a file names, into a plan."""

from __future__ import annotations

import json
import os

import pytest

from airflow_provider_jicoo.bulk.changes import Cancel, UpdateFields
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator
from airflow_provider_jicoo.tasks.compat import AirflowFailException, AirflowSkipException
from airflow_provider_jicoo.transfers.object_storage import JicooToObjectStorageOperator
from airflow_provider_jicoo.transfers.sql_selection import FileToBookingSelection, SqlToBookingSelection

pytestmark = pytest.mark.usefixtures("jicoo_connection")
GUEST = "taro.yamada@example.com"


@pytest.fixture
def choose(run_task, tmp_path):
    """What a query names."""

    def choose(sql, **arguments):
        values = str(tmp_path / "plans" / "values.jsonl")
        return run_task(SqlToBookingSelection, sql_conn_id="warehouse", sql=sql, values_path=values, **arguments)

    return choose


@pytest.fixture
def choose_file(run_task, tmp_path):
    """What a file names."""

    def choose(name, content, **arguments):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        values = str(tmp_path / "values.jsonl")
        return run_task(FileToBookingSelection, path=str(tmp_path / name), values_path=values, **arguments)

    return choose


@pytest.fixture
def plan(run_task, tmp_path):
    def plan(selection, **arguments):
        arguments = {"plan_path": str(tmp_path / "plan.jsonl"), "is_send_updates": False, **arguments}
        return run_task(PlanBookingChangesOperator, selection=selection, **arguments)

    return plan


def open_uids(sandbox, count):
    return [booking["uid"] for booking in sandbox.bookings() if booking["status"] == "open"][:count]


class TestFromSql:
    def test_each_booking_gets_its_own_values_and_a_null_leaves_what_there_is(
        self, database, choose, plan, run_task, jicoo_sandbox
    ):
        first, second, third = open_uids(jicoo_sandbox, 3)
        before = {booking["uid"]: booking for booking in jicoo_sandbox.bookings()}
        # As a database without quotes around names would fold them.
        database("CREATE TABLE vip (UID TEXT, PRIORITY TEXT, NAME TEXT, time_zone TEXT)")
        database(
            "INSERT INTO vip VALUES (?, ?, ?, ?)",
            (first, "high", "新しい名前", None),
            (second, "low", None, "Europe/Berlin"),
            (third, None, None, None),
        )
        chosen = choose("SELECT * FROM vip WHERE priority IS NOT :p", parameters={"p": "middle"})
        assert (chosen["bookings"], chosen["columns"]) == (3, ["name", "priority", "timeZone"])
        assert "新しい名前" not in json.dumps(chosen, ensure_ascii=False)

        made = plan(chosen)
        assert made["changes"] == 2
        applied = run_task(ApplyBookingPlanOperator, plan=made)
        assert applied["counts"]["applied"] == 2
        after = {booking["uid"]: booking for booking in jicoo_sandbox.bookings()}
        expected = {
            first: {"priority": "high", "name": "新しい名前"},
            second: {"priority": "low", "timeZone": "Europe/Berlin"},
        }
        for uid, booking in before.items():
            new = {**booking, **expected.get(uid, {}), "updatedAt": after[uid]["updatedAt"]}
            assert after[uid] == new
        assert jicoo_sandbox.messages == []

    def test_nulls_can_be_set(self, database, choose, plan, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(description="old")["uid"]
        database("CREATE TABLE t (uid TEXT, description TEXT)")
        database("INSERT INTO t VALUES (?, NULL)", (uid,))
        assert plan(choose("SELECT * FROM t", nulls="set"))["changes"] == 1

    def test_uids_alone_leave_it_to_the_plan(self, database, choose, plan, jicoo_sandbox):
        uids = open_uids(jicoo_sandbox, 4)
        database("CREATE TABLE t (uid TEXT)")
        database("INSERT INTO t VALUES (?)", *((uid,) for uid in uids))
        chosen = choose("SELECT uid FROM t")
        with pytest.raises(AirflowFailException, match="is said nowhere: give change, or columns beside uid"):
            plan(chosen)
        assert plan(chosen, change=Cancel(), is_send_updates=None)["changes"] == 4

    def test_what_becomes_of_them_is_said_once(self, database, choose, plan, jicoo_sandbox):
        database("CREATE TABLE t (uid TEXT, priority TEXT)")
        database("INSERT INTO t VALUES (?, 'high')", tuple(open_uids(jicoo_sandbox, 1)))
        with pytest.raises(AirflowFailException, match="is said twice, by change and by the columns beside uid"):
            plan(choose("SELECT * FROM t"), change=UpdateFields(priority="low"))
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(
        ("columns", "rows", "words"),
        [
            ("uid, priorty", [("a", 1)], "row 1: column 'priorty': Update Booking has no such field; did you mean"),
            ("uid, colour", [("a", 1)], "column 'colour': .* known are uid, name, description, timeZone, startedAt"),
            ("uid, is_send_updates", [("a", 1)], "it holds for a whole plan: give it to PlanBookingChangesOperator"),
            ("priority", [("high",)], "row 1: there is no column uid"),
            ("uid, startedAt, started_at", [("a", None, None)], "the field started_at is there twice"),
            (
                "uid, priority",
                [("a", "high"), ("b", "low"), ("a", "low")],
                "row 3: column uid: the booking of row 1 once more",
            ),
            ("uid, priority", [("a", "high"), ("b", GUEST)], "row 2: column priority: input should be"),
            ("uid, startedat", [("a", GUEST)], "row 1: column startedat: it is no moment with an offset"),
            ("uid, timezone", [("a", GUEST)], "row 1: column timezone: it is no IANA time zone"),
            (
                "uid, startedat, timezone",
                [("a", "2027-01-01T10:00:00", "Asia/Tokio"), ("b", "2027-03-14T02:30:00", "America/New_York")],
                "row 1: column timezone: it is no IANA .*; row 2: column startedat: it does not exist in the time zone",
            ),
            ("uid, hosts", [("a", GUEST)], "row 1: column hosts: input should be a valid list"),
            ("uid, hosts", [("a", '[{"userId": 5, "role": "admin"}]')], r"column hosts \(0.userId\): input should be"),
            ("uid, name", [(GUEST, "x"), (None, "y")], "row 1: column uid: it is no booking id .* row 2: column uid"),
            (
                "uid, startedAt, endedAt",
                [("a", "2027-01-01T10:00:00Z", "2027-01-01T09:00:00Z")],
                "row 1: ended_at 2027-01-01T09:00:00.000Z is not after",
            ),
        ],
    )
    def test_a_row_that_cannot_be_used(self, database, choose, jicoo_sandbox, tmp_path, columns, rows, words):
        names = [f'"{name}"' for name in columns.split(", ")]
        database(f"CREATE TABLE t ({', '.join(names)})")
        database(f"INSERT INTO t VALUES ({', '.join('?' for _ in names)})", *rows)
        with pytest.raises(AirflowFailException, match=words) as caught:
            choose("SELECT * FROM t")
        assert GUEST not in str(caught.value)
        assert jicoo_sandbox.count() == 0
        assert os.listdir(tmp_path / "plans") == [] if (tmp_path / "plans").exists() else True

    def test_a_telephone_number_for_an_id_is_not_repeated(self, database, choose):
        database("CREATE TABLE t (uid TEXT, priority TEXT)")
        database("INSERT INTO t VALUES (?, 'none')", ("090-1234-5678",), ("090-1234-5678",))
        with pytest.raises(AirflowFailException, match=r"row 1: column priority: .* row 2: column uid") as caught:
            choose("SELECT * FROM t")
        assert "1234" not in str(caught.value)

    def test_no_row_is_nothing_to_do(self, database, choose):
        database("CREATE TABLE t (uid TEXT)")
        with pytest.raises(AirflowSkipException, match="nothing to plan"):
            choose("SELECT uid FROM t")

    def test_no_query(self, database, choose):
        with pytest.raises(AirflowFailException, match="sql: it returns no rows"):
            choose("CREATE TABLE t (uid TEXT)")

    def test_no_database(self, run_task, tmp_path):
        with pytest.raises(AirflowFailException, match="sql_conn_id: 'jicoo_default' is no database"):
            run_task(SqlToBookingSelection, sql_conn_id="jicoo_default", sql="", values_path=str(tmp_path / "v"))

    def test_values_that_were_changed_since_are_refused(self, database, choose, plan, jicoo_sandbox, tmp_path):
        database("CREATE TABLE t (uid TEXT, priority TEXT)")
        database("INSERT INTO t VALUES (?, 'high')", tuple(open_uids(jicoo_sandbox, 1)))
        chosen = choose("SELECT * FROM t")
        path = tmp_path / "plans" / "values.jsonl"
        path.write_text(path.read_text().replace("high", "low"))
        with pytest.raises(AirflowFailException, match="not those that were checked"):
            plan(chosen)
        path.unlink()
        with pytest.raises(AirflowFailException, match="are gone"):
            plan(chosen)
        assert jicoo_sandbox.count() == 0


class TestFromFiles:
    def test_csv(self, choose_file, plan, jicoo_sandbox):
        first, second = open_uids(jicoo_sandbox, 2)
        content = f'\ufeffuid,description,priority\r\n{first},"a ""b"",\nc",\r\n{second},,high\r\n'
        chosen = choose_file("patch.csv", content)
        assert (chosen["bookings"], chosen["columns"]) == (2, ["description", "priority"])
        assert plan(chosen)["changes"] == 2

    def test_json_lines(self, choose_file, plan, jicoo_sandbox):
        first, second = open_uids(jicoo_sandbox, 2)
        content = f'{{"uid": "{first}", "description": "x"}}\n\n{{"uid": "{second}", "name": "新"}}\n'
        assert plan(choose_file("patch.jsonl", content))["changes"] == 2

    def test_a_file_that_was_written_and_edited_comes_back(self, run_task, choose_file, plan, jicoo_sandbox, tmp_path):
        uid = jicoo_sandbox.add_booking(name="=1+1", priority=None)["uid"]
        path = tmp_path / "out.csv"
        run_task(JicooToObjectStorageOperator, resource="bookings", path=str(path), format="csv")
        text = path.read_text(encoding="utf-8-sig")
        (line,) = [line for line in text.splitlines() if line.startswith(f'"{uid}"')]
        assert '"\'=1+1"' in line
        made = plan(choose_file("patch.csv", f'uid,name,priority\r\n{uid},"\'=1+1",high\r\n'))
        assert made["changes"] == 1
        change = json.loads((tmp_path / "plan.jsonl").read_text().splitlines()[1])
        assert change["after"] == {"name": "=1+1", "priority": "high"}

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("p.csv", "", "line 1: there are no names of columns"),
            ("p.csv", 'uid,name\na,"x\ny"\nb,c,d\n', "line 4: it has 3 fields, the line of names 2"),
            (
                "p.csv",
                'uid,priority\na,high\nb,"x\ny"\nc,urgent\n',
                "line 3: column priority: .* line 5: column priority: ",
            ),
            ("p.csv", 'uid,name\na,"x"y\n', "line 2: it is no CSV"),
            ("p.csv", "uid,name\na,佐藤\n".encode("cp932"), "is not utf-8-sig: give encoding, as 'cp932'"),
            ("p.jsonl", '{"uid": "a"}\n[1]\n', "line 2: it is no JSON object"),
            ("p.jsonl", '{"uid": "a", "name": "x", "name": "y"}\n', "line 1: column 'name': it is there twice"),
            ("p.jsonl", '{"uid": "a", "nam": 1}\n', "line 1: column 'nam': Update Booking has no such field"),
            ("p.xlsx", "", "format: 'xlsx' is neither 'csv' nor 'jsonl'"),
        ],
    )
    def test_a_line_that_cannot_be_used(self, choose_file, name, content, words):
        with pytest.raises(AirflowFailException, match=words):
            choose_file(name, content)

    def test_a_file_without_a_line_of_names_shows_no_guest(self, choose_file):
        for name, content in (
            ("p.csv", f"{GUEST},high\nTaro,low\n"),
            ("q.csv", f"Taro;{GUEST}\n"),
            ("p.jsonl", json.dumps({GUEST: "high"})),
        ):
            with pytest.raises(AirflowFailException, match="line 1: there are no names of columns that") as caught:
                choose_file(name, content)
            assert "Taro" not in str(caught.value)
            assert GUEST not in str(caught.value)

    def test_a_line_that_is_nested_without_end(self, choose_file):
        with pytest.raises(AirflowFailException, match="line 1: it is no JSON object"):
            choose_file("p.jsonl", '{"uid": "a", "hosts": ' + "[" * 100_000)

    def test_another_encoding(self, choose_file):
        made = choose_file("p.csv", "uid,name\na,佐藤\n".encode("cp932"), encoding="cp932")
        assert made["bookings"] == 1

    def test_many_errors_are_named_up_to_a_number(self, choose_file):
        content = "uid,priority\n" + "".join(f"u{number},none\n" for number in range(50))
        with pytest.raises(AirflowFailException, match=r"line 21: .*; and 30 more\. Nothing was planned"):
            choose_file("p.csv", content)
