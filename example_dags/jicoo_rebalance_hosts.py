"""Who has many bookings in the coming weeks gets fewer of the new ones, and the other way round.

Counts the open bookings of each host of an event type and moves the priority of those who are far from the mean by
one step; run it every night (see ``schedule`` in the file), and the load evens out. Jicoo distributes by priority in
its Team plan; that 0 is the lowest of the four is inferred. It changes priorities only, no booking, and messages
nobody. The result of the task ``changes`` says what they were before: to undo it, set them in Jicoo or with
``UpdateEventTypeHostOperator``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.operators.event_types import ListEventTypeHostsOperator, UpdateEventTypeHostOperator


def steps(
    event_type: str, hosts: list[dict[str, Any]], load: dict[str, int], tolerance: float
) -> Iterator[dict[str, Any]]:
    """Yield a step towards the mean for each host of an event type who is far from it."""
    mean = sum(load[host["uid"]] for host in hosts) / max(1, len(hosts))
    for host in hosts:
        far = load[host["uid"]] - mean
        if abs(far) > tolerance * mean:
            becomes = min(3, max(0, host["priority"] + (-1 if far > 0 else 1)))
            if becomes != host["priority"]:
                yield {"event_type": event_type, "user": host["uid"], "was": host["priority"], "becomes": becomes}


@dag(
    # Set it to "0 3 * * *" for every night. Not by itself: Airflow makes up for the last night as soon as the DAG is
    # unpaused, which its trigger form does, and that run takes all event types.
    schedule=None,
    catchup=False,
    tags=["jicoo"],
    doc_md=__doc__,
    params={
        "event_type_id": Param(
            None,
            type=["null", "string"],
            title="Event type",
            description_md="Its id, as `o072r8CvwVF4`; empty for all. The DAG `jicoo_list_ids` lists them.",
        ),
        "weeks": Param(4, type="integer", minimum=1, maximum=52, title="Weeks to look ahead"),
        "tolerance": Param(
            0.25,
            type="number",
            minimum=0,
            title="Tolerance",
            description="Leave alone who is so near to the mean: 0.25 is from three quarters to five quarters of it.",
        ),
    },
)
def jicoo_rebalance_hosts() -> None:
    @task(retries=2)
    def event_types(params: dict[str, Any]) -> list[str]:
        from airflow_provider_jicoo.hooks.jicoo import JicooHook
        from airflow_provider_jicoo.tasks.failure import fail_without_retry

        if params["event_type_id"]:
            return [params["event_type_id"]]
        with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
            return [each["uid"] for each in hook.list_event_types() if each.get("status", "enable") == "enable"]

    uids = event_types()
    hosts = ListEventTypeHostsOperator.partial(task_id="hosts", retries=2).expand(event_type_id=uids)

    @task(retries=2)
    def count(hosts: list[list[dict[str, Any]]], params: dict[str, Any]) -> dict[str, int]:
        import pendulum

        from airflow_provider_jicoo.hooks.jicoo import JicooHook
        from airflow_provider_jicoo.tasks.failure import fail_without_retry

        now = pendulum.now("UTC")
        load = {host["uid"]: 0 for each in hosts for host in each if host["userType"] == "host"}
        if not load:
            raise AirflowFailException(f"no hosts, of event type {params['event_type_id'] or 'any'}")
        with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
            # All of them, not those of this event type alone: what counts is how much somebody has to do.
            for booking in hook.list_bookings(status="open", started_at=now, ended_at=now.add(weeks=params["weeks"])):
                for host in booking["hosts"]:
                    if host["userId"] in load:
                        load[host["userId"]] += 1
        return load

    @task
    def changes(
        uids: list[str], hosts: list[list[dict[str, Any]]], load: dict[str, int], params: dict[str, Any]
    ) -> list[dict[str, Any]]:
        return [
            step
            for uid, each in zip(uids, hosts, strict=True)
            for step in steps(uid, [host for host in each if host["userType"] == "host"], load, params["tolerance"])
        ]

    # With expand, not with expand_kwargs: Airflow renders every text of what that is given, as if it were a template.
    UpdateEventTypeHostOperator.partial(
        task_id="update",
        event_type_id="{{ ti.xcom_pull(task_ids='changes')[ti.map_index].event_type }}",
        priority="{{ ti.xcom_pull(task_ids='changes')[ti.map_index].becomes }}",
        retries=3,
    ).expand(uid=changes(uids, hosts.output, count(hosts.output)).map(lambda change: change["user"]))


jicoo_rebalance_hosts()
