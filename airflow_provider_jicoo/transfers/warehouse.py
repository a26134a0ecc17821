"""Where dlt writes to: the destination with its credentials, a look at the tables there, and a load into them.

Nothing here imports dlt before it is called.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol, TypeVar

NAMES = ("_dlt_valid_from", "_dlt_valid_to")
"""The columns of a table that keeps every version of a row."""
STATES_KEPT = 5
"""How many states dlt keeps of a pipeline: it reads the newest one whose load came to its end, and never tidies up."""
_POSTGRES_QUERY = ("sslmode", "sslrootcert", "sslcert", "sslkey", "options", "application_name", "target_session_attrs")
_TYPES = {"postgres": ("postgres", "postgresql"), "redshift": ("redshift", "postgres"), "duckdb": ("duckdb", "generic")}
T = TypeVar("T")


class WarehouseError(Exception):
    """The warehouse could not be read or written. May be otherwise at the next try.

    The words of a database's error may hold a guest's: they are not repeated.

    :param step: what was being done, in dlt's words: ``sync``, ``extract``, ``normalize``, ``load``.
    :param cause: the class of the error, and its SQLSTATE where it has one.
    """

    def __init__(self, step: str, cause: str) -> None:
        what = {"sync": "the warehouse could not be read", "extract": "the rows could not be made ready"}
        super().__init__(
            f"{what.get(step, 'the warehouse could not be written')} ({cause}, at step {step!r}). Each table is as it "
            "was before, or has all of this load; the next run completes it"
        )
        self.step = step
        self.cause = cause


class ConnectionLike(Protocol):
    """What is needed of an Airflow connection."""

    conn_id: str
    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    schema: str | None
    port: int | None

    @property
    def extra_dejson(self) -> Any:
        """The extras."""


class Target(NamedTuple):
    """What ``destination`` says.

    :param name: of dlt's destination, as ``duckdb``.
    :param address: the whole of it where it is a URL, as ``duckdb:////data/jicoo.duckdb``; else None.
    """

    name: str
    address: str | None


def target(destination: str) -> Target:
    """Return what a destination says.

    :raises ValueError: there is no such destination, or its address has a password.
    """
    name, has_address, rest = str(destination).partition("://")
    name = name.strip().lower()
    if has_address and "@" in rest and ":" in rest.split("@")[0]:
        raise ValueError(
            "destination: its address has a password, which everybody could read in Airflow's UI: name the kind, as "
            f"{name!r}, and an Airflow connection in destination_conn_id"
        )
    import dlt.destinations

    # "destination" makes one of a function, "dummy" writes nowhere.
    known = sorted(set(dlt.destinations.__all__) - {"destination", "dummy"})
    if name not in known:
        raise ValueError(f"destination: {name!r:.100} is none of dlt's: {', '.join(known)}")
    return Target(name, str(destination) if has_address else None)


def made(wanted: Target, connection: ConnectionLike | None, dataset: str) -> Any:
    """Return dlt's destination.

    :param connection: where its credentials are; None for dlt's own configuration (``DESTINATION__...``).
    :param dataset: the dataset or schema.
    :raises ValueError: its package is not installed, or the connection does not fit; says what to do.
    """
    import dlt.destinations
    from dlt.common.exceptions import MissingDependencyException

    credentials = _credentials(wanted, connection)
    if wanted.name == "duckdb" and PurePath(str(credentials.get("credentials"))).stem == dataset:
        raise ValueError(
            f"dataset: DuckDB calls the file {dataset!r} too, by its name, and cannot tell the two apart: give one of "
            "them another name"
        )
    factory = getattr(dlt.destinations, wanted.name)
    found = factory(**credentials)
    try:
        found.client_class  # noqa: B018 (only now the package is looked for)
    except (ImportError, MissingDependencyException):
        raise ValueError(
            f"destination: {wanted.name} needs packages that are not installed: install 'dlt[{wanted.name}]'"
        ) from None
    return found


def _credentials(wanted: Target, connection: ConnectionLike | None) -> dict[str, Any]:
    if connection is None:
        if (
            wanted.name == "duckdb"
            and wanted.address is None
            and not os.environ.get("DESTINATION__DUCKDB__CREDENTIALS")
        ):
            raise ValueError(
                "destination: say which file, as 'duckdb:////data/jicoo.duckdb', or name a connection whose host is "
                "its path in destination_conn_id"
            )
        return {} if wanted.address is None else {"credentials": wanted.address}
    if wanted.address is not None:
        raise ValueError("destination: give an address or destination_conn_id, not both")
    extras = connection.extra_dejson
    if isinstance(extras, Mapping) and isinstance(extras.get("dlt"), Mapping):
        return dict(extras["dlt"])
    _check_type(wanted, connection)
    if wanted.name == "duckdb":
        path = connection.host or connection.schema
        if not path:
            raise ValueError(f"connection {connection.conn_id!r}: the path of the DuckDB file belongs into its host")
        return {"credentials": path}
    given = {
        "host": connection.host,
        "port": connection.port,
        "username": connection.login,
        # dlt asks for one, also where the server does not.
        "password": connection.password or "none",
        "database": connection.schema,
        "query": {name: extras[name] for name in _POSTGRES_QUERY if name in extras} or None,
    }
    return {"credentials": {name: value for name, value in given.items() if value is not None}}


def _check_type(wanted: Target, connection: ConnectionLike) -> None:
    """Refuse a connection to something else.

    :raises ValueError: it is of another type, or of one that this package does not know how to translate.
    """
    if wanted.name not in _TYPES:
        raise ValueError(
            f"connection {connection.conn_id!r}: put what dlt's {wanted.name} takes into its extras, as "
            '{"dlt": {"credentials": {...}}}; or leave destination_conn_id out, and configure dlt itself'
        )
    if connection.conn_type and connection.conn_type.lower() not in _TYPES[wanted.name]:
        raise ValueError(
            f"connection {connection.conn_id!r} is of type {connection.conn_type[:40]!r}, and the destination is "
            f"{wanted.name}: name a connection of type {_TYPES[wanted.name][0]!r} in destination_conn_id"
        )


# --- dlt at work in a task -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def workplace() -> Iterator[str]:
    """Give dlt a working folder for this try alone, and let it send nothing home.

    What dlt knows of a pipeline it gets from the destination: a worker may have died, and the next try may run on
    another machine. Its logger repeats what a database says, which may be a guest's words: it is silent.
    """
    changed = {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        # Else what was loaded last, and be it all guests, stays in the tables that dlt merges from.
        "LOAD__TRUNCATE_STAGING_DATASET": os.environ.get("LOAD__TRUNCATE_STAGING_DATASET", "true"),
        # Else dlt asks Airflow's database for a Variable at every turn; whoever keeps its secrets there says "true".
        "PROVIDERS__ENABLE_AIRFLOW_SECRETS": os.environ.get("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "false"),
    }
    before = {name: os.environ.get(name) for name in (*changed, "DLT_DATA_DIR")}
    with tempfile.TemporaryDirectory(prefix="jicoo-dlt-", ignore_cleanup_errors=True) as folder:
        os.environ.update(changed, DLT_DATA_DIR=folder)
        try:
            yield folder
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextlib.contextmanager
def private(destination: Any) -> Iterator[None]:
    """Let nobody else read the file that DuckDB makes, and what it writes beside it: guests may be in there.

    A file that is there keeps its mode, and what is written beside it gets the same.

    :param destination: dlt's.
    """
    path = _file_of(destination)
    if path is None:
        yield
        return
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        mode = 0o600
    before = os.umask(0o777 & ~mode)
    try:
        yield
    finally:
        os.umask(before)


def _file_of(destination: Any) -> str | None:
    """Return the path of DuckDB's file; None where it is another destination, or no file."""
    if destination.destination_name != "duckdb":
        return None
    given = str(destination.config_params.get("credentials") or os.environ.get("DESTINATION__DUCKDB__CREDENTIALS", ""))
    return given.removeprefix("duckdb:///").partition("?")[0] or None


