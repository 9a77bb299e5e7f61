"""Something that is done now and then while the console runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from pipeline.errors import DependencyError

log = logging.getLogger(__name__)


@asynccontextmanager
async def every(seconds: float, act: Callable[[], object], name: str) -> AsyncIterator[None]:
    """Call `act` in a thread every so many seconds, at first at once, until the block is left.

    Whatever goes wrong, it is tried again the next time: nobody would see that a task had ended for good.
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
            log.warning("%s: %s; again in %g s", name, error, seconds)
        except Exception:
            log.exception("%s failed; again in %g s", name, seconds)
        await asyncio.sleep(seconds)
