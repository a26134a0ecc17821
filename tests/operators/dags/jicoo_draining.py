"""A task that handles new bookings, run by the tests of ``new_bookings_since``."""

from __future__ import annotations

from airflow.sdk import DAG, task

from airflow_provider_jicoo.events import new_bookings_since

with DAG("jicoo_draining", schedule=None):

    @task(max_active_tis_per_dag=1)
    def handle():
        return [[booking.event, booking["uid"]] for booking in new_bookings_since()]

    handle()

with DAG("jicoo_draining_sixteen_at_once", schedule=None):

    @task
    def handle_at_once(**context):
        return [booking["uid"] for booking in new_bookings_since(context)]

    handle_at_once()
