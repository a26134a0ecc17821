"""Files beside a plan: on a local disk, or in an object store, of which only whole files are expected."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import IO, Any, Protocol


class Folder(Protocol):
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

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make the folder; an object store has none and does nothing."""


def write_durably(path: Folder, content: bytes) -> None:
    """Write a whole file, and return when it would survive a loss of power."""
    file: IO[bytes]
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        try:
            number = file.fileno()
        except (AttributeError, io.UnsupportedOperation):
            # Only a file of the operating system has a number; an object store keeps what it has acknowledged.
            return
        os.fsync(number)
    # The content is safe now, but not yet that there is such a file. Airflow's path to a local file has the path of the
    # operating system apart; as os.PathLike, where it is that, it may give its URL.
    parent = path.parent
    local = getattr(parent, "path", None) if hasattr(parent, "fs") else parent
    if local is not None:
        folder = os.open(local, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Folder) -> bytes:
    """Return the content of a file."""
    with path.open("rb") as file:
        content: bytes = file.read()
        return content


def names(folder: Folder) -> list[str]:
    """Return what is in a folder now, sorted; nothing where there is no folder."""
    # fsspec's file systems of object stores remember a listing, and answer from it what others have written since.
    store = getattr(folder, "fs", None)
    if store is not None:
        store.invalidate_cache()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
