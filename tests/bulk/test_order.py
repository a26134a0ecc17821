"""Moves in an order in which none lands on a slot that another is still to leave."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.bulk.plan.draft import split
from airflow_provider_jicoo.bulk.plan.order import Move, arrange, waits


def move(line, hosts, old, new):
    """Slots as pairs of numbers; as texts of one length they compare as Jicoo's moments do."""
    return Move(line, tuple(hosts), *(tuple(f"{at:06d}" for at in slot) for slot in (old, new)))


def collide(one, other):
    """Whether the first lands on the slot that the other one holds."""
    shared = set(one.hosts) & set(other.hosts)
    return one.line != other.line and shared and one.new[0] < other.old[1] and other.old[0] < one.new[1]


def blockers(moves):
    found = {one.line: sorted(other.line for other in moves if collide(one, other)) for one in moves}
    return {line: others for line, others in found.items() if others}


def reached(waits_for):
    """For each line the lines that it waits for, over others too."""
    everything = {}
    for line in waits_for:
        seen, todo = set(), list(waits_for[line])
        while todo:
            other = todo.pop()
            if other not in seen:
                seen.add(other)
                todo += waits_for.get(other, ())
        everything[line] = seen
    return everything


slots = st.tuples(st.integers(0, 40), st.integers(1, 8)).map(lambda at: (at[0], at[0] + at[1]))
moves_ = st.lists(st.tuples(st.sets(st.sampled_from("abc"), min_size=1), slots, slots), max_size=14).map(
    lambda drawn: [move(line, sorted(hosts), old, new) for line, (hosts, old, new) in enumerate(drawn)]
)


@settings(max_examples=300, deadline=None)
@given(moves_)
def test_who_waits_for_whom(moves):
    assert waits(moves) == blockers(moves)
    assert waits(reversed(moves)) == blockers(moves)


@settings(max_examples=500, deadline=None)
@given(moves_, st.integers(0, 3))
def test_no_move_lands_on_a_slot_that_is_still_taken(moves, more):
    waits_for = waits(moves)
    everything = reached(waits_for)
    in_order, cycles = arrange(len(moves) + more, waits_for)
    assert sorted(in_order) == list(range(len(moves) + more))
    by_line = {each.line: each for each in moves}
    still = set(by_line)
    for line in in_order:
        if line not in by_line:
            continue
        still.discard(line)
        for other in still:
            if collide(by_line[line], by_line[other]):
                in_a_cycle = other in everything[line] and line in everything.get(other, ())
                assert in_a_cycle, f"{line} lands on {other}, and need not"
                assert other not in waits_for.get(line, ()), "it would wait for one that comes behind it, for ever"
    assert bool(cycles) == any(line in others for line, others in everything.items())


@settings(max_examples=300, deadline=None)
@given(moves_)
def test_a_cycle_is_one_and_holds_no_bystander(moves):
    waits_for = waits(moves)
    real = {line: list(others) for line, others in waits_for.items()}
    _, cycles = arrange(len(moves), waits_for)
    for cycle in cycles:
        assert len(set(cycle)) == len(cycle) >= 2
        assert cycle[0] == min(cycle)
        for line, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert after in real[line], f"{line} does not wait for {after}"


@settings(max_examples=200, deadline=None)
@given(moves_, st.randoms())
def test_the_same_moves_give_the_same_order(moves, chance):
    one = arrange(len(moves), waits(moves))
    mixed = list(moves)
    chance.shuffle(mixed)
    assert arrange(len(moves), waits(mixed)) == one


def test_lines_that_wait_for_nobody_keep_their_order():
    assert arrange(5, {}) == ([0, 1, 2, 3, 4], [])
    assert arrange(0, {}) == ([], [])
    assert arrange(5, {0: [3]}) == ([1, 2, 3, 0, 4], [])


def test_slots_that_touch_do_not_collide():
    assert waits([move(0, "a", (0, 10), (10, 20)), move(1, "a", (20, 30), (30, 40))]) == {}
    assert waits([move(0, "a", (0, 10), (11, 21)), move(1, "a", (20, 30), (30, 40))]) == {0: [1]}


def test_other_hosts_do_not_collide():
    assert waits([move(0, "a", (0, 10), (20, 30)), move(1, "b", (20, 30), (40, 50))]) == {}
    assert waits([move(0, "ab", (0, 10), (20, 30)), move(1, "bc", (20, 30), (40, 50))]) == {0: [1]}


def test_a_move_does_not_wait_for_itself():
    assert waits([move(0, "a", (0, 10), (5, 15))]) == {}


