"""What Airflow calls the tables of a warehouse: assets, for DAGs that start when one of them changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from airflow_provider_jicoo.tasks import compat

if TYPE_CHECKING:
    from airflow.sdk import Context

TABLES = AssetAlias("jicoo_warehouse_tables")
"""Whose events those of the tables are: which tables change is known only when a load has come to its end."""


def table_uri(destination: str, dataset: str, table: str, destination_conn_id: str | None = None) -> str:
    """Return the URI of a table: ``dlt://duckdb/jicoo/bookings``, or ``dlt://my_warehouse/jicoo/bookings``.

    :param destination: as :class:`~airflow_provider_jicoo.transfers.dlt.JicooToDltOperator` is given it.
    :param dataset: the dataset or schema.
    :param table: name of the table, as ``bookings``.
    :param destination_conn_id: the Airflow connection to the warehouse, where there is one: it tells two warehouses of
        one kind apart.
    """
    return f"dlt://{destination_conn_id or destination.partition('://')[0]}/{dataset}/{table}"


def table_asset(destination: str, dataset: str, table: str, destination_conn_id: str | None = None) -> Asset:
    """Return the asset of a table, to be used as ``schedule=[table_asset("duckdb", "jicoo", "bookings")]``.

    Its parameters are those of :func:`table_uri`.
    """
    return Asset(table_uri(destination, dataset, table, destination_conn_id))


def announce(context: Context, tables: Mapping[str, Mapping[str, int]]) -> None:
    """Let an event go out for each table that changed.

    :param tables: what became of the rows, by URI.
    """
    events = context.get("outlet_events")
    if events is None:
        return
    for uri, counts in tables.items():
        events[TABLES].add(Asset(uri), extra=dict(counts))


def announce_days(context: Context, asset: Asset, days: Iterable[str]) -> bool:
    """Let an event go out for each day whose bookings changed, as partitions of an asset.

    :param days: as ``2026-01-15``.
    :return: whether this Airflow has partitions.
    """
    events: Any = context.get("outlet_events")
    return events is not None and compat.add_partitions(events[asset], sorted(days))
