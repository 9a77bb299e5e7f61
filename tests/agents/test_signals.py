"""A signal sets the event and does not end the process."""

import asyncio
import os
import signal

import pytest

from agents.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_sets_the_event(number: signal.Signals) -> None:
    stop = stop_on_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(stop.wait(), 30)
    os.kill(os.getpid(), number)  # a second one changes nothing
    await asyncio.sleep(0)
