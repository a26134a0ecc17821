"""What Jicoo has stored against what it was sent: which ways of writing are the same, and what must never be."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jicoo.api.written import (
    Field,
    compare,
    documented,
    reflects,
    reflects_exactly,
    same_moment,
    stored,
)

NFC, NFD = unicodedata.normalize("NFC", "Café が"), unicodedata.normalize("NFD", "Café が")
AT = "2031-03-01T11:00:00.000Z"
ODD = "2031-03-01T11:05:42.125Z"
U, V, W = ({"userId": name, "role": "editor"} for name in "uvw")
BOOKING = {
    "uid": "_zDLK66WrbIT",
    "name": "n",
    "description": None,
    "status": "open",
    "startedAt": AT,
    "endedAt": "2031-03-01T12:00:00.000Z",
    "timeZone": "Asia/Tokyo",
    "priority": "low",
    "hosts": [{"userId": "u", "role": "admin"}, {"userId": "v", "role": "viewer"}],
}


def role(host, name):
    return {**host, "role": name}


def more(host):
    """A host with all that Jicoo may tell of one besides."""
    return {**host, "name": "U. V.", "email": "u@example.com", "profileImage": None, "uid": host["userId"]}


# name of the way of writing: field, what was sent, how it was stored
WRITINGS = {
    "blanks at the ends": ("name", "  Consultation ", "Consultation"),
    "a blank added at the end": ("name", "Consultation", "Consultation "),
    "blanks of other kinds": ("name", "\t\u3000山田\u00a0太郎\n", "山田 太郎"),
    "blanks in a row": ("name", "One   two  three", "One two three"),
    "blanks that became others": ("name", "山田　太郎", "山田 太郎"),
    "composed": ("name", NFD, NFC),
    "decomposed": ("name", NFC, NFD),
    "CR LF": ("description", "One\ntwo\n", "One\r\ntwo\r\n"),
    "LF": ("description", "One\r\ntwo", "One\ntwo"),
    "CR": ("description", "One\ntwo", "One\rtwo"),
    "line breaks that became blanks": ("description", "One\n\ntwo", "One two"),
    "null for empty": ("description", "", None),
    "empty for null": ("description", None, ""),
    "null for blanks": ("description", " \n ", None),
    "everything at once": ("description", f" {NFD}  x\r\n", f"{NFC} x"),
    "a start without its milliseconds": ("startedAt", ODD, "2031-03-01T11:05:42.000Z"),
    "a start without its seconds": ("startedAt", ODD, "2031-03-01T11:05:00.000Z"),
    "an end without its seconds": ("endedAt", ODD, "2031-03-01T11:05Z"),
    "an end cut, in another zone": ("endedAt", ODD, "2031-03-01T20:05:42+09:00"),
}
# the same in every respect: to the letter, for what the API documents
SAMES = {
    "text": ("name", "n", "n"),
    "null": ("priority", None, None),
    "a field that is not there, for null": ("priority", None, ...),
    "a moment without milliseconds": ("startedAt", AT, "2031-03-01T11:00:00Z"),
    "a moment with an offset": ("startedAt", AT, "2031-03-01T20:00:00+09:00"),
    "a moment with an offset that is none": ("startedAt", AT, "2031-03-01T11:00:00.000+00:00"),
    "hosts in another order": ("hosts", [U, role(V, "admin")], [role(V, "admin"), U]),
    "a host twice": ("hosts", [U], [U, U]),
    "hosts with further fields": ("hosts", [U, V], [more(U), more(V)]),
    "no hosts": ("hosts", [], []),
}
# the same people, other roles: it may be Jicoo's doing, or not be done
ROLES = {
    "the first host made admin": ("hosts", [U, V], [role(U, "admin"), V]),
    "every role another": ("hosts", [U, V], [role(V, "viewer"), role(U, "admin")]),
    "a role gone": ("hosts", [U], [{"userId": "u"}]),
    "a role null": ("hosts", [U], [role(U, None)]),
    "with further fields": ("hosts", [U], [more(role(U, "admin"))]),
}
OTHERS = {
    "another text": ("name", "Consultation", "Consultations"),
    "upper case": ("name", "Consultation", "CONSULTATION"),
    "a part of it": ("name", "Consultation of Mr. A", "Consultation"),
    "a blank within a word": ("name", "Consultation", "Consul tation"),
    "blanks gone": ("name", "One two", "Onetwo"),
    "full width": ("name", "ABC", "ＡＢＣ"),
    "no accent": ("name", NFC, "Cafe か"),
    "escaped": ("name", "A & B", "A &amp; B"),
    "an empty text, for one that is not": ("name", "x", ""),
    "null for a text": ("description", "x", None),
    "nothing for a text": ("description", "x", ...),
    "a text for null": ("description", None, "x"),
    "the word null": ("description", None, "null"),
    "a number": ("name", "5", 5),
    "false for null": ("description", None, False),
    "zero for empty": ("description", "", 0),
    "no priority": ("priority", "low", None),
    "another zone": ("timeZone", "Asia/Tokyo", "Asia/Seoul"),
    "a later moment": ("startedAt", AT, "2031-03-01T11:00:00.001Z"),
    "a second that was added": ("startedAt", AT, "2031-03-01T11:00:59.000Z"),
    "the next minute": ("startedAt", ODD, "2031-03-01T11:06:00.000Z"),
    "the minute before": ("startedAt", ODD, "2031-03-01T11:04:00.000Z"),
    "the hour": ("startedAt", ODD, "2031-03-01T11:00:00.000Z"),
    "the quarter of an hour": ("startedAt", "2031-03-01T11:14:00.000Z", "2031-03-01T11:00:00.000Z"),
    "the second, of another minute": ("startedAt", ODD, "2031-03-01T11:06:42.000Z"),
    "the wall clock in another zone": ("startedAt", AT, "2031-03-01T11:00:00+09:00"),
    "the day before": ("startedAt", AT, "2031-02-28T11:00:00.000Z"),
    "a moment that is none": ("startedAt", AT, "soon"),
    "a moment without an offset": ("startedAt", AT, "2031-03-01T11:00:00"),
    "a moment that is null": ("startedAt", AT, None),
    "a moment that is empty": ("startedAt", AT, ""),
    "a moment as a number": ("startedAt", AT, 1930129200000),
    "a moment that is not there": ("endedAt", AT, ...),
    "somebody else": ("hosts", [U], [V]),
    "one host fewer": ("hosts", [U, V], [U]),
    "one host more": ("hosts", [U], [U, V]),
    "no host any more": ("hosts", [U], []),
    "hosts that are null": ("hosts", [], None),
    "hosts that are not there": ("hosts", [U], ...),
    "hosts by another name": ("hosts", [U], [{"uid": "u", "role": "editor"}]),
    "hosts as texts": ("hosts", [U], ["u"]),
    "hosts as a text": ("hosts", [U], "u"),
    "hosts as one object": ("hosts", [U], U),
    "hosts with null among them": ("hosts", [U], [U, None]),
    "a host whose id is a list": ("hosts", [U], [{"userId": ["u"], "role": "editor"}]),
    "a field of another kind": ("unknown", "x", ...),
}


def having(name, value):
    """A booking with that field, or without it where it is an ellipsis."""
    rest = {key: kept for key, kept in BOOKING.items() if key != name}
    return rest if value is ... else {**rest, name: value}


class TestShows:
    """To the letter, as far as the API's own letters go."""

    @pytest.mark.parametrize(("name", "sent", "found"), SAMES.values(), ids=SAMES)
    def test_the_same(self, name, sent, found):
        assert reflects_exactly(having(name, found), {name: sent}) is True

    @pytest.mark.parametrize(
        ("name", "sent", "found"),
        [*WRITINGS.values(), *ROLES.values(), *OTHERS.values()],
        ids=[*WRITINGS, *ROLES, *OTHERS],
    )
    def test_not_the_same(self, name, sent, found):
        assert reflects_exactly(having(name, found), {name: sent}) is False

    @pytest.mark.parametrize(
        ("sent", "shown"),
        [
            ({}, True),
            ({"name": "n", "priority": "low"}, True),
            ({"name": "n", "priority": "high"}, False),
            ({"isSendUpdates": True, "updateMessage": "hello"}, True),
            ({"isSendUpdates": True, "updateMessage": "hello", "name": "x"}, False),
        ],
    )
    def test_what_is_sent_beside_the_fields_does_not_matter(self, sent, shown):
        assert reflects_exactly(BOOKING, sent) is shown
        assert reflects(BOOKING, sent) is shown

    @pytest.mark.parametrize("odd", [{}, {"userId": "w"}, {"role": "admin"}])
    def test_a_host_with_something_missing_is_another(self, odd):
        assert reflects_exactly({"hosts": [U, odd]}, {"hosts": [U, W]}) is False


