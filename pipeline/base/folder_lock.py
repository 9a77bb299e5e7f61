"""A lock on the data folder: two processes in one folder would overwrite each other's files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.base import private_files
from pipeline.base.errors import ConfigError

NAME = "lock"


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Lock `folder` until the block or the process ends. Raises ConfigError if another process holds the lock."""
    private_files.make_folder(folder)
    file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, private_files.FILE)
    try:
        _lock(file, folder)
        yield
    finally:
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(file, 20).decode("ascii", "replace").strip()
        raise ConfigError(
            f"The data folder {folder} is in use by another voxwarden process ({holder or 'just started'})",
            "Stop that process, or set data_dir to another folder.",
        ) from None
    os.truncate(file, 0)
    os.write(file, str(os.getpid()).encode())
