"""The bank: the recordings that must not be played. The store has their landmarks, not their sound.

The console and the command line change it. The listen stage reads it, on one machine and on Kafka.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from msgspec import Struct
from sqlalchemy import Connection, delete, func, inspect, or_, select

from pipeline.base.errors import InputError, Missing
from pipeline.review import audit_log, database
from pipeline.review.database import put_new
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import FLAGS, HEARD
from pipeline.review.tables.policy_tables import BANNED_RECORDINGS
from pipeline.sound.fingerprints.fingerprint import Ban, BankState, BannedRecording, Fingerprint
from pipeline.sound.fingerprints.landmarks import packed, unpacked

MAX_RECORDINGS = 20_000
"""A song of three minutes takes about 50 kB of a worker's memory."""
BATCH = 100
"""Recordings that are read at once."""

BAN = (
    BANNED_RECORDINGS.c.title,
    BANNED_RECORDINGS.c.reason,
    BANNED_RECORDINGS.c.label,
    BANNED_RECORDINGS.c.added_by,
    BANNED_RECORDINGS.c.added_at,
)


class ListedRecording(Struct, frozen=True):
    """A recording of the bank, and what the store knows of its playbacks."""

    id: str
    recording: BannedRecording
    cases: int
    """Cases in which it was heard, as far as the store still has them."""
    heard_at: float | None
    """When it was heard last, in UTC seconds."""


def add_recording(connection: Connection, made: Fingerprint) -> None:
    """Add a recording. Raises InputError if the bank has it already, or is full."""
    ban = made.recording.ban
    # No lock: two people at once may add one too many, which harms nothing.
    if bank_size(connection) >= MAX_RECORDINGS:
        raise InputError(f"The bank has {MAX_RECORDINGS:,} recordings", "Remove some first.", text="bank_full")
    fields = {name: getattr(ban, name) for name in ban.__struct_fields__}
    values = {"id": made.id, "seconds": made.recording.seconds, "landmarks": packed(made.landmarks)} | fields
    if not put_new(connection, BANNED_RECORDINGS, values):
        known = connection.scalar(select(BANNED_RECORDINGS.c.title).where(BANNED_RECORDINGS.c.id == made.id))
        raise InputError(
            f"{ban.title} is in the bank already, as {made.id} {known}",
            "There is nothing to do.",
            text="recording_known",
            title=ban.title,
            known=known,
        )
    detail = {"title": ban.title, "reason": ban.reason, "label": ban.label, "seconds": made.recording.seconds}
    audit_log.append(connection, ban.added_at, ban.added_by, "recording.ban", made.id, detail)


def remove_recording(connection: Connection, identity: str, actor: str, at: float) -> None:
    """Remove a recording. Raises Missing if the bank does not have it."""
    statement = delete(BANNED_RECORDINGS).where(BANNED_RECORDINGS.c.id == identity)
    title = connection.execute(statement.returning(BANNED_RECORDINGS.c.title)).scalar()
    if title is None:
        raise Missing(f"The bank has no recording {identity}", "The console's page Banned recordings lists them.")
    audit_log.append(connection, at, actor, "recording.unban", identity, {"title": title})


def bank_size(connection: Connection) -> int:
    """Return the number of recordings."""
    return connection.scalar(select(func.count()).select_from(BANNED_RECORDINGS)) or 0


def list_recordings(connection: Connection, words: str = "", limit: int | None = None) -> list[ListedRecording]:
    """Return the recordings with these words in title, reason or id, the newest first, at most `limit`."""
    heard = FLAGS.c.sound["reference"].as_string()
    count = func.count(FLAGS.c.case_id.distinct())
    # A copy for a check would count the same playback again.
    query = select(heard, count, func.max(FLAGS.c.end)).where(HEARD, FLAGS.c.case_id.not_in(COPIES)).group_by(heard)
    known = {reference: (cases, last) for reference, cases, last in connection.execute(query)}
    named = (BANNED_RECORDINGS.c[name].icontains(words, autoescape=True) for name in ("title", "reason", "id"))
    newest = (BANNED_RECORDINGS.c.added_at.desc(), BANNED_RECORDINGS.c.id)
    rows = select(BANNED_RECORDINGS.c.id, BANNED_RECORDINGS.c.seconds, *BAN).where(or_(*named)).order_by(*newest)
    return [
        ListedRecording(row.id, BannedRecording(ban=_ban(row), seconds=row.seconds), *known.get(row.id, (0, None)))
        for row in connection.execute(rows.limit(limit))
    ]


class Bank:
    """Reads the bank of a store for a process that needs nothing else of it. It opens a connection for each call.

    A store that does not exist yet, or whose tables are older than the bank, has no recordings. Calls raise
    DependencyError if the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def state(self) -> BankState:
        """Return the state of the bank, without the landmarks."""
        with self._opened() as connection:
            if connection is None:
                return ()
            query = select(BANNED_RECORDINGS.c.id, BANNED_RECORDINGS.c.added_at).order_by(BANNED_RECORDINGS.c.id)
            return tuple((row.id, row.added_at) for row in connection.execute(query))

    def fingerprints(self, names: Collection[str] | None = None) -> Iterator[Fingerprint]:
        """Yield the recordings with these ids, with their landmarks, by id. Without `names`, yield all."""
        with self._opened() as connection:
            if connection is not None:
                yield from _fingerprints(connection, names)

    @contextmanager
    def _opened(self) -> Iterator[Connection | None]:
        if not database.exists(self._url):
            yield None
            return
        with database.visit(self._url) as connection:
            yield connection if inspect(connection).has_table(BANNED_RECORDINGS.name) else None


def _fingerprints(connection: Connection, names: Collection[str] | None) -> Iterator[Fingerprint]:
    ids = BANNED_RECORDINGS.c.id
    chosen = sorted(connection.scalars(select(ids)) if names is None else names)
    # All landmarks of a full bank are about 1 GB, so they are read in pages.
    for begin in range(0, len(chosen), BATCH):
        part = ids.in_(chosen[begin : begin + BATCH])
        for row in connection.execute(select(BANNED_RECORDINGS).where(part).order_by(ids)):
            recording = BannedRecording(ban=_ban(row), seconds=row.seconds)
            yield Fingerprint(row.id, recording, unpacked(row.landmarks))


def _ban(row: object) -> Ban:
    return Ban(**{column.name: getattr(row, column.name) for column in BAN})
