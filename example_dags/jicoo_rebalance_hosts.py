"""Who has many bookings in the coming weeks gets fewer of the new ones, and the other way round.

Counts the open bookings of each host of an event type and moves the priority of those who are far from the mean by
one step; run it every night, and the load evens out. Jicoo distributes by priority in its Team plan; that 0 is the
lowest of the four is inferred.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.operators.event_types import ListEventTypeHostsOperator, UpdateEventTypeHostOperator


@dag(
    schedule="0 3 * * *",
    catchup=False,
    tags=["jicoo"],
    doc_md=__doc__,
    params={
        "event_type_id": Param("o072r8CvwVF4", type="string", minLength=1, description="The event type's id"),
        "weeks": Param(4, type="integer", minimum=1, description="How far to look ahead"),
        "tolerance": Param(0.25, type="number", minimum=0, description="Leave alone who is so near to the mean"),
    },
)
def jicoo_rebalance_hosts() -> None:
    hosts = ListEventTypeHostsOperator(task_id="hosts", event_type_id="{{ params.event_type_id }}")

    @task(retries=2)
    def count(hosts: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, int]:
        import pendulum

        from airflow_provider_jicoo.failure import failing_at_once
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        now = pendulum.now("UTC")
        load = {host["uid"]: 0 for host in hosts if host["userType"] == "host"}
        if not load:
            raise AirflowFailException(f"event type {params['event_type_id']} has no hosts")
        with failing_at_once(), JicooHook() as hook:
            # All of them, not those of this event type alone: what counts is how much somebody has to do.
            for booking in hook.list_bookings(status="open", started_at=now, ended_at=now.add(weeks=params["weeks"])):
                for host in booking["hosts"]:
                    if host["userId"] in load:
                        load[host["userId"]] += 1
        return load

    @task
    def changes(hosts: list[dict[str, Any]], load: dict[str, int], params: dict[str, Any]) -> list[dict[str, Any]]:
        mean = sum(load.values()) / max(1, len(load))
        found = []
        for host in hosts:
            far = load.get(host["uid"], mean) - mean
            if abs(far) > params["tolerance"] * mean:
                priority = min(3, max(0, host["priority"] + (-1 if far > 0 else 1)))
                if priority != host["priority"]:
                    found.append({"uid": host["uid"], "priority": priority})
        return found

    moves = changes(hosts.output, count(hosts.output))
    UpdateEventTypeHostOperator.partial(
        task_id="update", event_type_id="{{ params.event_type_id }}", retries=3
    ).expand_kwargs(moves)


jicoo_rebalance_hosts()
