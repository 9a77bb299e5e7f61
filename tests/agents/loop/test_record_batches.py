"""A fetch is made only on request, and one at a time."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from agents.loop.record_batches import Fetches, PartitionQueues


async def test_nothing_is_wanted_before_a_request() -> None:
    fetches = Fetches()
    assert not fetches.are_wanted
    assert fetches.get_nowait() == []
    fetches.want()
    assert fetches.are_wanted


async def test_a_fetch_is_taken_once() -> None:
    fetches = Fetches()
    taking = asyncio.ensure_future(fetches.get())
    await fetches.wanted()
    await fetches.put(["a", "b"])
    assert await taking == ["a", "b"]
    assert fetches.get_nowait() == []
    assert not fetches.are_wanted


async def test_a_second_fetch_waits_until_the_first_is_taken() -> None:
    fetches = Fetches()
    await fetches.put(["a"])
    assert not fetches.is_free
    second = asyncio.ensure_future(fetches.put(["b"]))
    await asyncio.sleep(0)
    assert not second.done()
    fetches.want()
    assert not fetches.are_wanted, "one is ready"
    assert fetches.get_nowait() == ["a"]
    await second
    assert await fetches.get() == ["b"]


@dataclass(frozen=True)
class Record:
    tp: int
    offset: int


def records(partitions: list[int]) -> list[Record]:
    """One record for each number, with the offsets of its partition."""
    seen: Counter[int] = Counter()
    found = []
    for partition in partitions:
        found.append(Record(partition, seen[partition]))
        seen[partition] += 1
    return found


@given(st.lists(st.lists(st.integers(0, 4), max_size=20), max_size=5), st.integers(1, 9))
def test_every_record_comes_once_and_partitions_keep_their_order(fetches: list[list[int]], most: int) -> None:
    every = records([partition for fetch in fetches for partition in fetch])
    turns, given_out, left = PartitionQueues(), [], list(every)
    for fetch in fetches:
        turns.add(left[: len(fetch)])
        left = left[len(fetch) :]
        given_out += turns.take(most)
    while turns:
        given_out += turns.take(most)
    assert Counter(given_out) == Counter(every)
    for partition in range(5):
        assert [each.offset for each in given_out if each.tp == partition] == list(
            range(sum(each.tp == partition for each in every))
        )


def test_a_new_record_is_in_the_next_batch_in_spite_of_a_backlog() -> None:
    turns = PartitionQueues()
    turns.add(records([0] * 100))
    turns.take(8)
    turns.add([Record(1, 0)])
    assert Record(1, 0) in turns.take(2)
    assert len(turns) == 91
