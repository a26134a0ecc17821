"""What the tests of the transfers share: a sandbox and its client."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings


@pytest.fixture
def jicoo(jicoo_sandbox):
    """A client of the sandbox."""
    with JicooClient(Settings(jicoo_sandbox.api_key, jicoo_sandbox.url)) as client:
        yield client
