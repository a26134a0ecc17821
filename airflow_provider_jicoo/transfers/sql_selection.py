"""The way back: bookings that a query or a file names, each with new values, into a plan of changes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.operators.base import JicooOperator
from airflow_provider_jicoo.tasks.compat import AirflowSkipException
from airflow_provider_jicoo.tasks.failure import fail_without_retry
from airflow_provider_jicoo.tasks.given import unrendered
from airflow_provider_jicoo.tasks.storage import open_path, warning_of

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_jicoo.bulk.values import ValuesManifest
    from airflow_provider_jicoo.transfers.value_rows import Rows


class _ToBookingSelection(JicooOperator):
    """What the ways to a selection share.

    :param values_path: the file to write.
    :param nulls: what a null means.
    """

    def __init__(self, *, values_path: str | ObjectStoragePath, nulls: str = "leave", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values_path = values_path
        self.nulls = nulls

    def execute(self, context: Context) -> ValuesManifest:
        """Check the rows, and write what they say."""
        from airflow_provider_jicoo.bulk.values import write_values
        from airflow_provider_jicoo.transfers.publish import check_writable

        with fail_without_retry():
            given = unrendered("values_path", self.values_path)
            warning = warning_of("values_path", given, self.executor)
            if warning is not None:
                self.log.warning("%s", warning)
            path = _opened("values_path", given)
            check_writable("values_path", path)
            found = self._rows().checked()
            if not found:
                raise AirflowSkipException("no row names a booking: there is nothing to plan")
            made = write_values(path, found)
        self.log.info("%s bookings; columns: %s", f"{made['bookings']:,}", ", ".join(made["columns"]) or "none but uid")
        return made

    def _rows(self) -> Rows:
        raise NotImplementedError


class SqlToBookingSelection(_ToBookingSelection):
    """Take the bookings that a query names, and by column what each is to become, for ``PlanBookingChangesOperator``.

    ::

        chosen = SqlToBookingSelection(
            task_id="choose",
            sql_conn_id="warehouse",
            sql="SELECT uid, priority FROM vip_bookings",
            values_path="s3://bucket/plans/{{ run_id }}.values.jsonl",
        )
        plan = PlanBookingChangesOperator(
            task_id="plan",
            selection=chosen.output,
            plan_path="s3://bucket/plans/{{ run_id }}.jsonl",
            is_send_updates=False,
        )

    The result has a column ``uid`` and any of ``name``, ``description``, ``timeZone``, ``startedAt``, ``endedAt``,
    ``hosts`` (JSON) and ``priority``, in any case and with or without underscores. With ``uid`` alone, the plan says
    what becomes of the bookings. A column that is unknown, a booking that is named twice and a value that Jicoo would
    refuse fail the task before anything is planned; the error names row and column, and no value. Without any row the
    task is skipped.

    Returns ``{"values", "sha256", "bookings", "columns"}``: the values are in the file, never in an XCom.

    :param sql_conn_id: the Airflow connection of the database. (templated)
    :param sql: the query. (templated)
    :param parameters: what stands in the query for values, as the database's driver has it. (templated)
    :param values_path: the file to write, where the workers of the next tasks read it. It may hold guests' data.
        (templated)
    :param nulls: what a null means: ``leave`` the field as it is, or ``set`` it to null. (templated)
    """

    template_fields: Sequence[str] = ("sql_conn_id", "sql", "parameters", "values_path", "nulls")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 (as Airflow declares it)
    private_fields = frozenset({"parameters"})

    def __init__(
        self,
        *,
        sql_conn_id: str,
        sql: str,
        parameters: Mapping[str, Any] | Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql_conn_id = sql_conn_id
        self.sql = sql
        self.parameters = parameters

    def _rows(self) -> Rows:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
        from airflow.sdk import BaseHook

        from airflow_provider_jicoo.transfers.value_rows import Rows, check_table

        rows = Rows("row", unrendered("nulls", self.nulls))
        hook = BaseHook.get_connection(self.sql_conn_id).get_hook()
        if not isinstance(hook, DbApiHook):
            raise ValueError(f"sql_conn_id: {self.sql_conn_id!r} is no database: it is a {type(hook).__name__}")

        hook.log_sql = False  # with the query it logs the parameters, which may be a guest's

        def check(cursor: Any) -> None:
            if cursor.description is None:
                raise ValueError("sql: it returns no rows: give a query, as SELECT uid, priority FROM ...")
            check_table(rows, [column[0] for column in cursor.description], _all_of(cursor))

        hook.run(self.sql, parameters=unrendered("parameters", self.parameters), handler=check)
        return rows


class FileToBookingSelection(_ToBookingSelection):
    """Take the bookings that a file names, as :class:`SqlToBookingSelection` does those of a query.

    CSV with a line of names, where an empty field is null, and an apostrophe before what would be a formula in a
    spreadsheet is taken away, as :class:`~airflow_provider_jicoo.transfers.object_storage.JicooToObjectStorageOperator`
    puts it there; or JSON Lines, where a field that a line does not have is left as it is. Errors name the line.

    :param path: the file to read, as ``s3://bucket/patch.csv``. (templated)
    :param values_path: the file to write. (templated)
    :param format: ``csv`` or ``jsonl``; by default as the name of the file says. (templated)
    :param encoding: of the file; what spreadsheets write in Japan may be ``cp932``. (templated)
    :param nulls: as for :class:`SqlToBookingSelection`. (templated)
    """

    template_fields: Sequence[str] = ("path", "values_path", "format", "encoding", "nulls")

    def __init__(
        self,
        *,
        path: str | ObjectStoragePath,
        format: str | None = None,
        encoding: str = "utf-8-sig",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.format = format
        self.encoding = encoding

    def _rows(self) -> Rows:
        from airflow_provider_jicoo.transfers.value_rows import Rows, RowsError, check_csv, check_json_lines

        path = _opened("path", unrendered("path", self.path))
        kind = unrendered("format", self.format) or path.name.rpartition(".")[2]
        checks = {"csv": check_csv, "jsonl": check_json_lines}
        if kind not in checks:
            raise ValueError(f"format: {kind!r:.100} is neither 'csv' nor 'jsonl'")
        rows = Rows("line", unrendered("nulls", self.nulls))
        with path.fs.open(path.path, "rb") as raw, io.TextIOWrapper(raw, self.encoding, newline="") as file:
            try:
                checks[kind](rows, file)
            except UnicodeDecodeError:
                raise RowsError(
                    f"path: {path} is not {self.encoding}: give encoding, as 'cp932' of a spreadsheet in Japan"
                ) from None
        return rows


def _opened(name: str, given: Any) -> Any:
    if not given or not (isinstance(given, str) or hasattr(given, "fs")):
        raise ValueError(f"{name}: {given!r:.200} is neither a path nor an ObjectStoragePath")
    return open_path(name, given) if isinstance(given, str) else given


def _all_of(cursor: Any) -> Iterable[Sequence[Any]]:
    while rows := cursor.fetchmany(1_000):
        yield from rows
