"""Published versions of the policy, shadow policies, and the releases that judges follow.

The store is the truth. Each function runs in a transaction that the caller opened. Those that change something write
their line of the audit log last.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select

from pipeline.base.errors import CaseError, Missing
from pipeline.judge.labels import Labels
from pipeline.judge.policy_release import MAX_SHADOWS, MarkedTexts, Release
from pipeline.judge.rule_texts import RuleTexts, compiled, read_texts
from pipeline.review import audit_log
from pipeline.review.database import fields_of
from pipeline.review.tables.policy_tables import POLICY_RELEASES, POLICY_SHADOW_COUNTS, POLICY_SHADOWS, POLICY_VERSIONS
from pipeline.settings import Settings

LOCK = 0x766F7870
"""Key ("voxp") of the PostgreSQL advisory lock that a writer of these tables takes."""


class PublishedPolicy(Struct, frozen=True):
    """A published version. It never changes. Number 0 stands for the files of the settings."""

    number: int
    name: str
    """The name in the policy's text."""
    texts: RuleTexts
    sha256: str
    title: str
    authors: tuple[str, ...]
    approver: str
    published_at: float
    """UTC seconds."""
    back_to: int | None = None
    """The version whose texts a roll-back brought back; 0: the files."""

    @property
    def people(self) -> tuple[str, ...]:
        """The authors, and the person who approved it or rolled back to it."""
        return tuple(dict.fromkeys((*self.authors, self.approver)))

    @property
    def version(self) -> str:
        """What flags name."""
        return f"{self.name}@{self.number}"


class RunningShadow(Struct, frozen=True):
    """A shadow policy that judges run now."""

    mark: str
    started_by: str
    started_at: float
    judged: int
    """Utterances, by the reports of the judges."""
    flagged: int
    differ: int
    """Utterances for which the live policy suggests something else."""


