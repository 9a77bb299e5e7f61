"""Watches the audit log: verifies its lines in the background, and anchors its head outside the database.

An anchor is the head, signed with a key outside the database. The owner of the database can forge the whole log, but
not an anchor. So keep the key, and at least one copy of the anchors, where the owner of the database cannot change
them.
"""

import base64
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Event

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from sqlalchemy import Connection, select

from pipeline.base import private_files, signing
from pipeline.base.errors import DependencyError, InputError
from pipeline.base.json_reading import read_json
from pipeline.base.metrics import Metrics
from pipeline.base.url_secrets import without_secrets
from pipeline.review import audit_log
from pipeline.review.audit_log import ChainReport
from pipeline.review.database import Database
from pipeline.review.tables.core import AUDIT, AUDIT_HEAD
from pipeline.settings import AuditSettings, Settings

log = logging.getLogger(__name__)

FILE = "audit.key"
"""Name of the private key in data_dir."""
MADE_BY = "voxwarden audit key"

EVERY_SECONDS = 300.0
"""Seconds between two looks at the new lines."""
WHOLE_SECONDS = 86_400.0
"""Seconds between two checks of all lines."""
MOST = 10_000
"""The most lines that are read in one transaction."""
LONGEST_LINE = 10_000
"""The most bytes of a line with an anchor, which has less than 500 and what a log writes before it."""
PAUSE_SECONDS = 0.1
"""Seconds between two of these transactions. A long log is checked slowly, and requests do not wait for it."""


class ChainWatch:
    """Verifies the log in the background, for the console's page and for an alert. `clock` returns UTC seconds."""

    def __init__(self, database: Database, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._whole_at = 0.0
        self._closed = Event()
        self.report: ChainReport | None = None
        """The last result. None: the first check has not ended."""
        self.at = 0.0
        """When it was made, in UTC seconds."""

    def look(self) -> None:
        """Check the new lines, and once a day all lines. A broken log stays so until the next check of all lines."""
        now = self._clock()
        # Between whole checks only new lines are read. So a change of an old line is found within a day.
        whole = self.report is None or now - self._whole_at >= WHOLE_SECONDS
        if not whole and self.report and self.report.broken is not None:
            return
        report = self._check(None if whole else self.report)
        if report.unchecked:  # the watch was closed meanwhile
            return
        if whole:
            self._whole_at = now
        if report.broken is not None:
            log.error("The audit log is broken at line %d: %s", report.broken, report.reason)
        self.report, self.at = report, now
        self._metrics.audit_broken.set(report.broken is not None)
        self._metrics.audit_checked.set(now)

    def close(self) -> None:
        """End a check in progress. Its result is dropped."""
        self._closed.set()

    def _check(self, known: ChainReport | None) -> ChainReport:
        """Check the lines after `known`. The report has unchecked lines only if the watch was closed meanwhile."""
        while True:
            with self._database.read() as connection:
                known = audit_log.verify_chain(connection, known, MOST)
            if not known.unchecked or self._closed.wait(PAUSE_SECONDS):
                return known


class Head(Struct, frozen=True):
    """The head of the audit log at a moment."""

    at: float
    """UTC seconds."""
    first: int
    """Number of the oldest line."""
    seq: int
    """Number of the newest line."""
    hash: str
    """Hash of the newest line."""


class SignedHead(Struct, frozen=True):
    """An anchor: one line of JSON."""

    head: Head
    key: str
    """SHA-256 of the public key's PEM text."""
    signature: str
    """Ed25519 signature of the JSON of `head`, in Base64."""


class Anchoring:
    """Writes anchors to the places that the settings name. `clock` returns UTC seconds.

    Raises ConfigError if the settings name a place, but there is no key.
    """

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], float]) -> None:
        self._database = database
        self._to = settings.audit
        self._clock = clock
        self._key = signing.load_key(audit_key_file(settings), MADE_BY) if settings.audit.places else None
        self.newest: SignedHead | None = None
        """The newest anchor of this process."""

    def anchor(self) -> None:
        """Sign the present head and write it. Raises DependencyError if a place does not take it."""
        if self._key is None:
            return
        with self._database.read() as connection:
            head = head_of(connection, self._clock())
        self.newest = signed = sign(head, self._key)
        _write(self._to, msgspec.json.encode(signed))


