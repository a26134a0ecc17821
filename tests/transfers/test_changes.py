"""What a sweep changes of what is known, and the text that it is kept as."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jicoo.transfers.changes import Comparison, Window, day, minutes
from airflow_provider_jicoo.transfers.fingerprints import (
    ABSENT,
    CursorError,
    Known,
    digester,
    fingerprint,
    pack,
    unpack,
)

pytestmark = pytest.mark.once

KEYS = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1, max_size=30)
KNOWN = st.builds(Known, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 255))
digest = digester("uid:text")
BOTH = 3


class TestText:
    @given(st.dictionaries(KEYS, KNOWN, max_size=20))
    def test_there_and_back(self, rows):
        assert unpack(pack(rows)) == rows

    def test_size(self):
        """As much as dlt stores with every load that changes something."""
        rows = {f"{number:012x}": Known(hash(str(number)) % 2**64, 29_000_000 + number, 3) for number in range(10_000)}
        assert len(pack(rows)) < 27 * len(rows)

    @pytest.mark.parametrize("text", ["x", "!!!!", pack({"a": Known(1, 2, 3)})[:-5], "0" * 50])
    def test_one_that_cannot_be_read(self, text):
        with pytest.raises(CursorError, match="load with sync='full'"):
            unpack(text)

    def test_none(self):
        assert unpack(None) == unpack(pack({})) == {}


class TestDigest:
    def test_the_order_of_fields_does_not_matter(self):
        assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})

    def test_of_other_columns(self):
        """Where the package loads another column, every row is written once more."""
        assert digest({"a": 1}) != digester("uid:text more:text")({"a": 1})

    def test_a_fingerprint_is_never_that_of_what_is_absent(self):
        assert fingerprint(bytes(16)) != ABSENT


class TestComparison:
    def known(self, loaded=BOTH, row="a"):
        return {"u": Known(fingerprint(digest(row)), 5, loaded)}

    @pytest.mark.parametrize(
        ("known", "wanted", "everything", "todo"),
        [
            ({}, BOTH, False, BOTH),
            ("same", BOTH, False, 0),
            ("same", BOTH, True, BOTH),
            ("other", BOTH, False, BOTH),
            ("bookings", BOTH, False, 2),
            ("bookings", 1, False, 0),
        ],
    )
    def test_what_is_written(self, known, wanted, everything, todo):
        rows = {"same": self.known(), "other": self.known(row="b"), "bookings": self.known(1)}.get(str(known), {})
        comparison = Comparison(rows, wanted, everything)
        assert comparison.see("u", digest("a"), 5)[0] == todo
        assert comparison.after["u"].loaded & wanted == wanted

    def test_a_row_that_changed_is_not_in_the_tables_that_are_not_written(self):
        comparison = Comparison(self.known(row="b"), 1)
        comparison.see("u", digest("a"))
        assert comparison.after["u"].loaded == 1

    def test_what_is_gone_from_one_table_only(self):
        comparison = Comparison(self.known(), 1)
        assert comparison.remove("u") == 1
        later = Comparison(comparison.after, BOTH)
        assert later.remove("u") == 2
        assert later.after == {}

    def test_no_row_twice_in_one_load(self):
        """Seen again by a second sweep, otherwise or not at all: the next load finds it."""
        comparison = Comparison({}, 1)
        assert comparison.see("u", digest("a"))[0] == 1
        assert comparison.see("v", digest("a"))[0] == 1
        comparison.begin_again()
        assert comparison.see("u", digest("b"))[0] == 0
        assert [key for key, _ in comparison.missing()] == ["v"]
        assert comparison.remove("v") == 0
        following = Comparison(comparison.after, 1)
        assert following.see("u", digest("b"))[0] == 1
        assert following.remove("v") == 1

    def test_a_sweep_that_proves_nothing(self):
        comparison = Comparison(self.known(), BOTH)
        comparison.keep_missing()
        assert comparison.after == self.known()


class TestWindow:
    def test_it_does_not_hold_its_edge(self):
        """Minutes are kept: which side of the edge a start within one is on cannot be told."""
        at = datetime(2026, 1, 15, 12, 0, 30, tzinfo=timezone.utc)
        window = Window(at, at.replace(hour=14))
        assert [window.holds(minutes(at) + more) for more in (-1, 0, 1, 119, 120, 121)] == [
            False,
            False,
            True,
            True,
            False,
            False,
        ]
        assert Window().is_open
        assert Window().holds(0)

    def test_days(self):
        assert day(minutes(datetime(2026, 1, 15, 23, 59, tzinfo=timezone.utc))) == "2026-01-15"
        assert minutes(datetime(1900, 1, 1, tzinfo=timezone.utc)) == 1
