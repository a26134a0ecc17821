"""Asking people about a plan, and what an apply makes of their answers, with the part of Airflow that stores forms."""

from __future__ import annotations

import json
import logging
import re
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import (
    ApplyBookingPlanOperator,
    PlanBookingChangesOperator,
    PlanBookingUndoOperator,
)
from airflow_provider_jicoo.tasks.compat import WAITS, AirflowFailException

ALICE, BOB = {"id": "1", "name": "alice"}, {"id": "2", "name": "bob"}
LOW = UpdateFields(priority="low", description="Bring your badge")

pytestmark = pytest.mark.usefixtures("jicoo_connection")


# --- what the tests share --------------------------------------------------------------------------------------------


class Forms:
    """Where Airflow stores the form of a task.

    :param keeps: whether the form of an earlier try stays, as before Airflow 3.4.
    """

    def __init__(self, keeps=True):
        self.keeps, self.shown = keeps, None
        self.stored = 0

    def send(self, msg):
        if type(msg).__name__ != "CreateHITLDetailPayload":
            return None
        self.stored += 1
        if self.shown is None or not self.keeps:
            self.shown = msg
        return self.shown


@pytest.fixture
def forms(monkeypatch):
    """Airflow's forms, as far as one task sees them; ``forms.keeps = False`` is Airflow 3.4."""
    from airflow.sdk.execution_time import task_runner

    made = Forms()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", made, raising=False)
    return made


@pytest.fixture
def made(context):
    def made(try_number=1, task_id="task", run_id="run-1", **more):
        found = context(try_number=try_number, **{"params": {}, **more})
        for name, value in {"dag_id": "bulk", "run_id": run_id, "task_id": task_id, "id": uuid.uuid4()}.items():
            setattr(found["ti"], name, value)
        found["task_instance"] = found["ti"]
        return found

    return made


@pytest.fixture
def run(made):
    def run(operator, /, *, try_number=1, params=None, run_id="run-1", **arguments):
        task = operator(task_id="task", **arguments)
        ready = made(try_number, params=params or {}, run_id=run_id)
        task.render_template_fields(ready)
        return task.execute(ready)

    return run


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "plans" / "plan.jsonl")


@pytest.fixture
def planned(run, path):
    def planned(**more):
        more = {"selection": Selection(), "change": LOW, "plan_path": path, "is_send_updates": False, **more}
        return run(PlanBookingChangesOperator, **more)

    return planned


class Question:
    """An approval that waits for a person, try by try and process by process, as Airflow runs it."""

    def __init__(self, made, arguments):
        self._made, self._arguments = made, arguments
        self.told = []
        self.kwargs = self.timeout = self.result = None

    def _task(self, try_number, params):
        task = ApproveBookingPlanOperator(task_id="approve", **self._arguments)
        ready = self._made(try_number, task_id="approve", params=params or {})
        task.render_template_fields(ready)
        return task, ready

    def ask(self, try_number=1, params=None):
        """Run the task until it waits, or returns."""
        task, ready = self._task(try_number, params)
        self._wait(task, lambda: task.execute(ready))
        return self

    def answer(self, option, who, **more):
        """Answer, and run the task until it waits again, or returns."""
        task, ready = self._task(1, more.pop("params", None))
        event = {
            "chosen_options": [option],
            "params_input": {},
            "responded_at": datetime.now(timezone.utc),
            "responded_by_user": who,
            **more,
        }
        kwargs = json.loads(json.dumps(self.kwargs))
        self._wait(task, lambda: task.execute_complete(ready, event=event, **kwargs))
        return self

    def _wait(self, task, go_on):
        self.result, self.kwargs = None, None
        try:
            self.result = go_on()
        except WAITS as wait:
            self.kwargs, self.timeout = wait.kwargs, task.execution_timeout


@pytest.fixture
def question(made, forms):
    return lambda **arguments: Question(made, arguments)


def option(manifest):
    return f"Approve {manifest['digest'][:12]}"


def journal(manifest):
    return Path(f"{manifest['plan']}.{manifest['digest'][:12]}.journal")


def sent(sandbox):
    return sandbox.count("PATCH") + sandbox.count("POST")


