"""Writes to the review store, each on a connection whose transaction the caller opened.

Flags of one speaker that touch in time are one case. Which flags are together does not depend on the order they came
in, as long as a case is not cut for length: a flag that lies between two cases makes them one. A flag whose speech was
decided before is linked to the decided case.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.messages import Flag
from pipeline.review import audit as audit_log
from pipeline.review.cases import reading, repeated
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import OPEN, REPORTED, Case, Evidence, Outcome, Result, case_id, worst
from pipeline.review.privacy import holds
from pipeline.review.quality import checks
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS, LEASES
from pipeline.review.tables.quality import CHECKS, COPIES


@dataclass(frozen=True, slots=True)
class Merge:
    """Seconds: flags at most `gap` apart are one case, up to a case of `longest`; a forced cut repeats `repeat`."""

    gap: float
    longest: float
    repeat: float


def add(connection: Connection, flags: Sequence[Flag], at: float, merge: Merge, ranking: Ranking) -> list[Outcome]:
    lock_speakers(connection, {(flag.room, flag.speaker) for flag in flags})
    query = select(FLAGS.c.id, FLAGS.c.case_id).where(FLAGS.c.id.in_({flag.id for flag in flags}))
    known = {row.id for row in connection.execute(query)}
    results: list[Result] = []
    for flag in flags:
        results.append("repeated" if flag.id in known else _file(connection, flag, at, merge, ranking))
        known.add(flag.id)
    # Asked at the end: a later flag of the batch may have made two cases one.
    cases = {row.id: row.case_id for row in connection.execute(query)}
    _note_linked(
        connection, [flag for flag, result in zip(flags, results, strict=True) if result == "linked"], cases, at
    )
    return [Outcome(flag.id, cases[flag.id], result) for flag, result in zip(flags, results, strict=True)]


def audit(
    connection: Connection, flags: Sequence[Flag], at: float, probability: float, ranking: Ranking
) -> list[Outcome]:
    """Each as a case of its own: joined to another one, nobody would say of it alone whether it was rightly passed."""
    query = select(FLAGS.c.id).where(FLAGS.c.id.in_({flag.id for flag in flags}))
    known = set(connection.scalars(query))
    outcomes: list[Outcome] = []
    for flag in flags:
        if flag.id not in known:
            _open(connection, flag, at, ranking)
            checks.record(connection, case_id(flag), "audit", None, probability, at)
        outcomes.append(Outcome(flag.id, case_id(flag), "repeated" if flag.id in known else "created"))
        known.add(flag.id)
    return outcomes


def attach(connection: Connection, clip: Evidence) -> list[str]:
    reading.case(connection, clip.case, lock=True)
    replaced = {old.path for old in reading.evidence(connection, clip.case)} - {clip.path}
    connection.execute(delete(EVIDENCE).where(EVIDENCE.c.case_id == clip.case))
    connection.execute(insert(EVIDENCE).values(columns(clip)))
    return sorted(replaced)


def lock_speakers(connection: Connection, speakers: Collection[tuple[str, str]]) -> None:
    """Let one writer at a time file what is about a speaker; in one order, so that two never wait for each other.

    SQLite has only one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        for key in sorted({_lock_key(room, speaker) for room, speaker in speakers}):
            connection.execute(select(func.pg_advisory_xact_lock(key)))


