"""The bookings of a connection as an asset of Airflow: ``jicoo://<conn_id>/bookings``."""

from __future__ import annotations

from airflow_provider_jicoo.assets.jicoo import batched, bookings_asset, bookings_uri

__all__ = ["batched", "bookings_asset", "bookings_uri"]