# --- asking ----------------------------------------------------------------------------------------------------------


class TestAsking:
    def test_the_form_and_what_is_returned(self, planned, question, forms):
        manifest = planned()
        asked = question(plan=manifest).ask()
        assert forms.shown.options == [option(manifest), "Reject"]
        assert forms.shown.subject == "Change 50 bookings?"
        assert forms.shown.body.startswith("**50 bookings will be changed**")
        assert manifest["digest"] in forms.shown.body
        assert forms.shown.params == {}
        assert not forms.shown.assigned_users

        approval = asked.answer(option(manifest), ALICE).result

        assert approval.keys() == {"digest", "by", "at"}
        assert (approval["digest"], approval["by"]) == (manifest["digest"], "alice")
        moment = datetime.fromisoformat(approval["at"])
        assert moment.utcoffset() == timedelta(0)
        assert abs(datetime.now(timezone.utc) - moment) < timedelta(minutes=1)

    @pytest.mark.parametrize("form", ["manifest", "path", "json"])
    def test_the_plan_is_a_manifest_or_a_path(self, planned, question, form):
        manifest = planned()
        given = {"manifest": manifest, "path": manifest["plan"], "json": "{{ params.plan | tojson }}"}[form]
        asked = question(plan=given).ask(params={"plan": manifest})
        assert asked.answer(option(manifest), ALICE, params={"plan": manifest}).result["digest"] == manifest["digest"]

    def test_words_of_the_dag(self, planned, question, forms):
        manifest = planned()
        words = {"subject": "Hand {{ params.who }} over?", "body": "Then {{ params.who }} is **removed**."}
        question(plan=manifest, **words).ask(params={"who": "Sato"})
        assert forms.shown.subject == "Hand Sato over?"
        assert forms.shown.body.startswith("Then Sato is **removed**.\n\n**50 bookings")

    def test_guests_and_what_cannot_be_undone_are_in_the_question(self, jicoo_sandbox, planned, question, forms):
        from airflow_provider_jicoo.bulk import Cancel

        jicoo_sandbox.edit(jicoo_sandbox.bookings()[0]["uid"], status="open")
        chosen = Selection(uids=[jicoo_sandbox.bookings()[0]["uid"]])
        question(plan=planned(change=Cancel(), selection=chosen, is_send_updates=None)).ask()
        assert forms.shown.subject == "Change 1 booking, which messages the guests of 1? 1 of them cannot be undone."

    def test_only_some_may_answer(self, planned, question, forms):
        manifest = planned()
        question(plan=manifest, assigned_users=ALICE).ask()
        assert [(user.id, user.name) for user in forms.shown.assigned_users] == [("1", "alice")]

    def test_a_notifier_is_told_whenever_somebody_is_asked(self, planned, question):
        from airflow.sdk import BaseNotifier

        told = []

        class Notifier(BaseNotifier):
            def notify(self, context):
                told.append(context["ti"].task_id)

        manifest = planned()
        asked = question(plan=manifest, notifiers=[Notifier()], min_approvals=2).ask()
        assert told == ["approve"]
        asked.answer(option(manifest), ALICE)
        assert told == ["approve"] * 2

    def test_parameters_of_the_dag_are_no_part_of_the_form(self):
        """Airflow 3.1 wanted a value of each, also of one without a default, when the file was parsed."""
        from airflow.sdk import DAG, Param

        with DAG("asks", params={"user_id": Param(type="string")}):
            task = ApproveBookingPlanOperator(task_id="approve", plan="nowhere")
        assert dict(task.params) == {}

    def test_every_argument_is_templated(self):
        import inspect

        arguments = set(inspect.signature(ApproveBookingPlanOperator.__init__).parameters) - {"self", "kwargs"}
        assert set(ApproveBookingPlanOperator.template_fields) == arguments - {"notifiers"}

    def test_it_stands_with_the_bulk_operators(self):
        from airflow_provider_jicoo.operators import bulk

        assert bulk.ApproveBookingPlanOperator is ApproveBookingPlanOperator
        with pytest.raises(AttributeError, match="no attribute 'Approve'"):
            bulk.Approve  # noqa: B018