def test_a_long_one_is_seen_behind_short_ones():
    long, short = move(0, "a", (0, 100), (200, 300)), move(1, "a", (10, 20), (400, 410))
    assert waits([long, short, move(2, "a", (500, 510), (50, 60))]) == {2: [0]}


@pytest.mark.parametrize("step", [10, -10])
def test_a_chain_of_a_thousand_back_to_back(step):
    # Each takes the slot of its neighbour: only one order works.
    moves = [
        move(n, "a", (100 + 10 * n, 110 + 10 * n), (100 + 10 * n + step, 110 + 10 * n + step)) for n in range(1000)
    ]
    in_order, cycles = arrange(1000, waits(moves))
    assert cycles == []
    assert in_order == (list(range(999, -1, -1)) if step > 0 else list(range(1000)))


def test_a_swap_and_a_round_of_three():
    swap = [move(0, "a", (0, 10), (10, 20)), move(1, "a", (10, 20), (0, 10))]
    waits_for = waits(swap)
    assert arrange(2, waits_for) == ([0, 1], [[0, 1]])
    assert waits_for == {1: [0]}, "the cut one waits for nobody, the other one still does"
    three = [
        move(0, "a", (0, 10), (20, 30)),
        move(1, "a", (10, 20), (0, 10)),
        move(2, "a", (20, 30), (10, 20)),
    ]
    in_order, cycles = arrange(3, waits(three))
    assert cycles == [[0, 2, 1]]
    assert in_order == [0, 1, 2]


def test_who_waits_for_a_cycle_is_not_in_it():
    moves = [
        move(0, "a", (50, 60), (12, 18)),  # waits for 2, which is in the swap
        move(1, "a", (0, 10), (10, 20)),
        move(2, "a", (10, 20), (0, 10)),
    ]
    in_order, cycles = arrange(3, waits(moves))
    assert cycles == [[1, 2]]
    assert in_order.index(2) < in_order.index(0)


def test_one_that_is_cut_still_waits_for_those_outside_the_cycle():
    moves = [
        move(0, "a", (0, 10), (10, 24)),  # swaps with 1, and lands on 2 also
        move(1, "a", (10, 20), (0, 10)),
        move(2, "a", (20, 30), (30, 44)),  # and that one on 3
        move(3, "a", (40, 50), (60, 70)),
    ]
    waits_for = waits(moves)
    in_order, cycles = arrange(4, waits_for)
    assert cycles == [[0, 1]]
    assert in_order == [3, 2, 0, 1]
    assert waits_for == {0: [2], 1: [0], 2: [3]}


def test_two_cycles_are_told_apart():
    moves = [
        move(0, "a", (0, 10), (10, 20)),
        move(1, "a", (10, 20), (0, 10)),
        move(2, "b", (0, 10), (10, 20)),
        move(3, "b", (10, 20), (0, 10)),
    ]
    assert arrange(4, waits(moves))[1] == [[0, 1], [2, 3]]


def test_ten_thousand_moves_and_a_thousand_swaps_are_quick():
    moves = [move(n, "a", (30 * n, 30 * n + 30), (30 * n + 30, 30 * n + 60)) for n in range(10_000)]
    for n in range(0, 2_000, 2):
        first, second = (30 * n, 30 * n + 30), (30 * n + 30, 30 * n + 60)
        moves += [move(10_000 + n, "b", first, second), move(10_001 + n, "b", second, first)]
    began = time.process_time()
    in_order, cycles = arrange(len(moves), waits(moves))
    assert len(in_order) == 12_000
    assert len(cycles) == 1_000
    assert time.process_time() - began < 10


# --- shards ----------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(moves_, st.integers(0, 5), st.integers(1, 7))
def test_split_keeps_together_what_waits_and_loses_nothing(moves, more, shards):
    waits_for = waits(moves)
    in_order, _ = arrange(len(moves) + more, waits_for)
    parts = split(in_order, waits_for, shards)
    assert len(parts) == shards
    assert sorted(line for part in parts for line in part) == sorted(in_order)
    shard_of = {line: number for number, part in enumerate(parts) for line in part}
    for line, others in waits_for.items():
        assert {shard_of[other] for other in others} <= {shard_of[line]}
    for part in parts:
        assert part == [line for line in in_order if line in set(part)]


@pytest.mark.parametrize("shards", range(1, 8))
def test_shards_of_lines_that_do_not_wait_are_of_one_size(shards):
    sizes = [len(part) for part in split(list(range(100)), {}, shards)]
    assert max(sizes) - min(sizes) <= 1
    assert split([], {}, shards) == [[]] * shards
