"""Is the report of an apply true? Reads plan, journal and report, and the bookings again, and changes nothing::

JICOO_API_KEY=sk_live_... python -m airflow_provider_jicoo.bulk.verify plan.jsonl

print(verify_report(Settings("sk_live_..."), Path("plan.jsonl")))
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.diagnosis import diagnosis
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath
from airflow_provider_jicoo.bulk.plan import PlanFile, read_header
from airflow_provider_jicoo.bulk.plan.header import shard_paths
from airflow_provider_jicoo.bulk.report import report_of
from airflow_provider_jicoo.bulk.verify.bookings import check_bookings
from airflow_provider_jicoo.bulk.verify.files import check_files, check_merged
from airflow_provider_jicoo.bulk.verify.verification import PLAN, READ, Verdict, Verification

__all__ = ["Verdict", "Verification", "verify_report"]


@discreet
def verify_report(settings: Settings, path: StorePath) -> Verification:
    """Say whether the report of a plan's apply is true. Nothing is changed, and no file is written.

    :param settings: key and address of the Jicoo that the plan is for.
    :param path: the plan; where it is in shards all of them are looked at, and their merged report where it is beside
        the plan.
    :return: what was found. What cannot be read, of files or of Jicoo, is found not to be told, and raises nothing.
    """
    found = Verification(str(path))
    try:
        header = read_header(path)
    except PlanMismatchError as error:
        found.note(PLAN, Verdict.UNTOLD, str(error))
        return found
    found.digest = header["digest"]
    with JicooClient(settings) as client:
        shards = list(shard_paths(path, header)) if "shards" in header else [path]
        for shard in shards:
            _verify(client, shard, found)
    if "shards" in header and (report_of(path) / "report.json").exists():
        check_merged(path, shards, found)
    return found


def _verify(client: JicooClient, path: StorePath, found: Verification) -> None:
    """Look at a plan that is not in shards."""
    try:
        header: Mapping[str, Any] = read_header(path)
    except PlanMismatchError as error:
        found.note(PLAN, Verdict.UNTOLD, str(error))
        return
    try:
        plan = PlanFile(path, header["digest"])
    except PlanMismatchError:
        found.note(PLAN, Verdict.FALSE, f"{path.name} is not what its digest says: it was changed since it was made")
        return
    found.note(PLAN)
    with closing(plan):
        reported = check_files(path, plan, found)
        base_url, ours = plan.header["terms"]["baseUrl"], client.settings.base_url
        if base_url != ours:
            found.note(READ, Verdict.UNTOLD, f"{path.name} is a plan for {base_url}, not for {ours}")
        elif reported is not None:
            try:
                check_bookings(client, plan, reported, found)
            except RequestError as error:
                found.note(READ, Verdict.UNTOLD, diagnosis(error, ours))
