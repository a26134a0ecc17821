"""How many slots are free on each of the next days? A Markdown table and a plot, and an alarm where there are few.

The days are those of the company's time zone. The task ``write`` says where the two files are; ``judge`` warns, and
fails, below the numbers given. Name the event types by hand where the API key may not list them. Changes nothing.
"""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Param, dag, task

COLOURS = ("#0b7a75", "#d1495b", "#edae49", "#30638e", "#6a4c93", "#7f7f7f")

Counts = dict[str, dict[str, int]]  # by event type, then by day


@dag(
    schedule="0 7 * * *",
    catchup=False,
    tags=["jicoo"],
    doc_md=__doc__,
    params={
        "event_types": Param(
            [],
            type=["array", "null"],
            items={"type": "string"},
            title="Event types",
            description_md="Their ids, as `o072r8CvwVF4`, one a line; none for all. `jicoo_list_ids` lists them.",
        ),
        "days": Param(
            10, type="integer", minimum=1, maximum=200, title="Days", description="How many, beginning with today."
        ),
        "time_zone": Param(
            "Asia/Tokyo",
            type="string",
            title="The company's time zone",
            description="An IANA name, as Asia/Tokyo.",
            examples=["Asia/Tokyo", "Asia/Singapore", "Europe/London", "America/New_York"],
        ),
        "folder": Param(
            "/tmp/jicoo-reports",
            type="string",
            title="Path for the report",
            description="As s3://bucket/reports; a local one is on the machine of the worker.",
        ),
        "warn_below": Param(
            10,
            type="integer",
            minimum=0,
            title="Warn below",
            description="Free slots of an event type in all of the days; 0 for never.",
        ),
        "fail_below": Param(
            1, type="integer", minimum=0, title="Fail below", description="The same, but the task fails."
        ),
    },
)
def jicoo_free_slot_report() -> None:
    @task(retries=2)
    def count(params: dict[str, Any]) -> Counts:
        import pendulum

        from airflow_provider_jicoo.api.slots import per_day
        from airflow_provider_jicoo.hooks.jicoo import JicooHook
        from airflow_provider_jicoo.tasks.failure import fail_without_retry

        zone = params["time_zone"]
        start = pendulum.now(zone)
        end = pendulum.today(zone).add(days=params["days"])
        days = [start.add(days=number).date().isoformat() for number in range(params["days"])]
        found = {}
        with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
            active = (each["uid"] for each in hook.list_event_types() if each.get("status", "enable") == "enable")
            for uid in [uid for uid in params["event_types"] or [] if uid.strip()] or active:
                free = per_day(hook.list_available_schedules(uid, period_start=start, period_end=end), zone)
                found[uid] = {day: free[day]["slots"] if day in free else 0 for day in days}
        return found

    @task
    def write(counts: Counts, params: dict[str, Any], run_id: str) -> str:
        from airflow.sdk import ObjectStoragePath

        folder = ObjectStoragePath(params["folder"]) / run_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "free_slots.md").write_text(table(counts))
        (folder / "free_slots.svg").write_text(plot(counts))
        return str(folder)

    @task
    def judge(counts: Counts, params: dict[str, Any]) -> None:
        totals = {uid: sum(days.values()) for uid, days in counts.items()}
        for uid, total in totals.items():
            if total < params["warn_below"]:
                logging.getLogger(__name__).warning("only %d free slots of event type %s", total, uid)
        few = [uid for uid, total in totals.items() if total < params["fail_below"]]
        if few:
            raise AirflowFailException(f"less than {params['fail_below']} free slots of {', '.join(few)}")

    counts = count()
    write(counts) >> judge(counts)


def table(counts: Counts) -> str:
    days = list(next(iter(counts.values()), {}))
    rows = [["day", *counts], ["---"] + ["---:"] * len(counts)]
    rows += [[f"{day} {date.fromisoformat(day):%a}", *(str(counts[uid][day]) for uid in counts)] for day in days]
    rows.append(["**all**", *(str(sum(counts[uid].values())) for uid in counts)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def plot(counts: Counts, width: int = 900, height: int = 300) -> str:
    """One line for each event type."""
    days = list(next(iter(counts.values()), {}))
    most = max((free for line in counts.values() for free in line.values()), default=0) or 1
    step = width / max(1, len(days) - 1)
    parts = [text(0, -10, f"{most} free slots")]
    if days:
        parts += [text(0, height + 20, days[0]), text(width - 80, height + 20, days[-1])]
    for number, (uid, line) in enumerate(counts.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{at * step:.0f},{height - free / most * height:.0f}" for at, free in enumerate(line.values())
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(width + 10, 20 + number * 18, uid, colour))
    view = f'viewBox="-10 -30 {width + 180} {height + 60}" font-family="sans-serif" font-size="13"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view}>{"".join(parts)}</svg>'


def text(x: int, y: int, words: str, colour: str = "black") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}">{words}</text>'


jicoo_free_slot_report()
