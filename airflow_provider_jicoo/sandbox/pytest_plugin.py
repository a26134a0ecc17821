"""The fixture ``jicoo_sandbox``. pytest finds it where the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_jicoo.sandbox.server import Sandbox


@pytest.fixture
def jicoo_sandbox() -> Iterator[Sandbox]:
    """Run a :class:`~airflow_provider_jicoo.sandbox.server.Sandbox` with 50 bookings, fresh in each test."""
    # Where the package is installed, every pytest run imports this module: nothing heavy before the fixture is used.
    from airflow_provider_jicoo.sandbox.server import Sandbox

    with Sandbox(bookings=50, seed=7) as sandbox:
        yield sandbox
