"""The retention job: it deletes clips, cases, lines of the audit log and the record of duty when their time is over.

The time depends on the verdict and the label, and clips go before cases. The same transaction writes a line about each
deletion to the audit log. Cases on legal hold stay, and so do cases with an open appeal. A copy for a check goes with
its original, and its clip with the original's. Several processes may run the job at once, and you can repeat it at any
time.
"""

import logging
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal, get_args

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, func, or_, select

from pipeline.review import audit_log, stored_recordings
from pipeline.review.accounts import presence
from pipeline.review.cases import appeals
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.privacy import erasure, holds
from pipeline.review.search import case_words
from pipeline.review.tables.case_tables import CHECKS, COPIES
from pipeline.review.tables.core import AUDIT, CASES, DECISIONS, EVIDENCE
from pipeline.settings import Keep, Retention

Class = Literal["open", "upheld", "dismissed"]
Part = Literal["case", "audio"]

log = logging.getLogger(__name__)

EVERY_SECONDS = 86_400.0
"""Time between two runs of the job: all limits are days."""

PARTS: tuple[Part, ...] = get_args(Part)
CLASSES: tuple[Class, ...] = ("open", "upheld", "dismissed")
DAY = 86_400.0
BATCH = 50
PART_SECONDS = 3_600.0
"""An incomplete clip of this age, in seconds, is left from a crash."""
ORPHAN_SECONDS = DAY
"""A clip of this age, in seconds, that no case names will not get its row any more."""
ORPHAN_PAGE = 500
MOST_SHARE = 0.5
"""If more than this share of all clips has no case, this is probably the storage of another database."""
FEW = 100
"""So few clips without a case are deleted in any case."""
MAX_SEQ = 2**31 - 1
ACTOR = "retention"
LOST = {"class": "copy", "label": "any", "days": 0}


class RetentionRule(Struct, frozen=True):
    """How long one class of cases is kept. `label` None means every label that is not in `others`."""

    state: Class
    label: str | None
    others: frozenset[str]
    keep: Keep


class Done(Struct, frozen=True):
    """Numbers of deleted clips, cases and lines. `preview` returns the numbers that a run would delete.

    `clips` includes clips that no case names. `preview` does not look for those.
    """

    clips: int
    cases: int
    lines: int
    erased: int
    held: int
    """Cases whose time is over, but that stay because of a legal hold."""


def rules(settings: Retention) -> Iterator[RetentionRule]:
    """Yield one rule for each class, and one for each label that has its own times."""
    for state in CLASSES:
        own = {label: keep for label, kept in settings.labels.items() if (keep := getattr(kept, state)) is not None}
        yield RetentionRule(state, None, frozenset(own), getattr(settings, state))
        for label, keep in own.items():
            yield RetentionRule(state, label, frozenset(), keep)


def run_retention(
    database: Database, evidence: EvidenceStore, settings: Retention, at: float, kept: float = math.inf
) -> Done:
    """Delete all data whose time is over at `at` (UTC seconds), up to BATCH cases in each transaction.

    Kafka keeps speech for `kept` seconds. A request to erase a speaker stays until no earlier speech can arrive.
    """
    evidence.sweep(at - PART_SECONDS)
    # Before anything is deleted: a crash may have left a held clip without its lock.
    holds.relock(database, evidence)
    with database.read() as connection:
        asked = erasure.requests(connection)
    # Erasures before retention, so that a case counts as erased if both apply.
    erased = sum(erasure.carry_out(database, evidence, request, ACTOR, at, kept).cases for request in asked)
    found = list(rules(settings))
    cases, clips = (
        sum(_delete(database, evidence, part, _due(rule, part, at), _why(rule, part), at) for rule in found)
        # Cases first: their clips go with them, and are not counted again.
        for part in PARTS
    )
    cases += _delete(database, evidence, "case", _lost_copies(), LOST, at)
    with database.write() as connection:
        stored_recordings.forget_old(connection, at)  # the API does so, too, while it runs
    clips += _delete_orphans(database, evidence, at - ORPHAN_SECONDS)
    with database.write() as connection:
        if cases:
            case_words.compact(connection)
        old = _old_lines(settings, at)
        done = Done(
            clips, cases, _count(connection, select(AUDIT.c.seq).where(old)), erased, _held(connection, found, at)
        )
        detail = {name: getattr(done, name) for name in done.__struct_fields__}
        # Add the new line before the old lines go, so that a line is left.
        audit_log.append(connection, at, ACTOR, "retention.run", ACTOR, detail)
        audit_log.cut(connection, connection.scalar(select(func.min(AUDIT.c.seq)).where(~old)) or 0, at, ACTOR)
        presence.forget_duty(connection, at - settings.logs_days * DAY)  # with the lines of its time
    database.scrub()
    return done


