"""Load Jicoo into a warehouse, by dlt (https://dlthub.com)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.operators.base import JicooOperator
from airflow_provider_jicoo.tasks.given import as_bool, as_float, as_list, unrendered
from airflow_provider_jicoo.tasks.lineage import asset_uri, dataset_of, note_assets, open_lineage
from airflow_provider_jicoo.transfers.assets import TABLES, announce, announce_days, table_uri

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.transfers.source import LoadReport

ALL = ("bookings", "hosts", "event_types", "users", "schedules")
"""What is loaded where nothing is named: all but the guests."""


class JicooToDltOperator(JicooOperator):
    """Load bookings, and what belongs to them, into one of the warehouses that dlt writes to.

    Needs ``airflow-provider-jicoo[dlt]`` and dlt's extra for the destination, as ``dlt[postgres]``. Run after run the
    tables become what Jicoo has: new and changed rows are written, and rows removed that Jicoo does not hold any more.
    What the tables have is noted in dlt's state, beside them: the operator may run on any worker, and a worker that
    dies leaves nothing that the next run does not complete. Do not let two runs write the same tables at once
    (``max_active_runs=1``).

    :param destination: a destination of dlt (``duckdb``, ``postgres``, ``bigquery``, ...), or an address without a
        password, as ``duckdb:////data/jicoo.duckdb``. (templated)
    :param dataset: the dataset or schema. (templated)
    :param resources: which tables: ``bookings``, ``contacts``, ``hosts``, ``event_types``, ``users``, ``schedules``; by
        default all but ``contacts``. Airflow has an argument of this name of its own, for what a task takes of a
        machine: in ``partial`` and ``expand`` write ``tables`` instead. (templated, as ``tables``)
    :param include_contacts: load ``contacts`` too: the guests' names, addresses and answers. They are read of bookings
        only that are new or were edited. (templated)
    :param sync: ``changes``, or ``full`` to write every row anew. (templated)
    :param write: ``upsert`` for the newest version of each row, ``scd2`` for all of them. (templated)
    :param lookback_days: only bookings that start at most so many days ago; older ones stay as they are. (templated)
    :param horizon_days: only bookings that start within so many days. (templated)
    :param destination_conn_id: the Airflow connection to the destination (``postgres``, ``redshift``; of ``duckdb`` the
        host is the path; for others the extras are ``{"dlt": {"credentials": {...}}}``); None where dlt is configured
        itself. (templated)
    :param pipeline_name: what the state is kept under; another one begins anew. (templated)
    :param days_asset: an asset that gets an event for each day whose bookings changed, as its partition ``2026-01-15``
        (from Airflow 3.3; before, one event). Days are those in UTC on which bookings start, or were to start.
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: ``load_id``, ``destination``, ``dataset``, ``seconds``, ``unproven`` (lists that may lack rows, of which
        nothing was removed), ``days`` (how many days' bookings changed) and ``tables``: by name ``seen``, ``written``,
        ``added``, ``changed`` and ``deleted``, all counts. No rows.
    """

    template_fields: Sequence[str] = (
        "destination",
        "dataset",
        "tables",
        "include_contacts",
        "sync",
        "write",
        "lookback_days",
        "horizon_days",
        "destination_conn_id",
        "pipeline_name",
        "jicoo_conn_id",
    )

    def __init__(
        self,
        *,
        destination: str,
        dataset: str = "jicoo",
        resources: Sequence[str] | str | None = None,
        tables: Sequence[str] | str | None = None,
        include_contacts: bool | str = False,
        sync: str = "changes",
        write: str = "upsert",
        lookback_days: float | str | None = None,
        horizon_days: float | str | None = None,
        destination_conn_id: str | None = None,
        pipeline_name: str = "jicoo",
        days_asset: Asset | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.dataset = dataset
        self.tables = tables if resources is None else resources
        self.include_contacts = include_contacts
        self.sync = sync
        self.write = write
        self.lookback_days = lookback_days
        self.horizon_days = horizon_days
        self.destination_conn_id = destination_conn_id
        self.pipeline_name = pipeline_name
        self.days_asset = days_asset
        self.outlets = [*self.outlets, TABLES, *([] if days_asset is None else [days_asset])]

    def execute(self, context: Context) -> dict[str, Any]:
        """Load what changed."""
        from airflow_provider_jicoo.transfers import warehouse

        begin = time.monotonic()
        with self._hook() as hook, warehouse.workplace() as folder:
            try:
                load_id, report = self._load(hook.client, folder)
            except ImportError as error:
                raise ValueError(str(error)) from None
        tables = {name: _counts(report, name) for name in report.seen}
        changed = {name: counts for name, counts in tables.items() if counts["written"] or counts["deleted"]}
        note_assets(self, [asset_uri(self.jicoo_conn_id, name) for name in tables], map(self._uri, tables))
        announce(context, {self._uri(name): counts for name, counts in changed.items()})
        if self.days_asset is not None and not announce_days(context, self.days_asset, report.days):
            self.log.info("this Airflow has no partitions: one event for %d days", len(report.days))
        for name, counts in tables.items():
            self.log.info("%s: %s", name, ", ".join(f"{count:,} {what}" for what, count in counts.items()))
        return {
            "load_id": load_id,
            "destination": self.destination.partition("://")[0],
            "dataset": self.dataset,
            "seconds": round(time.monotonic() - begin, 1),
            "days": len(report.days),
            "unproven": report.unproven,
            "tables": tables,
        }

    def _load(self, client: JicooClient, folder: str) -> tuple[str, LoadReport]:
        """Check everything before the first request, then load."""
        from airflow_provider_jicoo.transfers import warehouse
        from airflow_provider_jicoo.transfers.source import LoadReport, jicoo_source

        report = LoadReport()
        arguments = self._arguments()
        jicoo_source(client, **arguments)  # says what is wrong with them
        dataset, name = self._text("dataset"), self._text("pipeline_name")
        destination = warehouse.made(warehouse.target(self._text("destination")), self._connection(), dataset)
        arguments["write"] = warehouse.strategy(destination, self.write)
        source = jicoo_source(client, report=report, tell=self._tell, **arguments)
        with warehouse.private(destination):
            pipeline = warehouse.opened(name, destination, dataset, folder)
            warehouse.check_tables(pipeline, source)
            load_id = warehouse.run(pipeline, source)
            try:
                warehouse.tidy_states(pipeline)
            except warehouse.WarehouseError as error:  # what was loaded is there all the same
                self.log.warning("older states of dlt could not be removed: %s", error)
        return load_id, report

    def _tell(self, text: str) -> None:
        self.log.info("%s", text)

    def _text(self, name: str) -> str:
        value = unrendered(name, getattr(self, name))
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{name}: {value!r:.100} is not a text")
        return value

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of the source, turned back from what templates made of them.

        :raises ValueError: one of them cannot be right.
        """
        from airflow_provider_jicoo.transfers.source import checked_resources

        tables = unrendered("resources", self.tables)
        names = list(checked_resources(ALL if tables is None else as_list("resources", tables)))
        contacts = as_bool("include_contacts", unrendered("include_contacts", self.include_contacts))
        if not isinstance(contacts, bool):
            raise ValueError(f"include_contacts: {contacts!r:.100} is neither true nor false")
        given: dict[str, Any] = {
            "resources": [*names, "contacts"] if contacts else names,
            "sync": self.sync,
            "write": self.write,
        }
        for name in ("lookback_days", "horizon_days"):
            value = unrendered(name, getattr(self, name))
            given[name] = None if value in (None, "") else as_float(name, value)
        return given

    def _connection(self) -> Any:
        """Return the connection to the warehouse, None where dlt is configured itself."""
        conn_id = unrendered("destination_conn_id", self.destination_conn_id)
        if not conn_id:
            return None
        from airflow.sdk import BaseHook

        return BaseHook.get_connection(conn_id)

    # --- lineage ------------------------------------------------------------------------------------------------------

    def _uri(self, table: str) -> str:
        return table_uri(self.destination, self.dataset, table, self.destination_conn_id or None)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what was read and written, for OpenLineage."""
        names = self._arguments()["resources"]
        source = asset_uri(self.jicoo_conn_id, "").rstrip("/")
        return open_lineage([(source, name) for name in names], [dataset_of(self._uri(name)) for name in names])


def _counts(report: LoadReport, name: str) -> Mapping[str, int]:
    return {
        "seen": report.seen[name],
        "written": report.written(name),
        "added": report.added[name],
        "changed": report.changed[name],
        "deleted": report.deleted[name],
    }
