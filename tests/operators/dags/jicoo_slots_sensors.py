"""The sensor for free slots in each mode, and how it ends when it does not end well."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.sensors.event_types import AvailableSchedulesSensor

with DAG("jicoo_slots_sensors", schedule=None, params={"event_type_id": Param("x", type="string")}):
    some = {
        "event_type_id": "{{ params.event_type_id }}",
        "period_start": "2031-03-03T09:00",
        "period_end": "2031-03-03T09:30",
        "time_zone": "Asia/Tokyo",
        "poke_interval": 0.2,
        "timeout": 60,
    }
    poke = AvailableSchedulesSensor(task_id="poke", mode="poke", deferrable=False, **some)
    reschedule = AvailableSchedulesSensor(task_id="reschedule", mode="reschedule", deferrable=False, **some)
    late = AvailableSchedulesSensor(task_id="deferrable", deferrable=True, min_slots="{{ 1 + 1 }}", **some)
    never = {**some, "min_slots": 1000, "deferrable": True, "timeout": 0.3}
    times_out = AvailableSchedulesSensor(task_id="times_out", **never)
    softly = AvailableSchedulesSensor(task_id="softly", soft_fail=True, **never)
    poke >> reschedule >> late >> [times_out, softly]
