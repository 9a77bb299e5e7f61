"""Muted phrases: in one room, a lexicon term that was found harmless there opens no cases for a day.

A moderator asks after dismissing a case, and a lead approves. Then a flag of speech in that room whose only cause is
muted terms counts as passed speech: in the tallies it is `muted`, and audits are drawn from it. The judge knows nothing
of this, so its verdicts can be reproduced. A mute lasts only while its case is dismissed: an undo, a correction or an
overturned decision ends it. Each function runs in a transaction that the caller opened.
"""

import uuid
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, select, update

from pipeline.base.errors import CaseError, Missing
from pipeline.contract.messages import Flag
from pipeline.judge import verdict
from pipeline.review import audit_log
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import Case
from pipeline.review.database import fields_of
from pipeline.review.tables.case_tables import MUTED_PHRASES
from pipeline.review.tables.core import CASES

MUTED_SECONDS = 86_400.0
"""How long a phrase is muted, and how long a wish waits for a lead."""
MOST = 20
"""The most phrases of a room that are muted, or wait for a lead."""
FORGET_SECONDS = 30 * 86_400.0
"""How long the list keeps a phrase after its end."""
LOCK = 0x766F786D
"""Key ("voxm") of the PostgreSQL advisory lock that counts the phrases of a room."""


class MutedPhrase(Struct, frozen=True, kw_only=True):
    """A phrase that is muted in a room, or for which somebody asks. Times are UTC seconds."""

    id: str
    room: str
    label: str
    term: str
    case_id: str
    """The dismissed case that gave the reason."""
    asked_by: str
    asked_at: float
    approved_by: str | None = None
    approved_at: float | None = None
    """None: it waits for a lead."""
    until: float
    ended_by: str | None = None


def offered(connection: Connection, case: Case, at: float) -> list[tuple[str, str, MutedPhrase | None]]:
    """Return the terms (label, term) that alone led to a dismissed case, each with its mute at `at`, if there is one.

    The result is empty if the case is not dismissed, or if anything else led to it.
    """
    if case.verdict != "dismiss" or case.drill:
        return []
    causes = [verdict.terms_alone(flag.reasons) for flag in reading.flags(connection, case.id)]
    if not all(causes):
        return []
    known = {(one.label, one.term): one for one in in_room(connection, case.room, at)}
    return [(label, term, known.get((label, term))) for label, term in sorted(set[tuple[str, str]]().union(*causes))]


def ask_to_mute(
    connection: Connection, case: str, label: str, term: str, account: str, at: float, *, approve: bool
) -> MutedPhrase:
    """Ask to mute a term that alone led to a dismissed case. With `approve`, mute it at once.

    Asking again returns the mute that there is. Raises CaseError if the term did not lead to the case alone, or if the
    room has MOST muted phrases.
    """
    # Two people may ask for the same phrase at once, or exceed MOST together.
    lock(connection)
    known = {(label, term): muted for label, term, muted in offered(connection, reading.case(connection, case), at)}
    if (label, term) not in known:
        raise CaseError(
            "This phrase cannot be muted", "Only what alone led to a dismissed case can be muted.", text="phrase"
        )
    muted = known[label, term]
    if muted is None:
        muted = _store(connection, reading.case(connection, case).room, case, label, term, account, at)
    if approve and muted.approved_at is None:
        return approve_mute(connection, muted.id, account, at)
    return muted


def approve_mute(connection: Connection, identity: str, account: str, at: float) -> MutedPhrase:
    """Approve a wish: the phrase is muted from `at` on. Raises Missing if no wish with this id waits."""
    waits = (MUTED_PHRASES.c.id == identity, MUTED_PHRASES.c.approved_at.is_(None), MUTED_PHRASES.c.until > at)
    change = update(MUTED_PHRASES).where(*waits)
    values = {"approved_by": account, "approved_at": at, "until": at + MUTED_SECONDS}
    # The UPDATE has the conditions: of two leads who approve at once, one gets the error.
    if not connection.execute(change.values(values)).rowcount:
        raise Missing("This wish does not wait any more", "Look at the list again.")
    muted = _get(connection, identity)
    audit_log.append(connection, at, account, "phrase.mute", muted.case_id, _detail(muted))
    return muted


