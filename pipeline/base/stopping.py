"""How a process stops: signals as an event or as Ctrl-C, and a folder that is there as a whole or not."""

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pipeline.base.errors import InputError


def stop_on_signals() -> asyncio.Event:
    """Return an event of the running loop. The first SIGTERM or SIGINT sets it."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def stopped() -> None:
    """Wait for SIGINT or SIGTERM."""
    await stop_on_signals().wait()


@contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Make SIGTERM raise KeyboardInterrupt while the block runs. For the main thread."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Give a folder to fill. It becomes `folder` at the end of the block, in place of the one that is there.

    It lies beside `folder`, with a dot before its name. If the block raises an error, it is deleted. Raises InputError
    if it cannot be made.
    """
    new, old = (folder.with_name(f".{folder.name}.{kind}-{os.getpid()}") for kind in ("new", "old"))
    try:
        for each in (new, old):
            shutil.rmtree(each, ignore_errors=True)  # of a killed process that had our id: in containers, ids repeat
        new.mkdir()
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}", "Name a new folder in one of yours.") from error
    try:
        yield new
        os.sync()  # else a power failure after the renaming could leave empty files
        if folder.exists():
            folder.rename(old)  # `rename` does not replace a folder that has files
        new.rename(folder)
    finally:
        for each in (new, old):
            shutil.rmtree(each, ignore_errors=True)
