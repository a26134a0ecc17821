"""A host leaves: hand their future bookings to a colleague, one task for each booking.

Lists the open bookings that are still to come, keeps those of the leaving host, hands each of them over, and waits
until all of them show the colleague. The guests are not messaged (``is_send_updates=False``). To undo it, run it again
with the two users the other way round: that also moves what the colleague had before.

This is plain to read and fit for some hundreds, since Airflow maps 1,024 at the most by default; nobody is asked
before. ``jicoo_bulk_reassign_host`` does the same for any number, shows a plan first, and can be taken back.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.operators.bookings import ListBookingsOperator, UpdateBookingOperator

USER_ID = "Their user id, as `cfmSbUHeizSoZob9cRA3N8fmfKg1`. The DAG `jicoo_list_ids` lists them."


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo"],
    doc_md=__doc__,
    params={
        "from_user_id": Param(type="string", minLength=1, title="Host who leaves", description_md=USER_ID),
        "to_user_id": Param(type="string", minLength=1, title="Colleague who takes over", description_md=USER_ID),
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
            roles = {host["userId"]: host["role"] for host in booking["hosts"]}
            if leaves not in roles:
                continue
            users = [
                takes_over if user == leaves else user for user in roles if user != leaves or takes_over not in roles
            ]
            hosts = [{"user_id": user, "role": roles.get(user, roles[leaves])} for user in users]
            changes.append({"uid": booking["uid"], "hosts": hosts})
        return changes

    changes = keep_those_of_the_host(bookings.output)
    # With expand, not with expand_kwargs: Airflow renders every text of what that is given, as if it were a template.
    hand_over = UpdateBookingOperator.partial(
        task_id="hand_over",
        hosts="{{ ti.xcom_pull(task_ids='keep_those_of_the_host')[ti.map_index].hosts | tojson }}",
        is_send_updates=False,
    ).expand(uid=changes.map(lambda change: change["uid"]))

    @task.sensor(poke_interval=10, timeout=300, mode="reschedule")
    def all_show_the_colleague(changes: list[dict[str, Any]], params: dict[str, Any]) -> bool:
        from airflow_provider_jicoo.hooks.jicoo import JicooHook
        from airflow_provider_jicoo.tasks.failure import fail_without_retry

        with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
            found = hook.lookup_bookings([change["uid"] for change in changes])
        hosts = [{host["userId"] for host in booking["hosts"]} for booking in found.values()]
        return all(params["to_user_id"] in each and params["from_user_id"] not in each for each in hosts)

    hand_over >> all_show_the_colleague(changes)


jicoo_reassign_host()