def audit_key_file(settings: Settings) -> Path:
    """Return the file of the private key."""
    return settings.audit.key or settings.data_dir / FILE


def head_of(connection: Connection, at: float) -> Head:
    """Return the present head."""
    newest = connection.execute(select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash)).one()
    oldest = connection.scalar(select(AUDIT.c.seq).order_by(AUDIT.c.seq).limit(1))
    return Head(float(at), oldest or 1, newest.seq, newest.hash)


def sign(head: Head, key: Ed25519PrivateKey) -> SignedHead:
    """Sign a head."""
    pem = signing.public_pem(key.public_key())
    signature = base64.b64encode(key.sign(msgspec.json.encode(head))).decode()
    return SignedHead(head, signing.fingerprint(pem), signature)


def read_anchors(path: Path) -> list[SignedHead]:
    """Read a file of anchors, one in each line. Text before the first brace of a line, as logs have, is left out.

    Raises InputError for a missing or wrong file, and for one without an anchor.
    """
    try:
        with path.open("rb") as file:
            # In parts: a file such as /dev/zero has no end, and no line.
            lines = enumerate(iter(partial(file.readline, LONGEST_LINE), b""), start=1)
            found = [_anchor_in(line, f"{path}, line {number}") for number, line in lines if line.strip()]
    except OSError as error:
        raise InputError(f"The anchors {path} cannot be read: {error.strerror}", "Name another file.") from error
    if not found:
        raise InputError(f"{path} has no anchor", "Name a file with anchors.")
    return found


def _anchor_in(line: bytes, name: str) -> SignedHead:
    try:
        return read_json(line[max(0, line.find(b"{")) :], SignedHead)
    except msgspec.DecodeError as error:
        raise InputError(f"{name} is not an anchor: {error}", "Leave out other lines.") from error


def faults(connection: Connection, anchors: Sequence[SignedHead], public_pem: bytes, at: float) -> Iterator[str]:
    """Yield what is wrong between the log at `at` (UTC seconds) and each anchor.

    Call `audit_log.verify_chain` first.
    """
    # One head for all anchors, so that a line added meanwhile changes no answer.
    now = head_of(connection, at)
    for number, anchor in enumerate(anchors, start=1):
        fault = _fault(connection, anchor, public_pem, now)
        if fault:
            yield f"anchor {number}: {fault}"


def _fault(connection: Connection, anchor: SignedHead, public_pem: bytes, now: Head) -> str:
    head = anchor.head
    if not _is_signed(anchor, public_pem):
        return "its signature is not by the given key"
    if head.seq > now.seq:
        return f"the log ends at line {now.seq}, but had line {head.seq}"
    if head.seq >= now.first:
        stored = (
            connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.seq == head.seq)) if head.seq else audit_log.GENESIS
        )
        return "" if stored == head.hash else f"line {head.seq} is another one"
    young = now.at - head.at < audit_log.KEPT_SECONDS
    return f"line {head.seq} was deleted before its time" if young and head.seq else ""


def _is_signed(anchor: SignedHead, public_pem: bytes) -> bool:
    try:
        signature = base64.b64decode(anchor.signature, validate=True)
    except ValueError:
        return False
    named = anchor.key == signing.fingerprint(public_pem)
    return named and signing.signed(public_pem, signature, msgspec.json.encode(anchor.head))


def _write(to: AuditSettings, line: bytes) -> None:
    if to.anchor_file:
        _append(to.anchor_file, line)
    if to.anchor_url:
        _post(to.anchor_url, line)


def _append(path: Path, line: bytes) -> None:
    try:
        private_files.make_folder(path.parent)
        private_files.make_file(path)
        with path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())  # an anchor must outlive a crash of the machine
    except OSError as error:
        raise DependencyError(
            f"The anchor cannot be written to {path}: {error.strerror}", "Set audit.anchor_file."
        ) from error


def _post(url: str, line: bytes) -> None:
    try:
        # The status is enough: a body may be endless.
        with httpx.stream(
            "POST", url, content=line, headers={"content-type": "application/json"}, timeout=10
        ) as answer:
            answer.raise_for_status()
    except httpx.HTTPError as error:
        reason = without_secrets(str(error))  # it has the address
        raise DependencyError(f"audit.anchor_url did not take the anchor: {reason}", "Check the address.") from error
