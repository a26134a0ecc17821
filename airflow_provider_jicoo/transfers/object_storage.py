"""Bookings, and what belongs to them, into files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.operators.base import JicooOperator
from airflow_provider_jicoo.tasks.given import as_bool, unrendered
from airflow_provider_jicoo.tasks.lineage import asset_uri, dataset_of, file_uri, note_assets, open_lineage
from airflow_provider_jicoo.tasks.parts import NestedTemplates, as_selection
from airflow_provider_jicoo.tasks.storage import is_local, open_path, several_machines

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_jicoo.transfers.load import Order


class JicooToObjectStorageOperator(NestedTemplates, JicooOperator):
    """Load bookings, their guests, or what belongs to them into a file, on a disk or in an object store.

    A reader sees the whole file or none, and where a load fails or is killed, the one that was there. The columns are
    the same each time; what Jicoo gives beyond them is in ``_extra``. Where it cannot be proved that all rows came,
    nothing is written, or with ``on_unproven="warn"`` the manifest says so.

    Returns a manifest, and never rows: ``{"path", "resource", "format", "sync", "rows", "bytes", "sha256", "columns",
    "loaded_at", "warnings"}``; of a folder ``"partitions"`` instead of the digest, and of changes also ``"changes"``
    (how many were created, updated and deleted) and ``"cursor"``.

    :param resource: ``bookings``, ``contacts``, ``hosts``, ``event_types``, ``users`` or ``schedules``. (templated)
    :param path: the file to write, as ``s3://bucket/bookings.parquet``; with ``partition_by`` the folder. (templated)
    :param format: ``jsonl``, ``csv`` or ``parquet`` (needs ``airflow-provider-jicoo[parquet]``). (templated)
    :param include_contacts: give each booking a column ``contacts`` with its guests, which is personal data, and a
        request for each booking. (templated)
    :param selection: which bookings, or whose contacts; its fields are templated. By default all.
    :param partition_by: a column that is a moment, as ``startedAt``: a file for each of its days, in UTC. (templated)
    :param sync: ``full``, or ``changes``: only rows that are new, other than they were, or gone since the last run.
        What was seen is kept beside the file. Give each run a file of its own. (templated)
    :param cursor_path: with ``sync="changes"``, the file in which is kept what was seen; by default
        ``_jicoo_<resource>.cursor`` in the folder of ``path``. (templated)
    :param on_unproven: what to do where it cannot be proved that these are all rows: ``fail``, or ``warn`` in log and
        manifest; by default as the connection says, which is to fail. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    template_fields: Sequence[str] = (
        "resource",
        "path",
        "format",
        "include_contacts",
        "selection",
        "partition_by",
        "sync",
        "cursor_path",
        "on_unproven",
        "jicoo_conn_id",
    )

    def __init__(
        self,
        *,
        resource: str,
        path: str | ObjectStoragePath,
        format: str = "jsonl",
        include_contacts: bool | str = False,
        selection: Selection | None = None,
        partition_by: str | None = None,
        sync: str = "full",
        cursor_path: str | ObjectStoragePath | None = None,
        on_unproven: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.resource = resource
        self.path = path
        self.format = format
        self.include_contacts = include_contacts
        self.selection = selection
        self.partition_by = partition_by
        self.sync = sync
        self.cursor_path = cursor_path
        self.on_unproven = on_unproven
        self._written: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Load."""
        from airflow_provider_jicoo.transfers.load import load

        with self._hook() as hook:
            order = self._order()
            made = load(hook.client.settings, order, owner=_owner(context), progress=self._tell)
        self.log.info("%s rows of %s are in %s", f"{made['rows']:,}", made["resource"], made["path"])
        self._written = file_uri(order.path)
        note_assets(self, [asset_uri(self.jicoo_conn_id, order.wanted.name)], [self._written])
        return made

    def get_openlineage_facets_on_complete(self, _: Any) -> Any:
        """Return what OpenLineage is told: what was read, and the file."""
        source = dataset_of(asset_uri(self.jicoo_conn_id, self.resource))
        return open_lineage([source], [] if self._written is None else [dataset_of(self._written)])

    def _order(self) -> Order:
        """Return what is to be loaded.

        :raises ValueError: an argument cannot be right.
        """
        from airflow_provider_jicoo.transfers.load import Order
        from airflow_provider_jicoo.transfers.resources import resource

        include = as_bool("include_contacts", unrendered("include_contacts", self.include_contacts))
        if not isinstance(include, bool):
            raise ValueError(f"include_contacts: {include!r} is neither true nor false")
        cursor = unrendered("cursor_path", self.cursor_path) or None
        return Order(
            wanted=resource(unrendered("resource", self.resource)),
            path=self._opened("path", unrendered("path", self.path)),
            format=unrendered("format", self.format),
            include_contacts=include,
            selection=None if self.selection is None else as_selection(self.selection),
            partition_by=unrendered("partition_by", self.partition_by) or None,
            sync=unrendered("sync", self.sync),
            cursor_path=None if cursor is None else self._opened("cursor_path", cursor),
            on_unproven=unrendered("on_unproven", self.on_unproven) or None,
        )

    def _opened(self, name: str, given: Any) -> Any:
        if not given or not (isinstance(given, str) or hasattr(given, "fs")):
            raise ValueError(f"{name}: {given!r:.200} is neither a path nor an ObjectStoragePath")
        machines = several_machines(self.executor) if is_local(str(given)) else None
        if machines is not None:
            self.log.warning(
                "%s: %s is on the disk of one worker, but %s may run the next task, or a retry, on another machine, "
                "which has no such file",
                name,
                given,
                machines,
            )
        return open_path(name, given) if isinstance(given, str) else given

    def _tell(self, count: int) -> None:
        self.log.info("%s rows read", f"{count:,}")


def _owner(context: Mapping[str, Any] | Context) -> dict[str, Any]:
    """Return the task that loads: a further try of it is the same."""
    ti = context["ti"]
    index = getattr(ti, "map_index", None)
    return {
        "dagId": ti.dag_id,
        "runId": ti.run_id,
        "taskId": ti.task_id,
        "mapIndex": -1 if index is None else index,
    }