class TestTooLittleToAskAbout:
    def test_a_plan_of_nothing_is_not_asked_for(self, planned, question, forms, run):
        manifest = planned(selection=Selection(host_user_id="nobody"))
        approval = question(plan=manifest).ask().result
        assert (approval["digest"], approval["by"]) == (manifest["digest"], "nobody was asked: 0 changes")
        assert forms.stored == 0
        assert set(run(ApplyBookingPlanOperator, plan=manifest, approval=approval)["counts"].values()) == {0}

    @pytest.mark.parametrize(("fewest", "asks"), [(50, True), ("{{ params.most + 1 }}", False), (0, True)])
    def test_from_how_many_on(self, planned, question, forms, fewest, asks):
        approval = question(plan=planned(), min_changes_to_ask=fewest).ask(params={"most": 50}).result
        assert bool(forms.stored) == asks
        assert (approval is None) == asks
        if not asks:
            assert approval["by"] == "nobody was asked: 50 changes"

    def test_a_plan_of_nothing_is_asked_for_where_the_dag_wants_that(self, planned, question, forms):
        question(plan=planned(selection=Selection(host_user_id="nobody")), min_changes_to_ask=0).ask()
        assert forms.shown.subject == "Change 0 bookings?"

    def test_such_an_approval_is_for_no_other_plan(self, planned, question, run, tmp_path, jicoo_sandbox):
        nothing = planned(selection=Selection(host_user_id="nobody"))
        approval = question(plan=nothing).ask().result
        everything = planned(plan_path=str(tmp_path / "everything.jsonl"))
        with pytest.raises(AirflowFailException, match="nobody was asked: 0 changes agreed to"):
            run(ApplyBookingPlanOperator, plan=everything, approval=approval)
        assert sent(jicoo_sandbox) == 0


# --- answers ---------------------------------------------------------------------------------------------------------


class TestAnswers:
    def test_rejected(self, planned, question):
        asked = question(plan=planned()).ask()
        with pytest.raises(
            AirflowFailException, match=r"rejected by alice: .*plan\.jsonl is not applied; nothing was se"
        ):
            asked.answer("Reject", ALICE)

    @pytest.mark.parametrize("answer", ["Approve", "Approve 000000000000", "approve", ""])
    def test_an_option_that_is_not_asked(self, planned, question, answer):
        asked = question(plan=planned()).ask()
        with pytest.raises(AirflowFailException, match="Start a new run of the DAG"):
            asked.answer(answer, ALICE)

    @pytest.mark.parametrize("chosen", [[], ["Reject", "yes"]])
    def test_not_one_option(self, planned, question, chosen):
        manifest = planned()
        asked = question(plan=manifest).ask()
        with pytest.raises(AirflowFailException, match="answered was"):
            asked.answer(option(manifest), ALICE, chosen_options=chosen)

    def test_both_options(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest).ask()
        with pytest.raises(AirflowFailException, match="answered was"):
            asked.answer("", ALICE, chosen_options=[option(manifest), "Reject"])

    def test_nobody_is_named(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest).ask()
        with pytest.raises(AirflowFailException, match="does not say who"):
            asked.answer(option(manifest), None)

    def test_nobody_answers_in_time(self, planned, question):
        asked = question(plan=planned(), expires_after=3600).ask()
        assert timedelta(minutes=59) < asked.timeout <= timedelta(minutes=60)
        with pytest.raises(AirflowFailException, match=r"not all have answered in time \(expires_after 3600\)"):
            asked.answer("", None, error="the time is over", error_type="timeout")

    def test_another_error_of_airflow_may_be_tried_again(self, planned, question):
        from airflow.providers.standard.exceptions import HITLTriggerEventError

        asked = question(plan=planned()).ask()
        with pytest.raises(HITLTriggerEventError):
            asked.answer("", None, error="lost", error_type="unknown")

    @pytest.mark.parametrize("span", [timedelta(hours=2), 7200, "7200", "{{ 2 * 3600 }}"])
    def test_how_long_to_wait(self, planned, question, span):
        left = question(plan=planned(), expires_after=span).ask().timeout
        assert timedelta(minutes=119) < left <= timedelta(hours=2)

    @pytest.mark.parametrize("span", [None, "", "{{ '' }}"])
    def test_without_an_end(self, planned, question, span):
        assert question(plan=planned(), expires_after=span).ask().timeout is None

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"expires_after": "soon"}, "expires_after: 'soon' is neither a timedelta nor a number of seconds"),
            ({"expires_after": 0}, "expires_after: 0 is not more than zero seconds"),
            ({"expires_after": "nan"}, "expires_after"),
            ({"expires_after": "inf"}, "expires_after"),
            ({"min_approvals": 0}, "min_approvals: 0 is not 1 or more"),
            ({"min_approvals": "two"}, "min_approvals: 'two' is not a whole number"),
            ({"min_approvals": 2, "assigned_users": [ALICE, ALICE]}, "2 have to agree, but only 1 may answer"),
            ({"assigned_users": ["carol"]}, "assigned_users: 'carol' is not as"),
            ({"assigned_users": {"id": "carol"}}, "assigned_users: {'id': 'carol'} is not as"),
            ({"min_changes_to_ask": "few"}, "min_changes_to_ask: 'few' is not a whole number"),
            ({"plan": 7}, "plan: 7 is neither a manifest nor a path"),
            ({"plan": "None"}, "plan: a template rendered None"),
            ({"plan": "nowhere.jsonl"}, "cannot be read as a plan"),
        ],
    )
    def test_what_cannot_be_asked(self, planned, question, forms, arguments, words):
        with pytest.raises(AirflowFailException, match=words):
            question(**{"plan": planned(), **arguments}).ask()
        assert forms.stored == 0


