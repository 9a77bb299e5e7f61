"""Draws checks: it chooses decisions for a second opinion, disputes for a third, and the moments for golden cases.

Each upheld audit gets a second opinion. They are few, and recall rests on them.

The console runs it every DRAW_SECONDS. Keyed hashes of ids decide what is drawn. So a second run, or a second
process, draws the same and adds nothing. Each function runs in a transaction that the caller opened.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, exists, func, insert, select

from pipeline.contract.messages import NAMESPACE, Flag
from pipeline.review.cases import reading
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import REPORTED, Case, ClipPiece, Evidence, columns
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.evidence.sealing import ClipDamaged
from pipeline.review.privacy import erasure, holds
from pipeline.review.quality import quality_checks
from pipeline.review.quality.quality_checks import FINAL, SECONDS, Kind, drawn
from pipeline.review.tables.case_tables import CHECKS, COPIES, GOLDEN
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS

DRAW_SECONDS = 15.0
"""Pause between two draws: a second opinion waits for no more than this."""

REACH_SECONDS = 6 * 3_600.0
"""Age in seconds up to which decisions are drawn from. It covers the time in which no console ran."""
SETTLE_SECONDS = 30 * 86_400.0
"""Age in seconds up to which an audit may lead to a second opinion, and a second one to a third."""
LOCK = 0x766F7871
"""Key ("voxq") of the PostgreSQL advisory lock that drawing takes."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares (0 to 1) of decisions that get a second opinion, and that put a golden case into the queue.

    Without second opinions, upheld audits get none either.
    """

    second: float
    golden: float


def draw(
    connection: Connection,
    evidence: EvidenceStore,
    at: float,
    shares: Shares,
    undo_seconds: float,
    ranking: Ranking | None = None,
) -> list[str]:
    """Put checks for recent decisions into the queue, and return the case ids of the new ones.

    Only decisions whose undo window is over at `at` (UTC seconds) count. A check waits like any other case of its
    severity.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    made: dict[str | None, str] = {}
    key = quality_checks.draw_key(connection)
    for decision, case in _decided(connection, at - REACH_SECONDS, at - undo_seconds):
        if drawn("second", decision, shares.second, key):
            made[copy(connection, evidence, "second", case, decision, shares.second, at, ranking)] = case
        golden = _next_golden(connection) if drawn("golden", decision, shares.golden, key) else None
        if golden:
            made[copy(connection, evidence, "golden", golden, decision, shares.golden, at, ranking)] = golden
    if shares.second:
        for decision, case in _upheld_audits(connection, at, at - undo_seconds):
            made[copy(connection, evidence, "upheld", case, decision, 1.0, at, ranking)] = case
    # list: `copy` changes the tables that the generator reads.
    for second, original in list(_disputed(connection, at, at - undo_seconds)):
        made[copy(connection, evidence, "third", original, second, 1.0, at, ranking)] = original
    return _kept(connection, evidence, {copy: original for copy, original in made.items() if copy})


def _kept(connection: Connection, evidence: EvidenceStore, made: dict[str, str]) -> list[str]:
    """Delete the copies whose original was deleted meanwhile. Return the others.

    The originals are locked only here. To copy clips takes long, and decisions must not wait for it.
    """
    there = reading.locked(connection, made.values())
    for one in [one for one, original in made.items() if original not in there]:
        erasure.delete_case(connection, evidence, one)
    return [one for one, original in made.items() if original in there]


def copy(
    connection: Connection,
    evidence: EvidenceStore,
    kind: Kind,
    original: str,
    cause: str,
    probability: float,
    at: float,
    ranking: Ranking | None = None,
) -> str | None:
    """Put a copy of the case `original` into the queue and return its id.

    `cause` is the id of the decision or check that led to it. None: the same cause already made this check.
    """
    identity = str(uuid.uuid5(NAMESPACE, f"check\x1f{kind}\x1f{cause}"))
    if quality_checks.check_of(connection, identity):
        return None
    file = reading.case_file(connection, original)
    # The times of a golden case are moved to the present, so that it looks like a new case.
    later = at - file.case.created_at if kind == "golden" else 0.0
    connection.execute(insert(CASES).values(columns(_case(file.case, identity, later, at, ranking or Ranking({})))))
    for flag in file.flags:
        connection.execute(insert(FLAGS).values(columns(_flag(flag, identity, later)) | {"case_id": identity}))
    quality_checks.record(connection, identity, kind, original, probability, at)
    for clip in file.evidence[:1]:  # the longest
        _copy_clip(connection, evidence, clip, identity, later)
    return identity


def _case(case: Case, identity: str, later: float, at: float, ranking: Ranking) -> Case:
    return replace(
        case,
        id=identity,
        start=case.start + later,
        end=case.end + later,
        status="pending",
        version=1,
        created_at=at,
        verdict=None,
        **ranking.place(case.label, case.severity, at),
    )


