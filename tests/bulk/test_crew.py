"""Workers take changes in order, begin few, and let others go on while one is read back for long."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_jicoo.bulk.apply.crew import Crew
from tests.bulk.virtual import VirtualLoop


@pytest.fixture
def run():
    loop = VirtualLoop()
    yield loop.run_until_complete
    loop.close()


class Seen:
    """Sees changes through: each takes a second, or as many as are given for it.

    :param long: seconds by change, for those that step aside.
    """

    def __init__(self, long=None, may_grow=True):
        self.long, self.may_grow = long or {}, may_grow
        self.begun, self.done, self.at_once, self.most = [], [], 0, 0

    async def __call__(self, change, step_aside):
        self.begun.append(change)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        if change in self.long:
            step_aside()
            step_aside()  # once is enough
        await asyncio.sleep(self.long.get(change, 1.0))
        self.at_once -= 1
        self.done.append(change)
        return self.may_grow


async def carry(crew, *chunks):
    crew.begin()
    for chunk in chunks:
        await crew.hand_out(chunk)
    await crew.finish()


def test_each_is_seen_through_once_and_in_order(run):
    seen = Seen()
    run(carry(Crew(seen, 4), range(10), range(10, 20)))
    assert seen.begun == list(range(20))
    assert sorted(seen.done) == list(range(20))


def test_there_are_two_at_first_and_each_answer_lets_one_more_begin(run):
    seen = Seen()
    run(carry(Crew(seen, 6), range(40)))
    assert seen.most == 6
    seen = Seen(may_grow=False)
    run(carry(Crew(seen, 6), range(40)))
    assert seen.most == 2


def test_what_steps_aside_holds_up_nobody(run):
    seen = Seen({0: 100.0, 1: 200.0})
    run(carry(Crew(seen, 2), range(12)))
    assert seen.done == [*range(2, 12), 0, 1]
    assert seen.most == 4


def test_no_more_step_aside_than_may_be_under_way(run):
    seen = Seen(dict.fromkeys(range(12), 100.0))
    run(carry(Crew(seen, 3), range(12)))
    assert sorted(seen.done) == list(range(12))
    assert seen.most == 6, "three aside, and three that nobody could take the place of"


def test_the_next_chunk_is_asked_for_when_the_one_before_it_is_taken(run):
    seen = Seen(may_grow=False)

    async def main():
        crew = Crew(seen, 2)
        crew.begin()
        await crew.hand_out(range(4))
        before = len(seen.begun)
        await crew.hand_out(range(4, 8))
        taken = len(seen.begun)
        await crew.all_done()
        assert len(seen.done) == 8
        await crew.finish()
        return before, taken

    before, taken = run(main())
    assert before <= 2
    assert 4 <= taken <= 6, "those four, and what the two workers took next"


def test_a_worker_that_dies_is_heard_of(run):
    async def broken(change, step_aside):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(carry(Crew(broken, 1), [1]))
