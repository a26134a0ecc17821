"""``@task.jicoo_plan``, through Airflow's discovery of providers and in real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.sdk import DAG, task

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.decorators.bulk import DecoratedPlanOperator, jicoo_plan_task
from airflow_provider_jicoo.tasks.compat import AirflowFailException

FILE = Path(__file__).parent.parent / "operators" / "dags" / "jicoo_plan_decorator.py"

pytestmark = pytest.mark.usefixtures("jicoo_connection")


def lower(booking, priority="low"):
    """Lower it."""
    return UpdateFields(priority=priority)


@pytest.fixture
def made(context):
    found = context(params={"priority": "middle"})
    for name, value in {"dag_id": "bulk", "run_id": "run-1", "task_id": "task"}.items():
        setattr(found["ti"], name, value)
    return found


@pytest.fixture
def operator(tmp_path):
    """Make the operator behind the decorator, called with some arguments."""

    def make(function, *args, **kwargs):
        arguments = {"selection": Selection(), "plan_path": str(tmp_path / "plan.jsonl"), "is_send_updates": False}
        with DAG("decorated"):
            return jicoo_plan_task(**arguments)(function)(*args, **kwargs).operator

    return make


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


class TestDiscovery:
    def test_airflow_offers_it(self):
        assert task.jicoo_plan is not None
        decorated = task.jicoo_plan(selection=Selection(), plan_path="x", is_send_updates=False)(lower)
        with DAG("some"):
            found = decorated().operator
        assert type(found) is DecoratedPlanOperator
        assert found.task_id == "lower"
        assert found.custom_operator_name == "@task.jicoo_plan"
        assert found.doc_md == "Lower it."

    def test_twice_in_one_dag(self, operator):
        decorated = jicoo_plan_task(selection=Selection(), plan_path="x", is_send_updates=False)(lower)
        with DAG("some"):
            assert [decorated().operator.task_id for _ in range(3)] == ["lower", "lower__1", "lower__2"]

    def test_overridden(self):
        decorated = jicoo_plan_task(selection=Selection(), plan_path="x", is_send_updates=False)(lower)
        with DAG("some"):
            found = decorated.override(task_id="other", plan_path="y", max_changes=3)().operator
        assert (found.task_id, found.plan_path, found.max_changes) == ("other", "y", 3)

    def test_the_function_stays_one(self):
        decorated = jicoo_plan_task(selection=Selection(), plan_path="x", is_send_updates=False)(lower)
        assert decorated.function({"uid": "a"}).fields == {"priority": "low"}


class TestCall:
    """A call that cannot be right is an error when the DAG is parsed."""

    @pytest.mark.parametrize(
        ("args", "kwargs"), [((), {"prioritty": "low"}), (("low", "high"), {}), (("low",), {"priority": "low"})]
    )
    def test_wrong_arguments(self, operator, args, kwargs):
        with pytest.raises(TypeError):
            operator(lower, *args, **kwargs)

    def test_a_missing_argument(self, operator):
        with pytest.raises(TypeError, match="missing a required argument: 'needed'"):
            operator(lambda booking, needed: None)

    def test_a_function_without_a_booking(self, operator):
        with pytest.raises(TypeError, match="too many positional arguments"):
            operator(lambda: None)

    def test_without_a_selection(self):
        with DAG("some"), pytest.raises(TypeError, match="selection"):
            jicoo_plan_task(lower)()

    def test_a_mapped_argument_that_is_unknown(self):
        decorated = jicoo_plan_task(selection=Selection(), plan_path="x", is_send_updates=False)(lower)
        with DAG("some"), pytest.raises(TypeError, match="prioritty"):
            decorated.expand(prioritty=["low"])


class TestExecute:
    @pytest.mark.parametrize("form", ["positional", "keyword", "template", "default"])
    def test_further_arguments(self, operator, made, form):
        args, kwargs, expected = {
            "positional": (("high",), {}, "high"),
            "keyword": ((), {"priority": "high"}, "high"),
            "template": ((), {"priority": "{{ params.priority }}"}, "middle"),
            "default": ((), {}, "low"),
        }[form]
        found = operator(lower, *args, **kwargs)
        found.render_template_fields(made)
        manifest = found.execute(made)
        header, *rest = lines(manifest["plan"])
        assert {line["after"]["priority"] for line in rest} == {expected}
        assert header["change"] == {"change": "function", "function": "lower"}
        assert "function = lower" in made["ti"].pushed["summary"]

    def test_it_is_called_once_for_each_booking_and_changes_none(self, operator, made, jicoo_sandbox):
        seen = []

        def look(booking):
            seen.append(booking["uid"])

        assert operator(look).execute(made)["changes"] == 0
        assert sorted(seen) == sorted(booking["uid"] for booking in jicoo_sandbox.bookings())
        assert jicoo_sandbox.count("PATCH") == 0

    @pytest.mark.parametrize("wrong", [{"priority": "low"}, "low", True])
    def test_what_is_no_change(self, operator, made, wrong):
        def returns(booking):
            return wrong

        with pytest.raises(AirflowFailException, match=r"returned a .*, neither a change nor None"):
            operator(returns).execute(made)

    def test_a_failure_of_the_function(self, operator, made):
        def broken(booking):
            return booking["no such field"]

        with pytest.raises(AirflowFailException, match=r"booking [\w-]+: KeyError: 'no such field'") as caught:
            operator(broken).execute(made)
        assert isinstance(caught.value.__context__.__cause__, KeyError)


class TestInADag:
    def test_it_runs(self, jicoo_sandbox, run_dag, tmp_path):
        priority = "high"  # given when the run is started
        uids = [jicoo_sandbox.add_booking(priority=None)["uid"] for _ in range(4)]

        run = run_dag(FILE, plans=str(tmp_path), uids=uids, priority=priority)

        assert set(run.states.values()) == {"success"}, run.states
        assert run.xcom("plan")["changes"] == 2
        assert run.xcom("apply")["counts"]["applied"] == 2
        for uid in uids:
            booking = jicoo_sandbox.booking(uid)
            expected = ("from another task", priority) if uid in uids[:2] else (booking["description"], None)
            assert (booking["description"], booking["priority"]) == expected
        assert run.rendered("plan")["op_kwargs"] == {"priority": priority}
        assert "change" not in run.rendered("plan")
        assert "function = plan" in run.xcom("plan", key="summary")
        assert run.xcom("plain")["changes"] == 4
        for index, each in enumerate(("low", "middle", "high")):
            plan = Path(run.xcom("mapped", map_index=index)["plan"])
            assert {line["after"]["priority"] for line in lines(plan)[1:]} <= {each}
            assert run.rendered("mapped", index)["op_kwargs"] == {"priority": each}

    def test_dependencies(self, dags):
        dag = dags(FILE).dags["jicoo_plan_decorator"]
        assert dag.get_task("plan").upstream_task_ids == {"words"}
        assert dag.get_task("apply").upstream_task_ids == {"plan"}
        assert dag.get_task("mapped").is_mapped

    def test_the_round_trip(self, dags):
        from airflow.serialization import serialized_objects

        serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        dag = dags(FILE).dags["jicoo_plan_decorator"]
        encoded = json.loads(json.dumps(serializer.to_dict(dag)))
        again = serializer.from_dict(encoded)
        assert set(again.task_dict) == set(dag.task_dict)
        assert again.get_task("plan").operator_name == "@task.jicoo_plan"
        assert again.get_task("plan").selection == "Selection(uids={{ params.uids | tojson }})"
        assert json.loads(json.dumps(serializer.to_dict(dag))) == encoded