def _flag(flag: Flag, case: str, later: float) -> Flag:
    hits = [
        replace(hit, start_time=_shifted(hit.start_time, later), end_time=_shifted(hit.end_time, later))
        for hit in flag.hits
    ]
    words = [replace(word, start=word.start + later, end=word.end + later) for word in flag.words]
    return replace(
        flag,
        id=str(uuid.uuid5(NAMESPACE, f"{case}\x1f{flag.id}")),
        start=flag.start + later,
        end=flag.end + later,
        hits=tuple(hits),
        words=tuple(words),
    )


def _shifted(moment: float | None, later: float) -> float | None:
    return None if moment is None else moment + later


def _copy_clip(connection: Connection, evidence: EvidenceStore, clip: Evidence, case: str, later: float) -> None:
    try:
        data = evidence.get(clip.path)
    except ClipDamaged:  # one damaged clip must not stop the draw
        return
    if data is None:
        return
    start, end = clip.start + later, clip.end + later
    timeline = tuple(ClipPiece(piece.offset, piece.start + later, piece.seconds) for piece in clip.timeline)
    # The file comes before its row. After a crash, retention finds the file without a row.
    path = evidence.put(case, start, data)
    moved = replace(clip, path=path, case=case, start=start, end=end, timeline=timeline)
    connection.execute(insert(EVIDENCE).values(columns(moved)))
    # The original is on hold, and the copy is evidence, too.
    if holds.is_held(connection, case):
        evidence.hold(path, True)


def _decided(connection: Connection, since: float, until: float) -> list[tuple[str, str]]:
    """Return the decisions (id, case) that closed a case and were not undone, oldest first.

    Copies and drills are left out. So are reported cases, because their clips contain other speakers, and because
    their reporters may not decide a copy.
    """
    query = (
        select(DECISIONS.c.id, DECISIONS.c.case_id)
        .join(CASES, CASES.c.id == DECISIONS.c.case_id)
        .where(DECISIONS.c.at >= since, DECISIONS.c.at <= until, DECISIONS.c.undone.is_(None))
        .where(DECISIONS.c.verdict.in_(FINAL), DECISIONS.c.case_id.not_in(COPIES))
        .where(CASES.c.policy != REPORTED, CASES.c.drill == "")
        .order_by(DECISIONS.c.at, DECISIONS.c.id)
    )
    return [(row.id, row.case_id) for row in connection.execute(query)]


def _upheld_audits(connection: Connection, at: float, until: float) -> list[tuple[str, str]]:
    """Return the decisions (id, case) that uphold an audit without a second opinion, oldest first."""
    other = CHECKS.alias()
    seconds = exists().where(other.c.original == CHECKS.c.case_id, other.c.kind.in_(SECONDS))
    query = (
        select(DECISIONS.c.id, DECISIONS.c.case_id)
        .join(CHECKS, CHECKS.c.case_id == DECISIONS.c.case_id)
        .where(CHECKS.c.kind == "audit", CHECKS.c.drawn_at >= at - SETTLE_SECONDS, ~seconds)
        .where(DECISIONS.c.verdict == "uphold", DECISIONS.c.undone.is_(None), DECISIONS.c.at <= until)
        .order_by(DECISIONS.c.at, DECISIONS.c.id)
    )
    return [(row.id, row.case_id) for row in connection.execute(query)]


def _next_golden(connection: Connection) -> str | None:
    """Return the golden case that was drawn the longest time ago; None while a copy of each one waits in the queue."""
    # Two copies of one golden case in the queue would give it away.
    waiting = exists().where(CHECKS.c.original == GOLDEN.c.case_id, CHECKS.c.done.is_(False))
    last = select(func.max(CHECKS.c.drawn_at)).where(CHECKS.c.original == GOLDEN.c.case_id).scalar_subquery()
    query = select(GOLDEN.c.case_id).where(~waiting).order_by(func.coalesce(last, 0.0), GOLDEN.c.case_id).limit(1)
    return connection.execute(query).scalar_one_or_none()


def _disputed(connection: Connection, at: float, until: float) -> Iterator[tuple[str, str]]:
    """Yield the second opinions (id, original) that differ from the first decision."""
    query = select(CHECKS.c.case_id, CHECKS.c.original).where(
        CHECKS.c.kind.in_(SECONDS), CHECKS.c.done.is_(True), CHECKS.c.drawn_at >= at - SETTLE_SECONDS
    )
    for row in connection.execute(query).all():
        first = final(connection, row.original, until, newest=False)
        second = final(connection, row.case_id, until)
        if first and second and first != second:
            yield row.case_id, row.original


def final(connection: Connection, case: str, until: float, newest: bool = True) -> Any:
    """Return the newest verdict on a case, or the first one; None if there is none.

    Only verdicts made up to `until` (UTC seconds) count. Undone decisions and escalations do not count.
    """
    order = DECISIONS.c.at.desc() if newest else DECISIONS.c.at
    query = (
        select(DECISIONS.c.verdict)
        .where(DECISIONS.c.case_id == case, DECISIONS.c.undone.is_(None), DECISIONS.c.at <= until)
        .where(DECISIONS.c.verdict.in_(FINAL))
        .order_by(order)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()
