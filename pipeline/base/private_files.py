"""Files and folders that only their owner can access, because they hold speech from private rooms."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from pipeline.base.errors import ConfigError

log = logging.getLogger(__name__)

FILE = 0o600
FOLDER = 0o700
OTHERS = 0o077

PART = ".part"  # ending of a file that is being written
LOCK_FILE = "lock"  # the file of a data folder that its process locks


def make_folder(folder: Path) -> None:
    """Create `folder` and its missing parents for their owner only. An existing folder is not changed."""
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(FOLDER, exist_ok=True)  # another process may have created it meanwhile


def open_folder(folder: Path) -> None:
    """Create `folder` for its owner only. Remove other users' access if an older version left the folder open."""
    make_folder(folder)
    repair(folder)


def make_file(file: Path) -> None:
    """Create an empty `file` for its owner only. Remove other users' access from an existing file."""
    if not file.exists():
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, FILE))
    elif file.is_file():
        repair(file)


def write_private(file: Path, content: bytes) -> None:
    """Write a file for its owner only: completely, or not at all. Its folder must exist."""
    with NamedTemporaryFile(dir=file.parent, prefix=".", suffix=PART, delete=False) as part:
        try:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())  # else a power failure after the renaming could leave an empty file
            Path(part.name).replace(file)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def repair(path: Path) -> None:
    """Remove other users' access from a file, or from a folder and its content. Does nothing if `path` is missing."""
    try:
        _close(path)
    except PermissionError:
        log.warning("Other users can access %s, and another user owns it; run chmod -R go= on it", path)


def _close(path: Path) -> None:
    with suppress(FileNotFoundError):  # another process has deleted it
        # Other users cannot enter a closed folder, so its content is not checked. `chmod` would follow a link.
        if path.is_symlink() or not path.stat().st_mode & OTHERS:
            return
        is_folder = path.is_dir()
        # The folder itself is closed last. After an interruption, the next start then finds it open and continues.
        for inner in path.iterdir() if is_folder else ():
            _close(inner)
        path.chmod(FOLDER if is_folder else FILE)


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Lock `folder` until the block or the process ends. Raises ConfigError if another process holds the lock."""
    # Two processes would overwrite each other's files.
    make_folder(folder)
    file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, FILE)
    try:
        _lock(file, folder)
        yield
    finally:
        os.close(file)  # ends the lock; if the file were deleted, two processes could each lock a file of their own


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
    os.write(file, str(os.getpid()).encode())  # for the error of the next process
