"""A thread runs one function after another while the event loop continues."""

import asyncio
import threading

import pytest

from agents.loop.worker_thread import OneThread


@pytest.fixture
def thread() -> OneThread:
    return OneThread("stage")


async def test_calls_run_in_the_thread_in_order(thread: OneThread) -> None:
    made: list[int] = []

    def make(number: int) -> str:
        made.append(number)
        return threading.current_thread().name

    assert await asyncio.gather(*(thread.call(lambda n=number: make(n)) for number in range(5))) == ["stage"] * 5  # type: ignore[misc]
    assert made == list(range(5))
    thread.close(lambda: None)


async def test_it_begins_in_the_thread() -> None:
    names: list[str] = []
    thread = OneThread("stage", lambda: names.append(threading.current_thread().name))
    assert await thread.call(names.copy) == ["stage"]
    thread.close(lambda: None)


async def test_an_error_of_a_call_is_raised_to_its_caller(thread: OneThread) -> None:
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 // 0)
    assert await thread.call(lambda: 7) == 7, "the next call still runs"
    thread.close(lambda: None)


async def test_the_event_loop_continues_during_a_call(thread: OneThread) -> None:
    free = threading.Event()
    call = asyncio.ensure_future(thread.call(lambda: free.wait(60)))
    await asyncio.sleep(0)
    assert not call.done()
    free.set()
    assert await call
    thread.close(lambda: None)


async def test_a_call_without_a_waiting_caller_harms_no_other(thread: OneThread) -> None:
    free = threading.Event()
    call = asyncio.ensure_future(thread.call(lambda: free.wait(60)))
    await asyncio.sleep(0)
    call.cancel()
    free.set()
    assert await thread.call(lambda: 7) == 7
    thread.close(lambda: None)


def test_the_last_call_runs_in_the_thread_after_the_loop_has_ended(thread: OneThread) -> None:
    names: list[str] = []
    assert asyncio.run(thread.call(lambda: 7)) == 7
    thread.close(lambda: names.append(threading.current_thread().name))
    assert names == ["stage"]


def test_an_error_of_the_last_call_is_raised(thread: OneThread) -> None:
    with pytest.raises(ZeroDivisionError):
        thread.close(lambda: 1 // 0)  # type: ignore[arg-type]
