"""How a worker ends that does not want to."""

import subprocess
import sys

from agents.loop import EXIT_UNFINISHED

STUCK = """
import asyncio, faust
from agents import worker

worker.GRACE_SECONDS = 0.2

class Stuck(worker.Ending):
    async def on_stop(self):
        await asyncio.Event().wait()

async def stop():
    await Stuck(faust.App("stuck"), override_logging=False, redirect_stdouts=False).stop()

asyncio.run(stop())
"""


def test_a_worker_that_cannot_stop_ends_with_its_batch_unfinished() -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, timeout=60, check=False)
    assert ended.returncode == EXIT_UNFINISHED, ended.stderr.decode()
