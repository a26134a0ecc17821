"""A cancelled booking is one however Jicoo writes its status."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.api.status import documented_status, is_cancelled
from airflow_provider_jicoo.api.written import reflects_exactly


@pytest.mark.parametrize("status", ["cancel", "cancelled", "Cancelled", "canceled"])
def test_each_way_of_writing_it(status):
    assert is_cancelled(status)
    assert documented_status(status) == "cancel"
    assert reflects_exactly({"status": status}, {"status": "cancel"})


@pytest.mark.parametrize("status", ["open", "request", "cancelling", "", None, 7])
def test_what_is_another_status(status):
    assert not is_cancelled(status)
    assert documented_status(status) is status
    assert not reflects_exactly({"status": status}, {"status": "cancel"})
