"""What the tests of the doctor share."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.doctor import writing
from airflow_provider_jicoo.doctor.examine import examine
from airflow_provider_jicoo.hooks import connection


@pytest.fixture
def settings_of():
    """The settings of a connection to a sandbox that has these extras."""

    def settings(sandbox, **extras):
        from airflow.sdk import Connection

        fields = {**sandbox.connection(), "extra": extras}
        return connection.settings(Connection.from_json(json.dumps(fields), conn_id="jicoo_default"))

    return settings


@pytest.fixture
def look_at():
    """Examine a sandbox."""

    def look(sandbox, **options):
        return examine(Settings(sandbox.api_key, base_url=sandbox.url), **options)

    return look


@pytest.fixture
def impatient(monkeypatch):
    """Wait a second for a change that is not seen, not twenty."""
    monkeypatch.setattr(writing, "PATIENCE", 1.0)
    monkeypatch.setattr(writing, "LIST_PATIENCE", 3.0)
