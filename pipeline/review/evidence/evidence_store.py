"""Evidence clips, Ogg Opus: where they are stored, encrypted or not, and the store that the settings choose.

Nobody waits for a store that is away: cases come without their clips (`EvidenceOutage`).
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from pipeline.base import private_files
from pipeline.base.dependencies import DependencyCheck
from pipeline.base.errors import ConfigError, DependencyError, VoxwardenError
from pipeline.base.libraries import install_extra
from pipeline.review.evidence.sealing import KeyRing, open_ring, seal, unseal, wrapping_key_of
from pipeline.settings import Settings

IDENTITY = re.compile(r"[0-9a-f-]{1,64}")

PROBE_BYTES = 65_536
"""About a clip of 15 s."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0
"""Pauses before a store that took no clip is asked again. They double while it answers, but takes no clip."""

log = logging.getLogger(__name__)


class EvidenceStore(Protocol):
    """Clips by path. Methods raise DependencyError if the storage does not answer, ConfigError if it is set up wrongly.

    A process may have no right to some of them. They then raise DependencyError, too.
    """

    def put(self, case: str, start: float, clip: bytes) -> str:
        """Store the clip of a case that begins at `start` (UTC seconds), and return its path."""
        path = clip_path(case, start)
        self.write(path, clip)
        return path

    def write(self, path: str, clip: bytes) -> None:
        """Store a clip completely or not at all. It replaces the clip at `path`."""

    def get(self, path: str) -> bytes | None:
        """Return the clip at `path`; None if there is none. Raises ClipDamaged if it is seen to be changed."""

    def remove(self, path: str) -> None:
        """Delete the clip at `path` if it exists."""

    def discard(self, path: str) -> bool:
        """Delete a clip that no case names. Return False if it stays, because this process may not delete it."""

    @property
    def locks(self) -> bool:
        """Whether `hold` protects a clip."""

    def hold(self, path: str, held: bool) -> None:
        """Let the storage itself protect the clip from deletion, or no longer. Does nothing where it cannot."""

    def paths(self, before: float) -> Iterator[str]:
        """Yield the paths of all clips whose last write was before `before` (UTC seconds)."""

    def sweep(self, before: float) -> None:
        """Delete incomplete clips that a crash left, if their last write was before `before` (UTC seconds)."""

    def check(self) -> str:
        """Return the name of the storage if it works."""


