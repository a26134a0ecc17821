from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox

Ask = Callable[..., requests.Response]

# ``make test-dates``: each test with the sandbox's time at every hour of a week, or at each JICOO_HOURS_STEPth of them.
HOURS = range(0, int(os.environ.get("JICOO_HOURS", "0")), int(os.environ.get("JICOO_HOURS_STEP", "1")))
MONDAY = datetime(2026, 1, 12, 0, 30, tzinfo=timezone.utc)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if HOURS and "jicoo_sandbox_options" in metafunc.fixturenames:
        times = [MONDAY + timedelta(hours=hour) for hour in HOURS]
        metafunc.parametrize(
            "jicoo_sandbox_options", [{"now": now} for now in times], ids=[f"{now:%a-%H:%M}" for now in times]
        )


@pytest.fixture
def ask(jicoo_sandbox: Sandbox) -> Iterator[Ask]:
    """Send a request to the sandbox with the good key: ``ask("GET", "/v1/bookings")``."""
    with requests.Session() as session:

        def send(method: str, path: str, **options: Any) -> requests.Response:
            headers = {"X-Jicoo-Api-Key": jicoo_sandbox.api_key, **options.pop("headers", {})}
            options = {"timeout": 10, "allow_redirects": False, **options}
            return session.request(method, jicoo_sandbox.url + path, headers=headers, **options)

        yield send
