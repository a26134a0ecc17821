"""The plugin that Airflow finds by its entry point. Every process of Airflow imports it, so that it imports nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/jicoo/webhooks"


class WebhookApp:
    """The receiver as an ASGI application, which is made at the first request."""

    def __init__(self) -> None:
        self._receiver: Callable[..., Awaitable[None]] | None = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        if self._receiver is None:
            from airflow_provider_jicoo.plugins.receiver import Receiver

            self._receiver = Receiver()
        await self._receiver(scope, receive, send)


class JicooPlugin(AirflowPlugin):
    """Mounts ``POST /jicoo/webhooks/{conn_id}`` on the API server."""

    name = "jicoo"
    fastapi_apps = [{"app": WebhookApp(), "url_prefix": PREFIX, "name": "Jicoo webhooks"}]  # noqa: RUF012
