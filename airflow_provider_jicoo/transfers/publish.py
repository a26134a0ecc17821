"""Give a file that is whole its place, so that a reader sees the old one or the new one, and nothing between.

A file is written in a temporary file of the worker that has no name, so that a worker that is killed leaves nothing
behind. Then:

- on a local disk it is given a name beside its place that begins with a dot (copied there, where the file system has no
  files without a name), synced, and renamed;
- in S3, Google Cloud Storage and Azure Blob Storage it is put: an object is there when its upload has ended well, and
  a rename would be a copy and a removal;
- in any other store of fsspec it is put beside its place and moved.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from airflow_provider_jicoo.bulk.files import StorePath, make_folder, try_to_write

_WHOLE_PUTS = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs", "memory"})
"""The stores where an object is not there before its upload has ended well, and the old one until then."""
_OLD = 24 * 3600.0
"""Seconds after which what an ended copy has left is removed: a copy takes minutes at the most."""


def local_path(path: StorePath) -> Path | None:
    """Return a path of this machine's disk, or None for an object store."""
    protocol = getattr(path, "protocol", "")
    if protocol not in ("", "file", "local"):
        return None
    return Path(str(getattr(path, "path", path)))


def check_writable(name: str, path: StorePath) -> None:
    """Find out whether a file can be written.

    :param name: of the argument that it was given as.
    :raises ValueError: it is a folder.
    :raises OSError: it cannot; says why.
    """
    local = local_path(path)
    if not path.name or (local is not None and local.is_dir()):
        raise ValueError(f"{name}: {path} is a folder: name a file in it")
    try:
        if local is not None:
            try_to_write(path)
        else:
            _try_to_put(path)
    except Exception as error:  # each store has errors of its own
        reason = f"{type(error).__name__}: {error}"
        raise OSError(f"{name}: {path} cannot be written ({reason}); Jicoo was asked for nothing") from error


def _try_to_put(path: Any) -> None:
    """Put an object and remove it. No folder is made, which for some stores would be a bucket."""
    probe = _beside(path, "probe")
    path.fs.pipe_file(probe, b"A file is to be written here.\n")
    # Some may write and not remove.
    with contextlib.suppress(Exception):
        path.fs.rm_file(probe)


def _beside(path: Any, what: str) -> str:
    folder = str(path.parent.path).rstrip("/")
    return f"{folder}/.{path.name}.{uuid.uuid4().hex}.{what}"


def spool(path: StorePath | None = None) -> IO[bytes]:
    """Return a temporary file without a name, for this user alone.

    :param path: where it will be published: on a local disk it is made there, and need not be copied.
    """
    local = None if path is None else local_path(path)
    if local is not None and path is not None and hasattr(os, "O_TMPFILE"):
        make_folder(path.parent)
        # Not every file system has files without a name.
        with contextlib.suppress(OSError):
            return os.fdopen(os.open(local.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600), "w+b")
    return tempfile.TemporaryFile(prefix="jicoo-")


def measure(file: IO[bytes]) -> tuple[str, int]:
    """Return the SHA-256 of a file, and how many bytes it has."""
    file.flush()
    file.seek(0)
    hashed, size = hashlib.sha256(), 0
    while piece := file.read(1024 * 1024):
        hashed.update(piece)
        size += len(piece)
    return hashed.hexdigest(), size


def publish(file: IO[bytes], path: StorePath) -> None:
    """Give a whole file its place, in the place of what stood there.

    :param file: a file of the operating system, from its begin on.
    :raises OSError: it cannot be written; what stood there stands there still. Or an error of the store's own.
    """
    file.flush()
    file.seek(0)
    local = local_path(path)
    if local is not None:
        make_folder(path.parent)
        _rename(file, local)
        return
    store: Any = path
    # By its number, since it has no name: what reads a whole file by itself wants a path.
    source = f"/dev/fd/{file.fileno()}"
    if store.protocol in _WHOLE_PUTS:
        store.fs.put_file(source, store.path)
        return
    unfinished = _beside(store, "partial")
    try:
        store.fs.put_file(source, unfinished)
        store.fs.mv(unfinished, store.path)
    except BaseException:
        with contextlib.suppress(Exception):
            store.fs.rm_file(unfinished)
        raise


def publish_bytes(content: bytes, path: StorePath) -> None:
    """Write a small file, likewise."""
    with spool() as file:
        file.write(content)
        publish(file, path)


def _rename(file: IO[bytes], path: Path) -> None:
    pattern = f".{path.name}.*.partial"
    for left in path.parent.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _OLD:
                left.unlink()
    unfinished = path.with_name(pattern.replace("*", uuid.uuid4().hex))
    try:
        _name(file, unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _name(file: IO[bytes], unfinished: Path) -> None:
    """Let a file without a name be there under one, and synced."""
    os.fsync(file.fileno())
    # Only of a file that was made for that, and on the same disk.
    with contextlib.suppress(OSError):
        os.link(f"/proc/self/fd/{file.fileno()}", unfinished, follow_symlinks=True)
        return
    number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as copy:
        shutil.copyfileobj(file, copy, 1024 * 1024)
        copy.flush()
        os.fsync(copy.fileno())


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def remove(path: StorePath, fails: Callable[[str], None]) -> None:
    """Remove a file that is not wanted any more; one that cannot be removed is told.

    :param fails: is told what could not be removed, in words.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except Exception as error:  # each store has errors of its own
        fails(
            f"{path} cannot be removed ({type(error).__name__}: {error}): remove it, since its rows are elsewhere now"
        )