def end_mute(connection: Connection, identity: str, account: str, at: float) -> None:
    """End a mute now, or refuse a wish. Raises Missing if there is none that lasts."""
    change = update(MUTED_PHRASES).where(MUTED_PHRASES.c.id == identity, MUTED_PHRASES.c.until > at)
    if not connection.execute(change.values(until=at, ended_by=account)).rowcount:
        raise Missing("This phrase is not muted any more", "Look at the list again.")
    muted = _get(connection, identity)
    audit_log.append(connection, at, account, "phrase.unmute", muted.case_id, _detail(muted))


def in_room(connection: Connection, room: str, at: float) -> list[MutedPhrase]:
    """Return the phrases of a room that are muted at `at` (UTC seconds), or wait for a lead."""
    return _found(connection, _lasting(at).where(MUTED_PHRASES.c.room == room))


def everywhere(connection: Connection, at: float, limit: int = 200) -> list[MutedPhrase]:
    """Return the phrases of all rooms that are muted at `at` or wait for a lead. The waiting ones come first."""
    order = (MUTED_PHRASES.c.approved_at.is_not(None), MUTED_PHRASES.c.until, MUTED_PHRASES.c.id)
    return _found(connection, _lasting(at).order_by(None).order_by(*order).limit(limit))


def muted_flags(connection: Connection, flags: Sequence[Flag]) -> frozenset[str]:
    """Return the ids of the flags whose only cause is terms that were muted when the speech began.

    The time of the speech decides, so that a flag which is delivered again gets the same answer. A drill is never
    muted.
    """
    causes = {flag.id: verdict.terms_alone(flag.reasons) for flag in flags if not flag.drill}
    causes = {name: terms for name, terms in causes.items() if terms}
    if not causes:
        return frozenset()
    muted = _muted(connection, {flag.room for flag in flags if flag.id in causes}, min(flag.start for flag in flags))
    return frozenset(flag.id for flag in flags if flag.id in causes and causes[flag.id] <= _terms(muted, flag))


def lock(connection: Connection) -> None:
    """Let one transaction at a time count the phrases of a room. SQLite has only one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def _muted(connection: Connection, rooms: Collection[str], since: float) -> list[MutedPhrase]:
    lasted = (MUTED_PHRASES.c.until > since, MUTED_PHRASES.c.approved_at.is_not(None))
    return _found(connection, select(MUTED_PHRASES).where(MUTED_PHRASES.c.room.in_(rooms), *lasted, _grounded()))


def _terms(muted: Sequence[MutedPhrase], flag: Flag) -> set[tuple[str, str]]:
    return {
        (one.label, one.term)
        for one in muted
        if one.room == flag.room and one.approved_at is not None and one.approved_at <= flag.start < one.until
    }


def _store(connection: Connection, room: str, case: str, label: str, term: str, account: str, at: float) -> MutedPhrase:
    # No job deletes old phrases, so each new one does.
    connection.execute(delete(MUTED_PHRASES).where(MUTED_PHRASES.c.until < at - FORGET_SECONDS))
    if len(in_room(connection, room, at)) >= MOST:
        raise CaseError(f"This room has {MOST} muted phrases", "A lead must end one first.", text="phrases_full")
    muted = MutedPhrase(
        id=str(uuid.uuid4()),
        room=room,
        label=label,
        term=term,
        case_id=case,
        asked_by=account,
        asked_at=at,
        until=at + MUTED_SECONDS,
    )
    connection.execute(insert(MUTED_PHRASES).values(asdict(muted)))
    audit_log.append(connection, at, account, "phrase.ask", case, _detail(muted))
    return muted


def _detail(muted: MutedPhrase) -> dict[str, Any]:
    # The audit log never has spoken words, so the term stays out.
    return {"id": muted.id, "label": muted.label, "until": muted.until}


def _get(connection: Connection, identity: str) -> MutedPhrase:
    return _found(connection, select(MUTED_PHRASES).where(MUTED_PHRASES.c.id == identity))[0]


def _lasting(at: float) -> Select[Any]:
    query = select(MUTED_PHRASES).where(MUTED_PHRASES.c.until > at, _grounded())
    return query.order_by(MUTED_PHRASES.c.until, MUTED_PHRASES.c.id)


def _grounded() -> ColumnElement[bool]:
    """Return the condition that the case of a mute is still dismissed, or deleted."""
    # An undecided case has the verdict NULL, for which `!=` is not true.
    other = (CASES.c.id == MUTED_PHRASES.c.case_id, func.coalesce(CASES.c.verdict, "") != "dismiss")
    return ~exists().where(*other)


def _found(connection: Connection, query: Select[Any]) -> list[MutedPhrase]:
    return [MutedPhrase(**fields_of(row)) for row in connection.execute(query)]