class TestReflects:
    """Whether a change shows, where the answer was lost: however it is written."""

    @pytest.mark.parametrize(("name", "sent", "found"), [*SAMES.values(), *WRITINGS.values()], ids=[*SAMES, *WRITINGS])
    def test_it_does(self, name, sent, found):
        assert reflects(having(name, found), {name: sent}) is True

    @pytest.mark.parametrize(("name", "sent", "found"), OTHERS.values(), ids=OTHERS)
    def test_it_does_not(self, name, sent, found):
        assert reflects(having(name, found), {name: sent}) is False

    @pytest.mark.parametrize(("name", "sent", "found"), ROLES.values(), ids=ROLES)
    def test_other_roles_do_not_tell(self, name, sent, found):
        # A change of roles alone that was not made looks the same.
        assert reflects(having(name, found), {name: sent}) is None

    def test_each_field_counts(self):
        booking = {"name": "a b", "hosts": [role(U, "admin")], "priority": "low"}

        assert reflects(booking, {"name": "a  b", "priority": "low"}) is True
        assert reflects(booking, {"name": "a  b", "hosts": [U]}) is None
        assert reflects(booking, {"hosts": [U], "name": "c"}) is False
        assert reflects(booking, {"name": "c", "hosts": [U]}) is False

    @given(st.text(), st.text())
    def test_texts_of_different_words_are_never_the_same(self, one, other):
        words = [unicodedata.normalize("NFC", text).split() for text in (one, other)]

        assert reflects({"name": other}, {"name": one}) is (words[0] == words[1])