class TestFourEyes:
    def test_two_people(self, planned, question, forms):
        manifest = planned()
        asked = question(plan=manifest, min_approvals="{{ 1 + 1 }}").ask()
        assert "**2 different people have to agree, one after the other.**" in forms.shown.body
        asked.answer(option(manifest), ALICE)
        assert asked.result is None
        assert asked.kwargs["agreed"][0]["name"] == "alice"
        approval = asked.answer(option(manifest), BOB).result
        assert (approval["digest"], approval["by"]) == (manifest["digest"], "alice, bob")

    def test_the_same_one_twice_counts_once(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2).ask()
        for _ in range(3):
            assert asked.answer(option(manifest), ALICE).result is None
            assert len(asked.kwargs["agreed"]) == 1
        assert asked.answer(option(manifest), BOB).result["by"] == "alice, bob"

    def test_who_they_are_is_told_by_their_ids(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2).ask()
        asked.answer(option(manifest), ALICE)
        assert asked.answer(option(manifest), {"id": "1", "name": "alice, renamed"}).result is None
        assert asked.answer(option(manifest), {"id": "3", "name": "alice"}).result["by"] == "alice, alice"

    def test_the_second_one_rejects(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2).ask().answer(option(manifest), ALICE)
        with pytest.raises(AirflowFailException, match="rejected by bob"):
            asked.answer("Reject", BOB)

    def test_the_first_one_changes_their_mind(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2).ask().answer(option(manifest), ALICE)
        with pytest.raises(AirflowFailException, match="rejected by alice"):
            asked.answer("Reject", ALICE)

    def test_the_time_is_for_both(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2, expires_after=3600).ask()
        asked.kwargs["until"] = (datetime.now(timezone.utc) + timedelta(minutes=10)).isoformat()
        asked.answer(option(manifest), ALICE)
        assert timedelta(minutes=9) < asked.timeout <= timedelta(minutes=10)
        asked.kwargs["until"] = (datetime.now(timezone.utc) - timedelta(minutes=10)).isoformat()
        asked.answer(option(manifest), ALICE)
        assert asked.timeout == timedelta(seconds=1), "it is over, and whoever has answered just then is heard"

    def test_the_plan_changes_between_them(self, planned, question, jicoo_sandbox):
        manifest = planned()
        asked = question(plan=manifest["plan"], min_approvals=2).ask().answer(option(manifest), ALICE)
        jicoo_sandbox.edit(jicoo_sandbox.bookings()[0]["uid"], priority="low", description="Bring your badge")
        planned()
        with pytest.raises(AirflowFailException, match="Start a new run of the DAG"):
            asked.answer(option(manifest), BOB)

    def test_a_retry_begins_anew(self, planned, question):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2).ask().answer(option(manifest), ALICE)
        asked.ask(try_number=2)
        assert asked.kwargs["agreed"] == []


