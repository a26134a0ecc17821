"""A log that no stranger can fill."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_jicoo.plugins.sparing_log import INTERVAL, SUBJECTS, SparingLog

LEFT_OUT = " ({} more were left out since the last message)"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(clock):
    return SparingLog(logging.getLogger("sparing"), clock)


def test_the_same_once_a_minute(log, clock, caplog):
    for _ in range(5):
        log.warning("a", "first")
    log.error("b", "second")
    assert caplog.messages == ["first", "second"]
    clock.now = INTERVAL - 1
    log.warning("a", "first")
    assert len(caplog.messages) == 2
    clock.now = INTERVAL
    log.warning("a", "first")
    log.error("b", "second")
    assert caplog.messages[2:] == ["first" + LEFT_OUT.format(5), "second"]


def test_nor_ever_new_subjects(log, clock, caplog):
    for number in range(SUBJECTS + 100):
        log.warning(str(number), "said")
    assert len(caplog.messages) == SUBJECTS
    assert len(log._levels[logging.WARNING]._said) == SUBJECTS
    # Which silences no error.
    log.error("a", "important")
    assert caplog.messages[-1] == "important"
    clock.now = INTERVAL
    log.warning("new", "said")
    assert caplog.messages[-1] == "said" + LEFT_OUT.format(100)


def test_what_was_left_out_is_told_of_once(log, clock, caplog):
    for now in (0, 1, INTERVAL, 2 * INTERVAL):
        clock.now = now
        log.warning("a", "first")
    assert caplog.messages == ["first", "first" + LEFT_OUT.format(1), "first"]
