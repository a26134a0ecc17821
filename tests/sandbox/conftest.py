from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox

Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(jicoo_sandbox: Sandbox) -> Iterator[Ask]:
    """Send a request to the sandbox with the good key: ``ask("GET", "/v1/bookings")``."""
    with requests.Session() as session:

        def send(method: str, path: str, **options: Any) -> requests.Response:
            headers = {"X-Jicoo-Api-Key": jicoo_sandbox.api_key, **options.pop("headers", {})}
            options = {"timeout": 10, "allow_redirects": False, **options}
            return session.request(method, jicoo_sandbox.url + path, headers=headers, **options)

        yield send
