"""The first line of a plan, as it is read of files that know no more than ``read``: those of an object store."""

from __future__ import annotations

import io

import pytest

from airflow_provider_jicoo.bulk.plan import header


class Store(io.BytesIO):
    """A file of fsspec: its ``readline`` takes no limit."""

    def open(self, mode):
        assert mode == "rb"
        self.seek(0)
        return self

    def readline(self):
        return super().readline()


@pytest.mark.parametrize("length", [20, 64 * 1024 - 1, 64 * 1024, 200_000, 3 * 1024 * 1024])
@pytest.mark.parametrize("rest", [b"", b"\n", b"\n{}\n{}\n"])
def test_the_first_line_and_no_more(length, rest):
    line = b'{"jicoo_plan":1' + b" " * (length - 15)
    end = rest[:1]
    assert header.first_line(Store(line + rest)) == line + end


def test_of_what_is_no_header_little_is_read():
    assert len(header.first_line(Store(b"x" * 3_000_000))) == header._LOOK
