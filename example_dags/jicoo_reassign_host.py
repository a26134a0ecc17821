"""A host leaves: hand their future bookings to a colleague.

Lists the open bookings that are still to come, keeps those of the leaving host, hands each of them over, and waits
until all of them show the colleague. The guests are not messaged (``is_send_updates=False``).

One task for each booking is plain to read and fit for some hundreds: Airflow maps 1,024 at the most by default.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.operators.bookings import ListBookingsOperator, UpdateBookingOperator


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo"],
    doc_md=__doc__,
    params={
        "from_user_id": Param(type="string", minLength=1, description="The user id of the host who leaves"),
        "to_user_id": Param(type="string", minLength=1, description="The user id of the colleague"),
    },
)
def jicoo_reassign_host() -> None:
    bookings = ListBookingsOperator(
        task_id="list_future_bookings",
        status="open",
        started_at="{{ dag_run.run_after.isoformat() }}",
    )

    @task
    def keep_those_of_the_host(bookings: list[dict[str, Any]], params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what to change: each booking's id and its new hosts, the other hosts and the role as before."""
        leaves, takes_over = params["from_user_id"], params["to_user_id"]
        changes = []
        for booking in bookings:
            hosts = booking["hosts"]
            if all(host["userId"] != leaves for host in hosts):
                continue
            there_already = any(host["userId"] == takes_over for host in hosts)
            changes.append(
                {
                    "uid": booking["uid"],
                    "hosts": [
                        {**host, "userId": takes_over} if host["userId"] == leaves else host
                        for host in hosts
                        if host["userId"] != leaves or not there_already
                    ],
                }
            )
        return changes

    changes = keep_those_of_the_host(bookings.output)
    hand_over = UpdateBookingOperator.partial(task_id="hand_over", is_send_updates=False).expand_kwargs(changes)

    @task.sensor(poke_interval=10, timeout=300, mode="reschedule")
    def all_show_the_colleague(changes: list[dict[str, Any]], params: dict[str, Any]) -> bool:
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        with JicooHook() as hook:
            found = hook.lookup_bookings([change["uid"] for change in changes])
        hosts = [{host["userId"] for host in booking["hosts"]} for booking in found.values()]
        return all(params["to_user_id"] in each and params["from_user_id"] not in each for each in hosts)

    hand_over >> all_show_the_colleague(changes)


jicoo_reassign_host()