def preview(database: Database, settings: Retention, at: float) -> Done:
    """Count the data that a run at `at` (UTC seconds) would delete. Requested erasures are not counted."""
    found = list(rules(settings))
    with database.read() as connection:
        cases, clips = (
            sum(_count(connection, _due(rule, part, at).where(~holds.held())) for rule in found) for part in PARTS
        )
        cases += _count(connection, _lost_copies().where(~holds.held()))
        lines = _count(connection, select(AUDIT.c.seq).where(_old_lines(settings, at)))
        return Done(clips, cases, lines, 0, _held(connection, found, at))


def run_if_due(
    database: Database, evidence: EvidenceStore, settings: Retention, at: float, kept: float = math.inf
) -> Done | None:
    """Run the job unless any process ran it in the last EVERY_SECONDS. Return None if it did not run."""
    with database.read() as connection:
        last = last_run(connection)
    if last is not None and at < last + EVERY_SECONDS:
        return None
    return run_retention(database, evidence, settings, at, kept)


def due(connection: Connection, settings: Retention, at: float) -> frozenset[str]:
    """Return the ids of the cases that a run at `at` (UTC seconds) would delete, because their time is over."""
    queries = (_due(rule, "case", at).where(~holds.held()) for rule in rules(settings))
    return frozenset(case for query in queries for case in connection.scalars(query))


def last_run(connection: Connection) -> float | None:
    """Return the time when the job last ended (UTC seconds); None if it never ran."""
    ended = select(func.max(AUDIT.c.at)).where(AUDIT.c.actor == ACTOR, AUDIT.c.action == "retention.run")
    found: float | None = connection.scalar(ended)
    return found


def overdue(connection: Connection, settings: Retention, at: float) -> int:
    """Count the cases that the last run before `at` (UTC seconds) should have deleted. Cases on hold do not count."""
    before = at - EVERY_SECONDS
    theirs = (CASES.c.created_at < before, ~holds.held())  # a copy may be younger than its original
    return sum(_count(connection, _due(rule, "case", before).where(*theirs)) for rule in rules(settings))


def _delete(
    database: Database, evidence: EvidenceStore, part: Part, due: Select[Any], why: dict[str, Any], at: float
) -> int:
    """Delete the cases that are due, or their clips, and return the number. `why` goes into the audit log."""
    total = 0
    while True:
        with database.write() as connection:
            query = due.where(~holds.held()).limit(BATCH)
            # A case that somebody decides or holds at this moment is left to the next run.
            found: list[str] = list(connection.scalars(query.with_for_update(skip_locked=True, of=CASES)))
            forget = erasure.delete_case if part == "case" else erasure.delete_audio
            clips = sum(forget(connection, evidence, case) for case in found)
            for case in found:
                audit_log.append(connection, at, ACTOR, f"{part}.expire", case, why)
        total += len(found) if part == "case" else clips
        if not found:
            return total


def _delete_orphans(database: Database, evidence: EvidenceStore, before: float) -> int:
    """Delete the clips without a case, and return their number."""
    found = find_orphans(database, evidence, before)
    deleted = sum(evidence.discard(path) for path in found)
    if deleted < len(found):
        log.warning("%d clips without a case stay: they are locked on the server", len(found) - deleted)
    return deleted


