"""When Airflow tries again, by what went wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.bulk.errors import BulkFailedError
from airflow_provider_jicoo.tasks.compat import retry_policy_base
from airflow_provider_jicoo.tasks.retry_policy import JicooRetryPolicy, retry_arguments

has_policies = retry_policy_base() is not object
asked = pytest.mark.skipif(not has_policies, reason="this Airflow asks for no policy")


def request_error(kind, **fields):
    return kind("no", method="GET", path="/v1/bookings", **fields)


def decision(error):
    made = JicooRetryPolicy().evaluate(error, 1, 5, None)
    return made.action.value, made.retry_delay


@asked
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (request_error(errors.RateLimitError, status=429, retry_after=90.0), ("retry", timedelta(seconds=90))),
        (request_error(errors.RateLimitError, status=429, retry_after=0.0), ("retry", timedelta(seconds=1))),
        (request_error(errors.RateLimitError, status=429, retry_after=1e9), ("retry", timedelta(hours=1))),
        (request_error(errors.RateLimitError, status=429), ("default", None)),
        (request_error(errors.ServerError, status=503, retry_after=7.0), ("retry", timedelta(seconds=7))),
        (request_error(errors.ServerError, status=500), ("default", None)),
        (request_error(errors.AuthenticationError, status=401), ("fail", None)),
        (request_error(errors.PermissionDeniedError, status=403), ("fail", None)),
        (request_error(errors.NotFoundError, status=404), ("fail", None)),
        (request_error(errors.RejectedError, status=422), ("fail", None)),
        (request_error(errors.AmbiguousOutcomeError, retry_after=5.0), ("fail", None)),
        (errors.InvalidRequestError("uid: it is empty"), ("fail", None)),
        (BulkFailedError("3 failed"), ("default", None)),
        (BulkFailedError("3 rejected", permanent=True), ("fail", None)),
        (KeyError("of somebody else"), ("default", None)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_done(error, expected):
    assert decision(error) == expected


@asked
def test_what_it_was_raised_from_counts():
    def fail():
        try:
            raise request_error(errors.NotFoundError, status=404)
        except errors.NotFoundError as error:
            raise RuntimeError("the report of Monday") from error

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert decision(caught.value) == ("fail", None)


@asked
def test_a_task_takes_it():
    from airflow.sdk import BaseOperator

    task = BaseOperator(task_id="task", retries=3, **retry_arguments())
    assert isinstance(task.retry_policy, JicooRetryPolicy)
    assert isinstance(JicooRetryPolicy.deserialize(task.retry_policy.serialize()), JicooRetryPolicy)


@pytest.mark.skipif(has_policies, reason="this Airflow asks for one")
def test_an_older_airflow_gets_none():
    from airflow.sdk import BaseOperator

    assert retry_arguments() == {}
    JicooRetryPolicy()
    BaseOperator(task_id="task", retries=3, **retry_arguments())
