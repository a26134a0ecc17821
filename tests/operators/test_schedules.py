"""The operators for schedules: what they send and return, as a task runs them."""

from __future__ import annotations

import inspect
import json
from datetime import date

import pytest

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.operators import organization, schedules
from airflow_provider_jicoo.operators.schedules import (
    CreateScheduleOperator,
    DeleteScheduleOperator,
    ListSchedulesOperator,
    UpdateScheduleOperator,
)
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from tests.operators.classes import operators_of

pytestmark = pytest.mark.usefixtures("jicoo_connection")

OPERATORS = operators_of(schedules, organization)


@pytest.fixture
def create(jicoo_sandbox):
    """The arguments that are needed to make a schedule."""
    return {
        "name": "MTG",
        "time_zone": "Asia/Tokyo",
        "started_at": "2031-03-05T10:00",
        "ended_at": "2031-03-05T11:00",
        "attendees": [{"user_id": jicoo_sandbox.users[0]["uid"], "role": "admin", "user_type": "host"}],
    }


def test_there_is_one_for_each_call():
    assert len(OPERATORS) == 4 + 9


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda each: each.__name__)
class TestEach:
    def test_every_argument_is_templated_and_documented(self, operator):
        fields = {*operator.arguments, "jicoo_conn_id"}
        assert set(operator.template_fields) == fields
        for name in fields:
            (line,) = [part for part in operator.__doc__.split(":param ")[1:] if part.startswith(f"{name}:")]
            assert "(templated)" in line, name
        assert operator.private_fields >= {"invitee_email", "attendees"} & fields

    def test_the_init_names_every_argument(self, operator):
        found = inspect.signature(operator.__init__).parameters
        keywords = [name for name, parameter in found.items() if parameter.kind is parameter.KEYWORD_ONLY]
        assert tuple(keywords) == operator.arguments

    def test_its_answer_is_not_said_to_be_certain(self, operator):
        known = ("https://developer.jicoo.com", "inferred", "other people's", "not documented")
        assert any(word in operator.__doc__ for word in known)


class TestCalls:
    def test_list(self, run, jicoo_sandbox):
        assert run(ListSchedulesOperator) == jicoo_sandbox.schedules
        assert (
            run(ListSchedulesOperator, limit="{{ params.limit }}", params={"limit": 2}) == jicoo_sandbox.schedules[:2]
        )

    def test_create(self, run, jicoo_sandbox, create):
        assert run(CreateScheduleOperator, **create) == jicoo_sandbox.schedules[-1]
        assert jicoo_sandbox.requests[-1].body["startedAt"] == "2031-03-05T01:00:00.000Z"

    def test_what_templates_make_of_arguments(self, run, jicoo_sandbox, create):
        """Everything comes out of a template as text."""
        routine = {"duration": 3, "ended_at": "2031-12-31", "schedules": [{"wday": 1}]}
        found = run(
            CreateScheduleOperator,
            **{
                **create,
                "started_at": "{{ params.day }}",
                "ended_at": date(2031, 3, 6),
                "attendees": "{{ params.attendees | tojson }}",
                "routine": json.dumps(routine),
                "is_all_day": "{{ 1 == 1 }}",
                "is_remind": "false",
                "project_id": "{{ 2 + 3 }}",
                "name": "{{ params.name }}",
            },
            params={"day": "2031-03-05", "attendees": create["attendees"], "name": "From a template"},
        )
        assert found == jicoo_sandbox.schedules[-1]
        body = jicoo_sandbox.requests[-1].body
        assert (body["startedAt"], body["endedAt"], body["isAllDay"]) == ("2031-03-05", "2031-03-06", True)
        assert (body["isRemind"], body["projectId"], body["name"]) == (False, 5, "From a template")
        assert body["routine"] == {"duration": 3, "endedAt": "2031-12-31", "schedules": [{"wday": 1}]}

    def test_update(self, run, jicoo_sandbox):
        before = jicoo_sandbox.schedules[0]
        found = run(UpdateScheduleOperator, uid=before["uid"], description=None, is_send_updates="False")
        assert found == jicoo_sandbox.schedules[0] == before
        assert jicoo_sandbox.requests[-1].body == {"description": None, "isSendUpdates": False}

    def test_delete(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.schedules[0]["uid"]
        assert run(DeleteScheduleOperator, uid="{{ params.uid }}", params={"uid": uid}) is None
        assert uid not in {row["uid"] for row in jicoo_sandbox.schedules}


class TestBadInput:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"attendees": []}, "attendees: list should have at least 1 item"),
            (
                {"attendees": [{"email": "nobody", "role": "admin", "user_type": "host"}]},
                "email: not an e-mail address",
            ),
            ({"attendees": "[{"}, "attendees: not JSON"),
            ({"ended_at": "2031-03-05T09:00"}, "ended_at .* is not after started_at"),
            ({"time_zone": "Asia/Tokio"}, "did you mean 'Asia/Tokyo'"),
            ({"project_id": "five"}, "project_id: 'five' is not a whole number"),
            ({"description": "None"}, "a template rendered None to the text"),
            ({"is_remind": "perhaps"}, "is_remind: input should be a valid boolean"),
        ],
    )
    def test_fails_at_once_and_sends_nothing(self, run, jicoo_sandbox, create, fields, said):
        with pytest.raises(AirflowFailException, match=said) as caught:
            run(CreateScheduleOperator, **{**create, **fields})
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.requests == []

    def test_a_time_without_an_offset(self, run, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match="'2031-03-05T10:00' has no offset"):
            run(UpdateScheduleOperator, uid="x", started_at="2031-03-05T10:00")
        assert jicoo_sandbox.requests == []

    def test_the_constructor_refuses_nothing(self):
        UpdateScheduleOperator(task_id="a", uid="{{ x }}", attendees="{{ y }}", started_at="{{ z }}")

    def test_an_unknown_argument(self):
        with pytest.raises(TypeError, match="nmae"):
            UpdateScheduleOperator(task_id="a", uid="x", nmae="y")


class TestRetries:
    """A worker may have died after the request: no schedule can be read alone, so that nothing is sent again."""

    @pytest.mark.parametrize("operator", [CreateScheduleOperator, UpdateScheduleOperator, DeleteScheduleOperator])
    def test_at_a_retry_nothing_is_sent(self, run, jicoo_sandbox, create, operator):
        uid = jicoo_sandbox.schedules[0]["uid"]
        arguments = {CreateScheduleOperator: create, UpdateScheduleOperator: {"uid": uid, "name": "x"}}
        arguments = arguments.get(operator, {"uid": uid})
        with pytest.raises(AirflowFailException, match=r"this is a retry, .* list the schedules and") as caught:
            run(operator, try_number=2, max_tries=3, retries=3, **arguments)
        assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
        assert jicoo_sandbox.requests == []

        run(operator, try_number=2, max_tries=4, retries=3, **arguments)  # somebody has cleared it
        assert len(jicoo_sandbox.requests) == 1

    def test_a_lost_answer_fails_the_task_at_once(self, run, jicoo_sandbox, create):
        jicoo_sandbox.fail("dropped")
        with pytest.raises(AirflowFailException, match=r"was not repeated\. Before you repeat it, list the schedules"):
            run(CreateScheduleOperator, **create)
        assert len(jicoo_sandbox.requests) == 1
