"""What the pages use of Airflow's insides, on whichever version this is."""

from __future__ import annotations

from airflow_provider_jicoo.plugins import airflow_internals as internals
from tests.plugins.room import planted

KEYS = ("jicoo_plan", "jicoo_progress")


def test_the_latest_run_comes_first_and_pages_follow_each_other(room):
    for number in range(5):
        planted.plant("room", f"run-{number}", "apply", "success", jicoo_plan={"number": number})
    found = internals.find_noted({"room", "room_of_others"}, KEYS, limit=3)
    assert [each.note["number"] for each in found] == [4, 3, 2]
    found = internals.find_noted({"room", "room_of_others"}, KEYS, offset=3, limit=3)
    assert [each.note["number"] for each in found] == [1, 0]
    assert internals.find_noted({"room_of_others"}, KEYS) == []
    assert internals.find_noted(set(), KEYS) == []
    assert {"room", "room_of_others"} & internals.noted_dag_ids("jicoo_plan") == {"room"}


def test_one_of_them(room):
    planted.plant("room", "one", "plan", "success", jicoo_plan={"of": "plan"})
    planted.plant("room", "one", "apply", "running", jicoo_plan={"of": "apply"}, jicoo_progress=[1, None, "ä"])
    (found,) = internals.find_noted({"room"}, KEYS, run_id="one", task_id="apply", map_index=-1)
    assert (found.note, found.progress) == ({"of": "apply"}, [1, None, "ä"])
    assert (found.state, found.try_number, found.started_by, found.map_index) == ("running", 1, "Grace", -1)
    assert found.is_unfinished
    assert found.run_after is not None
    assert internals.find_noted({"room"}, KEYS, run_id="one", task_id="apply", map_index=0) == []


def test_the_tries_of_a_task(room):
    task = planted.plant("room", "tried", "apply", "failed", jicoo_plan={})
    (found,) = internals.tries_of(task.dag_id, task.run_id, task.task_id, -1)
    assert (found.number, found.state, found.host) == (1, "failed", "worker-1")
    assert internals.tries_of("room", "no such run", "apply", -1) == []


def test_a_task_between_two_tries(room):
    """For a moment, Airflow gives it no state; and while it waits for its turn, it has the times of the try before."""
    task = planted.plant("room", "between", "apply", None, jicoo_plan={})
    (found,) = internals.find_noted({"room"}, KEYS, run_id="between")
    assert found.is_unfinished
    (last,) = internals.tries_of(task.dag_id, task.run_id, task.task_id, -1)
    assert (last.state, last.started, last.ended) == (None, None, None)


def test_a_dag_that_is_there(room):
    assert internals.dag_is_there("room")
    assert not internals.dag_is_there("no_such_dag")


def test_who_may_what(rest_api, room):
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    viewer, editor = (SimpleAuthManagerUser(username="a", role=role) for role in ("VIEWER", "USER"))
    for entity in ("TASK_INSTANCE", "TASK_LOGS", "RUN"):
        assert internals.may(viewer, "GET", entity, "room")
        assert internals.may(editor, "PUT", entity, "room")
        assert not internals.may(viewer, "PUT", entity, "room")
    assert {"room", "room_of_others"} <= internals.readable_dag_ids(viewer)
    assert internals.name_of(viewer) == "a"
