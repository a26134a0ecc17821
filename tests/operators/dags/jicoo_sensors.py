"""The sensor in each mode, also mapped, and how it ends when it does not end well."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.sensors.bookings import BookingStatusSensor

with DAG(
    "jicoo_sensors",
    schedule=None,
    params={
        "uids": Param([], type="array"),
        "late": Param("x", type="string"),
        "cancelled": Param("x", type="string"),
    },
):
    common = {"poke_interval": 0.2, "timeout": 60}
    uids = "{{ params.uids | tojson }}"
    BookingStatusSensor(task_id="poke", uid=uids, status="open", mode="poke", **common)
    BookingStatusSensor(task_id="reschedule", uid=uids, status="open", mode="reschedule", **common)
    BookingStatusSensor.partial(task_id="deferrable", status="open", deferrable=True, **common).expand(
        uid=["{{ params.late }}", "{{ params.uids[0] }}"]
    )
    lost = "{{ params.cancelled }}"
    BookingStatusSensor(task_id="cancelled", uid=lost, status="open", deferrable=True, **common)
    BookingStatusSensor(task_id="softly", uid=lost, status="open", deferrable=True, soft_fail=True, **common)
    BookingStatusSensor(
        task_id="times_out", uid=lost, status="open", fail_on=[], deferrable=True, poke_interval=0.2, timeout=0.5
    )
