from __future__ import annotations

import logging
import os

import pytest


@pytest.fixture(autouse=True)
def _quiet():
    """Write no log: there are thousands of lives, and each is full of what goes wrong."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def pytest_collection_modifyitems(items):
    """With a token in ``JICOO_REPLAY``, replay that and nothing else."""
    is_replay = bool(os.environ.get("JICOO_REPLAY"))
    skip = pytest.mark.skip(reason="one schedule is replayed" if is_replay else "JICOO_REPLAY has no token")
    for item in items:
        if "simulation" in item.path.parts and (item.name == "test_replay") is not is_replay:
            item.add_marker(skip)
