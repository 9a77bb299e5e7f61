"""Files and folders for their owner alone: they hold what people said in private rooms."""

import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

FILE = 0o600
FOLDER = 0o700
OTHERS = 0o077


def make_folder(folder: Path) -> None:
    """Make `folder`, with the parents that are missing, for its owner alone. One that is there stays as it is."""
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(FOLDER, exist_ok=True)  # another process may be quicker


def open_folder(folder: Path) -> None:
    """Make `folder`, or take it and all in it from others, where an older version left it open to them."""
    make_folder(folder)
    repair(folder)


def make_file(file: Path) -> None:
    """Make `file` empty, for its owner alone; one that is there is taken from others."""
    if not file.exists():
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, FILE))
    elif file.is_file():
        repair(file)


def repair(path: Path) -> None:
    """Take a file, or a folder with all in it, from others; nothing where there is none.

    A folder that is closed to others is taken as done: who cannot enter it cannot reach what is in it.
    """
    try:
        _close(path)
    except PermissionError:
        log.warning("%s is open to other users, and its owner is another one; run chmod -R go= on it", path)


def _close(path: Path) -> None:
    with suppress(FileNotFoundError):  # another process has deleted it
        if path.is_symlink() or not path.stat().st_mode & OTHERS:
            return
        is_folder = path.is_dir()
        # The folder itself comes last. So the next start makes up for one that is cut short.
        for inner in path.iterdir() if is_folder else ():
            _close(inner)
        path.chmod(FOLDER if is_folder else FILE)
