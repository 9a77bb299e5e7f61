"""Audio counts as safe only up to the first chunk that is not confirmed, and the rest waits within its limit."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.unconfirmed_chunks import Confirmation, UnconfirmedChunks
from pipeline.contract.messages import AudioChunk

RATE = 16_000
LIMIT = 1.0


class Slow:
    """A sink whose chunks are safe when the test says so."""

    def __init__(self) -> None:
        self.chunks: list[AudioChunk] = []
        self.futures: list[Confirmation] = []

    async def __call__(self, chunk: AudioChunk) -> Confirmation:
        self.chunks.append(chunk)
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


class Box:
    """An outbox, its sink, and what it reported."""

    def __init__(self, first: int = 0) -> None:
        self.sink = Slow()
        self.confirmed: list[int] = []
        self.failed: list[Exception] = []
        self.out = UnconfirmedChunks(
            self.sink, LIMIT, first, lambda: self.confirmed.append(self.out.samples), self.failed.append
        )
        self._begin = 0.0

    async def put(self, samples: int) -> None:
        chunk = AudioChunk(room="r", speaker="s", start=self._begin, sequence=0, sample_rate=RATE, data=b"audio")
        self._begin += samples / RATE
        await self.out.put(chunk, samples)


async def steps() -> None:
    """Let all tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def waits(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    await steps()
    assert not task.done()
    return task


SIZES = st.lists(st.integers(1, 4_000), min_size=1, max_size=4)


@given(SIZES, st.randoms(use_true_random=False))
def test_only_audio_before_the_first_unconfirmed_chunk_is_safe(sizes: list[int], random: Random) -> None:
    order = random.sample(range(len(sizes)), len(sizes))

    async def confirm_in_order() -> None:
        box, done = Box(first=800), set[int]()
        for samples in sizes:
            await box.put(samples)
        for place in order:
            box.sink.futures[place].set_result(None)
            done.add(place)
            await steps()
            safe = next((at for at in range(len(sizes)) if at not in done), len(sizes))
            assert box.out.samples == 800 + sum(sizes[:safe])
            assert box.out.unconfirmed == pytest.approx(sum(sizes[safe:]) / RATE)
            assert box.out.start == pytest.approx(sum(sizes[:safe]) / RATE)
        await box.out.drained()
        assert box.confirmed == [800 + sum(sizes[: at + 1]) for at in range(len(sizes))]

    asyncio.run(confirm_in_order())


async def test_more_audio_than_the_limit_waits_for_a_confirmation() -> None:
    box = Box()
    for _ in range(2):
        await box.put(RATE // 2)
    third = await waits(box.put(1))
    assert len(box.sink.chunks) == 2
    box.sink.futures[0].set_result(None)
    await third
    assert len(box.sink.chunks) == 3


async def test_a_chunk_over_the_limit_waits_only_for_the_chunks_before_it() -> None:
    box = Box()
    await box.put(1)
    large = await waits(box.put(3 * RATE))
    box.sink.futures[0].set_result(None)
    await large
    assert box.out.unconfirmed == pytest.approx(3)


async def test_a_chunk_at_the_limit_never_waits_for_nothing() -> None:
    """Sums of many fractions are not exact, and their error must not block the connection for ever."""
    box, random = Box(), Random(1)  # noqa: S311
    for _ in range(500):
        await box.put(random.choice((160, 320, 960, 441, 1_000)))
        while box.sink.futures and (box.out.unconfirmed > 0.9 or random.random() < 0.5):
            box.sink.futures.pop(0).set_result(None)
            await steps()
        if not box.sink.futures:
            last = asyncio.create_task(box.put(RATE))
            await steps()
            assert last.done()
            box.sink.futures.pop().set_result(None)
            await steps()


async def test_drained_waits_for_all_chunks() -> None:
    box = Box()
    await box.out.drained()
    for _ in range(2):
        await box.put(10)
    drained = await waits(box.out.drained())
    first, second = box.sink.futures
    first.set_result(None)
    await steps()
    assert not drained.done()
    second.set_result(None)
    await drained
    assert box.out.unconfirmed == 0


async def test_a_lost_chunk_is_reported_once_and_ends_every_wait() -> None:
    box = Box()
    for _ in range(3):
        await box.put(RATE // 3)
    put, drained = await waits(box.put(RATE)), await waits(box.out.drained())
    for reason in ("first", "second"):
        box.sink.futures[len(box.failed)].set_exception(OSError(reason))
        await steps()
    assert [str(error) for error in box.failed] == ["first"]
    for work in (put, drained, box.put(1)):
        with pytest.raises(OSError, match="first"):
            await work


async def test_audio_after_a_lost_chunk_is_not_safe() -> None:
    """The client sends again from the first unconfirmed sample, which must be that of the lost chunk."""
    box = Box()
    for samples in (100, 200, 200):
        await box.put(samples)
    box.sink.futures[0].set_result(None)
    box.sink.futures[1].set_exception(OSError("lost"))
    await steps()
    box.sink.futures[2].set_result(None)
    await steps()
    assert (box.out.samples, box.confirmed) == (100, [100])
    assert box.out.start == pytest.approx(100 / RATE)
    assert box.out.unconfirmed == pytest.approx(400 / RATE)


async def test_an_abandoned_chunk_is_cancelled_and_stays_unconfirmed() -> None:
    box = Box()
    await box.put(RATE // 2)
    box.out.abandon()
    await steps()
    assert box.sink.futures[0].cancelled()
    assert (box.out.unconfirmed, box.failed, box.confirmed) == (0.5, [], [])


async def test_a_sink_that_confirms_at_once_leaves_nothing_unconfirmed() -> None:
    told: list[int] = []

    async def at_once(_: AudioChunk) -> None:
        return None

    out = UnconfirmedChunks(at_once, LIMIT, 0, lambda: told.append(out.samples), told.append)  # type: ignore[arg-type]
    await out.put(AudioChunk(room="r", speaker="s", start=50.0, sequence=0, sample_rate=RATE), 8_000)
    assert (out.samples, out.start, out.unconfirmed, told) == (8_000, 50.5, 0.0, [8_000])
