"""``jicoo://<conn_id>/bookings``: what webhooks and the poller ring for, and DAGs are scheduled on.

Airflow imports this module in every process that makes an asset: nothing of Airflow at its top.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset, AssetWatcher

SCHEME = "jicoo"
RESOURCES = ("bookings",)
"""What of an account can change by itself."""
CONN_ID = "jicoo_default"
FORM = f"an asset of Jicoo is {SCHEME}://<conn_id>/{RESOURCES[0]}, as {SCHEME}://{CONN_ID}/{RESOURCES[0]}"

# Airflow allows a connection's id further signs, which an address has another meaning for.
_CONN_ID = re.compile(r"[A-Za-z0-9_.-]+")


def bookings_uri(jicoo_conn_id: str = CONN_ID) -> str:
    """Return the uri of the bookings of a connection.

    :param jicoo_conn_id: the Airflow connection.
    :raises ValueError: such an id cannot stand in a uri.
    """
    if not isinstance(jicoo_conn_id, str) or not _CONN_ID.fullmatch(jicoo_conn_id):
        raise ValueError(_wrong_conn_id(jicoo_conn_id))
    return f"{SCHEME}://{jicoo_conn_id}/bookings"


def bookings_asset(jicoo_conn_id: str = CONN_ID, *, watchers: list[AssetWatcher] | None = None) -> Asset:
    """Return the asset that webhooks and the poller ring for, to be a DAG's ``schedule``.

    Its name is its uri: whoever makes it for the same connection means the same asset.

    :param jicoo_conn_id: the Airflow connection.
    :param watchers: what watches it, as ``[AssetWatcher(name="bookings", trigger=BookingEventTrigger(...))]``.
    :raises ValueError: the connection's id cannot stand in a uri.
    """
    from airflow.sdk import Asset

    uri = bookings_uri(jicoo_conn_id)
    return Asset(name=uri, uri=uri, watchers=watchers or [])


def batched(asset: Asset) -> Any:
    """Return the ``schedule`` of a DAG that drains: one run for all events that have come.

    Airflow 3.4 makes a run for each event of an asset unless it is told otherwise, and each but the first would find
    nothing to do. Before, several events are one run anyway.

    :param asset: what rings.
    """
    import inspect

    from airflow import sdk

    timetable = getattr(sdk, "AssetTriggeredTimetable", None)
    if timetable is None or "batch_asset_events" not in inspect.signature(timetable).parameters:
        return [asset]
    return timetable(assets=asset, batch_asset_events=True)


def create_asset(*, jicoo_conn_id: str = CONN_ID, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset, as the libraries make it that record which data a hook has touched.

    :param jicoo_conn_id: the Airflow connection.
    :param extra: what else to say of it.
    """
    from airflow.sdk import Asset

    uri = bookings_uri(jicoo_conn_id)
    return Asset(name=uri, uri=uri, extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check the uri of an asset.

    :param uri: without a password, a fragment and slashes at its end, which Airflow has taken away.
    :return: the same, since there is one way to write each.
    :raises ValueError: it is none of ours; says which one, and how it is written.
    """
    given = f"{SCHEME}://{uri.netloc}{uri.path}" + (f"?{uri.query}" if uri.query else "")
    if not uri.netloc:
        raise ValueError(f"{given!r} names no connection: {FORM}")
    if not _CONN_ID.fullmatch(uri.netloc):
        raise ValueError(_wrong_conn_id(uri.netloc))
    if uri.path.strip("/") not in RESOURCES or uri.path.count("/") != 1:
        raise ValueError(f"{given!r}: there is no {uri.path or '/'!r}, only /{RESOURCES[0]}; {FORM}")
    if uri.query:
        raise ValueError(
            f"{given!r} has a query, {uri.query!r}: all bookings of a connection are one asset; leave out those "
            "of other event types in the DAG, or name event_type_ids in the trigger"
        )
    return uri


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset | None:
    """Return the data set that OpenLineage knows the asset as; None where its client is not installed.

    :param asset: one with a uri of ours.
    :param lineage_context: what touched it; not asked, so that the same asset is the same data set everywhere.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

    parts = urlsplit(asset.uri)
    made: Dataset | None = OpenLineageDataset(namespace=f"{SCHEME}://{parts.netloc}", name=parts.path.strip("/"))
    return made


def _wrong_conn_id(given: Any) -> str:
    return (
        f"{given!r} cannot be the connection in the uri of an asset, which has letters, digits, '_', '-', '.': "
        f"name a connection so; {FORM}"
    )
