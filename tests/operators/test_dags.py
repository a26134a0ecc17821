"""The operators in DAGs that Airflow really runs: mapping, serialisation, rendered fields, and what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.sdk import DAG

from airflow_provider_jicoo.operators.bookings import CreateBookingOperator, UpdateBookingOperator

DAGS = Path(__file__).parent / "dags"
PRIVATE = (
    "zweig",  # in the guest's e-mail address, name, company
    "geheimzahl",
    "07011112222",
    "07033334444",
    "rückenschmerzen",
    "r\\u00fcckenschmerzen",
)

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def event_type(jicoo_sandbox):
    return next(each for each in jicoo_sandbox.event_types if not each["needsApproval"])


def stored(run, besides=()):
    """Yield each row of each table of Airflow's database, as text."""
    with run.sqlite() as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table not in besides:
                for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():
                    yield (
                        table,
                        " ".join(
                            part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in row
                        ),
                    )


class TestAllOperators:
    def test_in_one_dag(self, jicoo_sandbox, jicoo_connection, event_type, run_dag):
        user = jicoo_sandbox.users[0]["uid"]
        one = jicoo_sandbox.add_booking(priority="low", startedAt="2031-05-01T00:00:00Z")["uid"]
        cancelled = jicoo_sandbox.add_booking(status="cancel")["uid"]
        jicoo_connection(extra={"team_slug": "our-team"})

        run = run_dag(
            DAGS / "jicoo_all_operators.py",
            event_type_id=event_type["uid"],
            uid=one,
            user_id=user,
            cancelled=cancelled,
        )

        assert set(run.states.values()) == {"success"}, run.states
        made = run.xcom("create")["uid"]
        assert run.xcom("contacts")[0]["email"] == "guest@example.com"
        assert run.xcom("get")["uid"] == run.xcom("update")["uid"] == made
        assert [row["uid"] for row in run.xcom("list")] == [made, one]
        assert {f"by_kwargs[{index}]" for index in range(3)} < run.states.keys()
        assert {f"by_uid[{index}]" for index in range(2)} < run.states.keys()

        booking = jicoo_sandbox.booking(made)
        assert booking["status"] == "cancel"
        assert booking["startedAt"] == "2031-03-06T01:00:00.000Z"
        assert booking["hosts"] == [{"userId": user, "role": "admin"}]
        assert (booking["priority"], booking["name"]) == ("high", user)
        # The list's update gave it a high priority, the last one took it away again, in whichever order.
        assert jicoo_sandbox.booking(one)["description"] == "mapped"
        assert jicoo_sandbox.booking(one)["name"] == user
        bodies = [request.body for request in jicoo_sandbox.requests if request.method == "PATCH"]
        assert {"priority": None, "description": "mapped", "isSendUpdates": False} in bodies
        assert {"name": user} in bodies
        assert [message.kind for message in jicoo_sandbox.messages] == ["create", "reschedule", "cancel"]

    def test_rendered_fields_show_what_is_not_private(self, jicoo_sandbox, event_type, run_dag):
        # A second run of the same file: what is not given shows as such.
        one = jicoo_sandbox.add_booking(startedAt="2031-05-01T00:00:00Z")["uid"]
        run = run_dag(
            DAGS / "jicoo_all_operators.py",
            event_type_id=event_type["uid"],
            uid=one,
            user_id=jicoo_sandbox.users[0]["uid"],
            cancelled=one,
        )
        fields = run.rendered("create")
        assert fields["event_type_id"] == event_type["uid"]
        assert fields["guest_email"] == fields["name"] == "***"
        assert fields["company"] == "not given"
        fields = run.rendered("by_kwargs", 0)
        assert fields["uid"] == run.xcom("create")["uid"]
        assert (fields["priority"], fields["name"]) == ("high", "not given")


