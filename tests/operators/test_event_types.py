"""The operators for event types: what they send and return, as a task runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.operators import event_types as module
from airflow_provider_jicoo.operators.event_types import (
    CreateEventTypeHostOperator,
    DeleteEventTypeHostOperator,
    GetEventTypeOperator,
    ListAvailableSchedulesOperator,
    ListEventTypeHostsOperator,
    ListEventTypesOperator,
    UpdateEventTypeHostOperator,
    ValidateGuestOperator,
)
from airflow_provider_jicoo.tasks import xcom
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from tests.operators.classes import operators_of

pytestmark = pytest.mark.usefixtures("jicoo_connection")

OPERATORS = operators_of(module)
DAGS = Path(__file__).parent / "dags"
PERIOD = {"period_start": "2031-03-03T09:00", "period_end": "2031-03-13T18:00", "time_zone": "Asia/Tokyo"}


@pytest.fixture
def uid(jicoo_sandbox):
    return jicoo_sandbox.event_types[0]["uid"]


@pytest.fixture
def user(jicoo_sandbox):
    return jicoo_sandbox.event_types[0]["hosts"][0]


@pytest.fixture
def stranger(jicoo_sandbox):
    hosts = jicoo_sandbox.event_types[0]["hosts"]
    return next(user["uid"] for user in jicoo_sandbox.users if user["uid"] not in hosts)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda each: each.__name__)
class TestEach:
    def test_every_argument_is_templated_and_documented(self, operator):
        fields = {*operator.arguments, "jicoo_conn_id"}
        assert set(operator.template_fields) == fields
        for name in fields:
            (line,) = [part for part in operator.__doc__.split(":param ")[1:] if part.startswith(f"{name}:")]
            assert "(templated)" in line, name
        assert operator.private_fields <= fields

    def test_the_init_names_every_argument(self, operator):
        import inspect

        found = inspect.signature(operator.__init__).parameters
        keywords = [name for name, parameter in found.items() if parameter.kind is parameter.KEYWORD_ONLY]
        assert tuple(keywords) == operator.arguments

    def test_its_answer_is_not_said_to_be_certain(self, operator):
        assert any(word in operator.__doc__ for word in ("https://developer.jicoo.com", "inferred", "other people's"))


class TestLists:
    def test_event_types(self, run, jicoo_sandbox):
        found = run(ListEventTypesOperator)
        assert [each["uid"] for each in found] == [each["uid"] for each in jicoo_sandbox.event_types]
        assert json.loads(json.dumps(found)) == found

    @pytest.mark.parametrize("limit", [2, "2", "{{ params.limit }}"])
    def test_limit(self, run, limit):
        assert len(run(ListEventTypesOperator, limit=limit, params={"limit": 2})) == 2

    def test_of_a_team(self, run, jicoo_sandbox):
        assert run(ListEventTypesOperator, team_id="support") == []
        assert jicoo_sandbox.requests[-1].query["teamId"] == "support"

    def test_a_key_that_may_not(self, run, jicoo_sandbox, jicoo_connection):
        jicoo_connection(password=jicoo_sandbox.forbidden_key)
        with pytest.raises(AirflowFailException, match="name the event types by hand") as caught:
            run(ListEventTypesOperator)
        assert isinstance(caught.value.__context__, errors.PermissionDeniedError)

    def test_too_large_for_an_xcom(self, run, uid, monkeypatch):
        monkeypatch.setattr(xcom, "XCOM_BYTES", 10)
        with pytest.raises(AirflowFailException, match=r"too large for an XCom .*give limit"):
            run(ListEventTypesOperator)
        with pytest.raises(AirflowFailException, match=r"too large for an XCom .*narrow period_start"):
            run(ListAvailableSchedulesOperator, event_type_id=uid, **PERIOD)
        with pytest.raises(AirflowFailException, match="too large for an XCom"):
            run(GetEventTypeOperator, event_type_id=uid)

    def test_hosts(self, run, jicoo_sandbox, uid):
        assert run(ListEventTypeHostsOperator, event_type_id="{{ params.uid }}", params={"uid": uid}) == (
            jicoo_sandbox.hosts(uid)
        )

    def test_free_slots(self, run, jicoo_sandbox, uid):
        found = run(ListAvailableSchedulesOperator, event_type_id=uid, **PERIOD)
        assert found == jicoo_sandbox.free_slots(uid, "2031-03-03T00:00:00Z", "2031-03-13T09:00:00Z")
        assert len(jicoo_sandbox.requests) == 2

    def test_free_slots_by_other_names(self, run, jicoo_sandbox, jicoo_connection, uid):
        """The sandbox goes by the names that are known; what matters is what was sent."""
        jicoo_connection(extra=json.dumps({"period_start_parameter": "startedAt", "period_end_parameter": "endedAt"}))
        with pytest.raises(AirflowFailException, match="400"):
            run(ListAvailableSchedulesOperator, event_type_id=uid, **PERIOD)
        assert set(jicoo_sandbox.requests[0].query) == {"startedAt", "endedAt"}


class TestOneEventType:
    def test_get(self, run, uid):
        assert run(GetEventTypeOperator, event_type_id=uid)["uid"] == uid

    def test_none(self, run):
        with pytest.raises(AirflowFailException, match="404"):
            run(GetEventTypeOperator, event_type_id="nothing")


class TestHosts:
    @pytest.mark.parametrize("priority", [3, "3", "{{ params.priority }}"])
    def test_update(self, run, jicoo_sandbox, uid, user, priority):
        found = run(UpdateEventTypeHostOperator, event_type_id=uid, uid=user, priority=priority, params={"priority": 3})
        assert found == jicoo_sandbox.hosts(uid)[0]
        assert found["priority"] == 3

    def test_create_and_delete(self, run, jicoo_sandbox, uid, stranger):
        made = run(CreateEventTypeHostOperator, event_type_id=uid, user_id=stranger, priority="2")
        assert made["priority"] == 2
        assert jicoo_sandbox.requests[-1].body == {"userId": stranger, "priority": 2}
        assert run(DeleteEventTypeHostOperator, event_type_id=uid, uid=stranger) is None
        assert stranger not in [host["uid"] for host in jicoo_sandbox.hosts(uid)]

    def test_a_retry_reads_first(self, run, jicoo_sandbox, uid, user, stranger):
        """An earlier try may have done it, and its worker have died."""
        for operator, arguments in (
            (UpdateEventTypeHostOperator, {"uid": user, "priority": 3}),
            (CreateEventTypeHostOperator, {"user_id": stranger}),
            (DeleteEventTypeHostOperator, {"uid": stranger}),
        ):
            first = run(operator, event_type_id=uid, **arguments)
            changes = jicoo_sandbox.count() - jicoo_sandbox.count("GET")
            again = run(operator, event_type_id=uid, try_number=2, max_tries=1, **arguments)
            assert again == first
            assert jicoo_sandbox.count() - jicoo_sandbox.count("GET") == changes

    @pytest.mark.parametrize(
        ("operator", "arguments", "words"),
        [
            (UpdateEventTypeHostOperator, {"uid": "u", "priority": 4}, "priority: .*3"),
            (UpdateEventTypeHostOperator, {"uid": "u", "priority": "high"}, "priority: 'high' is not a whole number"),
            (UpdateEventTypeHostOperator, {"uid": "u/v", "priority": 1}, "uid 'u/v' is not an id"),
            (CreateEventTypeHostOperator, {"user_id": "u", "priority": 9}, "priority: "),
            (CreateEventTypeHostOperator, {"user_id": "u", "role": "boss"}, "role: "),
            (DeleteEventTypeHostOperator, {"uid": ""}, "uid '' is not an id"),
            (ListEventTypesOperator, {"limit": -1}, "limit: 0 or more"),
            (ValidateGuestOperator, {"team_id": "t", "name": "A", "guest_email": "none"}, "email: not an e-mail"),
            (
                ListAvailableSchedulesOperator,
                {**PERIOD, "period_end": "2031-01-01T00:00"},
                "period_end .* is not after period_start",
            ),
        ],
    )
    def test_refused_before_a_request(self, run, jicoo_sandbox, operator, arguments, words):
        more = {} if operator is ListEventTypesOperator else {"event_type_id": "e1"}
        with pytest.raises(AirflowFailException, match=words) as caught:
            run(operator, **more, **arguments)
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0


class TestValidateGuest:
    GUEST = {"name": "Stefanie Zweig", "guest_email": "zweig@example.com"}  # noqa: RUF012

    def test_it(self, run, jicoo_sandbox, uid):
        found = run(ValidateGuestOperator, team_id="exampleteam", event_type_id=uid, **self.GUEST)
        assert found["url"].startswith(f"https://www.jicoo.com/t/exampleteam/e/{uid}?guestSessionId=")
        assert jicoo_sandbox.requests[-1].body == {"name": "Stefanie Zweig", "email": "zweig@example.com"}

    def test_the_guest_is_not_shown(self, context, uid, caplog):
        task = ValidateGuestOperator(task_id="task", team_id="exampleteam", event_type_id=uid, **self.GUEST)
        task.render_template_fields(context(params={}))
        assert str(task.name) == str(task.guest_email) == "***"
        task.execute(context())
        assert "weig" not in caplog.text

    def test_another_team(self, run, uid):
        with pytest.raises(AirflowFailException, match="404") as caught:
            run(ValidateGuestOperator, team_id="other", event_type_id=uid, **self.GUEST)
        assert "weig" not in str(caught.value)


class TestARetryThatCannotTell:
    """Whether an earlier try has made it: the user is a host, but not as this task would make them."""

    def test_is_refused_until_somebody_has_looked(self, run, jicoo_sandbox, uid, user):
        arguments = {"event_type_id": uid, "user_id": user, "priority": 3 - jicoo_sandbox.hosts(uid)[0]["priority"]}
        with pytest.raises(AirflowFailException, match="does not tell whether an earlier try has done it"):
            run(CreateEventTypeHostOperator, try_number=2, max_tries=1, retries=1, **arguments)
        assert jicoo_sandbox.count("POST") == 0
        # Cleared, it is sent, and Jicoo says what it thinks of it.
        with pytest.raises(AirflowFailException, match="422"):
            run(CreateEventTypeHostOperator, try_number=3, max_tries=3, retries=1, **arguments)
        assert jicoo_sandbox.count("POST") == 1


def test_in_a_dag(jicoo_sandbox, run_dag, stranger, capfd):
    """As Airflow runs them: rendered, mapped, stored; nothing of a guest is said."""
    booking = jicoo_sandbox.add_booking()["uid"]
    first = jicoo_sandbox.event_types[0]
    before = {host["uid"]: host["priority"] for host in jicoo_sandbox.hosts(first["uid"])}

    run = run_dag(DAGS / "jicoo_event_types.py", user_id=stranger, uid=booking)

    assert run.state == "success", run.states
    assert [each["uid"] for each in run.xcom("list")] == [each["uid"] for each in jicoo_sandbox.event_types[:2]]
    assert run.xcom("get")["name"] == first["name"]
    assert run.xcom("create")["priority"] == 3
    assert len(run.xcom("hosts")) == len(before) + 1
    after = {host["uid"]: host["priority"] for host in jicoo_sandbox.hosts(first["uid"])}
    assert after == {uid: 3 - priority for uid, priority in before.items()}
    assert run.xcom("delete") is None
    assert len(run.xcom("slots")) == 10 * 18
    assert run.xcom("page")["url"].startswith("https://www.jicoo.com/t/exampleteam/e/")
    assert run.xcom("calendar") == jicoo_sandbox.availability_calendars(stranger)[1]
    assert run.xcom("read")["count"] == 1
    assert run.xcom("send")["data"]["priority"] == "high"
    fields = run.rendered("page")
    assert fields["name"] == fields["guest_email"] == "***"
    assert fields["event_type_id"] == first["uid"]
    assert run.rendered("send")["json"] == "***"
    assert run.rendered("update", 0)["uid"] == next(iter(before))
    said = "".join(capfd.readouterr()).lower()
    assert "zweig" not in said
    assert "sprechstunde" not in said
    assert jicoo_sandbox.api_key not in said