def stands(before, sent, now, name="name"):
    return compare({name: now}, {name: before}, {name: sent})[name]


class TestCompare:
    """The same, where the state before is known too."""

    @pytest.mark.parametrize(("name", "sent", "found"), [*SAMES.values(), *WRITINGS.values()], ids=[*SAMES, *WRITINGS])
    def test_after(self, name, sent, found):
        before = {"hosts": [W], "startedAt": "2031-01-01T00:00:00.000Z", "endedAt": "2031-01-01T01:00:00.000Z"}
        booking = having(name, found)

        assert compare(booking, {name: before.get(name, "before")}, {name: sent}) == {name: Field.AFTER}

    @pytest.mark.parametrize(("name", "sent", "found"), OTHERS.values(), ids=OTHERS)
    def test_other(self, name, sent, found):
        before = {"hosts": [W], "startedAt": "2031-01-01T00:00:00.000Z", "endedAt": "2031-01-01T01:00:00.000Z"}
        booking = having(name, found)

        assert compare(booking, {name: before.get(name, "before")}, {name: sent}) == {name: Field.OTHER}

    @pytest.mark.parametrize(("name", "sent", "found"), OTHERS.values(), ids=OTHERS)
    def test_before(self, name, sent, found):
        booking = having(name, found)
        before = {} if found is ... else {name: found}

        assert compare(booking, before, {name: sent}) == {name: Field.BEFORE}

    @pytest.mark.parametrize(
        ("before", "sent", "now", "found"),
        [
            # A change of writing alone: to the letter first.
            ("a  b", "a b", "a b", Field.AFTER),
            ("a  b", "a b", "a  b", Field.BEFORE),
            ("a b", "a  b", "a b", Field.BEFORE),
            (NFD, NFC, NFD, Field.BEFORE),
            (NFD, NFC, NFC, Field.AFTER),
            ("a\r\nb", "a\nb", "a\r\nb", Field.BEFORE),
            (None, "", None, Field.BEFORE),
            ("", None, "", Field.BEFORE),
            (" a ", "a  ", "a", Field.AFTER),
            # What was not changed is as it was sent.
            ("a", "a", "a", Field.AFTER),
            ("a", "b", "c", Field.OTHER),
        ],
    )
    def test_texts(self, before, sent, now, found):
        assert stands(before, sent, now) is found

    @pytest.mark.parametrize(
        ("before", "sent", "now", "found"),
        [
            ("2031-03-01T11:05:00.000Z", ODD, "2031-03-01T11:05:00.000Z", Field.BEFORE),
            ("2031-03-01T11:05:42.000Z", ODD, "2031-03-01T11:05:00.000Z", Field.AFTER),
            ("2031-03-01T20:00:00+09:00", ODD, AT, Field.BEFORE),
            (AT, "2031-03-01T12:00:00.000Z", "2031-03-01T12:15:00.000Z", Field.OTHER),
        ],
    )
    def test_moments(self, before, sent, now, found):
        assert stands(before, sent, now, "startedAt") is found

    @pytest.mark.parametrize(
        ("before", "sent", "now", "found"),
        [
            ([W], [U, V], [role(U, "admin"), V], Field.ADJUSTED),
            ([W], [U, V], [more(role(U, "admin")), more(V)], Field.ADJUSTED),
            ([U], [U, V], [role(U, "admin"), V], Field.ADJUSTED),
            ([W], [U, V], [V, U], Field.AFTER),
            ([W], [U, V], [more(W)], Field.BEFORE),
            ([W], [U, V], [U], Field.OTHER),
            # Roles alone were to change: another role is neither the one nor the other.
            ([U], [role(U, "admin")], [U], Field.BEFORE),
            ([U], [role(U, "admin")], [role(U, "viewer")], Field.OTHER),
            ([U], [role(U, "admin")], [role(U, "admin")], Field.AFTER),
        ],
    )
    def test_hosts(self, before, sent, now, found):
        assert stands(before, sent, now, "hosts") is found

    def test_each_field_by_itself(self):
        before = {"name": "a", "priority": "low", "hosts": [W], "description": None}
        after = {"name": "b ", "priority": "high", "hosts": [U], "description": "x"}
        booking = {"name": "b", "priority": "low", "hosts": [role(U, "admin")], "description": "y", "timeZone": "UTC"}

        assert compare(booking, before, after) == {
            "name": Field.AFTER,
            "priority": Field.BEFORE,
            "hosts": Field.ADJUSTED,
            "description": Field.OTHER,
        }


