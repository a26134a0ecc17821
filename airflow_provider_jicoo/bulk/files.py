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


def make_folder(folder: StorePath) -> None:
    """Make a folder and those that it is in; on a local disk for this user alone. What is there stays as it is.

    :raises OSError: it cannot be made.
    """
    local = _local(folder)
    if local is None:
        folder.mkdir(parents=True, exist_ok=True)
        return
    for each in reversed((Path(local), *Path(local).parents)):
        if not each.is_dir():
            # Another worker may make it at the same moment.
            each.mkdir(mode=0o700, exist_ok=True)


def create(path: StorePath) -> IO[bytes]:
    """Open a file to be written anew; on a local disk for this user alone: what is in it may be guests' data.

    :raises OSError: it cannot be written.
    """
    local = _local(path)
    if local is not None:
        number = os.open(local, os.O_WRONLY | os.O_CREAT, 0o600)
        # What stood there before may have another mode; that of somebody else's file stays.
        with suppress(PermissionError):
            os.fchmod(number, 0o600)
        os.close(number)
    opened: IO[bytes] = path.open("wb")
    return opened


def write_durably(path: StorePath, content: bytes) -> None:
    """Write a whole file, and return when it would survive a loss of power."""
    with create(path) as file:
        file.write(content)
        _sync(file, path)


@contextmanager
def written_durably(path: StorePath) -> Iterator[IO[bytes]]:
    """Write a large file bit by bit: at the end of the block it is there as a whole, and would survive a loss of power.

    Until then, and where the worker dies, what stood there before stands there still.

    :raises OSError: it cannot be written.
    """
    target = _local(path)
    # An object store shows a file when it is whole.
    written = path if target is None else path.parent / f"{path.name}.partial"
    with create(written) as file:
        yield file
        _sync(file, written)
    if target is not None:
        os.replace(f"{target}.partial", target)
        _sync_folder(os.path.dirname(target))


def try_to_write(path: StorePath) -> None:
    """Find out whether a file can be written, without leaving anything behind.

    :raises OSError: it cannot.
    """
    folder = _local(path.parent)
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


def _sync(file: IO[bytes], path: StorePath) -> None:
    file.flush()
    try:
        number = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        # Only a file of the operating system has a number; an object store keeps what it has acknowledged.
        return
    os.fsync(number)
    # The content is safe now, but not yet that there is such a file.
    folder = _local(path.parent)
    if folder is not None:
        _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    opened = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _local(path: Any) -> str | None:
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


def journals(plan: StorePath) -> list[str]:
    """Return the names of the journals beside a plan, whatever plan of that name they are of."""
    return [name for name in list_names(plan.parent) if name.startswith(f"{plan.name}.") and name.endswith(".journal")]
