"""One thing after another in a thread, while the event loop goes on."""

import asyncio
import threading

import pytest

from agents.one_thread import OneThread


@pytest.fixture
def thread() -> OneThread:
    return OneThread("stage")


async def test_calls_are_made_in_its_thread_in_order(thread: OneThread) -> None:
    made: list[int] = []

    def make(number: int) -> str:
        made.append(number)
        return threading.current_thread().name

    assert await asyncio.gather(*(thread.call(lambda n=number: make(n)) for number in range(5))) == ["stage"] * 5  # type: ignore[misc]
    assert made == list(range(5))
    thread.close(lambda: None)


async def test_what_a_call_raises_is_raised_where_it_is_waited_for(thread: OneThread) -> None:
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 // 0)
    assert await thread.call(lambda: 7) == 7, "and the next call is made"
    thread.close(lambda: None)


async def test_the_loop_goes_on_while_a_call_is_made(thread: OneThread) -> None:
    free = threading.Event()
    call = asyncio.ensure_future(thread.call(lambda: free.wait(60)))
    await asyncio.sleep(0)
    assert not call.done()
    free.set()
    assert await call
    thread.close(lambda: None)


async def test_a_call_that_nobody_waits_for_any_more_harms_none(thread: OneThread) -> None:
    free = threading.Event()
    call = asyncio.ensure_future(thread.call(lambda: free.wait(60)))
    await asyncio.sleep(0)
    call.cancel()
    free.set()
    assert await thread.call(lambda: 7) == 7
    thread.close(lambda: None)


def test_the_last_call_is_made_in_its_thread_after_the_loop_has_ended(thread: OneThread) -> None:
    names: list[str] = []
    assert asyncio.run(thread.call(lambda: 7)) == 7
    thread.close(lambda: names.append(threading.current_thread().name))
    assert names == ["stage"]


def test_what_the_last_call_raises_is_raised(thread: OneThread) -> None:
    with pytest.raises(ZeroDivisionError):
        thread.close(lambda: 1 // 0)  # type: ignore[arg-type]