def find_orphans(database: Database, evidence: EvidenceStore, before: float) -> list[str]:
    """Return the paths of clips that no case names, last written before `before` (UTC seconds).

    A crash between the clip and its row leaves one, and so does a process without the right to delete. Retention and
    erasures follow the rows, so nothing else would ever delete this clip.

    The result is empty if there are so many that the database must be the wrong one, for example an empty one.
    """
    orphans: list[str] = []
    seen = 0
    paths = evidence.paths(before)
    while page := list(islice(paths, ORPHAN_PAGE)):
        with database.read() as connection:
            named = set(connection.scalars(select(EVIDENCE.c.path).where(EVIDENCE.c.path.in_(page))))
        orphans += [path for path in page if path not in named]
        seen += len(page)
    if len(orphans) > FEW and len(orphans) > MOST_SHARE * seen:
        log.error("%d of %d clips have no case in this database. They stay: is it the right one?", len(orphans), seen)
        return []
    return orphans


def _due(rule: RetentionRule, part: Part, at: float) -> Select[Any]:
    """Select the ids of cases that have this part and whose time for it is over. Cases on hold are included."""
    query = _old(rule, part, at)
    return query if part == "case" else query.where(exists().where(EVIDENCE.c.case_id == CASES.c.id))


def _old(rule: RetentionRule, part: Part, at: float) -> Select[Any]:
    days = rule.keep.case_days if part == "case" else rule.keep.audio_days
    original = CASES.alias("original")
    copies = select(CHECKS.c.case_id).join(original, original.c.id == CHECKS.c.original)
    copies = copies.where(*_over(original, rule, at - days * DAY))
    own = and_(CASES.c.id.not_in(COPIES), *_over(CASES, rule, at - days * DAY))
    return select(CASES.c.id).where(or_(own, CASES.c.id.in_(copies)))


def _over(cases: FromClause, rule: RetentionRule, before: float) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on a row of `cases` that it is of the rule's class and older than `before`."""
    c = cases.c
    decided = select(func.max(DECISIONS.c.at)).where(DECISIONS.c.case_id == c.id).scalar_subquery()
    return (
        c.created_at < before,
        func.coalesce(decided, c.created_at) < before,
        _of_class(c.verdict, rule.state),
        c.id.not_in(appeals.open_cases()),
        c.label == rule.label if rule.label is not None else c.label.not_in(rule.others),
    )


def _lost_copies() -> Select[Any]:
    """Select the ids of copies without an original. Versions before 0.2 kept them longer."""
    original = CASES.alias("original")
    lost = COPIES.where(~exists().where(original.c.id == CHECKS.c.original))
    return select(CASES.c.id).where(CASES.c.id.in_(lost))


def _old_lines(settings: Retention, at: float) -> ColumnElement[bool]:
    """Return the condition for lines of AUDIT before the first line to keep.

    So the lines that stay have no gap between them.
    """
    first_kept = select(func.min(AUDIT.c.seq)).where(AUDIT.c.at >= at - settings.logs_days * DAY)
    return AUDIT.c.seq < func.coalesce(first_kept.scalar_subquery(), MAX_SEQ)


def _of_class(verdict: ColumnElement[str], state: Class) -> ColumnElement[bool]:
    if state == "open":
        return or_(verdict.is_(None), verdict == "escalate")
    return verdict == ("uphold" if state == "upheld" else "dismiss")


def _held(connection: Connection, found: list[RetentionRule], at: float) -> int:
    return sum(_count(connection, _old(rule, "audio", at).where(holds.held())) for rule in found)


def _count(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _why(rule: RetentionRule, part: Part) -> dict[str, Any]:
    days = rule.keep.case_days if part == "case" else rule.keep.audio_days
    return {"class": rule.state, "label": rule.label or "any", "days": days}
