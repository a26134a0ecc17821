"""The fixture ``jicoo_sandbox``. pytest finds it where the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_jicoo.sandbox.server import Sandbox


@pytest.fixture
def jicoo_sandbox() -> Iterator[Sandbox]:
    """A running :class:`~airflow_provider_jicoo.sandbox.server.Sandbox` with 50 bookings of seed 7, fresh for each test."""
    # Every pytest run on this machine imports this module: nothing heavy before somebody asks for the fixture.
    from airflow_provider_jicoo.sandbox.server import Sandbox

    with Sandbox(bookings=50, seed=7) as sandbox:
        yield sandbox