class TestWhoIsAwaited:
    """The log of the task says it whenever it begins to wait: nobody has to guess for whom."""

    @pytest.fixture
    def said(self, capfd, caplog):
        """Return what was logged since the last time: through structlog to the output, or as Python's logging."""
        caplog.set_level(logging.INFO)
        return lambda: "".join(capfd.readouterr()) + "\n".join(record.getMessage() for record in caplog.records)

    def test_those_who_may_answer_and_have_not(self, planned, question, said):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2, assigned_users=[ALICE, BOB], expires_after=60).ask()
        assert re.search(r"\b2 of 2 still to agree: alice, bob; until 20[-\dT:]+Z, and then the task fails", said())
        asked.answer(option(manifest), ALICE)
        assert "alice agreed; 1 of 2 still to agree: bob; until 20" in said()

    def test_everybody(self, planned, question, said):
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2).ask()
        assert "2 of 2 still to agree: everybody who may act for the DAG; without an end" in said()
        line = "alice agreed; 1 of 2 still to agree: everybody who may act for the DAG, but for them; without an end"
        for _ in range(2):
            asked.answer(option(manifest), ALICE)
            assert line in said()

    def test_that_answers_to_an_earlier_try_are_lost(self, planned, question, said):
        """Airflow fails a try whose answer came before it had noted that the asking process was over."""
        manifest = planned()
        asked = question(plan=manifest, min_approvals=2).ask().answer(option(manifest), ALICE)
        assert "Asked anew" not in said()
        asked.ask(try_number=2)
        assert "Asked anew: whoever has answered an earlier try has to answer again" in said()


class TestAForm:
    """That of an earlier try, which Airflow before 3.4 shows again."""

    @pytest.fixture
    def two_plans(self, planned, jicoo_sandbox):
        """A plan of three bookings that was asked for, and one of all that has taken its place."""
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()[:3]]
        return planned(selection=Selection(uids=uids)), planned

    def test_for_another_plan_is_not_shown_to_anybody(self, two_plans, question, forms):
        first, planned = two_plans
        question(plan=first).ask()
        second = planned()
        with pytest.raises(AirflowFailException, match="Start a new run of the DAG") as failed:
            question(plan=second).ask(try_number=2)
        assert option(first) in str(failed.value)
        assert option(second) in str(failed.value)

    def test_for_another_plan_lets_nothing_through(self, two_plans, question, run, jicoo_sandbox):
        """Where it was shown all the same, whoever agrees to it has not agreed to the plan at hand."""
        first, planned = two_plans
        question(plan=first).ask()
        second = planned()
        asked = question(plan=second)
        asked.kwargs = {}
        with pytest.raises(AirflowFailException, match="keeps the form of a task that is cleared or retried"):
            asked.answer(option(first), ALICE)
        assert sent(jicoo_sandbox) == 0

    def test_for_the_same_plan_is_right(self, two_plans, question, forms):
        first, planned = two_plans
        question(plan=first).ask()
        again = planned(selection=Selection(uids=[line["uid"] for line in lines(first)]))
        assert again["digest"] == first["digest"]
        assert question(plan=again).ask(try_number=2).answer(option(again), ALICE).result["digest"] == first["digest"]

    def test_is_a_fresh_one_from_airflow_3_4_on(self, two_plans, question, forms):
        forms.keeps = False
        first, planned = two_plans
        question(plan=first).ask()
        second = planned()
        asked = question(plan=second).ask(try_number=2)
        assert forms.shown.options[0] == option(second)
        assert forms.shown.body.startswith("**50 bookings")
        assert asked.answer(option(second), ALICE).result["digest"] == second["digest"]

    def test_that_others_may_answer(self, two_plans, question):
        """As where the DAG was edited, and the task cleared."""
        plan, _ = two_plans
        question(plan=plan, assigned_users=[ALICE, BOB]).ask()
        question(plan=plan, assigned_users=[BOB, ALICE]).ask(try_number=2)
        for people, could in ((ALICE, r"\['1', '2'\]"), (None, r"\['1', '2'\]")):
            with pytest.raises(AirflowFailException, match=rf"^{could} could answer, not assigned_users"):
                question(plan=plan, assigned_users=people).ask(try_number=2)

    def test_that_everybody_may_answer(self, two_plans, question):
        plan, _ = two_plans
        question(plan=plan).ask()
        with pytest.raises(AirflowFailException, match=r"^everybody could answer, not assigned_users"):
            question(plan=plan, assigned_users=ALICE).ask(try_number=2)

    def test_a_plan_that_was_written_over_is_not_asked_for(self, two_plans, question, forms):
        first, planned = two_plans
        planned()
        with pytest.raises(AirflowFailException, match="another plan was written over it"):
            question(plan=first).ask()
        assert forms.stored == 0


