"""A fetch is made only on request, and one at a time."""

import asyncio

from agents.loop.fetches import Fetches


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
