"""Writes to the review store. Each function runs in a transaction that the caller opened.

Flags of one speaker that touch in time form one case. A flag that lies between two cases merges them. So the order in
which flags arrive does not change the cases, unless a case reaches its longest time. A flag whose speech was decided
before is linked to the decided case. A flag of the words so far has the id of the flag of the whole utterance, which
replaces it: that one ends later.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from pipeline.contract.messages import NAMESPACE, Flag
from pipeline.review import audit_log
from pipeline.review.cases import assigning, reading, repeated_speech
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import (
    OPEN,
    REPORTED,
    Case,
    Evidence,
    Outcome,
    Result,
    case_id,
    columns,
    label_of,
    weight_of,
    worst,
)
from pipeline.review.privacy import holds
from pipeline.review.quality import quality_checks
from pipeline.review.search import case_words
from pipeline.review.tables.case_tables import AWAITED_CLIPS, CHECKS, COPIES, SAID
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS, LEASES
from pipeline.review.tables.people_tables import NOTES


@dataclass(frozen=True, slots=True)
class Merge:
    """Limits in seconds.

    Flags without a pause between them form one case, which lasts at most `longest`. An utterance that was cut for its
    length repeats the last `repeat` seconds of the one before.
    """

    longest: float
    repeat: float


def add_flags(
    connection: Connection, flags: Sequence[Flag], at: float, merge: Merge, ranking: Ranking
) -> list[Outcome]:
    """Store flags at `at` (UTC seconds). Return the outcome of each flag, in order."""
    # The order of locks: speakers, then cases (docs/architecture.md). No decision may come between reading and joining.
    lock_speakers(connection, {(flag.room, flag.speaker) for flag in flags})
    _lock_near(connection, flags)
    # After the locks, so that it sees what another process stored while this one waited.
    known = stored_flags(connection, {flag.id for flag in flags})
    results: list[Result] = []
    stored: list[str] = []
    for flag in flags:
        first = known.get(flag.id)
        earlier = None if first else repeated_speech.judged_before(connection, flag)
        if first and flag.end > first.end:
            name, result = _update(connection, flag, first, at, merge, ranking)
        else:
            name = earlier or flag.id
            result = "repeated" if earlier or first else _store(connection, flag, at, merge, ranking)
        results.append(result)
        stored.append(name)
        if result != "repeated":
            known[flag.id] = flag
    # Read the case ids at the end, because a later flag of the batch may have merged two cases.
    query = select(FLAGS.c.id, FLAGS.c.case_id).where(FLAGS.c.id.in_(set(stored)))
    cases = {row.id: row.case_id for row in connection.execute(query)}
    return [Outcome(flag.id, cases[name], result) for flag, name, result in zip(flags, stored, results, strict=True)]


def stored_flags(connection: Connection, ids: Collection[str]) -> dict[str, Flag]:
    """Return the stored flags with these ids."""
    return {flag.id: flag for flag in reading.flags_of(connection, select(FLAGS).where(FLAGS.c.id.in_(ids)))}


def standing(flags: Sequence[Flag], known: Mapping[str, Flag]) -> Iterator[Flag]:
    """Yield the flags as they are to be stored, if `known` flags of their first words are.

    A flag that is milder than the one of its first words keeps the words, suggestion and scores of that one: the app
    may have acted on it, and a moderator must see why. Only the span and the audio become those of all words.
    """
    stood = dict(known)
    for flag in flags:
        first = stood.get(flag.id)
        if first and flag.end >= first.end and weight_of(flag) < weight_of(first):
            whole = {name: getattr(flag, name) for name in ("end", "utterance", "transcript", "address", "early")}
            yield replace(first, **whole)
        else:
            yield flag
            if flag.early:
                stood[flag.id] = flag


def add_audits(
    connection: Connection, flags: Sequence[Flag], at: float, probability: float, ranking: Ranking
) -> list[Outcome]:
    """Store each passed flag as a case of its own.

    In a merged case, no moderator could say about one flag alone whether it was passed correctly.
    """
    query = select(FLAGS.c.id).where(FLAGS.c.id.in_({flag.id for flag in flags}))
    known = set(connection.scalars(query))
    outcomes: list[Outcome] = []
    for flag in flags:
        if flag.id not in known:
            _open(connection, flag, at, ranking)
            kind: quality_checks.Kind = (
                "released" if flag.withheld and repeated_speech.released(connection, flag) else "audit"
            )
            quality_checks.record(connection, case_id(flag), kind, None, probability, at)
        outcomes.append(Outcome(flag.id, case_id(flag), "repeated" if flag.id in known else "created"))
        known.add(flag.id)
    return outcomes


def note_linked(connection: Connection, flags: Sequence[Flag], outcomes: Sequence[Outcome], at: float) -> None:
    """Record in the audit log which of the stored flags are of decided speech, with suggestion and labels."""
    for flag, outcome in zip(flags, outcomes, strict=True):
        if outcome.result == "linked":
            detail = {"flag": flag.id, "suggestion": flag.suggestion, "labels": flag.flagged}
            audit_log.append(connection, at, "deliver", "case.link", outcome.case, detail)


def attach(connection: Connection, clip: Evidence) -> list[str]:
    """Store a clip as the only evidence of its case. Return the paths of the replaced clips. Raises Missing."""
    # An erasure of the case waits for this, and deletes the clip. After an erasure, this raises Missing.
    reading.case(connection, clip.case, lock=True)
    replaced = {old.path for old in reading.evidence(connection, clip.case)} - {clip.path}
    connection.execute(delete(EVIDENCE).where(EVIDENCE.c.case_id == clip.case))
    connection.execute(insert(EVIDENCE).values(columns(clip)))
    return sorted(replaced)


def lock_speakers(connection: Connection, speakers: Collection[tuple[str, str]]) -> None:
    """Let one transaction at a time write about these (room, speaker) pairs.

    All writers take the locks in the same order, so that two never wait for each other. SQLite has only one writer
    anyway.
    """
    if connection.dialect.name == "postgresql":
        for key in sorted({_lock_key(room, speaker) for room, speaker in speakers}):
            connection.execute(select(func.pg_advisory_xact_lock(key)))


def _lock_key(room: str, speaker: str) -> int:
    # 64 bits, as PostgreSQL's key has. Two pairs with the same key only wait for each other.
    digest = blake2b(f"{room}\x1f{speaker}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _store(connection: Connection, flag: Flag, at: float, merge: Merge, ranking: Ranking) -> Result:
    """Store a new flag: link it to the decided case of its speech, merge it into open cases, or open a case."""
    near = _nearby(connection, flag)
    decided = repeated_speech.decided_case(
        connection, flag, [case.id for case in near if case.status == "decided"], merge.repeat
    )
    if decided:
        _link(connection, flag, decided, at)
        return "linked"
    touched = _touched(flag, [case for case in near if case.status in OPEN], merge.longest)
    if not touched:
        _open(connection, flag, at, ranking)
        return "created"
    connection.execute(insert(FLAGS).values(columns(flag) | {"case_id": _kept(touched).id, "stored_at": at}))
    _join(connection, touched, ranking)
    return "merged"


def _update(
    connection: Connection, flag: Flag, first: Flag, at: float, merge: Merge, ranking: Ranking
) -> tuple[str, Result]:
    """Replace `first`, the flag of the first words of `flag`. Return the id of the stored flag, and the result."""
    own = reading.case(connection, _case_of(connection, flag.id))
    worse = weight_of(flag) > weight_of(first)
    if own.status == "decided":
        # The decision was about the words that the moderator knew. So their flag stays, and more words are another one.
        more = replace(flag, id=str(uuid.uuid5(NAMESPACE, f"more\x1f{flag.id}")))
        if known := stored_flags(connection, {more.id}):
            [more] = standing([more], known)
            again = more.end <= known[more.id].end
            return (more.id, "repeated") if again else _update(connection, more, known[more.id], at, merge, ranking)
        if worse or not {*flag.flagged} <= {*first.flagged, own.label}:
            return more.id, _store(connection, more, at, merge, ranking)
        if flag.early:  # the whole utterance follows
            return flag.id, "repeated"
        _link(connection, more, own.id, at)
        return more.id, "linked"
    # What is worse is new: rules on flags and the feed of verdicts look for it by this time.
    values = columns(flag) | ({"stored_at": at} if worse else {})
    connection.execute(update(FLAGS).where(FLAGS.c.id == flag.id).values(values))
    # The longer span may touch more cases. Its own one stays, however long it becomes: there is never a second case.
    near = [case for case in _nearby(connection, flag) if case.status in OPEN and case.id != own.id]
    _join(connection, [own, *_touched(flag, near, merge.longest)], ranking)
    return flag.id, "worsened" if worse else "updated"


def _case_of(connection: Connection, flag: str) -> str:
    return str(connection.scalar(select(FLAGS.c.case_id).where(FLAGS.c.id == flag)))


def _link(connection: Connection, flag: Flag, case: str, at: float) -> None:
    connection.execute(insert(FLAGS).values(columns(flag) | {"case_id": case, "linked": True, "stored_at": at}))
    case_words.refresh(connection, case)


def _join(connection: Connection, touched: Sequence[Case], ranking: Ranking) -> None:
    """Make one case of these cases."""
    kept = _kept(touched)
    for case in touched:
        if case.id != kept.id:
            _merge_into(connection, case, kept)
    found = reading.flags(connection, kept.id)
    # The deadline counts from the kept case: more speech must not postpone it.
    summary = _summary(found, ranking.since(kept), ranking)
    connection.execute(update(CASES).where(CASES.c.id == kept.id).values(summary | {"version": kept.version + 1}))
    case_words.store_words(connection, kept.id, kept.created_at, found)


def _kept(touched: Sequence[Case]) -> Case:
    # An escalated case stays, with its decision. Of others, the oldest stays: its deadline is first.
    return min(touched, key=lambda case: (case.status != "escalated", case.created_at, case.id))


def _open(connection: Connection, flag: Flag, at: float, ranking: Ranking) -> None:
    made = {"id": case_id(flag), "status": "pending", "version": 1, "created_at": at}
    connection.execute(insert(CASES).values(_summary([flag], at, ranking) | made))
    connection.execute(insert(FLAGS).values(columns(flag) | {"case_id": made["id"], "stored_at": at}))
    case_words.store_words(connection, case_id(flag), at, [flag])


def _nearby(connection: Connection, flag: Flag) -> list[Case]:
    """Return the speaker's open and decided cases near the flag's time. `_lock_near` has locked them.

    One query reads both. Two queries could both miss a case that is decided between them.
    """
    joins = CASES.c.id.not_in(select(CHECKS.c.case_id)) & CASES.c.status.in_(OPEN)
    links = CASES.c.id.not_in(COPIES) & (CASES.c.status == "decided")
    query = select(CASES).where(_near(flag), joins | links).order_by(CASES.c.start, CASES.c.id)
    return [reading.case_of(row) for row in connection.execute(query)]


def _lock_near(connection: Connection, flags: Sequence[Flag]) -> None:
    """Lock all cases near a flag of the batch, in the order of their ids. See `reading.locked`."""
    if connection.dialect.name == "postgresql":
        query = select(CASES.c.id).where(or_(*(_near(flag) for flag in flags)))
        connection.execute(query.order_by(CASES.c.id).with_for_update())


def _near(flag: Flag) -> ColumnElement[bool]:
    same = (CASES.c.room == flag.room) & (CASES.c.speaker == flag.speaker) & (CASES.c.policy != REPORTED)
    return same & (CASES.c.end >= flag.start) & (CASES.c.start <= flag.end)


def _touched(flag: Flag, near: Sequence[Case], longest: float) -> list[Case]:
    """Return the cases that can merge with the flag into one case of at most `longest` seconds."""
    touched: list[Case] = []
    start, end = flag.start, flag.end
    for case in near:
        if max(end, case.end) - min(start, case.start) <= longest:
            start, end = min(start, case.start), max(end, case.end)
            touched.append(case)
    return touched


def _merge_into(connection: Connection, case: Case, into: Case) -> None:
    for table in (FLAGS, EVIDENCE, DECISIONS, NOTES):
        connection.execute(update(table).where(table.c.case_id == case.id).values(case_id=into.id))
    holds.follow(connection, case.id, into.id)
    assigning.follow(connection, case.id, into.id)
    # The moderator who holds the removed case gets a conflict at their next action.
    for table in (LEASES, SAID, AWAITED_CLIPS):
        connection.execute(delete(table).where(table.c.case_id == case.id))
    connection.execute(delete(CASES).where(CASES.c.id == case.id))


def _summary(flags: Sequence[Flag], at: float, ranking: Ranking) -> dict[str, Any]:
    """Return the columns of a case that depend on its flags. Its deadline counts from `at` (UTC seconds).

    A sound has no language. If a sound leads a case with words, the case needs a moderator who understands the words.
    """
    lead = worst(flags)
    spoken = [flag for flag in flags if flag.language]
    return {
        "room": lead.room,
        "speaker": lead.speaker,
        "room_type": lead.room_type,
        "start": min(flag.start for flag in flags),
        "end": max(flag.end for flag in flags),
        "label": label_of(lead),
        "suggestion": lead.suggestion,
        "risk": lead.risk,
        "language": lead.language or (worst(spoken).language if spoken else ""),
        "text": lead.sound.name or lead.sound.kind if lead.sound else lead.text,
        "source": lead.source,
        "hits": msgspec.to_builtins(lead.hits),
        "policy": lead.policy,
        "drill": lead.drill,
        **ranking.columns(lead, at),
    }
