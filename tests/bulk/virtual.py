"""A world for the engine to run in: a loop with virtual time, and a disk in memory."""

from __future__ import annotations

import asyncio
import io
import selectors


class Jump(selectors.SelectSelector):
    """Waits for nothing: the time that was to be waited for is over."""

    passed = 0.0

    def select(self, timeout=None):
        self.passed += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only while it waits.

    :param start: its time at the beginning, in seconds.
    """

    def __init__(self, start=1000.0):
        self._start, self._jump = start, Jump()
        super().__init__(self._jump)

    def time(self):
        return self._start + self._jump.passed


class Memory:
    """A path in memory."""

    def __init__(self, files, *parts):
        self.files, self.parts = files, parts

    def __str__(self):
        return "/".join(self.parts)

    name = property(lambda self: self.parts[-1])
    parent = property(lambda self: Memory(self.files, *self.parts[:-1]))
    disk = property(lambda self: Disk())

    def __truediv__(self, part):
        return Memory(self.files, *self.parts, *part.split("/"))

    def open(self, mode):
        assert mode == "rb"
        if self.parts not in self.files:
            raise FileNotFoundError(str(self))
        return io.BytesIO(self.files[self.parts])

    def exists(self):
        return self.parts in self.files or any(each[: len(self.parts)] == self.parts for each in self.files)

    def iterdir(self):
        names = {each[len(self.parts)] for each in self.files if each[: len(self.parts)] == self.parts}
        return (self / name for name in sorted(names))


class Disk:
    """A disk that loses nothing. While ``is_dead``, nothing is written any more."""

    is_dead = False

    def make_folder(self, folder):
        pass

    def create(self, path):
        class Written(io.BytesIO):
            def close(self):
                if not Disk.is_dead:
                    path.files[path.parts] = self.getvalue()
                super().close()

        return Written()

    def sync(self, file, path):
        if not Disk.is_dead:
            path.files[path.parts] = file.getvalue()

    def unfinished(self, path):
        return path

    def replace(self, written, path):
        pass


async def at_once(work, *arguments, **more):
    """Run what blocks, without a thread."""
    await asyncio.sleep(0.001)
    return work(*arguments, **more)
