"""The stalls of an event loop, by its timer and a clock of the test."""

import asyncio
from unittest.mock import patch

from agents.gateway import stalls
from agents.gateway.stalls import LOOK_SECONDS, Stalls


async def test_it_adds_up_the_stalls_and_no_jitter() -> None:
    now, looks = 0.0, 0

    def ticks() -> float:
        nonlocal looks
        looks += 1
        return now

    with patch.object(stalls, "LOOK_SECONDS", 0.001):
        found = Stalls(ticks)
        found.watch()
        for late in (0.4, 40.0, 0.1, 2.0):
            now, before = now + late, looks
            while looks < before + 2:
                await asyncio.sleep(0.001)
        found.stop()
        assert found.seconds > 42 - 2 * LOOK_SECONDS
        assert found.seconds < 42
        looks = 0
        await asyncio.sleep(0.02)
    assert looks == 0
