"""Storage that several machines share: a disk whose unsynced writes a loss of power takes, or an object store."""

from __future__ import annotations

import io


class File:
    __slots__ = ("content", "durable", "listed_from")

    def __init__(self, listed_from):
        self.content, self.durable, self.listed_from = b"", None, listed_from


class Storage:
    """The files, and how long each access takes.

    :param kind: ``disk``: what was written is there at once, and safe once it is synced; or ``objects``: a file is
        there, whole and safe, once it is closed.
    :param lag: seconds for which a listing may not show a new file yet.
    :param event: told of each ``access``, and with path and content of a file that is ``torn`` while it is written,
        ``whole`` or ``durable``.
    """

    def __init__(self, loop, random, kind, lag, slow, event):
        self.loop, self.random, self.kind, self.lag, self.slow = loop, random, kind, lag, slow
        self.event = event
        self.files = {}
        self.full = set()
        self.lost = set()
        self.sealed = False

    def path(self, *parts):
        return (DiskPath if self.kind == "disk" else Path)(self, parts)

    def access(self):
        """Take the time that one access takes; others may go on meanwhile."""
        random = self.random.random
        self.event("access")
        self.loop.pause(0.001 + 0.02 * random() + (2.0 * random() if random() < self.slow else 0.0))

    def make(self, parts):
        file = self.files.get(parts)
        if file is None:
            lag = self.lag * self.random.random() if self.lag else 0.0
            file = self.files[parts] = File(self.loop.now + lag)
        return file

    def put(self, parts, content):
        """Write a whole file, from outside of the machines."""
        file = self.make(parts)
        file.content = file.durable = content
        file.listed_from = 0.0

    def lose_power(self):
        """Of what was not synced, nothing is left, or a part, or all of it."""
        for parts, file in list(self.files.items()):
            if file.content == file.durable:
                continue
            kept = self.random.choice([file.durable, file.content, file.content[: len(file.content) // 2], b""])
            if kept is None:
                del self.files[parts]
                self.lost.add(parts[-1])
            else:
                file.content = file.durable = kept

    def written(self, parts, content):
        self.make(parts).durable = content
        self.event("durable", parts, content)

    def fail_when_full(self):
        if self.loop.machine in self.full:
            raise OSError(28, "No space left on device")


class Path:
    """A path of an object store."""

    __slots__ = ("parts", "storage")

    def __init__(self, storage, parts):
        self.storage, self.parts = storage, parts

    def __str__(self):
        return "/".join(self.parts)

    @property
    def name(self):
        return self.parts[-1]

    @property
    def parent(self):
        return type(self)(self.storage, self.parts[:-1])

    def __truediv__(self, part):
        return type(self)(self.storage, (*self.parts, *part.split("/")))

    def open(self, mode):
        if mode == "wb":
            return Upload(self)
        self.storage.access()
        file = self.storage.files.get(self.parts)
        if file is None:
            raise FileNotFoundError(2, "No such file", str(self))
        return io.BytesIO(file.content)

    def exists(self):
        self.storage.access()
        files, own = self.storage.files, self.parts
        return own in files or any(each[: len(own)] == own for each in files)

    def iterdir(self):
        storage, own = self.storage, self.parts
        storage.access()
        now = storage.loop.now
        names = {
            each[len(own)]: None
            for each, file in storage.files.items()
            if each[: len(own)] == own and file.listed_from <= now
        }
        return iter([self / name for name in names])

    def unlink(self):
        self.storage.access()
        self.storage.files.pop(self.parts, None)

    def mkdir(self, *, parents, exist_ok):
        pass


class Upload(io.BytesIO):
    """A file that is written to an object store: it is there when it is closed, and known to be a moment later."""

    def __init__(self, path):
        super().__init__()
        self._path, self._machine = path, path.storage.loop.machine

    def close(self):
        storage = self._path.storage
        if self.closed or self._machine.is_dead or storage.sealed:
            super().close()
            return
        content = self.getvalue()
        super().close()
        storage.access()
        storage.fail_when_full()
        storage.make(self._path.parts).content = content
        storage.event("whole", self._path.parts, content)
        storage.written(self._path.parts, content)
        storage.access()


class DiskPath(Path):
    """A path on a disk of the operating system."""

    __slots__ = ()

    @property
    def disk(self):
        return Disk


class Disk:
    """What :mod:`airflow_provider_jicoo.bulk.files` asks of a disk."""

    @staticmethod
    def make_folder(folder):
        folder.storage.access()

    @staticmethod
    def create(path):
        storage = path.storage
        storage.access()
        storage.fail_when_full()
        file = storage.make(path.parts)
        file.content = b""
        return Buffer(path)

    @staticmethod
    def sync(file, path):
        storage, content = path.storage, file.getvalue()
        storage.access()
        storage.fail_when_full()
        stored = storage.make(path.parts)
        stored.content = content[: int((len(content) - 1) * storage.random.random())]
        storage.event("torn")
        storage.access()
        stored.content = content
        storage.event("whole", path.parts, content)
        storage.access()
        storage.written(path.parts, content)
        storage.access()

    @staticmethod
    def unfinished(path):
        return path.parent / f"{path.name}.partial"

    @staticmethod
    def replace(written, path):
        storage = path.storage
        storage.access()
        if written.parts not in storage.files:
            raise FileNotFoundError(2, "No such file", str(written))
        storage.files[path.parts] = storage.files.pop(written.parts)
        storage.written(path.parts, storage.files[path.parts].content)


class Buffer(io.BytesIO):
    """A file that is written to a disk: what was not flushed when its process dies is lost."""

    def __init__(self, path):
        super().__init__()
        self._path, self._machine = path, path.storage.loop.machine

    def close(self):
        storage = self._path.storage
        if not self.closed and not self._machine.is_dead and not storage.sealed:
            storage.make(self._path.parts).content = self.getvalue()
            storage.event("whole", self._path.parts, self.getvalue())
        super().close()
