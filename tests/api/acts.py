"""The things that a client does to a booking, and how to see in the sandbox whether they were done."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from airflow_provider_jicoo.api import bookings

BOOKING = "/v1/bookings/{uid}"
NEW_START = "2031-03-01T11:00:00.000Z"


@dataclass(frozen=True)
class Act:
    """One of the things a client does, and how to see in the sandbox whether it was done.

    :param messages: how many messages it sends to the one guest.
    """

    name: str
    method: str
    path: str
    messages: int

    def call(self, jicoo, uid, **options):
        if self.name == "get":
            return bookings.get_booking(uid)
        if self.name == "update":
            return bookings.update_booking(uid, name="Renamed", is_send_updates=True, **options)
        if self.name == "quiet update":
            return bookings.update_booking(uid, name="Renamed", is_send_updates=False, **options)
        if self.name == "cancel":
            return bookings.cancel_booking(uid, **options)
        if self.name == "reschedule":
            return bookings.reschedule_booking(uid, started_at=NEW_START, time_zone="Asia/Tokyo", **options)
        return bookings.create_booking(
            started_at=NEW_START,
            time_zone="Asia/Tokyo",
            event_type_id=jicoo.event_types[0]["uid"],
            email="guest@example.com",
            name="Guest",
            location_id=None,
        )

    def times_done(self, jicoo, uid):
        if self.name == "get":
            return 0
        if self.name in ("update", "quiet update"):
            return int(jicoo.booking(uid)["name"] == "Renamed")
        if self.name == "cancel":
            return int(jicoo.booking(uid)["status"] == "cancel")
        if self.name == "reschedule":
            return int(jicoo.booking(uid)["startedAt"] == NEW_START)
        return len(jicoo.bookings()) - 1


READ = Act("get", "GET", BOOKING, 0)
LOUD = [
    Act("update", "PATCH", BOOKING, 1),
    Act("cancel", "POST", BOOKING + "/cancel", 1),
    Act("reschedule", "POST", BOOKING + "/reschedule", 1),
]
UPDATE, CANCEL, RESCHEDULE = LOUD
QUIET = Act("quiet update", "PATCH", BOOKING, 0)
CHANGES = [*LOUD, QUIET]
CREATE = Act("create", "POST", "/v1/bookings", 1)
ACTS = [READ, *CHANGES, CREATE]
every_act = pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
every_change = pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.name)
every_loud = pytest.mark.parametrize("act", LOUD, ids=lambda act: act.name)


def sent(jicoo, act):
    return jicoo.count(act.method, act.path)


def reads_back(jicoo):
    return jicoo.count("GET")


def assert_done_once(jicoo, act, uid):
    assert act.times_done(jicoo, uid) == len(jicoo.changes) == (act is not READ)
    assert len(jicoo.messages) == act.messages, "each guest is messaged once"


def assert_not_done(jicoo, act, uid):
    assert act.times_done(jicoo, uid) == 0
    assert jicoo.changes == jicoo.messages == []