# --- applying --------------------------------------------------------------------------------------------------------


def lines(manifest):
    with open(manifest["plan"], encoding="utf-8") as file:
        return [json.loads(line) for line in file][1:]


def agreed(manifest, by="alice", at="2031-03-05T10:00:00+00:00"):
    return {"digest": manifest["digest"], "by": by, "at": at}


class TestApplying:
    def test_who_agreed_stands_in_journal_and_report(self, planned, run, jicoo_sandbox):
        manifest = planned()
        approval = agreed(manifest, "<b>alice</b>, bob")
        done = run(ApplyBookingPlanOperator, plan=manifest, approval=approval)
        assert done["counts"]["applied"] == 50
        assert json.loads(Path(done["report"], "report.json").read_text())["approval"] == approval
        page = Path(done["report"], "report.html").read_text()
        assert "<bdi>&lt;b&gt;alice&lt;/b&gt;, bob</bdi>, 2031-03-05 10:00:00 UTC" in page
        (claim,) = journal(manifest).glob("claim-*.json")
        assert json.loads(claim.read_text())["approval"] == approval

    def test_without_one_where_nobody_is_to_be_asked(self, planned, run):
        manifest = planned()
        done = run(ApplyBookingPlanOperator, plan=manifest)
        assert json.loads(Path(done["report"], "report.json").read_text())["approval"] is None
        assert "nobody was asked" in Path(done["report"], "report.html").read_text()

    @pytest.mark.parametrize("form", ["dict", "json", "template"])
    def test_what_an_approval_may_be_given_as(self, planned, run, form):
        manifest = planned()
        approval = agreed(manifest)
        given = {"dict": approval, "json": json.dumps(approval), "template": "{{ params.approval | tojson }}"}[form]
        done = run(ApplyBookingPlanOperator, plan=manifest, approval=given, params={"approval": approval})
        assert done["counts"]["applied"] == 50

    def test_a_path_needs_no_digest_beside_it(self, planned, run):
        manifest = planned()
        assert (
            run(ApplyBookingPlanOperator, plan=manifest["plan"], approval=agreed(manifest))["counts"]["applied"] == 50
        )

    @pytest.mark.parametrize(
        "approval",
        [
            "{{ params.nothing }}",
            "{{ '' }}",
            "alice",
            "[]",
            {},
            {"digest": "0" * 64, "by": "alice", "at": "2031-03-05T10:00:00+00:00"},
            {"by": "alice", "at": "2031-03-05T10:00:00+00:00"},
            {"digest": "own", "at": "2031-03-05T10:00:00+00:00"},
            {"digest": "own", "by": "", "at": "2031-03-05T10:00:00+00:00"},
            {"digest": "own", "by": "alice"},
            {"digest": "own", "by": ["alice"], "at": "2031-03-05T10:00:00+00:00"},
            {"digest": "prefix", "by": "alice", "at": "2031-03-05T10:00:00+00:00"},
        ],
    )
    @pytest.mark.parametrize("given", ["manifest", "path"])
    def test_what_is_no_approval_of_this_plan(self, planned, run, jicoo_sandbox, approval, given):
        manifest = planned()
        if isinstance(approval, dict) and "digest" in approval:
            digests = {"own": manifest["digest"], "prefix": manifest["digest"][:12]}
            approval = {**approval, "digest": digests.get(approval["digest"], approval["digest"])}
        plan = {"manifest": manifest, "path": manifest["plan"]}[given]
        reads = jicoo_sandbox.count()
        with pytest.raises(AirflowFailException, match=r"agreed to|approval"):
            run(ApplyBookingPlanOperator, plan=plan, approval=approval, params={"nothing": None})
        assert jicoo_sandbox.count() == reads, "it is refused before anything is read"
        assert not journal(manifest).exists()

    def test_a_task_that_asked_and_returned_nothing(self, planned, made, jicoo_sandbox):
        """As one that was skipped, where the apply runs whatever became of it."""
        manifest = planned()
        task = ApplyBookingPlanOperator(task_id="task", plan=manifest, approval="given")
        task.approval = None
        with pytest.raises(AirflowFailException, match="nobody has agreed to the plan"):
            task.execute(made())
        assert sent(jicoo_sandbox) == 0

    def test_digest_and_approval_must_both_be_right(self, planned, run, jicoo_sandbox):
        manifest = planned()
        with pytest.raises(AirflowFailException, match="0000 was agreed to"):
            run(ApplyBookingPlanOperator, plan=manifest, digest="0000", approval=agreed(manifest))
        assert sent(jicoo_sandbox) == 0

    def test_that_of_the_whole_is_for_each_of_its_shards(self, planned, run, question, jicoo_sandbox):
        from airflow_provider_jicoo.bulk import merge_reports

        manifest = planned(shards=3)
        approval = question(plan=manifest).ask().answer(option(manifest), ALICE).result
        assert approval["digest"] == manifest["digest"]
        done = [run(ApplyBookingPlanOperator, plan=shard, approval=approval) for shard in manifest["shards"]]
        assert sum(each["counts"]["applied"] for each in done) == 50
        merged = merge_reports([Path(each["report"]) for each in done], Path(f"{manifest['plan']}.report"))
        assert merged.facts["approval"] == approval

    def test_that_of_another_whole_is_for_none_of_them(self, planned, run, jicoo_sandbox, tmp_path):
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()[:9]]
        other = planned(shards=3, selection=Selection(uids=uids), plan_path=str(tmp_path / "other.jsonl"))
        manifest = planned(shards=3)
        for shard in manifest["shards"]:
            with pytest.raises(AirflowFailException, match="agreed to"):
                run(ApplyBookingPlanOperator, plan=shard, approval=agreed(other))
        assert sent(jicoo_sandbox) == 0

    def test_a_shard_that_claims_to_belong(self, planned, run, jicoo_sandbox, tmp_path):
        """What its header says of the whole is not covered by any digest, and has to add up."""
        few = [booking["uid"] for booking in jicoo_sandbox.bookings()[:9]]
        seen = planned(shards=2, selection=Selection(uids=few), plan_path=str(tmp_path / "seen.jsonl"))
        unseen = planned(shards=2, plan_path=str(tmp_path / "unseen.jsonl"))["shards"][0]
        file = Path(unseen["plan"])
        header, *rest = file.read_bytes().splitlines(keepends=True)
        theirs = json.loads(Path(seen["shards"][0]["plan"]).read_bytes().splitlines()[0])["partOf"]
        for forged in (
            theirs,
            {**theirs, "shards": [*theirs["shards"], {"name": file.name, "digest": unseen["digest"]}]},
        ):
            file.write_bytes(b"".join([json.dumps({**json.loads(header), "partOf": forged}).encode(), b"\n", *rest]))
            for shard in theirs["shards"]:
                (file.parent / shard["name"]).touch()
            with pytest.raises(AirflowFailException, match="to another plan"):
                run(ApplyBookingPlanOperator, plan=unseen, approval=agreed(seen))
        assert sent(jicoo_sandbox) == 0

    def test_one_shard_alone_is_not_asked_for(self, planned, question):
        with pytest.raises(AirflowFailException, match="is one shard of a plan: ask for the whole plan"):
            question(plan=planned(shards=2)["shards"][0]).ask()

    def test_an_undo_is_agreed_to_as_well(self, planned, run, question, tmp_path, jicoo_sandbox):
        manifest = planned()
        run(ApplyBookingPlanOperator, plan=manifest, approval=agreed(manifest))
        undo = run(PlanBookingUndoOperator, plan=manifest, plan_path=str(tmp_path / "u.jsonl"), is_send_updates=False)
        with pytest.raises(AirflowFailException, match="to another plan"):
            run(ApplyBookingPlanOperator, plan=undo, approval=agreed(manifest))
        approval = question(plan=undo).ask().answer(option(undo), BOB).result
        assert run(ApplyBookingPlanOperator, plan=undo, approval=approval)["counts"]["applied"] == 50


