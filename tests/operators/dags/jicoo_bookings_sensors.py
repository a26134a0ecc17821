"""The sensor for bookings of a selection in each mode, and how it ends when it does not end well."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.bulk import Selection
from airflow_provider_jicoo.sensors.bookings import BookingsSensor

with DAG("jicoo_bookings_sensors", schedule=None, params={"name": Param("x", type="string")}):
    some = {"selection": Selection(name_matches="{{ params.name }}"), "poke_interval": 0.2, "timeout": 60}
    poke = BookingsSensor(task_id="poke", mode="poke", **some)
    reschedule = BookingsSensor(task_id="reschedule", mode="reschedule", **some)
    late = BookingsSensor(task_id="deferrable", deferrable=True, min_count="{{ 1 + 1 }}", **some)
    never = {**some, "selection": Selection(host_user_id="nobody"), "deferrable": True, "timeout": 0.3}
    times_out = BookingsSensor(task_id="times_out", **never)
    BookingsSensor(task_id="softly", soft_fail=True, **never)
    poke >> reschedule >> late
