"""What a person tells a run on its page: that it is written, with who told it, and who may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugins.room import planted
from tests.plugins.room.effects import audit, notes, plan_of, runs_of_the_undo, told
from tests.plugins.room.hostile import ORDERS


class TestTold:
    @pytest.mark.parametrize(
        ("order", "control"),
        [
            ({"action": "pause"}, {"state": "pause"}),
            ({"action": "go_on"}, {"state": "run"}),
            ({"action": "slow", "rate": 2.5}, {"state": "run", "max_requests_per_second": 2.5}),
            ({"action": "stop"}, {"state": "stop"}),
        ],
    )
    def test_it_is_written_with_the_name_of_who_told_it(self, editor, running, order, control):
        answer = editor.tell(running.address, order)
        assert answer.status_code == 200, answer.text
        assert told(running) == control
        (note,) = notes(running)
        assert note.pop("at") > 0
        ceiling = control.get("max_requests_per_second")
        assert note == {"by": "grace", "state": control["state"], "max_requests_per_second": ceiling}
        ((event, owner, dag_id, task_id, extra),) = audit()
        assert (event, owner, dag_id, task_id) == (f"jicoo {order['action']}", "grace", "room", "apply")
        assert extra["plan"] == str(plan_of(running))
        page = editor.read(running.address)
        assert f"told to {control['state']}" in page
        assert "grace" in page

    def test_a_ceiling_outlives_a_pause(self, editor, running):
        for order in ({"action": "slow", "rate": 3}, {"action": "pause"}, {"action": "go_on"}):
            assert editor.tell(running.address, order).status_code == 200
        assert told(running) == {"state": "run", "max_requests_per_second": 3}

    def test_the_apply_understands_it(self, editor, running):
        from airflow_provider_jicoo.bulk.apply.control import Control, control_file, parse

        assert editor.tell(running.address, {"action": "slow", "rate": 0.5}).status_code == 200
        assert parse(control_file(plan_of(running))()) == Control("run", 0.5)

    def test_what_was_stopped_for_good_does_not_go_on(self, editor, running):
        assert editor.tell(running.address, {"action": "stop"}).status_code == 200
        answer = editor.tell(running.address, {"action": "go_on"})
        assert (answer.status_code, "stopped for good" in answer.json()["said"]) == (409, True)
        assert told(running) == {"state": "stop"}

    def test_a_folder_that_cannot_be_written(self, editor, running, monkeypatch):
        from airflow_provider_jicoo.plugins.room import controls

        def fail(*args):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(controls, "_write_note", fail)
        answer = editor.tell(running.address, {"action": "pause"})
        assert answer.status_code == 409
        assert "could not be written (PermissionError)" in answer.json()["said"]
        assert told(running) is None


class TestRefused:
    def nothing_happened(self, task):
        assert told(task) is None
        assert notes(task) == []
        assert audit() == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"X_Jicoo_Page": None},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://testserver.evil.example"},
            {"Origin": "http://testserver@evil.example"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
            {"Sec_Fetch_Site": "none"},
            {"Content_Type": "text/plain"},
            {"Content_Type": "application/x-www-form-urlencoded"},
        ],
    )
    def test_what_another_site_may_have_sent(self, editor, running, headers):
        answer = editor.tell(running.address, {"action": "pause"}, **headers)
        assert answer.status_code == 403
        assert answer.json()["said"].startswith("Refused")
        self.nothing_happened(running)

    @pytest.mark.parametrize(("role", "status"), [(None, 401), ("VIEWER", 403)])
    def test_who_may_not(self, person, running, role, status):
        somebody = person(role)
        assert somebody.tell(running.address, {"action": "stop"}).status_code == status
        self.nothing_happened(running)
        if role:
            assert 'data-action="stop"' not in somebody.read(running.address)

    def test_the_editor_of_another_dag(self, editor, running, only):
        only(dag_ids={"room_of_others"})
        assert editor.tell(running.address, {"action": "stop"}).status_code == 404
        only()
        self.nothing_happened(running)

    def test_the_plan_of_a_dag_that_one_may_only_see(self, editor, room, tmp_path, monkeypatch):
        """Whoever may write XComs of their own DAG could stop the applies of all that they may read."""
        from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

        allowed = SimpleAuthManager.is_authorized_dag

        def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
            if method != "GET" and details is not None and details.id == "room_of_others":
                return False
            return allowed(self, method=method, user=user, access_entity=access_entity, details=details)

        monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized_dag)
        owner = {"dagId": "room_of_others", "runId": "r", "taskId": "plan", "mapIndex": -1}
        theirs = planted.write_plan(tmp_path / "plan.jsonl", map(planted.change, range(3)), owner=owner)
        lie = planted.plant("room", "lie", "apply", "running", jicoo_plan=planted.note(theirs))
        assert "b000001" in editor.read(lie.address)
        answer = editor.tell(lie.address, {"action": "stop"})
        assert (answer.status_code, "the one that made the plan" in answer.json()["said"]) == (403, True)
        self.nothing_happened(lie)

    @pytest.mark.parametrize("order", ORDERS, ids=str)
    def test_what_is_no_order(self, editor, running, order):
        text = json.dumps(order)
        headers = {"X-Jicoo-Page": "1", "Origin": "http://testserver", "Content-Type": "application/json"}
        answer = editor._client.post(f"{running.address}/control", content=text, headers={**editor.headers, **headers})
        assert answer.status_code == 422
        self.nothing_happened(running)

    def test_what_has_ended(self, editor, finished):
        answer = editor.tell(finished.address, {"action": "pause"})
        assert (answer.status_code, answer.json()["said"]) == (409, "It is not under way.")
        self.nothing_happened(finished)

    def test_what_a_variable_tells(self, editor, room, tmp_path):
        manifest = planted.write_plan(tmp_path / "p.jsonl", [planted.change(1)])
        task = planted.plant("room", "v", "apply", "running", jicoo_plan=planted.note(manifest, control="how_fast"))
        answer = editor.tell(task.address, {"action": "pause"})
        assert answer.status_code == 409
        assert "Variable how_fast" in answer.json()["said"]
        assert "Variable how_fast" in editor.read(task.address)
        self.nothing_happened(task)


class TestAfterAStop:
    """The order stands beside the plan: a task that is cleared would obey it again."""

    @pytest.fixture
    def stopped(self, room, tmp_path):
        manifest = planted.write_plan(tmp_path / "plan.jsonl", map(planted.change, range(3)))
        planted.write_claim(manifest)
        task = planted.plant("room", "stopped", "apply", "failed", jicoo_plan=planted.note(manifest))
        Path(f"{manifest['plan']}.control").write_text('{"state": "stop", "max_requests_per_second": 3}')
        return task

    def test_it_is_taken_back_before_the_task_is_cleared(self, editor, stopped):
        assert "Take the stop back" in editor.read(stopped.address)
        answer = editor.tell(stopped.address, {"action": "go_on"})
        assert (answer.status_code, "Clear the task" in answer.text) == (200, True)
        assert told(stopped) == {"state": "run", "max_requests_per_second": 3}
        assert notes(stopped)[0]["by"] == "grace"
        assert audit()[0][:2] == ("jicoo go_on", "grace")
        assert "Take the stop back" not in editor.read(stopped.address)

    @pytest.mark.parametrize("order", [{"action": "pause"}, {"action": "slow", "rate": 1}, {"action": "stop"}], ids=str)
    def test_nothing_else_is_told_to_what_has_ended(self, editor, stopped, order):
        assert editor.tell(stopped.address, order).status_code == 409
        assert told(stopped) == {"state": "stop", "max_requests_per_second": 3}

    def test_who_may_not(self, viewer, stopped):
        assert "Take the stop back" not in viewer.read(stopped.address)
        assert viewer.tell(stopped.address, {"action": "go_on"}).status_code == 403
        assert told(stopped)["state"] == "stop"

    def test_while_its_task_has_not_ended_it_is_said_when(self, editor, running):
        assert editor.tell(running.address, {"action": "stop"}).status_code == 200
        assert "When its task has ended" in editor.tell(running.address, {"action": "go_on"}).json()["said"]


class TestUndo:
    def test_it_starts_the_dag_with_this_plan(self, editor, finished):
        page = editor.read(finished.address)
        assert 'data-action="undo"' in page
        answer = editor.tell(finished.address, {"action": "undo"})
        assert answer.status_code == 200, answer.text
        ((run_id, conf, who),) = runs_of_the_undo()
        plan = plan_of(finished)
        assert conf == {"plan": str(plan), "plans": str(plan.parent.parent)}
        assert who == "grace"
        assert run_id in answer.json()["said"]
        assert audit()[0][:2] == ("jicoo undo", "grace")
        # A second click within the minute.
        editor.tell(finished.address, {"action": "undo"})
        assert len({run for run, *_ in runs_of_the_undo()}) in (1, 2)

    @pytest.mark.parametrize("is_paused", [True, False])
    def test_a_dag_that_is_paused_does_not_ask_yet(self, editor, finished, is_paused):
        """As Airflow deploys it by default: who waits for its question would wait without an end."""
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session
        from sqlalchemy import update

        with create_session() as session:
            undo = update(DagModel).where(DagModel.dag_id == "jicoo_undo_last_run")
            session.execute(undo.values(is_paused=is_paused))
        answer = editor.tell(finished.address, {"action": "undo"})
        assert answer.status_code == 200
        said = answer.json()["said"]
        assert ("is paused" in said, "asks for approval" in said) == (is_paused, not is_paused)

    def test_who_may_not(self, viewer, finished):
        assert 'data-action="undo"' not in viewer.read(finished.address)
        assert viewer.tell(finished.address, {"action": "undo"}).status_code == 403
        assert runs_of_the_undo() == []

    def test_who_may_edit_this_dag_but_not_start_that_one(self, editor, finished, only):
        only(dag_ids={"room"})
        assert editor.tell(finished.address, {"action": "undo"}).status_code == 409
        only()
        assert runs_of_the_undo() == []

    def test_another_site(self, editor, finished):
        assert editor.tell(finished.address, {"action": "undo"}, Origin="https://evil.example").status_code == 403
        assert runs_of_the_undo() == []

    def test_what_is_under_way(self, editor, running):
        assert editor.tell(running.address, {"action": "undo"}).status_code == 409
        assert runs_of_the_undo() == []

    def test_no_such_dag(self, editor, finished, monkeypatch):
        from airflow_provider_jicoo.plugins.room import controls

        monkeypatch.setattr(controls, "UNDO_DAG", "not_deployed")
        answer = editor.tell(finished.address, {"action": "undo"})
        assert answer.status_code == 409
        assert "There is no DAG not_deployed" in answer.json()["said"]
