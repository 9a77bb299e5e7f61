"""The queue keeps unacknowledged frames within its limit, and counts what it drops."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pipeline.connect.client.frames import SpokenFrame
from pipeline.connect.client.queue import FrameQueue


def frame(number: int, samples: int = 10) -> SpokenFrame:
    return SpokenFrame(b"", number * samples, samples, float(number), 1.0)


def filled(count: int, limit: float = 60.0) -> FrameQueue:
    queue = FrameQueue(limit)
    for number in range(count):
        queue.put(frame(number))
    return queue


async def taken(queue: FrameQueue, count: int) -> list[int]:
    return [(await queue.take()).first for _ in range(count)]


async def test_each_connection_takes_the_frames_from_the_oldest_on() -> None:
    queue = filled(3)
    assert await taken(queue, 2) == [0, 10]
    queue.acknowledge(10)
    queue.rewind()
    assert await taken(queue, 2) == [10, 20]


async def test_a_full_queue_drops_the_oldest_frames_and_counts_them() -> None:
    queue = filled(5, limit=3.0)
    assert (queue.oldest.first, queue.seconds, queue.dropped) == (20, 3.0, 2.0)
    assert await taken(queue, 3) == [20, 30, 40]


async def test_a_frame_that_is_longer_than_the_limit_is_kept() -> None:
    assert len(filled(1, limit=0.5)) == 1


async def test_only_whole_frames_that_were_taken_are_acknowledged() -> None:
    queue = filled(4)
    await taken(queue, 3)
    for wrong in (31, 40, 10**30, -1, 0, 9):
        assert queue.acknowledge(wrong) is None
    assert (queue.acknowledged, len(queue)) == (0, 4)
    last = queue.acknowledge(25)
    assert last is not None
    assert (last.after, queue.acknowledged, len(queue)) == (20, 20, 2)


async def test_a_frame_settles_when_earlier_ones_are_acknowledged_or_dropped() -> None:
    queue = filled(3, limit=3.0)
    await taken(queue, 3)
    waiting = asyncio.ensure_future(queue.settled(frame(2)))
    queue.acknowledge(10)
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.put(frame(3))
    queue.put(frame(4))  # drops frame 1
    await waiting


STEPS = st.lists(st.one_of(st.just("put"), st.just("take"), st.just("rewind"), st.integers(-5, 200)), max_size=40)


@given(STEPS)
def test_every_frame_is_waiting_acknowledged_or_dropped(steps: list[str | int]) -> None:
    """Whatever numbers the gateway sends, the frames that wait are the newest, and their seconds are right."""
    queue, made = FrameQueue(5.0), 0
    acknowledged = 0

    async def run() -> None:
        nonlocal made, acknowledged
        for step in steps:
            if step == "put":
                queue.put(frame(made))
                made += 1
            elif step == "rewind":
                queue.rewind()
            elif step == "take":
                taking = asyncio.ensure_future(queue.take())
                await asyncio.sleep(0)
                taking.cancel()
            else:
                before = len(queue)
                queue.acknowledge(int(step))
                acknowledged += before - len(queue)
            assert queue.seconds == len(queue) <= 5
            assert len(queue) == 0 or queue.oldest.first == (made - len(queue)) * 10

    asyncio.run(run())
    assert made == len(queue) + acknowledged + queue.dropped
