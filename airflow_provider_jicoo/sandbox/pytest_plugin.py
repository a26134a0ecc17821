"""The fixture ``jicoo_sandbox``. pytest finds it where the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_jicoo.sandbox.server import Sandbox


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that are for every ``jicoo_sandbox`` of a run."""
    group = parser.getgroup("jicoo", "the embedded Jicoo")
    group.addoption(
        "--jicoo-quirk",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="let jicoo_sandbox behave differently, as trimmed-names or page-cap=20; repeatable. "
        "python -m airflow_provider_jicoo.sandbox --list-quirks tells which there are",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "jicoo_sandbox(**options): arguments of Sandbox for the fixture jicoo_sandbox, as quirks=['trimmed-names']",
    )


@pytest.fixture
def jicoo_sandbox_options() -> dict[str, Any]:
    """Arguments of Sandbox for every ``jicoo_sandbox``: a ``conftest.py`` or a module may have this fixture anew.

    With ``{"now": datetime(2026, 1, 15, tzinfo=timezone.utc)}`` the data are the same on every day.
    """
    return {}


@pytest.fixture
def jicoo_sandbox(request: pytest.FixtureRequest, jicoo_sandbox_options: dict[str, Any]) -> Iterator[Sandbox]:
    """Run a :class:`~airflow_provider_jicoo.sandbox.server.Sandbox` with 50 bookings of seed 7, fresh in each test.

    ``@pytest.mark.jicoo_sandbox(quirks=["trimmed-names"], bookings=500)`` gives it other arguments in one test.
    """
    # Where the package is installed, every pytest run imports this module: nothing heavy before the fixture is used.
    from airflow_provider_jicoo.sandbox.server import Sandbox

    marker = request.node.get_closest_marker("jicoo_sandbox")
    options = {**jicoo_sandbox_options, **(marker.kwargs if marker else {})}
    options["quirks"] = [*request.config.getoption("--jicoo-quirk"), *options.get("quirks", ())]
    with Sandbox(**options) as sandbox:
        yield sandbox
