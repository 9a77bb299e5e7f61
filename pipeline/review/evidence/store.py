"""Evidence clips: Ogg Opus files beside the review store."""

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from pipeline import private
from pipeline.errors import DependencyError

IDENTITY = re.compile(r"[0-9a-f-]{1,64}")
PART = ".part"
"""What a clip's file ends with until all of it is written."""


class EvidenceStore(Protocol):
    """Clips by path. Raises DependencyError when they cannot be written or read."""

    def put(self, case: str, start: float, clip: bytes) -> str:
        """Store the clip of a case that begins at `start` (UTC seconds), all of it or nothing; gives its path."""

    def get(self, path: str) -> bytes | None:
        """The clip at `path`; None when it is not there."""

    def remove(self, path: str) -> None:
        """Delete the clip at `path`, if it is there."""

    def sweep(self, before: float) -> None:
        """Delete the pieces of clips that a crash has left, last written before that moment (UTC seconds)."""


class EvidenceFolder(EvidenceStore):
    """`<yyyy>/<mm>/<dd>/<case>.ogg` under one folder. Names are ids only: a room may be called anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        private.repair(folder)

    def put(self, case: str, start: float, clip: bytes) -> str:
        path = clip_path(case, start)
        target = self.file(path)
        try:
            private.make_folder(target.parent)
            _write(target, clip)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        return path

    def get(self, path: str) -> bytes | None:
        try:
            return self.file(path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def remove(self, path: str) -> None:
        try:
            self.file(path).unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def sweep(self, before: float) -> None:
        try:
            for part in self.folder.rglob(f".*{PART}"):
                with suppress(FileNotFoundError):  # it is whole by now, and has its own name
                    if part.stat().st_mtime < before:
                        part.unlink()
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def file(self, path: str) -> Path:
        return self.folder / path


def clip_path(case: str, start: float) -> str:
    """Where the clip of a case lies, relative to the evidence folder; ValueError for what is no id of ours."""
    if not IDENTITY.fullmatch(case):
        raise ValueError(f"{case!r} is no case id")
    return f"{datetime.fromtimestamp(start, UTC):%Y/%m/%d}/{case}.ogg"


def checksum(clip: bytes) -> str:
    return sha256(clip).hexdigest()


def _write(target: Path, clip: bytes) -> None:
    """All of it or nothing: what is cut off halfway is removed, for no row would ever tell of it."""
    with NamedTemporaryFile(dir=target.parent, prefix=".", suffix=PART, delete=False) as part:
        try:
            part.write(clip)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(target)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _unusable(folder: Path, error: OSError) -> DependencyError:
    return DependencyError(
        f"The evidence folder {folder} cannot be used: {error.strerror}", "Check its disk space and its owner."
    )
