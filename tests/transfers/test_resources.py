"""The columns of the resources, and how each is read."""

from __future__ import annotations

import typing

import pytest

from airflow_provider_jicoo.api import models
from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.transfers import resources
from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS, HOSTS, RESOURCES, USERS, read, resource
from airflow_provider_jicoo.transfers.shaping import Shaper

TYPES = {
    "bookings": models.Booking,
    "contacts": models.BookingContact,
    "hosts": models.EventTypeHost,
    "event_types": models.EventType,
    "users": models.OrganizationUser,
    "schedules": models.Schedule,
}
OURS = {"bookingUid", "position", "eventTypeId", "_extra"}


@pytest.mark.parametrize("name", list(RESOURCES))
def test_each_field_that_is_known_has_a_column_of_its_type(name):
    columns = {column.name: column.kind for column in resource(name).columns}
    for field, hint in typing.get_type_hints(TYPES[name]).items():
        kinds = {typing.get_origin(part) or part for part in (typing.get_args(hint) or (hint,))}
        expected = (
            "moment"
            if field.endswith("At")
            else "boolean"
            if bool in kinds
            else "integer"
            if int in kinds
            else "json"
            if typing.get_origin(hint) is list or dict in kinds
            else "text"
        )
        assert columns[field] == expected, field
    assert set(columns) - set(typing.get_type_hints(TYPES[name])) <= OURS
    assert list(columns)[-1] == "_extra"


@pytest.mark.parametrize("name", list(RESOURCES))
@pytest.mark.jicoo_sandbox(bookings=120)
def test_each_is_read_whole_and_its_rows_fill_the_columns(name, jicoo, jicoo_sandbox):
    wanted = resource(name)
    rows = [wanted.shape(row) for row in read(jicoo, wanted)]
    assert rows
    assert all(list(row) == [column.name for column in wanted.columns] for row in rows)
    assert all(row["_extra"] is None for row in rows)
    keys = [wanted.key(row) for row in rows]
    assert len(set(keys)) == len(keys)
    assert None not in {part for key in keys for part in key}
    if wanted is BOOKINGS:
        assert len(rows) == 120
    if wanted is CONTACTS:
        assert len({row["bookingUid"] for row in rows}) == 120
    if wanted is HOSTS:
        assert len({row["eventTypeId"] for row in rows}) > 1


def test_a_selection_says_which_bookings_and_whose_contacts(jicoo):
    chosen = Selection(status="open")
    bookings = {row["uid"] for row in read(jicoo, BOOKINGS, selection=chosen)}
    assert 0 < len(bookings) < 50
    assert {row["bookingUid"] for row in read(jicoo, CONTACTS, selection=chosen)} == bookings
    with pytest.raises(ValueError, match="users are none"):
        list(read(jicoo, USERS, selection=chosen))


def test_the_contacts_of_a_booking_that_is_gone_are_none(jicoo):
    uid = next(read(jicoo, BOOKINGS))["uid"]
    rows = list(resources.read_contacts(jicoo, ["nothere12345", uid]))
    assert {row["bookingUid"] for row in rows} == {uid}


def test_what_is_no_column_or_of_another_type_is_kept_beside():
    shaped = BOOKINGS.shape(
        {"uid": "abc", "startedAt": "2026-01-05T10:00:00+09:00", "endedAt": "soon", "name": 5, "colour": {"a": [1]}}
    )
    assert shaped["startedAt"] == "2026-01-05T01:00:00.000Z"
    assert shaped["endedAt"] is None
    assert shaped["name"] is None
    assert shaped["_extra"] == {"endedAt": "soon", "name": 5, "colour": {"a": [1]}}


@pytest.mark.parametrize("field", ["uid", "userId", "id"])
def test_a_user_has_an_id_whatever_it_is_called(field):
    shaped = USERS.shape({field: "u1", "role": "owner"})
    assert (shaped["uid"], shaped["_extra"]) == ("u1", None)


def test_a_number_that_no_database_can_hold_is_kept_beside():
    shaped = resource("schedules").shape({"uid": "a", "projectId": 2**63, "isRemind": 1})
    assert shaped["projectId"] is None
    assert shaped["_extra"] == {"projectId": 2**63, "isRemind": 1}


def test_a_resource_that_is_none_is_named():
    with pytest.raises(ValueError, match="'booking' is none of bookings, contacts"):
        resource("booking")


class TestNamesThatAreOurs:
    """A field that Jicoo adds later may be called as a column of ours: it is kept beside."""

    THEIRS = {"bookingUid": "theirs", "position": "CEO", "_extra": {"a": 1}}  # noqa: RUF012

    def test_of_a_guest(self):
        (row,) = resources.contact_rows("one", [{"name": "Taro", **self.THEIRS}])
        shaped = CONTACTS.shape(row)
        assert (shaped["bookingUid"], shaped["position"], shaped["name"]) == ("one", 0, "Taro")
        assert shaped["_extra"] == {"bookingUid": "theirs", "position": "CEO", "a": 1}

    @pytest.mark.parametrize("extra", [{"a": 1}, {"new": 2}, [1], "text", None])
    @pytest.mark.parametrize("more", [{}, {"new": 1}])
    def test_extra_itself_both_ways(self, extra, more):
        row = {"uid": "one", "_extra": extra, **more}
        (quick,) = Shaper(USERS).shape([row])
        shaped = USERS.shape(row)
        assert shaped == {column.name: getattr(quick, column.name) for column in USERS.columns}
        kept = shaped["_extra"] or {}
        assert extra is None or kept.get("_extra") == extra or extra.items() <= kept.items()
        assert more.items() <= kept.items()

    def test_a_guest_that_is_no_object(self):
        with pytest.raises(resources.RowError, match="contacts of booking 'one': number 2 is a text, not an object"):
            resources.contact_rows("one", [{}, "secret"])
