"""Files beside a plan: on a local disk, or in an object store, of which only whole files are expected.

Which storage is safe. A plan, and the journal that keeps two workers from sending the same change, need storage that
shows at once what another one has written, and keeps what it has acknowledged:

- the disk of one machine, for tasks that all run on it;
- S3, Google Cloud Storage and Azure Blob Storage, whose listings are consistent, through Airflow's object storage;
- a disk that several machines share without caching what is there: NFS mounted with ``noac`` and ``lookupcache=none``,
  or a cluster file system.

Not safe for several workers: NFS with its usual caching of attributes (a worker may not see for up to a minute that
another one has taken the plan), an object store mounted as a disk with a cache, and folders that a service copies from
machine to machine.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import IO, Any, Protocol

from airflow_provider_jicoo.bulk.errors import PlanError


class StorePath(Protocol):
    """What is needed of a path: the part of :class:`pathlib.Path` that ``airflow.sdk.ObjectStoragePath`` has too."""

    @property
    def name(self) -> str:
        """The last part."""

    @property
    def parent(self) -> Any:
        """The path without its last part."""

    def __truediv__(self, part: str) -> Any:
        """Return the path of something in here."""

    def open(self, mode: str) -> Any:
        """Open the file."""

    def exists(self) -> bool:
        """Tell whether there is something."""

    def iterdir(self) -> Iterator[Any]:
        """Yield what is in here."""

    def unlink(self) -> None:
        """Remove the file."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make the folder; an object store has none and does nothing."""


def as_store_path(given: StorePath | str) -> StorePath:
    """Return a path; of a text, that on the local disk.

    :raises PlanError: it is an address in an object store, whose path needs its connection.
    """
    if not isinstance(given, str):
        return given
    if "://" in given:
        raise PlanError(
            f"{given} is the address of an object store: give its path, airflow.sdk.ObjectStoragePath({given!r}), or "
            "upath.UPath without Airflow"
        )
    return Path(given)


class Disk(Protocol):
    """What a file needs beyond being written: to be private, durable, and whole before it has its name.

    Any path may bring its own as its attribute ``disk``.
    """

    def make_folder(self, folder: Any) -> None:
        """Make a folder and those that it is in. What is there stays as it is."""

    def create(self, path: Any) -> IO[bytes]:
        """Open a file to be written anew."""

    def sync(self, file: IO[bytes], path: Any) -> None:
        """Return when a file, and that there is one of this name, would survive a loss of power."""

    def unfinished(self, path: Any) -> Any:
        """Return where to write a file until it is whole."""

    def replace(self, written: Any, path: Any) -> None:
        """Give a synced file its final name, in the place of what stood there; return when that is durable too."""


class _ObjectStore:
    """Keeps what it has acknowledged, and shows a file when it is whole; there are no folders, and no other users."""

    def make_folder(self, folder: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, path: Any) -> IO[bytes]:
        opened: IO[bytes] = path.open("wb")
        return opened

    def sync(self, file: IO[bytes], path: Any) -> None:
        file.flush()
        # Only a file of the operating system has a number.
        with suppress(AttributeError, io.UnsupportedOperation):
            os.fsync(file.fileno())

    def unfinished(self, path: Any) -> Any:
        return path

    def replace(self, written: Any, path: Any) -> None:
        """Do nothing: it has its name."""


class _LocalDisk:
    """The disks of this machine. What is made is for this user alone: what is in it may be guests' data."""

    def make_folder(self, folder: Any) -> None:
        local = Path(local_path(folder) or ".")
        for each in reversed((local, *local.parents)):
            if not each.is_dir():
                # Another worker may make it at the same moment.
                each.mkdir(mode=0o700, exist_ok=True)

    def create(self, path: Any) -> IO[bytes]:
        number = os.open(local_path(path) or "", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        # What stood there before may have another mode; that of somebody else's file stays.
        with suppress(PermissionError):
            os.fchmod(number, 0o600)
        return os.fdopen(number, "wb")

    def sync(self, file: IO[bytes], path: Any) -> None:
        file.flush()
        os.fsync(file.fileno())
        # The content is safe now, but not yet that there is such a file.
        self._sync_folder(path)

    def unfinished(self, path: Any) -> Any:
        return path.parent / f"{path.name}.partial"

    def replace(self, written: Any, path: Any) -> None:
        os.replace(local_path(written) or "", local_path(path) or "")
        self._sync_folder(path)

    def _sync_folder(self, path: Any) -> None:
        opened = os.open(os.path.dirname(local_path(path) or "") or ".", os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


_LOCAL_DISK, _OBJECT_STORE = _LocalDisk(), _ObjectStore()


def _disk(path: Any) -> Disk:
    """Return the disk that a path is on."""
    disk: Disk = getattr(path, "disk", _OBJECT_STORE if local_path(path) is None else _LOCAL_DISK)
    return disk


def make_folder(folder: StorePath) -> None:
    """Make a folder and those that it is in; on a local disk for this user alone. What is there stays as it is.

    :raises OSError: it cannot be made.
    """
    _disk(folder).make_folder(folder)


def create(path: StorePath) -> IO[bytes]:
    """Open a file to be written anew; on a local disk for this user alone.

    :raises OSError: it cannot be written.
    """
    return _disk(path).create(path)


def write_durably(path: StorePath, content: bytes) -> None:
    """Write a whole file, and return when it would survive a loss of power.

    :raises OSError: it cannot be written.
    """
    disk = _disk(path)
    with disk.create(path) as file:
        file.write(content)
        disk.sync(file, path)


@contextmanager
def written_durably(path: StorePath) -> Iterator[IO[bytes]]:
    """Write a large file bit by bit: at the end of the block it is there as a whole, and would survive a loss of power.

    Until then, and where the worker dies, what stood there before stands there still.

    :raises OSError: it cannot be written.
    """
    disk = _disk(path)
    written = disk.unfinished(path)
    with disk.create(written) as file:
        yield file
        disk.sync(file, written)
    disk.replace(written, path)


def try_to_write(path: StorePath) -> None:
    """Find out whether a file can be written, without leaving anything behind.

    :raises OSError: it cannot.
    """
    folder = local_path(path.parent)
    made = [] if folder is None else [each for each in (Path(folder), *Path(folder).parents) if not each.exists()]
    probe = path.parent / f"{path.name}.probe"
    make_folder(path.parent)
    with create(probe) as file:
        file.write(b"A plan is to be written here.\n")
    # Some storage, or its path, lets files be written and not removed; and what somebody else has put there stays.
    with suppress(OSError, AttributeError):
        probe.unlink()
        for each in made:
            each.rmdir()


def local_path(path: Any) -> str | None:
    """Return the path in the operating system, or None for an object store."""
    protocol = getattr(path, "protocol", None)
    if protocol is None:
        return str(path) if isinstance(path, PurePath) else None
    # As os.PathLike, Airflow's path to a local file may give its URL.
    return str(path.path) if protocol in ("", "file", "local") else None


def read_bytes(path: StorePath) -> bytes:
    """Return the content of a file."""
    with path.open("rb") as file:
        content: bytes = file.read()
        return content


def list_names(folder: StorePath) -> list[str]:
    """Return what is in a folder now, sorted; nothing where there is no folder."""
    # fsspec's file systems of object stores remember a listing, and answer from it what others have written since.
    store = getattr(folder, "fs", None)
    if store is not None:
        store.invalidate_cache()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
