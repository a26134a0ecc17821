"""The example DAGs of the warehouse, run as they are."""

from __future__ import annotations

import pytest

from tests.test_example_dags import FOLDER, asks_a_person, person, still  # noqa: F401 (person is a fixture)
from tests.transfers.somebody import read_days

pytestmark = pytest.mark.usefixtures("jicoo_connection")


class TestBookingsToParquet:
    FILE = FOLDER / "jicoo_bookings_to_parquet.py"

    def test_all_bookings_by_day(self, jicoo_sandbox, run_dag, tmp_path):
        run = run_dag(self.FILE, folder=str(tmp_path))
        assert run.state == "success"
        rows = read_days(tmp_path / "bookings", "parquet")
        assert {row["uid"]: row for row in rows} == {booking["uid"]: booking for booking in jicoo_sandbox.bookings()}
        assert run.xcom("bookings")["rows"] == 50
        assert run.xcom("event_types")["rows"] == len(jicoo_sandbox.event_types)
        assert {request.method for request in jicoo_sandbox.requests} == {"GET"}


@asks_a_person
class TestPatchFromSql:
    FILE = FOLDER / "jicoo_patch_from_sql.py"

    def test_query_plan_approval_apply(self, database, jicoo_sandbox, run_dag, person, tmp_path):  # noqa: F811
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()][:10]
        database("CREATE TABLE jicoo_patch (uid TEXT, priority TEXT, description TEXT)")
        database("INSERT INTO jicoo_patch VALUES (?, NULL, ?)", *((uid, f"für {uid}") for uid in uids))
        before = still(jicoo_sandbox)
        with person("jicoo_patch_from_sql", "Approve"):
            run = run_dag(self.FILE, plans=str(tmp_path))
        assert set(run.states.values()) == {"success"}, run.states
        after = still(jicoo_sandbox)
        assert after == {
            uid: {**booking, **({"description": f"für {uid}"} if uid in uids else {})}
            for uid, booking in before.items()
        }
        assert jicoo_sandbox.messages == []

    def test_no_row(self, database, run_dag, jicoo_sandbox, tmp_path):
        database("CREATE TABLE jicoo_patch (uid TEXT, priority TEXT, description TEXT)")
        run = run_dag(self.FILE, plans=str(tmp_path))
        assert set(run.states.values()) == {"skipped"}
        assert jicoo_sandbox.count() == 0
