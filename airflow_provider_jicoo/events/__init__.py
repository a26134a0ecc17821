"""What happens to bookings: found by sweeping, told by triggers, handled by tasks."""

from __future__ import annotations

from airflow_provider_jicoo.events.draining import ChangedBooking, new_bookings_since

__all__ = ["ChangedBooking", "new_bookings_since"]
