"""Which fields of a booking tell that somebody edited it."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.bulk.plan.seen import FIELDS

pytestmark = pytest.mark.once


def test_all_that_is_documented_of_a_booking_is_in_its_fingerprint():
    """The list is written out, since the fingerprints in stored plans depend on its order."""
    left_out = {"uid", "url", "createdAt", "updatedAt"}
    assert [name for name in Booking.__annotations__ if name not in left_out] == list(FIELDS)
