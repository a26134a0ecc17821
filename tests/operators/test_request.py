"""The operator for any request: it sends as all others do, and never a change twice."""

from __future__ import annotations

import json
from functools import partial

import pytest

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.operators.request import JicooRequestOperator
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from tests.operators.classes import Store

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def run(run):
    return partial(run, JicooRequestOperator)


def test_a_read(run, jicoo_sandbox):
    found = run(method="GET", path="/v1/bookings", query={"perPage": "{{ params.size }}"}, params={"size": 3})
    assert found["count"] == 3
    assert found["totalCount"] == 50


@pytest.mark.parametrize("form", [dict, json.dumps])
def test_a_change(run, jicoo_sandbox, form):
    uid = jicoo_sandbox.add_booking()["uid"]
    found = run(
        method="patch", path="/v1/bookings/{{ params.uid }}", json=form({"priority": "high"}), params={"uid": uid}
    )
    assert found["data"] == jicoo_sandbox.booking(uid)
    assert found["data"]["priority"] == "high"
    assert jicoo_sandbox.count() == 1


def test_a_read_is_repeated(run, jicoo_sandbox, quick_retries):
    jicoo_sandbox.fail("server_error", times=2)
    assert run(method="GET", path="/v1/bookings")["data"]
    assert jicoo_sandbox.count() == 3


@pytest.mark.parametrize("fault", ["server_error", "dropped"])
def test_a_change_is_not(run, jicoo_sandbox, quick_retries, fault):
    uid = jicoo_sandbox.add_booking()["uid"]
    jicoo_sandbox.fail(fault, times=9)
    with pytest.raises(AirflowFailException, match="may or may not have been done") as caught:
        run(method="POST", path=f"/v1/bookings/{uid}/cancel", json={})
    assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
    assert jicoo_sandbox.count() == 1


class TestRetriesOfAirflow:
    CHANGE = {"method": "POST", "path": "/v1/bookings/x/cancel", "json": {}}  # noqa: RUF012

    def test_a_change_is_not_sent_at_a_retry(self, run, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match=r"this is a retry.*then clear the task") as caught:
            run(try_number=2, retries=2, max_tries=2, **self.CHANGE)
        assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize("retries", [0, 2])
    def test_it_is_sent_after_the_task_was_cleared(self, run, jicoo_sandbox, retries):
        """Airflow counts the tries on, and adds as many as there are retries."""
        uid = jicoo_sandbox.add_booking()["uid"]
        path = f"/v1/bookings/{uid}/cancel"
        run(try_number=3, retries=retries, max_tries=2 + retries, **{**self.CHANGE, "path": path})
        assert jicoo_sandbox.booking(uid)["status"] == "cancel"

    def test_but_not_at_the_retry_after_that(self, run, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match="this is a retry"):
            run(try_number=4, retries=2, max_tries=4, **self.CHANGE)
        assert jicoo_sandbox.count() == 0

    def test_with_airflows_store_it_is_sent_where_an_earlier_try_has_sent_nothing(
        self, run, jicoo_sandbox, quick_retries
    ):
        change = {**self.CHANGE, "path": f"/v1/bookings/{jicoo_sandbox.add_booking()['uid']}/cancel"}
        retry = {"try_number": 2, "retries": 2, "max_tries": 2, "store": Store()}
        jicoo_sandbox.fail("rate_limit", share=1)
        with pytest.raises(errors.RateLimitError):
            run(store=retry["store"], **change)
        jicoo_sandbox.heal()
        run(**retry, **change)
        with pytest.raises(AirflowFailException, match="this is a retry"):
            run(**retry, **change)
        assert len(jicoo_sandbox.messages) == 1

    def test_the_first_try_is_sent_where_the_dag_has_got_more_retries_since_the_run_began(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]
        run(try_number=1, retries=3, max_tries=0, **{**self.CHANGE, "path": f"/v1/bookings/{uid}/cancel"})
        assert jicoo_sandbox.booking(uid)["status"] == "cancel"

    def test_a_read_is_sent(self, run, jicoo_sandbox):
        assert run(try_number=2, retries=1, max_tries=1, method="GET", path="/v1/bookings")["data"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "GET", "path": "/v1/../x"}, "path '/v1/../x' is not a path"),
        ({"method": "HEAD", "path": "/v1/x"}, "method: 'HEAD' is none of"),
        ({"method": "POST", "path": "/v1/x", "json": "[1]"}, "json: an object, not list"),
        ({"method": "POST", "path": "/v1/x", "json": "{"}, "json: not JSON"),
        ({"method": "POST", "path": "/v1/x", "json": "text"}, "json: an object, not str"),
        ({"method": "POST", "path": "/v1/x", "json": {"a": "\ud800"}}, "json: it cannot be sent"),
    ],
)
def test_refused_before_a_request(run, jicoo_sandbox, arguments, words):
    with pytest.raises(AirflowFailException, match=words) as caught:
        run(**arguments)
    assert isinstance(caught.value.__context__, errors.InvalidRequestError)
    assert jicoo_sandbox.count() == 0


def test_what_may_be_personal_is_not_shown(context):
    task = JicooRequestOperator(
        task_id="task",
        method="POST",
        path="/v1/x",
        query={"email": "a@example.com"},
        json={"name": "{{ params.name }}"},
    )
    task.render_template_fields(context(params={"name": "Stefanie"}))
    assert str(task.query) == str(task.json) == "***"


def test_the_answer_of_a_removal_comes_as_it_is(run, monkeypatch):
    monkeypatch.setattr(JicooClient, "send", lambda self, call: {"data": {"removed": True}})
    assert run(method="DELETE", path="/v1/things/a") == {"data": {"removed": True}}
