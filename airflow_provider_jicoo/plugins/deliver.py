"""What an event does in Airflow: it starts DAGs, or is an event of the connection's asset.

What is handed on is ids, the event's name and times: a guest's name, e-mail and answers are read by the DAG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.webhooks import WebhookEvent
from airflow_provider_jicoo.assets import bookings_uri
from airflow_provider_jicoo.hooks.connection import Delivery
from airflow_provider_jicoo.plugins import airflow_internals
from airflow_provider_jicoo.plugins.airflow_internals import NotStoredError

RUN_ID = "jicoo__{}"
_FIRST = datetime.min.replace(tzinfo=timezone.utc)
_SAID = ("event_type_uid", "started_at", "ended_at", "updated_at", "cancelled_at")
"""What an event says of the booking, beside what its id is made of."""
MARGIN = timedelta(days=1)
"""How much earlier than Jicoo says that it happened an event may be in Airflow's database: clocks differ."""


def deliver(conn_id: str, delivery: Delivery, event: WebhookEvent) -> None:
    """Store an event in Airflow's database, unless it is there; committed when it returns. It blocks.

    :param conn_id: the connection that it came for.
    :param delivery: what it is to do.
    :param event: the event.
    :raises NotStoredError: not all of it is stored; the same event again stores the rest.
    """
    if delivery.mode == "dag_run":
        _start_dags(conn_id, delivery.dag_ids, event)
    elif delivery.mode == "partitioned_asset":
        if not airflow_internals.has_partitions():
            raise NotStoredError(
                "webhook_delivery is partitioned_asset, and this Airflow has no partitioned assets, which came with "
                "3.2: use dag_run, which loses nothing either"
            )
        _emit_partition(conn_id, event)
    else:
        airflow_internals.wake(bookings_uri(conn_id), letter(conn_id, event))


def letter(conn_id: str, event: WebhookEvent, event_id: str | None = None) -> dict[str, Any]:
    """Return what a DAG is told: ``conf`` of its run, or ``extra`` of the asset's event.

    ``jicoo_conn_id``, ``event_id``, ``event`` (its name), and as in
    :class:`~airflow_provider_jicoo.api.webhooks.WebhookEvent` ``booking_uid``, ``event_type_uid``, ``created_at``,
    ``started_at``, ``ended_at``, ``updated_at`` and ``cancelled_at``, which are None where the event does not say.

    :param event_id: the event's id, where it is not the usual one.
    """
    told = asdict(event)
    return {"jicoo_conn_id": conn_id, "event_id": event_id or event.id, "event": told.pop("name"), **told}


def _start_dags(conn_id: str, dag_ids: tuple[str, ...], event: WebhookEvent) -> None:
    problems = []
    for dag_id in dag_ids:
        # One that cannot be started does not keep the others waiting: those are there when the event comes again.
        try:
            _start_dag(conn_id, dag_id, event)
        except NotStoredError as error:
            problems.append(str(error))
    if problems:
        raise NotStoredError("; ".join(problems))


def _start_dag(conn_id: str, dag_id: str, event: WebhookEvent) -> None:
    run_id, told = RUN_ID.format(event.id), letter(conn_id, event)
    if airflow_internals.start_dag_run(dag_id, run_id, told):
        return
    if _is_another(airflow_internals.conf_of_run(dag_id, run_id), told):
        second = event.second_id
        airflow_internals.start_dag_run(dag_id, RUN_ID.format(second), letter(conn_id, event, second))


def _emit_partition(conn_id: str, event: WebhookEvent) -> None:
    uri, told = bookings_uri(conn_id), letter(conn_id, event)
    created = times.moment(event.created_at)
    since = max(created, _FIRST + MARGIN) - MARGIN
    if airflow_internals.emit_partition(uri, event.id, told, since):
        return
    if _is_another(airflow_internals.extra_of_partition(uri, event.id, since), told):
        second = event.second_id
        airflow_internals.emit_partition(uri, second, letter(conn_id, event, second), since)


def _is_another(stored: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Tell whether what is stored under an event's id is another event, which says something else of the booking.

    ``createdAt`` may be of whole seconds, so that two moves of a booking within one second have the same id.
    """
    return any(name in stored and stored[name] != told[name] for name in _SAID)
