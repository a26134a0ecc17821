"""The plugin that Airflow finds by its entry point. Every process of Airflow imports it, so that it imports nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from airflow import plugins_manager
from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/jicoo/webhooks"
RUNS = "/jicoo/runs"
OPERATORS = (
    "ApplyBookingPlanOperator",
    "BulkUpdateBookingsOperator",
    "PlanBookingChangesOperator",
    "PlanBookingUndoOperator",
    "@task.jicoo_plan",
)
"""What Airflow calls the operators whose tasks have a page."""


class _LazyApp:
    """An ASGI application that is made at its first request."""

    def __init__(self) -> None:
        self._app: Callable[..., Awaitable[None]] | None = None

    def _make(self) -> Callable[..., Awaitable[None]]:
        raise NotImplementedError

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        if self._app is None:
            self._app = self._make()
        await self._app(scope, receive, send)


class WebhookApp(_LazyApp):
    """The receiver of webhooks."""

    def _make(self) -> Callable[..., Awaitable[None]]:
        from airflow_provider_jicoo.plugins.receiver import Receiver

        return Receiver()


class RunsApp(_LazyApp):
    """The pages of plans and runs."""

    def _make(self) -> Callable[..., Awaitable[None]]:
        from airflow_provider_jicoo.plugins.room.app import make_app

        return make_app()


def _views() -> list[dict[str, Any]]:
    """Return where Airflow's UI shows the pages: in its menu, at each DAG, and at our tasks where it can tell them."""
    # Airflow's UI takes an address as it is: behind a proxy it has a path in front.
    root = urlsplit(str(conf.get("api", "base_url", fallback="") or "")).path.rstrip("/") + RUNS
    views: list[dict[str, Any]] = [
        {"name": "Jicoo", "href": f"{root}/", "destination": "nav", "url_route": "jicoo"},
        {"name": "Jicoo", "href": f"{root}/{{DAG_ID}}/", "destination": "dag", "url_route": "jicoo-runs"},
    ]
    if hasattr(plugins_manager, "ExternalViewDict"):
        # Before Airflow 3.4, a page at a task would stand at every task of every DAG.
        address = f"{root}/{{DAG_ID}}/{{RUN_ID}}/{{TASK_ID}}/{{MAP_INDEX}}"
        views.append(
            {
                "name": "Jicoo",
                "href": address,
                "destination": "task_instance",
                "url_route": "jicoo-run",
                "applies_to": {"operator_name": list(OPERATORS)},
            }
        )
    return views


class JicooPlugin(AirflowPlugin):
    """Mounts ``POST /jicoo/webhooks/{conn_id}`` and the pages under ``/jicoo/runs/`` on the API server."""

    name = "jicoo"
    fastapi_apps = [  # noqa: RUF012
        {"app": WebhookApp(), "url_prefix": PREFIX, "name": "Jicoo webhooks"},
        {"app": RunsApp(), "url_prefix": RUNS, "name": "Jicoo runs"},
    ]
    external_views = _views()
