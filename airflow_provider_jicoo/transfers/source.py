"""Jicoo as a source of dlt (https://dlthub.com): bookings, guests and the rest, in whatever warehouse dlt writes to.

In a notebook, or in any pipeline of dlt::

    import dlt
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.api.settings import Settings
    from airflow_provider_jicoo.transfers.source import jicoo_source

    pipeline = dlt.pipeline("jicoo", destination="duckdb", dataset_name="jicoo")
    with JicooClient(Settings("sk_live_...")) as client:
        pipeline.run(jicoo_source(client))

The list is swept, and each row compared with the fingerprint of what the tables have: only what changed is written. The
fingerprints are in dlt's state, which dlt keeps beside the tables and which counts only where a load came to its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_jicoo.transfers.changes import Window
from airflow_provider_jicoo.transfers.resources import CONTACTS, RESOURCES, Resource, resource
from airflow_provider_jicoo.transfers.source_reader import BIT, NAME, LoadReport, Options, Write

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.transfers.source_bookings import BookingReader
    from airflow_provider_jicoo.transfers.source_lists import ListReader

__all__ = ["LoadReport", "check_days", "checked_resources", "jicoo_source"]

Sync = Literal["changes", "full"]
log = logging.getLogger(__name__)


def jicoo_source(
    client: JicooClient,
    resources: Sequence[str] = tuple(RESOURCES),
    *,
    lookback_days: float | None = None,
    horizon_days: float | None = None,
    sync: Sync = "changes",
    write: Write = "upsert",
    on_unproven: str | None = None,
    report: LoadReport | None = None,
    tell: Callable[[str], None] = log.info,
    now: datetime | None = None,
) -> Any:
    """Return a source of dlt, with one table for each resource.

    A table has the columns of its resource (:mod:`~airflow_provider_jicoo.transfers.resources`), named by dlt's
    convention: ``started_at``. Rows that Jicoo does not hold any more are removed, as soon as a sweep is proved to be
    whole; one that is not removes nothing. Choose resources here and not with dlt's ``with_resources``: what is noted
    as written is what is named here.

    :param client: what reads Jicoo; it must stay open while the source is read.
    :param resources: which tables. ``contacts`` are read of bookings only that are new or were edited, many at once.
    :param lookback_days: only bookings that start at most so many days ago; older ones stay as they are.
    :param horizon_days: only bookings that start within so many days.
    :param sync: ``changes``, or ``full`` to write every row and read every contact anew.
    :param write: ``upsert`` for the newest version of each row, or ``delete-insert`` for the same where a database has
        no ``MERGE``; ``scd2`` for all versions, with ``_dlt_valid_from`` and ``_dlt_valid_to``: there a row that is
        gone has a last version with ``_deleted``.
    :param on_unproven: what to do where a list may lack rows: ``fail``, and nothing is written, or ``warn``, and
        nothing is removed; by default as the client's settings say.
    :param report: is filled with what became of the rows.
    :param tell: is told how far it got.
    :param now: an aware datetime that the days are counted from; by default that of the call.
    :raises ValueError: an argument cannot be right.
    :raises ImportError: dlt or pyarrow is missing; says what to install.
    """
    dlt = _dlt()
    from airflow_provider_jicoo.transfers.source_bookings import BookingReader
    from airflow_provider_jicoo.transfers.source_lists import ListReader

    if sync not in ("changes", "full"):
        raise ValueError(f"sync: {sync!r:.100} is neither 'changes' nor 'full'")
    if write not in get_args(Write):
        raise ValueError(f"write: {write!r:.100} is none of {', '.join(get_args(Write))}")
    names = checked_resources(resources)
    check_days(lookback_days, horizon_days)
    report = LoadReport() if report is None else report

    def build() -> list[Any]:
        at = now or datetime.now(timezone.utc)
        window = Window(
            None if lookback_days is None else at - timedelta(days=lookback_days),
            None if horizon_days is None else at + timedelta(days=horizon_days),
        )
        options = Options(names, window, sync == "full", write, on_unproven or client.settings.on_unproven)
        report.begin(names)
        return _resources(dlt, BookingReader(client, options, report, tell), ListReader(client, options, report, tell))

    return dlt.source(build, name=NAME, section=NAME, max_table_nesting=0)()


def checked_resources(resources: Any) -> tuple[str, ...]:
    """Return the names of resources, each once, in the order of the documentation.

    :raises ValueError: there is no such resource, or none is named.
    """
    names = [resource(name).name for name in ([resources] if isinstance(resources, str) else resources)]
    if not names:
        raise ValueError(f"resources: name at least one of {', '.join(RESOURCES)}")
    return tuple(name for name in RESOURCES if name in names)


def check_days(lookback_days: float | None, horizon_days: float | None) -> None:
    """Refuse days that no window can be made of.

    :raises ValueError: a number of days is not more than zero, or too many to count.
    """
    for name, value in (("lookback_days", lookback_days), ("horizon_days", horizon_days)):
        if value is not None and not 0 < value <= 365_000:
            raise ValueError(f"{name}: {value!r} is not a number of days from above 0 to 365,000")


def _dlt() -> Any:
    try:
        import dlt
        import pyarrow  # noqa: F401 (dlt takes its tables)
    except ImportError as error:
        raise ImportError(
            f"{error.name} is missing: install airflow-provider-jicoo[dlt], and dlt's extra for the destination, as "
            "'dlt[duckdb]' or 'dlt[postgres]'",
            name=error.name,
        ) from None
    return dlt


def _resources(dlt: Any, reader: BookingReader, lists: ListReader) -> list[Any]:
    """Return the resources of dlt: the bookings and their contacts come of one sweep."""
    from airflow_provider_jicoo.transfers.arrow import hints

    history = reader.options.history

    def described(wanted: Resource) -> dict[str, Any]:
        """Return how dlt writes the table of a resource."""
        columns = hints(wanted, history=history)
        keys: dict[str, Any] = {"primary_key": wanted.primary_key}
        # The contacts of a booking are written together: those that it has no more go with that.
        together = wanted.primary_key[0] if wanted is CONTACTS else wanted.primary_key
        strategy = "delete-insert" if wanted is CONTACTS else reader.options.write
        if history:
            strategy, keys = "scd2", {"merge_key": together}
        elif wanted is CONTACTS:
            keys = {"merge_key": together}
        disposition = {"disposition": "merge", "strategy": strategy}
        if history:
            disposition["row_version_column_name"] = "row_version"
        return {"name": wanted.name, "write_disposition": disposition, "columns": columns, **keys}

    made = []
    of_bookings = [name for name in reader.options.names if name in BIT]
    if of_bookings:
        sweep = dlt.resource(_function(reader.sweep), name="booking_sweep", selected=False)
        made.append(sweep)
        for name in of_bookings:
            write = reader.booking_table if name == "bookings" else reader.contact_table
            made.append(dlt.transformer(_function_of_one(write), data_from=sweep, **described(RESOURCES[name])))
    for name in reader.options.names:
        if name not in BIT:
            made.append(dlt.resource(lists.others(RESOURCES[name]), **described(RESOURCES[name])))
    return made


def _function(method: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
    """Return a function, on which dlt can note something, for a method, on which it cannot."""

    def call() -> Iterator[Any]:
        yield from method()

    return call


def _function_of_one(method: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    """Return the same for a method that takes an item."""

    def call(item: Any) -> Iterator[Any]:
        yield from method(item)

    return call
