"""The stalls of an event loop, by its timer and a clock of the test."""

import asyncio
from unittest.mock import patch

import pytest

from agents.gateway import stalls
from agents.gateway.stalls import Stalls


async def test_it_adds_up_the_stalls_and_no_jitter() -> None:
    now, asked = 0.0, asyncio.Event()

    def ticks() -> float:
        asked.set()
        return now

    with patch.object(stalls, "LOOK_SECONDS", 0.001):
        found = Stalls(ticks)
        found.watch()
        for late in (0.4, 40.0, 0.1, 2.0):
            now += late
            asked.clear()
            await asked.wait()
        found.stop()
        assert found.seconds == pytest.approx(42, abs=0.01)
        asked.clear()
        await asyncio.sleep(0.02)
        assert not asked.is_set()
