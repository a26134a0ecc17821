"""The bulk operators in DAGs that Airflow really runs: mapping, serialisation, rendered fields, and what is stored."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

FILE = Path(__file__).parent / "dags" / "jicoo_bulk.py"
PRIVATE = ("zweig", "stefanie")

pytestmark = pytest.mark.usefixtures("jicoo_connection")


def stored(run, besides=()):
    """Yield each row of each table of Airflow's database, as text."""
    with run.sqlite() as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table not in besides:
                for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():
                    parts = (part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in row)
                    yield table, " ".join(parts)


def still(sandbox):
    return [{**booking, "updatedAt": ""} for booking in sandbox.bookings()]


class TestAll:
    @pytest.fixture
    def bookings(self, jicoo_sandbox):
        guest = {"name": "Stefanie Zweig", "email": "zweig.guest@example.com"}
        for number in range(6):
            jicoo_sandbox.add_booking(
                name="Stefanie Zweig / Demo", description=f"Zweig {number}", priority="high", contacts=[guest]
            )
        return jicoo_sandbox.bookings()[-6:]

    def test_plan_apply_undo(self, jicoo_sandbox, bookings, run_dag, tmp_path, airflow_home, capfd, caplog):
        uids = [booking["uid"] for booking in bookings]
        before = still(jicoo_sandbox)

        run = run_dag(FILE, "jicoo_bulk", plans=str(tmp_path), uids=uids, host=bookings[0]["hosts"][0]["userId"])

        assert set(run.states.values()) == {"success"}, run.states
        assert {"apply[0]", "apply[1]", "apply[2]"} < run.states.keys()
        # What was done, and that it was taken back.
        manifest = run.xcom("plan")
        assert (manifest["changes"], manifest["guests_notified"], len(manifest["shards"])) == (6, 6, 3)
        assert [run.xcom("apply", map_index=index)["counts"]["applied"] for index in range(3)] == [2, 2, 2]
        assert run.xcom("undo")["counts"]["applied"] == 6
        assert still(jicoo_sandbox) == before
        changed = Counter(request.path for request in jicoo_sandbox.requests if request.method != "GET")
        assert set(changed.values()) == {2}, "once there, once back"
        assert Counter(message.uid for message in jicoo_sandbox.messages) == Counter(uids), "the undo is quiet"
        sent = [request.body for request in jicoo_sandbox.requests if request.method == "PATCH"]
        assert sent[0]["description"] == "For Stefanie Zweig, zweig.guest@example.com", "it is not hidden from Jicoo"
        assert run.xcom("by_function")["changes"] == sum(booking["status"] == "open" for booking in bookings)
        # What the person sees who is to agree.
        summary = run.xcom("plan", key="summary")
        assert summary.startswith("**6 bookings will be changed**")
        assert all(uid in summary for uid in uids)
        assert "description changes" in summary
        assert run.xcom("plan_undo", key="summary").startswith("**6 bookings will be changed**")
        assert run.xcom("at_once", key="summary").startswith("**")
        assert set(run.xcom("at_once")) >= {"plan", "digest", "changes"}
        # What Airflow's UI shows.
        fields = run.rendered("plan")
        assert fields["change"] == "UpdateFields(fields=description, name)"
        assert fields["selection"] == "Selection(uids=6 uids)"
        assert fields["update_message"] == "***"
        assert fields["plan_path"] == manifest["plan"]
        assert "lower" in run.rendered("by_function")["change"]
        assert "<lambda>" in run.rendered("by_function")["selection"]
        assert run.rendered("apply", 1)["waves"] == '["1"]'

        rows = list(stored(run, besides=("serialized_dag", "dag_code", "connection")))
        assert len({table for table, _ in rows}) > 5
        for table, row in rows:
            for word in (*PRIVATE, jicoo_sandbox.api_key):
                assert word not in row.lower(), f"{word} in {table}: {row}"
        written = capfd.readouterr()
        said = written.out + written.err + caplog.text
        assert "6 bookings will be changed" in said
        assert "2 of 2 done (2 applied)" in said
        for log in (airflow_home / "logs").rglob("*.log"):
            said += log.read_text()
        for word in (*PRIVATE, jicoo_sandbox.api_key):
            assert word not in said.lower(), word
        files = [file for folder in (tmp_path, airflow_home) for file in folder.rglob("*") if file.is_file()]
        assert len(files) > 20
        for file in files:
            assert jicoo_sandbox.api_key.encode() not in file.read_bytes(), file

    def test_twice_in_one_process(self, jicoo_sandbox, dags, run_dag, tmp_path):
        """The second run has bookings of its own: nothing of the first one's is left in the DAG."""
        for number, booking in enumerate(jicoo_sandbox.bookings()[:2]):
            run = run_dag(FILE, "jicoo_bulk_mapped", plans=str(tmp_path / str(number)), uids=[booking["uid"]])
            assert set(run.states.values()) == {"success"}
            for index in range(2):
                plan = Path(run.xcom("plan", map_index=index)["plan"])
                assert plan == tmp_path / str(number) / f"{index}.jsonl"
                (line,) = plan.read_text().splitlines()[1:]
                assert json.loads(line)["uid"] == booking["uid"]
                assert json.loads(line)["after"]["description"] == str(tmp_path / str(number))