def _lock_key(room: str, speaker: str) -> int:
    digest = blake2b(f"{room}\x1f{speaker}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _file(connection: Connection, flag: Flag, at: float, merge: Merge, ranking: Ranking) -> Result:
    """Put a new flag into the decided case of its speech, into the open cases it touches, made one, or a new case."""
    near = _near(connection, flag, merge.gap)
    decided = repeated.decided_case(
        connection, flag, [case.id for case in near if case.status == "decided"], merge.repeat
    )
    if decided:
        connection.execute(insert(FLAGS).values(columns(flag) | {"case_id": decided, "linked": True}))
        return "linked"
    touched = _touched(flag, [case for case in near if case.status in OPEN], merge.longest)
    if not touched:
        _open(connection, flag, at, ranking)
        return "created"
    kept = min(touched, key=lambda case: (case.status != "escalated", case.created_at, case.id))
    connection.execute(insert(FLAGS).values(columns(flag) | {"case_id": kept.id}))
    for case in touched:
        if case.id != kept.id:
            _absorb(connection, case, kept)
    summary = _summary(reading.flags(connection, kept.id), kept.created_at, ranking)
    connection.execute(update(CASES).where(CASES.c.id == kept.id).values(summary | {"version": kept.version + 1}))
    return "merged"


def _open(connection: Connection, flag: Flag, at: float, ranking: Ranking) -> None:
    made = {"id": case_id(flag), "status": "pending", "version": 1, "created_at": at}
    connection.execute(insert(CASES).values(_summary([flag], at, ranking) | made))
    connection.execute(insert(FLAGS).values(columns(flag) | {"case_id": made["id"]}))


def _near(connection: Connection, flag: Flag, gap: float) -> list[Case]:
    """The speaker's cases at that time, open or decided, locked.

    One query reads both: asked one after the other, a case that is decided meanwhile could be missed by both.
    """
    joins = CASES.c.id.not_in(select(CHECKS.c.case_id)) & CASES.c.status.in_(OPEN)
    links = CASES.c.id.not_in(COPIES) & (CASES.c.status == "decided")
    query = (
        select(CASES)
        .where(CASES.c.room == flag.room, CASES.c.speaker == flag.speaker, CASES.c.policy != REPORTED)
        .where(CASES.c.end >= flag.start - gap, CASES.c.start <= flag.end + gap, joins | links)
        .order_by(CASES.c.start, CASES.c.id)
        .with_for_update()
    )
    return [reading.case_of(row) for row in connection.execute(query)]


def _touched(flag: Flag, near: Sequence[Case], longest: float) -> list[Case]:
    """Those that make one case with the flag that is not too long."""
    touched: list[Case] = []
    start, end = flag.start, flag.end
    for case in near:
        if max(end, case.end) - min(start, case.start) <= longest:
            start, end = min(start, case.start), max(end, case.end)
            touched.append(case)
    return touched


def _note_linked(connection: Connection, flags: Sequence[Flag], cases: Mapping[str, str], at: float) -> None:
    """Say in the audit log that decided speech was flagged again, and as what."""
    for flag in flags:
        detail = {"flag": flag.id, "suggestion": flag.suggestion, "labels": flag.flagged}
        audit_log.append(connection, at, "deliver", "case.link", cases[flag.id], detail)


def _absorb(connection: Connection, case: Case, into: Case) -> None:
    for table in (FLAGS, EVIDENCE, DECISIONS):
        connection.execute(update(table).where(table.c.case_id == case.id).values(case_id=into.id))
    holds.follow(connection, case.id, into.id)
    # Whoever holds the lease of the one that goes is told by a conflict.
    connection.execute(delete(LEASES).where(LEASES.c.case_id == case.id))
    connection.execute(delete(CASES).where(CASES.c.id == case.id))


def _summary(flags: Sequence[Flag], at: float, ranking: Ranking) -> dict[str, Any]:
    """The columns of a case, stored `at`, that follow from its flags."""
    lead = worst(flags)
    return {
        "room": lead.room,
        "speaker": lead.speaker,
        "room_type": lead.room_type,
        "start": min(flag.start for flag in flags),
        "end": max(flag.end for flag in flags),
        "label": lead.flagged[0] if lead.flagged else "",
        "suggestion": lead.suggestion,
        "risk": lead.risk,
        "language": lead.language,
        "text": lead.text,
        "hits": msgspec.to_builtins(lead.hits),
        "policy": lead.policy,
        **ranking.columns(lead, at),
    }


def columns(value: msgspec.Struct) -> dict[str, Any]:
    """Every field as plain data, defaults too; the field `case` is the column `case_id`."""
    fields = {name: msgspec.to_builtins(getattr(value, name)) for name in value.__struct_fields__}
    return {"case_id" if name == "case" else name: field for name, field in fields.items()}
