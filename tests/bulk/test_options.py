"""Options that cannot be right are refused, with the value, before anything is read."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.bulk import Options
from airflow_provider_jicoo.bulk.errors import PlanError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"concurrency": "4"}, "concurrency: '4' is no whole number"),
        ({"concurrency": 2.5}, "concurrency: 2.5 is no whole number"),
        ({"concurrency": True}, "concurrency: True is no whole number"),
        ({"concurrency": 0}, "concurrency: 0 is not 1 or more"),
        ({"lease": True}, "lease: True is not a positive number of seconds"),
        ({"lease": float("nan")}, "lease: nan is not a positive number of seconds"),
        ({"waves": None}, "waves: None is no list of sizes"),
        ({"waves": "10%"}, "waves: '10%' is no list of sizes"),
        ({"waves": (0,)}, "waves: 0 is an empty wave"),
        ({"on_stale": "no"}, "on_stale: 'no' is neither 'skip' nor 'fail'"),
    ],
)
def test_what_cannot_be_right(given, said):
    with pytest.raises(PlanError) as told:
        Options(**given)
    assert str(told.value).startswith(said)