class TestStored:
    @pytest.mark.parametrize(("name", "sent", "found"), SAMES.values(), ids=SAMES)
    def test_nothing_where_it_is_as_it_was_sent(self, name, sent, found):
        assert stored(having(name, found), {name: sent}) == {}

    @pytest.mark.parametrize(
        ("name", "sent", "found"),
        [row for row in (*WRITINGS.values(), *OTHERS.values()) if row[0] != "hosts"],
    )
    def test_what_stands_there_now(self, name, sent, found):
        assert stored(having(name, found), {name: sent}) == {name: None if found is ... else found}

    def test_of_hosts_only_what_is_documented(self):
        booking = having("hosts", [more(role(U, "admin")), more(V)])

        assert stored(booking, {"hosts": [U, V], "name": "n"}) == {"hosts": [role(U, "admin"), V]}


class TestDocumented:
    @pytest.mark.parametrize(
        ("name", "value", "kept"),
        [
            ("hosts", [more(U), V], [U, V]),
            ("hosts", [{"userId": "u"}, {}], [{"userId": "u"}, {}]),
            ("hosts", [None, "u@example.com", 7, U], [{}, {}, {}, U]),
            ("hosts", [], []),
            ("hosts", None, None),
            ("hosts", "nobody", "nobody"),
            ("name", [{"userId": "u", "email": "x"}], [{"userId": "u", "email": "x"}]),
            ("name", "n", "n"),
        ],
    )
    def test_a_field(self, name, value, kept):
        assert documented(name, value) == kept

    def test_what_is_given_stays_as_it_is(self):
        hosts = [more(U)]
        documented("hosts", hosts)

        assert hosts == [more(U)]


def test_the_same_moment():
    assert same_moment("2031-03-01T20:00:00+09:00", AT)
    assert not same_moment("2031-03-01T20:00:00Z", AT)
    assert not same_moment("soon", AT)
    assert not same_moment(AT, "soon")