def strategy(destination: Any, write: str) -> str:
    """Return how rows are written that are to be written so: not every database has ``MERGE``.

    :param destination: dlt's.
    :param write: ``upsert`` or ``scd2``.
    :raises ValueError: the destination cannot do that.
    """
    can = destination.capabilities().supported_merge_strategies or []
    if write == "upsert" and "upsert" not in can and "delete-insert" in can:
        return "delete-insert"
    if write in ("upsert", "scd2") and write not in can:
        raise ValueError(
            f"destination: dlt's {destination.destination_name} cannot keep rows up to date ({write}); it can "
            f"{', '.join(can) or 'only add and replace'}"
        )
    return write


def opened(pipeline_name: str, destination: Any, dataset: str, folder: str) -> Any:
    """Return a pipeline that knows what the destination knows of it.

    :param folder: where dlt works.
    :raises ValueError: credentials are missing, or a name cannot be one.
    :raises WarehouseError: the destination cannot be reached.
    """
    import dlt
    from dlt.common.configuration.exceptions import ConfigurationException

    def look() -> Any:
        pipeline = dlt.pipeline(pipeline_name, destination=destination, dataset_name=dataset, pipelines_dir=folder)
        pipeline.sync_destination()
        return pipeline

    try:
        return told("sync", look)
    except ConfigurationException as error:
        lacks = ", ".join(getattr(error, "fields", ())) or type(error).__name__
    raise ValueError(
        f"destination: dlt lacks a part of its configuration ({lacks}): name an Airflow connection in "
        "destination_conn_id, or configure dlt"
    )


