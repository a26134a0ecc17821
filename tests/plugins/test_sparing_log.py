"""A log that no stranger can fill."""

from __future__ import annotations

import logging

from airflow_provider_jicoo.plugins.sparing_log import INTERVAL, SUBJECTS, SparingLog


def test_the_same_once_a_minute(caplog):
    now = [0.0]
    log = SparingLog(logging.getLogger("sparing"), lambda: now[0])
    for _ in range(5):
        log.warning("a", "first")
    log.error("b", "second")
    assert caplog.messages == ["first", "second"]
    now[0] = INTERVAL
    log.warning("a", "first")
    log.error("b", "second")
    assert caplog.messages[2:] == ["first (4 more like it since the last message)", "second"]


def test_it_does_not_grow(caplog):
    log = SparingLog(logging.getLogger("sparing"), lambda: 0.0)
    for number in range(SUBJECTS + 100):
        log.warning(str(number), "said")
    assert len(log._said) == SUBJECTS
