"""Say of each booking what it is to become, and write it down: nothing is sent.

The file is described in :mod:`~airflow_provider_jicoo.bulk.plan.file`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import checked_word
from airflow_provider_jicoo.bulk import bar
from airflow_provider_jicoo.bulk.changes import Change, as_change
from airflow_provider_jicoo.bulk.documents import Owner, PlanAbout
from airflow_provider_jicoo.bulk.files import StorePath, as_store_path
from airflow_provider_jicoo.bulk.plan.draft import Draft
from airflow_provider_jicoo.bulk.plan.file import Plan, PlanFile, PlannedChange
from airflow_provider_jicoo.bulk.plan.header import read_header
from airflow_provider_jicoo.bulk.plan.place import prepare_place
from airflow_provider_jicoo.bulk.plan.terms import Terms, check_count
from airflow_provider_jicoo.bulk.plan.whole import Completer
from airflow_provider_jicoo.bulk.selection import Selection, select

__all__ = ["Draft", "Plan", "PlanFile", "PlannedChange", "Terms", "plan_changes", "read_header"]


@discreet
def plan_changes(
    client: JicooClient,
    selection: Selection,
    change: Change | Callable[[Booking], Change | None],
    path: StorePath | str,
    *,
    is_send_updates: bool | None = None,
    update_message: str | None = None,
    max_changes: int | None = None,
    max_notified_guests: int | None = None,
    shards: int = 1,
    made_by: str = "",
    owner: Owner | None = None,
    progress: Callable[[int], None] | None = None,
    on_unproven: str | None = None,
) -> Plan:
    """Read the bookings, and write what each is to become. Nothing is changed.

    The names of their hosts and event types are read once, after the bookings, for the summary alone.

    :param client: a client of the Jicoo to plan for.
    :param selection: which bookings.
    :param change: what each becomes, or a function of one booking that says so.
    :param path: the file to write; a local path, or one of an object store (``airflow.sdk.ObjectStoragePath``).
    :param is_send_updates: whether Update Booking messages the guests. It has no default; cancel and reschedule
        always message.
    :param update_message: words for those messages, at most 2,000 characters.
    :param max_changes: refuse a plan of more changes.
    :param max_notified_guests: refuse a plan that messages the guests of more bookings.
    :param shards: into how many files to split the plan, to be applied by as many workers.
    :param made_by: who makes it, in words, for the header.
    :param owner: the task of Airflow that makes it: ``dagId``, ``runId``, ``taskId`` and ``mapIndex``. A plan of
        another owner is never written over, nor one of the same owner that has begun to be applied.
    :param progress: called with the number of bookings read, after each; by default a bar where there is a terminal.
    :param on_unproven: what to do where it cannot be proved that these are all the bookings that the selection means:
        ``fail``, or ``warn`` in the manifest, the header and the summary; by default as the client's settings say.
    :return: the manifest and the summary.
    :raises PlanError: a booking cannot become that, or a limit is exceeded, and nothing is written; or the plan cannot
        be written, or must not be written over what stands there, which is found out before anything is read.
    :raises UnprovenListError: there may be more bookings that the selection means, or rows of the list cannot be used;
        nothing is written.
    """
    wanted = as_change(change)
    terms = Terms(is_send_updates, update_message, client.settings.base_url)
    terms.check(wanted)
    for name, count, least in (
        ("shards", shards, 1),
        ("max_changes", max_changes, 0),
        ("max_notified_guests", max_notified_guests, 0),
    ):
        check_count(name, count, least)
    path = as_store_path(path)
    prepare_place(path, owner)
    warnings: list[str] = []
    bookings = select(
        client,
        selection,
        on_unproven=None if on_unproven is None else checked_word("on_unproven", on_unproven),
        warnings=warnings,
    )
    with ThreadPoolExecutor(1) as beside, closing(Draft(terms, complete := Completer(client, beside))) as draft:
        if progress is None and bar.on_a_terminal():
            with bar.planning() as progress:
                _consider_all(draft, bookings, wanted, progress)
        else:
            _consider_all(draft, bookings, wanted, progress)
        complete.finish()
        draft.read_names(client)
        draft.check_limits(max_changes, max_notified_guests)
        about: PlanAbout = {
            "selection": selection.describe(),
            "change": wanted.describe(),
            "madeBy": made_by,
            "owner": owner,
            "warnings": warnings,
        }
        return draft.write(path, shards, about)


def _consider_all(
    draft: Draft, bookings: Iterable[Booking], change: Change, progress: Callable[[int], None] | None
) -> None:
    for number, booking in enumerate(bookings, 1):
        draft.consider(booking, change)
        if progress is not None:
            progress(number)