def run(pipeline: Any, source: Any) -> str:
    """Load a source, and return the id of the load.

    :raises WarehouseError: not all of it was written.
    """
    from airflow_provider_jicoo.transfers import broken_off

    def load() -> str:
        # In the steps of dlt's run: what fails before something is written leaves nothing in doubt.
        pipeline.extract(source)
        pipeline.normalize()
        broken_off.begin(pipeline)
        info = pipeline.load()
        info.raise_on_failed_jobs()
        load_id = str(info.loads_ids[-1])
        broken_off.end(pipeline, load_id)
        return load_id

    return told("load", load)


def told(step: str, work: Callable[[], T]) -> T:
    """Return what ``work`` does; an error of dlt's or of the database's comes without their words, ours as they are.

    :param step: what is being done, where the error does not say.
    :raises WarehouseError: names what failed.
    """
    from dlt.common.configuration.exceptions import ConfigurationException

    try:
        return work()
    except Exception as error:  # each database has errors of its own
        root, at = _root(error), getattr(error, "step", step)
        is_known = isinstance(root, ConfigurationException) or _is_ours(root)
        failure = root if is_known else WarehouseError(str(at), _named(root))
    # Behind the handling of the first error, which would stay in the context of this one, with its words.
    raise failure


def _root(error: BaseException) -> BaseException:
    """Return what dlt's errors wrap."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        if _is_ours(error):
            return error
        inner = getattr(error, "exception", None) or getattr(error, "inner_exc", None) or error.__cause__
        if not isinstance(inner, BaseException):
            return error
        error = inner
    return error


def _is_ours(error: BaseException) -> bool:
    from airflow_provider_jicoo.api.errors import JicooError

    return isinstance(error, JicooError) or type(error).__module__.startswith("airflow_provider_jicoo")


def _named(error: BaseException) -> str:
    inner = getattr(error, "dbapi_exception", error)
    code = getattr(inner, "pgcode", None) or getattr(inner, "sqlstate", None)
    return f"{type(inner).__name__}{f', SQLSTATE {code}' if isinstance(code, str) else ''}"


# --- the tables that are there ---------------------------------------------------------------------------------------


def check_tables(pipeline: Any, source: Any) -> None:
    """Refuse to write into tables that are not ours.

    A table that dlt made of this source may lack columns, or have more: another version of the package made it.

    :param pipeline: as :func:`opened` gives it.
    :param source: what will be loaded.
    :raises ValueError: names the table and its columns.
    :raises WarehouseError: the destination cannot be read.
    """
    names = source.selected_resources
    naming = source.schema.naming
    expected = {
        naming.normalize_table_identifier(name): {
            naming.normalize_identifier(column): hints["data_type"] for column, hints in of.columns.items()
        }
        for name, of in names.items()
    }
    ours = pipeline.schemas.get(source.name)

    def look() -> dict[str, Any]:
        # A pipeline that never ran has no schema, and looks with an empty one.
        with pipeline.destination_client(source.name if ours else None) as client:
            if not hasattr(client, "get_storage_tables") or not client.is_storage_initialized():
                return {}
            return {name: columns for name, columns in client.get_storage_tables(list(expected)) if columns}

    found = told("sync", look)
    for name, columns in found.items():
        known = set(ours.get_table_columns(name, include_incomplete=True)) if ours and name in ours.tables else None
        history = any(hints.get("x-row-version") for hints in names[name].columns.values())
        _check_table(name, expected[name], columns, known, history=history)


def _check_table(
    name: str, expected: Mapping[str, str], found: Mapping[str, Any], known: set[str] | None, *, history: bool
) -> None:
    """Compare a table with what will be written.

    :param expected: the types of the columns.
    :param found: the columns that are there, as dlt describes them.
    :param known: the columns that dlt knows of the table; None where dlt has not made it.
    :param history: whether every version of a row is kept.
    :raises ValueError: they do not fit.
    """
    kept = all(column in found for column in NAMES)
    if known is not None and kept != history:
        was, is_now = ("scd2", "upsert") if kept else ("upsert", "scd2")
        raise ValueError(
            f"table {name}: it was made with write={was!r}, and cannot be written with write={is_now!r}: name another "
            "dataset"
        )
    has = {column.lower(): of for column, of in found.items()}
    wrong = [
        f"{column} is {has[column].get('data_type')}, not {kind}"
        for column, kind in expected.items()
        if column in has and not _fits(has[column].get("data_type"), kind)
    ]
    missing = [] if known else [column for column in expected if column not in has]
    more = [column for column in has if column not in expected and not column.startswith("_dlt_")]
    more = [column for column in more if column not in (known or ())]
    faults = [
        *wrong,
        *([f"it lacks {', '.join(missing)}"] if missing else []),
        *([f"it has {', '.join(more)} besides"] if more else []),
    ]
    if faults:
        raise ValueError(
            f"table {name}: somebody else made it, with other columns ({'; '.join(faults)}): name another dataset, or "
            "rename the table"
        )


def _fits(found: str | None, wanted: str) -> bool:
    # Some databases have no type for JSON.
    return found in (wanted, None) or (wanted == "json" and found == "text")


def tidy_states(pipeline: Any) -> None:
    """Remove states of the pipeline that dlt does not read any more: one with 100,000 bookings has some 2.7 MB.

    :raises WarehouseError: it could not be done.
    """
    if pipeline.destination.client_class.__name__ == "FilesystemClient":  # it tidies up itself
        return

    def tidy() -> None:
        schema = pipeline.default_schema
        with pipeline.sql_client() as client:
            table = client.make_qualified_table_name(schema.state_table_name)
            name, version = (
                client.escape_column_name(schema.naming.normalize_path(column))
                for column in ("pipeline_name", "version")
            )
            client.execute_sql(
                f"DELETE FROM {table} WHERE {name} = %s AND {version} <= %s",
                pipeline.pipeline_name,
                pipeline.state["_state_version"] - STATES_KEPT,
            )

    told("sync", tidy)
