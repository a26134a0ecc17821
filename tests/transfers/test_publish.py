"""Files get their place as a whole, on whatever disk or store."""

from __future__ import annotations

import os
import time

import fsspec
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_jicoo.transfers import publish as publishing
from airflow_provider_jicoo.transfers.publish import publish, publish_bytes, spool


@pytest.fixture(params=["nameless", "copied", "elsewhere"])
def file(request, tmp_path, monkeypatch):
    """A file to be published at ``tmp_path / "place"``."""
    if request.param == "copied":

        def refuse(*_, **__):
            raise OSError("not on this file system")

        monkeypatch.setattr(os, "link", refuse)
    with spool(None if request.param == "elsewhere" else tmp_path / "place") as made:
        made.write(b"new")
        yield made


def test_a_file_takes_the_place_of_another_and_is_this_users_alone(file, tmp_path):
    place = tmp_path / "place"
    place.write_text("old")
    place.chmod(0o644)
    assert os.listdir(tmp_path) == ["place"]
    publish(file, place)
    assert place.read_text() == "new"
    assert place.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["place"]


def test_where_it_cannot_be_renamed_nothing_is_left(file, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no")

    monkeypatch.setattr(publishing.os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        publish(file, tmp_path / "place")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_worker_has_left_is_removed_when_it_is_old(tmp_path):
    old, young = (tmp_path / f".place.{name}.partial" for name in ("old", "young"))
    for left in (old, young):
        left.write_text("half")
    os.utime(old, (time.time() - 90_000,) * 2)
    publish_bytes(b"new", tmp_path / "place")
    assert sorted(os.listdir(tmp_path)) == [young.name, "place"]


@pytest.mark.parametrize("is_whole", [True, False])
def test_stores(is_whole, monkeypatch):
    """Those whose uploads are whole are written at once; in others it is put beside and moved."""
    store = fsspec.filesystem("memory")
    store.rm("/bucket", recursive=True) if store.exists("/bucket") else None
    if not is_whole:
        monkeypatch.setattr(publishing, "_WHOLE_PUTS", frozenset())
    seen = []
    put = type(store).put_file
    monkeypatch.setattr(
        type(store), "put_file", lambda self, source, target, **more: (seen.append(target), put(self, source, target))
    )
    monkeypatch.setattr("airflow.sdk.io.path.attach", lambda *_: type("Store", (), {"fs": store}))
    path = ObjectStoragePath("memory://bucket/file")
    publish_bytes(b"new", path)
    assert store.cat_file(path.path) == b"new"
    assert len(store.find("/")) == 1
    (target,) = seen
    assert (target == path.path) is is_whole
    store.rm(path.path)
