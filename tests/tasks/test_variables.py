"""A Variable that is not there, and an Airflow that does not say so."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.tasks.compat import read_variable


def test_what_is_there(api_server):
    api_server.texts["a"] = "told"
    assert read_variable("a") == "told"


def test_what_is_not_there(api_server):
    assert read_variable("a") is None


def test_whether_it_is_there_is_not_known(api_server):
    """Airflow's own function takes it for one that is not there."""
    from airflow.sdk import Variable

    api_server.texts["a"] = "told"
    api_server.away = True
    assert Variable.get("a", default=None) is None, "if this fails, read_variable can be Airflow's own"
    with pytest.raises(ConnectionError, match="does not say what the Variable a is"):
        read_variable("a")


def test_outside_of_a_task(monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_A", "told")
    assert read_variable("a") == "told"
