"""Jicoo as a queue: with Airflow's own ``MessageQueueTrigger`` where it is installed."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.get_provider_info import get_provider_info
from airflow_provider_jicoo.queues.jicoo import JicooMessageQueueProvider
from airflow_provider_jicoo.triggers.events import BookingEventTrigger


def test_airflow_finds_it():
    from airflow.providers_manager import ProvidersManager

    (name,) = get_provider_info()["queues"]
    assert name in ProvidersManager().queue_class_names


def test_it_is_matched_by_its_scheme_alone():
    provider = JicooMessageQueueProvider()
    assert provider.scheme_matches("jicoo")
    assert not provider.scheme_matches("kafka")
    assert not provider.queue_matches("jicoo://jicoo_default/bookings")
    assert provider.trigger_kwargs("jicoo") == {}
    assert provider.trigger_class() is BookingEventTrigger


def test_it_has_what_airflow_asks_of_a_provider():
    base = pytest.importorskip("airflow.providers.common.messaging.providers.base_provider").BaseMessageQueueProvider
    asked = {name for name in vars(base) if not name.startswith("_")}
    assert asked <= set(dir(JicooMessageQueueProvider))


def test_airflows_trigger_becomes_ours():
    messaging = pytest.importorskip("airflow.providers.common.messaging.triggers.msg_queue")
    made = messaging.MessageQueueTrigger(scheme="jicoo", jicoo_conn_id="other", events=["booked"], poll_interval=30)
    ours = BookingEventTrigger(jicoo_conn_id="other", events=["booked"], poll_interval=30)
    assert type(made.trigger) is BookingEventTrigger
    assert made.serialize() == ours.serialize()