class EvidenceFolder(EvidenceStore):
    """Clips as files `<yyyy>/<mm>/<dd>/<case>.ogg` in one folder.

    File names contain only ids, because the name of a room may contain any character.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        private_files.repair(folder)

    def write(self, path: str, clip: bytes) -> None:
        target = self.file(path)
        try:
            private_files.make_folder(target.parent)
            private_files.write_private(
                target, clip
            )  # no row names an incomplete file, so nothing would ever delete it
        except OSError as error:
            raise _unusable(self.folder, error) from error

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

    def discard(self, path: str) -> bool:
        self.remove(path)
        return True

    @property
    def locks(self) -> bool:
        return False

    def hold(self, path: str, held: bool) -> None:
        """A folder protects no single file."""

    def paths(self, before: float) -> Iterator[str]:
        try:
            for file in self.folder.rglob("[!.]*.ogg"):  # incomplete clips begin with a dot
                with suppress(FileNotFoundError):  # another process has deleted it
                    if file.stat().st_mtime < before:
                        yield file.relative_to(self.folder).as_posix()
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def sweep(self, before: float) -> None:
        try:
            for part in self.folder.rglob(f".*{private_files.PART}"):
                with suppress(FileNotFoundError):  # the clip is complete by now and has its final name
                    if part.stat().st_mtime < before:
                        part.unlink()
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def check(self) -> str:
        """Write a file and delete it, because only that shows a full disk."""
        # The folder is made with the first clip, so try the nearest one that exists.
        there = next(place for place in (self.folder, *self.folder.absolute().parents) if place.exists())
        try:
            # Named like an incomplete clip, so that `sweep` deletes it after a crash.
            with NamedTemporaryFile(dir=there, prefix=".", suffix=private_files.PART) as probe:
                probe.write(bytes(PROBE_BYTES))
                probe.flush()
        except OSError as error:
            raise _unusable(self.folder, error) from error
        return str(self.folder)

    def file(self, path: str) -> Path:
        return self.folder / path


def clip_path(case: str, start: float) -> str:
    """Return the path of a case's clip, relative to the evidence folder. `start` is in UTC seconds.

    Raises ValueError if `case` does not look like a case id.
    """
    # Without dots and slashes, an id cannot lead out of the folder.
    if not IDENTITY.fullmatch(case):
        raise ValueError(f"{case!r} is not a case id")
    return f"{datetime.fromtimestamp(start, UTC):%Y/%m/%d}/{case}.ogg"


def checksum(clip: bytes) -> str:
    """Return the SHA-256 of a clip in hexadecimal digits."""
    return sha256(clip).hexdigest()


def _unusable(folder: Path, error: OSError) -> DependencyError:
    return DependencyError(
        f"The evidence folder {folder} cannot be used: {error.strerror}",
        "Check its disk space and its owner, or set data_dir.",
    )


class SealedEvidence(EvidenceStore):
    """Encrypts clips for another store. Clips that are already there without encryption stay readable."""

    def __init__(self, inner: EvidenceStore, ring: KeyRing) -> None:
        self._inner = inner
        self.ring = ring

    def write(self, path: str, clip: bytes) -> None:
        self._inner.write(path, seal(clip, path, self.ring))

    def get(self, path: str) -> bytes | None:
        data = self._inner.get(path)
        return None if data is None else unseal(data, path, self.ring)

    def key_of(self, path: str) -> str | None:
        """Return the id of the key of a clip; empty if it is not encrypted, None if it does not exist."""
        data = self._inner.get(path)
        return None if data is None else wrapping_key_of(data, path)

    def remove(self, path: str) -> None:
        self._inner.remove(path)

    def discard(self, path: str) -> bool:
        return self._inner.discard(path)

    @property
    def locks(self) -> bool:
        return self._inner.locks

    def hold(self, path: str, held: bool) -> None:
        self._inner.hold(path, held)

    def paths(self, before: float) -> Iterator[str]:
        return self._inner.paths(before)

    def sweep(self, before: float) -> None:
        self._inner.sweep(before)

    def check(self) -> str:
        encrypted = f"encrypted with {self.ring.current}" if self.ring.current else "not encrypted by Voxwarden"
        return f"{self._inner.check()}, {encrypted}"


class StoreAway(Exception):  # noqa: N818
    """The store of the clips does not take a clip now."""


class EvidenceOutage:
    """Knows whether there is an outage of `evidence`. It begins with the first clip that the store does not take.

    A thread asks the store meanwhile, because an answer may take as long as its timeouts. `sleep` takes seconds.
    """

    def __init__(self, evidence: EvidenceStore, sleep: Callable[[float], object] | None = None) -> None:
        self._evidence = evidence
        self._over = threading.Event()
        self._sleep = sleep or self._over.wait
        self._pause = FIRST_PAUSE_SECONDS
        self.lasts = False

    @contextmanager
    def storing(self) -> Iterator[EvidenceStore]:
        """Give the store for the block. An error of the store in the block begins an outage, and raises StoreAway."""
        try:
            yield self._evidence
        except VoxwardenError as error:  # a wrong setting, too: the words must not wait for its repair
            self._begin(error)
            raise StoreAway from error
        self._pause = FIRST_PAUSE_SECONDS

    def ask(self) -> None:
        """Ask the store whether an outage begins. Raises ConfigError if the store is set up wrongly."""
        try:
            self._evidence.check()
        except DependencyError as error:
            self._begin(error)

    def close(self) -> None:
        """Ask no more."""
        self._over.set()

    def _begin(self, error: VoxwardenError) -> None:
        log.warning("Cases come without their clips until the store of the clips takes them: %s", error)
        self.lasts = True
        threading.Thread(target=self._ask_again, name="asks evidence", daemon=True).start()

    def _ask_again(self) -> None:
        self._sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        while not self._over.is_set():
            try:
                self._evidence.check()
            except Exception as error:  # an error that ended the thread would make the outage endless
                log.info("The store of the clips takes none yet: %s", error)
                self._sleep(FIRST_PAUSE_SECONDS)
            else:
                log.warning("The store of the clips answers again; cases get their clips")
                self.lasts = False
                return


def open_evidence(settings: Settings) -> SealedEvidence:
    """Return the store of the settings. No server is asked yet.

    Raises ConfigError if a library is not installed, or for a wrong file of keys.
    """
    return SealedEvidence(_store(settings), open_ring(settings.evidence))


def evidence_checks(settings: Settings) -> Mapping[str, DependencyCheck]:
    """Return the check of the store, as of a dependency."""
    return {"evidence": open_evidence(settings).check}


def _store(settings: Settings) -> EvidenceStore:
    if settings.evidence.store == "folder":
        return EvidenceFolder(settings.data_dir / "evidence")
    try:
        from pipeline.review.evidence.aws import S3Evidence
    except ModuleNotFoundError as error:
        raise ConfigError(f"evidence.store=s3 needs {error.name}", f"Install it: {install_extra('s3')}.") from error
    return S3Evidence(settings.evidence)
