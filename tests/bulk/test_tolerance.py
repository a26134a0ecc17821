"""Waves and the failures that are tolerated, given as a count or as a percentage."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_jicoo.bulk import Options
from airflow_provider_jicoo.bulk.apply.waves import Tolerance, wave_sizes
from airflow_provider_jicoo.bulk.errors import PlanError

SIZES = (
    st.integers(1, 500)
    | st.integers(1, 500).map(str)
    | st.integers(1, 100).map("{}%".format)
    | st.floats(0.01, 100).map("{:.2f}%".format)
)


@pytest.mark.parametrize(
    ("waves", "total", "sizes"),
    [
        ((), 10, [10]),
        ((), 0, []),
        ((1, "1%", "10%"), 0, []),
        ((1, "1%", "10%"), 1, [1]),
        ((1, "1%", "10%"), 2, [1, 1]),
        ((1, "1%", "10%"), 1000, [1, 10, 100, 889]),
        (("1", "1%", "10%"), 1000, [1, 10, 100, 889]),
        (("1%",), 50, [1, 49]),  # rounded up
        (("1%",), 100, [1, 99]),
        (("1%",), 101, [2, 99]),
        (("0.1%",), 1000, [1, 999]),
        (("12.5%",), 80, [10, 70]),
        (("33%", "33%", "33%"), 100, [33, 33, 33, 1]),
        (("7%",), 100, [7, 93]),
        (("29%",), 100, [29, 71]),
        (("1.1%",), 3000, [33, 2967]),  # as floats, 33.00000000000001
        (("100%",), 50, [50]),
        (("100%", "50%", 5), 50, [50]),
        ((100,), 50, [50]),
        ((30, 30, 30), 50, [30, 20]),
        ((50,), 50, [50]),
        ((" 5 ", "10% "), 50, [5, 5, 40]),
        ((2.0,), 5, [2, 3]),
    ],
)
def test_sizes_of_waves(waves, total, sizes):
    assert wave_sizes(waves, total) == sizes


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (0, "empty wave"),
        ("0", "empty wave"),
        ("0%", "empty wave"),
        ("0.0%", "empty wave"),
        ("150%", "more than 100%"),
        ("100.1%", "more than 100%"),
        (-1, "neither"),
        ("-1%", "neither"),
        (1.5, "not a whole count"),
        ("1.5", "not a whole count"),
        ("ten", "neither"),
        ("", "neither"),
        ("%", "neither"),
        ("10 %", "neither"),
        ("10%%", "neither"),
        ("1e3", "neither"),
        ("inf", "neither"),
        (True, "neither"),
        (None, "neither"),
        ([1], "neither"),
    ],
)
def test_a_wave_that_cannot_be_right(wave, words):
    with pytest.raises(PlanError, match=words):
        wave_sizes([wave], 100)
    with pytest.raises(PlanError, match=words):
        Options(waves=(1, wave))


@given(st.lists(SIZES, max_size=6), st.integers(0, 5000))
@example(["0.01%"], 1)
def test_waves_are_the_whole_plan_and_none_is_empty(waves, total):
    try:
        sizes = wave_sizes(waves, total)
    except PlanError as error:
        assert "empty wave" in str(error)  # noqa: PT017 (0.00 % of a drawn float)
        return
    assert sum(sizes) == total
    assert all(size > 0 for size in sizes)
    assert len(sizes) <= len(waves) + 1


@given(st.integers(1, 100), st.integers(1, 5000))
def test_a_percentage_is_rounded_up(percent, total):
    assert wave_sizes([f"{percent}%"], total)[0] == -(-total * percent // 100)


@pytest.mark.parametrize(
    ("tolerated", "total", "most"),
    [
        (0, 1000, 0),
        ("0", 1000, 0),
        ("0%", 1000, 0),
        (3, 1000, 3),
        ("3", 2, 3),
        ("1%", 50, 0),  # not rounded: of 50, 1 % is none
        ("2%", 50, 1),
        ("3%", 50, 1),
        ("1%", 100, 1),
        ("1%", 199, 1),
        ("0.5%", 1000, 5),
        ("100%", 50, 50),
        ("7%", 100, 7),
        ("29%", 100, 29),
        ("10%", 0, 0),
    ],
)
def test_how_many_may_go_wrong(tolerated, total, most):
    tolerance = Tolerance(tolerated)
    assert not tolerance.exceeded(most, total)
    assert not tolerance.exceeded(0, total)
    assert tolerance.exceeded(most + 1, total)


@pytest.mark.parametrize("tolerated", ["150%", -1, "-1", "few", 0.5, True, None, "1 %"])
def test_a_tolerance_that_cannot_be_right(tolerated):
    with pytest.raises(PlanError, match="tolerated_failures"):
        Options(tolerated_failures=tolerated)


@given(st.integers(0, 100), st.integers(0, 3000), st.integers(0, 3000))
def test_a_percentage_is_of_the_whole_plan(percent, bad, total):
    assert Tolerance(f"{percent}%").exceeded(bad, total) == (bad * 100 > percent * total)
