"""The garbage collector does not look again and again at what is there when a run begins."""

from __future__ import annotations

import gc

import pytest

from airflow_provider_jicoo.bulk import apply_plan
from airflow_provider_jicoo.bulk.apply.garbage import only_of_this_run
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import NOW, quick


class Knot:
    """Garbage that only the collector finds."""

    alive = 0

    def __init__(self):
        Knot.alive += 1
        self.itself = self

    def __del__(self):
        Knot.alive -= 1


def test_what_is_there_is_not_looked_at_until_the_end(case):
    frozen = []

    def control():
        frozen.append(gc.get_freeze_count())
        return '{"state": "stop"}'

    with Sandbox(bookings=10, seed=7, now=NOW) as sandbox:
        made = case(sandbox, "silent update")
        with made.client() as client, pytest.raises(StoppedError):
            apply_plan(client, made.path, digest=made.manifest["digest"], options=quick(lease=0.5), control=control)
    assert min(frozen) > 10_000
    assert gc.get_freeze_count() == 0


def test_garbage_is_found_all_the_same():
    Knot()
    with only_of_this_run():
        Knot()
        gc.collect()
        assert Knot.alive == 1  # that of the run at once
    gc.collect()
    assert Knot.alive == 0


def test_what_others_have_frozen_stays_so():
    gc.freeze()
    try:
        with only_of_this_run():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
