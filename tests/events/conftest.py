"""Airflow's Variables, without Airflow."""

from __future__ import annotations

import pytest

from tests.events.airflow_like import FakeVariables


@pytest.fixture
def variables(monkeypatch):
    import airflow.sdk

    made = FakeVariables()
    monkeypatch.setattr(airflow.sdk, "Variable", made)
    return made