class TestAge:
    def older(self, manifest, **span):
        file = Path(manifest["plan"])
        header, *rest = file.read_bytes().splitlines(keepends=True)
        at = (datetime.now(timezone.utc) - timedelta(**span)).isoformat(timespec="milliseconds") if span else None
        file.write_bytes(b"".join([json.dumps({**json.loads(header), "madeAt": at}).encode(), b"\n", *rest]))

    def test_the_header_says_when(self, planned):
        manifest = planned()
        header = json.loads(Path(manifest["plan"]).read_bytes().splitlines()[0])
        at = datetime.fromisoformat(header["madeAt"])
        assert at.utcoffset() == timedelta(0)
        assert abs(datetime.now(timezone.utc) - at) < timedelta(minutes=1)

    @pytest.mark.parametrize(
        ("hours", "most", "refused"),
        [
            (23, {}, False),
            (25, {}, True),
            (25, {"max_plan_age": timedelta(hours=26)}, False),
            (25, {"max_plan_age": "{{ 26 * 3600 }}"}, False),
            (25, {"max_plan_age": ""}, False),
            (25, {"max_plan_age": None}, False),
            (1, {"max_plan_age": 1800}, True),
            (1, {"max_plan_age": "1800"}, True),
        ],
    )
    def test_too_old(self, planned, run, jicoo_sandbox, hours, most, refused):
        manifest = planned()
        self.older(manifest, hours=hours)
        reads = jicoo_sandbox.count()
        if refused:
            with pytest.raises(AirflowFailException, match=r"was made at .* ago; max_plan_age is .*: make a new plan"):
                run(ApplyBookingPlanOperator, plan=manifest, approval=agreed(manifest), **most)
            assert jicoo_sandbox.count() == reads
        else:
            run(ApplyBookingPlanOperator, plan=manifest, approval=agreed(manifest), **most)

    def test_one_that_does_not_say(self, planned, run):
        manifest = planned()
        self.older(manifest)
        with pytest.raises(AirflowFailException, match="does not say when it was made"):
            run(ApplyBookingPlanOperator, plan=manifest)
        run(ApplyBookingPlanOperator, plan=manifest, max_plan_age=None)

    @pytest.mark.parametrize("most", ["a day", 0, -1, "nan", "inf"])
    def test_what_is_no_age(self, planned, run, jicoo_sandbox, most):
        manifest = planned()
        with pytest.raises(AirflowFailException, match="max_plan_age"):
            run(ApplyBookingPlanOperator, plan=manifest, max_plan_age=most)
        assert sent(jicoo_sandbox) == 0

    def test_what_was_begun_in_time_is_gone_on_with(self, planned, run, made, monkeypatch):
        manifest = planned()
        monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"state": "stop"}')
        with pytest.raises(Exception, match="stop"):
            run(ApplyBookingPlanOperator, plan=manifest, control_variable="jicoo_control")
        self.older(manifest, days=3)
        monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"state": "run"}')
        task = ApplyBookingPlanOperator(task_id="task", plan=manifest, control_variable="jicoo_control")
        context = made(try_number=2)
        context["ti"].max_tries = 1  # a person has cleared the task
        assert task.execute(context)["counts"]["applied"] == 50
