"""Periodic tasks of the console."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from pipeline.base.errors import DependencyError

log = logging.getLogger(__name__)


@asynccontextmanager
async def every(seconds: float, act: Callable[[], object], name: str) -> AsyncIterator[None]:
    """Call `act` in a thread at once and then every `seconds`, until the block ends.

    An error never ends the task: it is logged, and `act` is called again. A task that ended would go unnoticed.
    """
    task = asyncio.create_task(_run(seconds, act, name), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _run(seconds: float, act: Callable[[], object], name: str) -> None:
    while True:
        try:
            await asyncio.to_thread(act)
        except DependencyError as error:
            log.warning("%s: %s; trying again in %g s", name, error, seconds)
        except Exception:
            log.exception("%s failed; trying again in %g s", name, seconds)
        await asyncio.sleep(seconds)
