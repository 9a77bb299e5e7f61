"""Periodic tasks."""

import asyncio
import threading

import pytest

from pipeline.base.errors import DependencyError
from pipeline.console.periodic import every


async def test_a_task_is_repeated_also_after_a_dependency_error() -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls: list[str] = []

    def act() -> None:
        calls.append(threading.current_thread().name)
        if len(calls) == 2:
            raise DependencyError("The store does not answer")
        if len(calls) == 3:
            loop.call_soon_threadsafe(done.set)

    async with every(0.001, act, "test"):
        await done.wait()
    assert "test" not in {task.get_name() for task in asyncio.all_tasks()}
    assert threading.current_thread().name not in calls


async def test_a_task_is_repeated_also_after_an_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls: list[str] = []

    def act() -> None:
        calls.append("")
        if len(calls) == 1:
            raise ValueError("A mistake of ours")
        loop.call_soon_threadsafe(done.set)

    async with every(0.001, act, "test"):
        await asyncio.wait_for(done.wait(), 60)
    assert "test failed; trying again in 0.001 s" in caplog.text