def lock(connection: Connection) -> None:
    """Let one transaction at a time change policies. On SQLite each transaction does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def live_version(connection: Connection) -> PublishedPolicy | None:
    """Return the live version; None if nothing was ever published."""
    return next(iter(list_versions(connection, 1)), None)


def list_versions(connection: Connection, limit: int = 100) -> list[PublishedPolicy]:
    """Return versions, newest first."""
    query = select(POLICY_VERSIONS).order_by(POLICY_VERSIONS.c.number.desc()).limit(limit)
    return [_version_of(row) for row in connection.execute(query)]


def find_version(connection: Connection, number: int) -> PublishedPolicy:
    """Return a version. Raises Missing."""
    row = connection.execute(select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.number == number)).one_or_none()
    if row is None:
        raise Missing(f"There is no version {number} of the policy", "Choose one of the list.")
    return _version_of(row)


def from_files(settings: Settings, labels: Labels) -> PublishedPolicy:
    """Return the files of the settings as version 0. Raises ConfigError."""
    texts = read_texts(settings.judge.policy, settings.judge.lexicons)
    name = compiled(texts, labels, "0").policy.policy.name
    return PublishedPolicy(0, name, texts, texts.sha256, "", (), "", 0.0)


def texts_now(connection: Connection, settings: Settings) -> RuleTexts:
    """Return the texts of the live version, or the texts of the files if nothing was ever published."""
    live = live_version(connection)
    return live.texts if live else read_texts(settings.judge.policy, settings.judge.lexicons)


def publish(
    connection: Connection,
    texts: RuleTexts,
    labels: Labels,
    title: str,
    authors: Sequence[str],
    approver: str,
    at: float,
    back_to: int | None = None,
) -> PublishedPolicy:
    """Make a version live at `at` (UTC seconds). The caller writes the line of the audit log.

    Raises ConfigError if the texts have a mistake: labels may have changed since they were checked.
    """
    lock(connection)
    # Under the lock, so that no two versions get one number.
    number = (connection.scalar(select(func.max(POLICY_VERSIONS.c.number))) or 0) + 1
    name = compiled(texts, labels, str(number)).policy.policy.name
    made = PublishedPolicy(number, name, texts, texts.sha256, title, tuple(authors), approver, at, back_to)
    connection.execute(insert(POLICY_VERSIONS).values(msgspec.to_builtins(made)))
    # Judges compare editions, and fetch the texts when the edition has grown.
    _release(connection, number, at)
    return made


def roll_back(
    connection: Connection, old: PublishedPolicy, labels: Labels, title: str, actor: str, at: float
) -> PublishedPolicy:
    """Publish the texts of an older version again, as a new version.

    One person may do it, because two people chose these texts before, or the operator did. Raises CaseError if these
    texts are live already, or if nothing was ever published.
    """
    lock(connection)
    live = live_version(connection)
    if live is None or live.sha256 == old.sha256:
        raise CaseError(
            f"The texts of version {old.number} are live already", "Choose another version.", text="policy_same"
        )
    # The authors stay: they wrote these texts. The person who rolls back is the approver.
    made = publish(connection, old.texts, labels, title, old.authors, actor, at, old.number)
    detail = {"back_to": old.number, "from": live.number, "sha256": made.sha256, "policy": made.version}
    audit_log.append(connection, at, actor, "policy.rollback", str(made.number), detail)
    return made


def start_shadow(connection: Connection, mark: str, texts: RuleTexts, labels: Labels, actor: str, at: float) -> None:
    """Let all judges run a shadow policy. Raises CaseError if it runs, or if there are MAX_SHADOWS already."""
    lock(connection)
    # A mistake raises ConfigError here, before judges get texts that they cannot use.
    compiled(texts, labels, mark)
    running = shadows(connection)
    if any(each.mark == mark for each in running):
        raise CaseError(f"The shadow policy {mark} runs already", "Look at its figures.", text="policy_shadow_known")
    if len(running) >= MAX_SHADOWS:
        raise CaseError(f"There are {MAX_SHADOWS} shadow policies already", "End one first.", text="policy_shadows")
    values = {"mark": mark, "texts": msgspec.to_builtins(texts), "started_by": actor, "started_at": at}
    connection.execute(insert(POLICY_SHADOWS).values(values))
    _release(connection, _live_number(connection), at)
    audit_log.append(connection, at, actor, "policy.shadow", mark, {"sha256": texts.sha256})


def end_shadow(connection: Connection, mark: str, actor: str, at: float) -> None:
    """End a shadow policy. Raises Missing if it does not run."""
    lock(connection)
    ended = next((each for each in shadows(connection) if each.mark == mark), None)
    if ended is None:
        raise Missing(f"The shadow policy {mark} does not run", "Load the page again.")
    connection.execute(delete(POLICY_SHADOWS).where(POLICY_SHADOWS.c.mark == mark))
    _release(connection, _live_number(connection), at)
    detail = {"judged": ended.judged, "flagged": ended.flagged, "differ": ended.differ}
    audit_log.append(connection, at, actor, "policy.unshadow", mark, detail)


def shadows(connection: Connection) -> list[RunningShadow]:
    """Return the shadow policies that run, oldest first."""
    columns = (POLICY_SHADOWS.c.mark, POLICY_SHADOWS.c.started_by, POLICY_SHADOWS.c.started_at)
    counts = POLICY_SHADOW_COUNTS.c
    sums = [func.coalesce(func.sum(each), 0) for each in (counts.judged, counts.flagged, counts.differ)]
    query = select(*columns, *sums).outerjoin(POLICY_SHADOW_COUNTS, counts.mark == POLICY_SHADOWS.c.mark)
    ordered = query.group_by(*columns).order_by(POLICY_SHADOWS.c.started_at, POLICY_SHADOWS.c.mark)
    return [RunningShadow(*row) for row in connection.execute(ordered)]


def edition(connection: Connection) -> int:
    """Return the edition of the newest release; 0 if there is none."""
    return connection.scalar(select(func.max(POLICY_RELEASES.c.edition))) or 0


def newest_release(connection: Connection) -> Release | None:
    """Return what judges are to use; None if nothing was ever published."""
    query = select(POLICY_RELEASES).order_by(POLICY_RELEASES.c.edition.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    # A shadow policy may run before anything is published: then the files of the settings stay live.
    live = find_version(connection, row.version) if row.version else None
    ordered = select(POLICY_SHADOWS).order_by(POLICY_SHADOWS.c.started_at, POLICY_SHADOWS.c.mark)
    running = tuple(MarkedTexts(each.mark, _texts(each.texts)) for each in connection.execute(ordered))
    return Release(row.edition, MarkedTexts(str(live.number), live.texts) if live else None, running)


def released_at(connection: Connection, number: int) -> tuple[int, float]:
    """Return the edition with which a version went live, and the time in UTC seconds. Raises Missing."""
    query = select(POLICY_RELEASES.c.edition, POLICY_RELEASES.c.at).where(POLICY_RELEASES.c.version == number)
    row = connection.execute(query.order_by(POLICY_RELEASES.c.edition).limit(1)).one_or_none()
    if row is None:
        raise Missing(f"There is no version {number} of the policy", "Choose one of the list.")
    return row.edition, row.at


def _release(connection: Connection, version: int | None, at: float) -> None:
    marks = [each.mark for each in shadows(connection)]
    values = {"edition": edition(connection) + 1, "version": version, "shadows": marks, "at": at}
    connection.execute(insert(POLICY_RELEASES).values(values))


def _live_number(connection: Connection) -> int | None:
    number: int | None = connection.scalar(select(func.max(POLICY_VERSIONS.c.number)))
    return number


def _version_of(row: Any) -> PublishedPolicy:
    return PublishedPolicy(**fields_of(row) | {"texts": _texts(row.texts), "authors": tuple(row.authors)})


def _texts(stored: Any) -> RuleTexts:
    return msgspec.convert(stored, RuleTexts)