class TestPrivateValues:
    @pytest.fixture
    def run(self, jicoo_sandbox, event_type, run_dag, capfd):
        uid = jicoo_sandbox.add_booking()["uid"]
        return run_dag(DAGS / "jicoo_private.py", event_type_id=event_type["uid"], uid=uid)

    def test_none_is_stored_or_logged(self, jicoo_sandbox, run, airflow_home, capfd, caplog):
        assert run.states.pop("refused") == "failed"
        assert set(run.states.values()) == {"success"}, run.states
        assert len(run.states) == 6
        # They are not hidden from Jicoo.
        assert jicoo_sandbox.count("POST", "/v1/bookings") == 4
        for request in jicoo_sandbox.requests:
            if request.method == "POST":
                assert request.body["email"] == "zweig.guest@example.com"
                assert request.body["name"] == "Stefanie Zweig"
                assert request.body["answers"] == [{"questionUid": "q1", "content": "Rückenschmerzen"}]

        for task_id, index in (("plain", -1), ("mapped", 0), ("mapped", 1), ("refused", -1)):
            fields = run.rendered(task_id, index)
            hidden = {name for name, value in fields.items() if value == "***"}
            assert hidden == CreateBookingOperator.private_fields, task_id
            assert fields["time_zone"] == "Asia/Tokyo"
        for task_id, index in (("update", -1), ("update_mapped", 0), ("update_mapped", 1)):
            fields = run.rendered(task_id, index)
            assert fields["description"] == fields["update_message"] == "***"
            assert fields["name"] == ("***" if task_id == "update" else "not given")

        rows = list(stored(run, besides=("serialized_dag", "dag_code", "connection")))
        assert len({table for table, _ in rows}) > 5
        words = (*PRIVATE, jicoo_sandbox.api_key)
        for table, row in rows:
            for word in words:
                assert word not in row.lower(), f"{word} in {table}: {row}"

        written = capfd.readouterr()
        said = written.out + written.err + caplog.text
        assert "no such event type" in said, "the failure is in the log, without the guest"
        for log in (airflow_home / "logs").rglob("*.log"):
            said += log.read_text()
        for word in words:
            assert word not in said.lower(), word

    def test_the_key_is_nowhere_at_all(self, jicoo_sandbox, run, airflow_home):
        key = jicoo_sandbox.api_key.encode()
        for file in airflow_home.rglob("*"):
            if file.is_file():
                assert key not in file.read_bytes(), file


class TestSerialisation:
    """What the scheduler and the API server know of a DAG."""

    def parsed(self, dags):
        bag = dags(DAGS)
        assert bag.import_errors == {}
        return bag.dags

    def test_round_trip(self, dags):
        from airflow.serialization import serialized_objects

        serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        for dag in self.parsed(dags).values():
            encoded = json.loads(json.dumps(serializer.to_dict(dag)))
            again = serializer.from_dict(encoded)
            assert set(again.task_dict) == set(dag.task_dict)
            for task_id, task in dag.task_dict.items():
                found = again.get_task(task_id)
                assert found.task_type == task.task_type
                assert tuple(found.template_fields) == tuple(task.template_fields)
                assert [link.name for link in found.operator_extra_links] == [
                    link.name for link in task.operator_extra_links
                ]
            assert json.loads(json.dumps(serializer.to_dict(dag))) == encoded, "it differs from time to time"

    def test_what_is_not_given_is_plain(self, dags):
        from airflow.serialization import serialized_objects

        serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        again = serializer.from_dict(
            json.loads(json.dumps(serializer.to_dict(self.parsed(dags)["jicoo_all_operators"])))
        )
        assert again.get_task("update").priority == "not given"
        assert again.get_task("by_kwargs").is_mapped

    def test_mapping_is_checked_when_the_file_is_parsed(self):
        with DAG("other"):
            with pytest.raises(TypeError, match="uids"):
                UpdateBookingOperator.partial(task_id="a").expand(uids=["x"])
            with pytest.raises(TypeError):
                UpdateBookingOperator.partial(task_id="b", nme="x").expand(uid=["x"])

    def test_an_unknown_argument(self):
        with pytest.raises(TypeError, match="nme"):
            UpdateBookingOperator(task_id="a", uid="x", nme="y")
        with pytest.raises(TypeError, match="uid"):
            UpdateBookingOperator(task_id="a")
