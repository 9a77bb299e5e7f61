"""Programs take turns with their texts, and one that has used up its share of the time waits."""

import asyncio
from collections.abc import Sequence
from threading import Event

import pytest

from pipeline.base.cpu_cores import is_back
from pipeline.base.http_problems import TooManyError
from pipeline.connect.api import text_queue
from pipeline.connect.api.text_queue import BURST_SECONDS, PART, SHARE, TextQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Judge:
    """Notes each part, takes `seconds` for it, and begins when `open` is set."""

    def __init__(self, clock: Clock, seconds: float = 0.0) -> None:
        self.clock, self.seconds = clock, seconds
        self.open = Event()
        self.open.set()
        self.parts: list[str] = []

    def __call__(self, part: Sequence[str]) -> list[str]:
        self.open.wait(10)
        self.clock.now += self.seconds
        self.parts += [each[0] for each in part]
        return [each[0] for each in part]


LONG = PART


async def test_programs_take_turns_part_by_part() -> None:
    clock = Clock()
    queue, judge = TextQueue(beside_live=True, ticks=clock), Judge(clock)
    judge.open.clear()
    texts = [["a" * LONG, "b" * LONG, "c" * LONG], ["d" * LONG]], [["x" * LONG], ["y"]]
    asked = [
        asyncio.ensure_future(queue.judged(owner, each, judge)) for owner, many in enumerate(texts) for each in many
    ]
    await asyncio.sleep(0)
    judge.open.set()
    assert await asyncio.gather(*asked) == [["a", "b", "c"], ["d"], ["x"], ["y"]]
    assert judge.parts[:2] == ["a", "x"]
    assert judge.parts.index("y") < judge.parts.index("d")
    queue.close()


async def test_a_program_that_has_used_its_share_waits_and_others_do_not() -> None:
    clock = Clock()
    queue, judge = TextQueue(beside_live=True, ticks=clock), Judge(clock, BURST_SECONDS + 1)
    assert await queue.judged(0, ["a"], judge) == ["a"]
    with pytest.raises(TooManyError, match="share") as refused:
        await queue.judged(0, ["b"], judge)
    # While it worked, the share of this time was added, but never more than the burst.
    assert refused.value.retry_seconds == 1 / SHARE
    assert await queue.judged(1, ["x"], judge) == ["x"]
    clock.now += 1 / SHARE
    assert await queue.judged(0, ["b"], judge) == ["b"]
    queue.close()


async def test_a_request_that_costs_too_much_is_cut_off() -> None:
    clock = Clock()
    queue, judge = TextQueue(beside_live=True, ticks=clock), Judge(clock, BURST_SECONDS)
    with pytest.raises(TooManyError):
        await queue.judged(0, ["a" * LONG] * 10, judge)
    assert len(judge.parts) < 4
    queue.close()


async def test_alone_a_program_may_use_all_of_the_time() -> None:
    clock = Clock()
    queue, judge = TextQueue(beside_live=False, ticks=clock), Judge(clock, BURST_SECONDS)
    for _ in range(9):
        assert len(await queue.judged(0, ["a" * LONG] * 2, judge)) == 2
    queue.close()


@pytest.mark.parametrize("beside_live", [True, False])
async def test_the_thread_steps_back_beside_live_rooms_only(beside_live: bool) -> None:
    queue = TextQueue(beside_live)
    assert await queue.judged(0, ["a"], lambda part: [is_back()]) == [beside_live]
    queue.close()


async def test_only_so_many_requests_of_all_programs_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_queue, "MOST_WAITING", 2)
    clock = Clock()
    queue, judge = TextQueue(beside_live=True, ticks=clock), Judge(clock)
    judge.open.clear()
    asked = [asyncio.ensure_future(queue.judged(owner, ["a"], judge)) for owner in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyError, match="2 requests"):
        await queue.judged(2, ["a"], judge)
    judge.open.set()
    assert await asyncio.gather(*asked) == [["a"], ["a"]]
    assert await queue.judged(2, ["a"], judge) == ["a"]
    queue.close()