def test_what_a_retry_cannot_mend_takes_none(jicoo_sandbox, run_dag, tmp_path, capfd, caplog):
    run = run_dag(FILE, "jicoo_bulk_fails", plans=str(tmp_path))
    assert run.states == {"too_many": "failed", "nothing": "success", "lost": "failed", "another_digest": "failed"}
    assert set(run.tries.values()) == {1}
    written = capfd.readouterr()
    said = written.out + written.err + caplog.text
    assert "max_changes is 1, and the plan has 50" in said
    assert "selection: uids was given, but a template or another task made None of it" in said
    for word in (*PRIVATE, jicoo_sandbox.api_key):
        assert word not in said.lower()
    assert jicoo_sandbox.count("PATCH") == 0


class TestSerialisation:
    """What the scheduler and the API server know of a DAG."""

    @pytest.fixture
    def serializer(self):
        from airflow.serialization import serialized_objects

        return getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG

    def test_round_trip(self, dags, serializer):
        bag = dags(FILE)
        assert bag.import_errors == {}
        for dag in bag.dags.values():
            encoded = json.loads(json.dumps(serializer.to_dict(dag)))
            again = serializer.from_dict(encoded)
            assert set(again.task_dict) == set(dag.task_dict)
            for task_id, task in dag.task_dict.items():
                found = again.get_task(task_id)
                assert found.task_type == task.task_type
                assert tuple(found.template_fields) == tuple(task.template_fields)
                assert found.upstream_task_ids == task.upstream_task_ids
        assert set(bag.dags) == {"jicoo_bulk", "jicoo_bulk_mapped", "jicoo_bulk_fails"}

    def test_what_it_shows(self, dags, serializer):
        dag = dags(FILE).dags["jicoo_bulk"]
        again = serializer.from_dict(json.loads(json.dumps(serializer.to_dict(dag))))
        assert again.get_task("plan").change == "UpdateFields(fields=description, name)"
        assert again.get_task("at_once").change == ("ReplaceHost(from_user_id={{ params.host }}, to_user_id=nobody)")
        assert "lower" in again.get_task("by_function").change
        assert again.get_task("apply").is_mapped

    def test_an_output_within_a_selection_is_a_dependency(self, dags):
        dag = dags(FILE).dags["jicoo_bulk"]
        assert dag.get_task("plan").upstream_task_ids == {"chosen"}
        assert dag.get_task("plan_undo").upstream_task_ids == {"plan", "apply"}

    def test_it_is_the_same_in_each_process(self):
        """Or each parse makes a new version of the DAG."""
        program = (
            "import json, sys\n"
            "from airflow.serialization import serialized_objects as s\n"
            f"sys.path.insert(0, {str(FILE.parent)!r})\n"
            "import jicoo_bulk\n"
            "to = getattr(s, 'DagSerialization', None) or s.SerializedDAG\n"
            "for name in ('planned', 'by_function', 'at_once'):\n"
            "    dag = getattr(jicoo_bulk, name).dag\n"
            "print(json.dumps(to.to_dict(dag), sort_keys=True))\n"
        )
        said = {
            subprocess.run(
                [sys.executable, "-c", program], check=True, capture_output=True, text=True
            ).stdout.splitlines()[-1]
            for _ in range(2)
        }
        assert len(said) == 1
        assert "0x" not in said.pop()
