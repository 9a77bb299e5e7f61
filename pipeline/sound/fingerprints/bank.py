"""The bank: a folder with a file for each banned recording. The file has its landmarks, not its sound."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline import private_files
from pipeline.errors import DependencyError, InputError, VoxwardenError
from pipeline.sound.fingerprints import printfile
from pipeline.sound.fingerprints.fingerprint import BannedRecording, Fingerprint

SUFFIX = ".print"
IDENTITY = re.compile(r"[0-9a-f]{16}")

MAX_RECORDINGS = 20_000
"""Recordings of a bank. A song of three minutes takes about 50 kB of memory."""


class Bank:
    """The files of a folder. Several processes may use it: each file appears and disappears as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, made: Fingerprint) -> None:
        """Add a recording. Raises InputError if it is there already, or the bank is full."""
        title = made.recording.ban.title
        with _usable(self.folder):
            if self._file(made.id).exists():
                raise InputError(f"{title} is in the bank already, as {made.id}", "There is nothing to do.")
            if len(self.ids()) >= MAX_RECORDINGS:
                raise InputError(f"The bank {self.folder} has {MAX_RECORDINGS:,} recordings", "Remove some first.")
            private_files.open_folder(self.folder)
            private_files.write(self._file(made.id), printfile.pack(made))

    def remove(self, identity: str) -> None:
        """Remove a recording. Raises InputError if it is not there."""
        with _usable(self.folder):
            try:
                self._file(identity).unlink()
            except FileNotFoundError:
                raise self._missing(identity) from None

    def ids(self) -> list[str]:
        """The ids of all recordings, in order."""
        with _usable(self.folder):
            names = (file.stem for file in self.folder.glob(f"*{SUFFIX}"))
            return sorted(name for name in names if IDENTITY.fullmatch(name))

    def describe(self, identity: str) -> BannedRecording:
        """The description of a recording. Raises InputError if the file is missing or damaged."""
        with self._opened(identity) as file:
            return printfile.describe(file, identity)

    def read(self, identity: str) -> Fingerprint:
        """A recording with its landmarks. Raises InputError if the file is missing or damaged."""
        with self._opened(identity) as file:
            return printfile.read(file, identity)

    def all(self) -> Iterator[Fingerprint | VoxwardenError]:
        """All recordings. A file that cannot be read gives its error."""
        for identity in self.ids():
            try:
                yield self.read(identity)
            except VoxwardenError as error:
                yield error

    @contextmanager
    def _opened(self, identity: str) -> Iterator[BinaryIO]:
        with _usable(self.folder):
            try:
                file = self._file(identity).open("rb")
            except FileNotFoundError:
                raise self._missing(identity) from None
            with file:
                yield file

    def _file(self, identity: str) -> Path:
        if not IDENTITY.fullmatch(identity):
            raise self._missing(identity)
        return self.folder / f"{identity}{SUFFIX}"

    def _missing(self, identity: str) -> InputError:
        return InputError(f"The bank {self.folder} has no recording {identity}", "See `voxwarden fingerprints list`.")


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DependencyError(
            f"The bank {folder} cannot be used: {error.strerror}", "Check its disk and its owner, or set data_dir."
        ) from error
