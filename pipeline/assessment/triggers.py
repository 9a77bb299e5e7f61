"""The cases of article 3 of the Provisions, in which a provider must make a security assessment.

The software only suggests a case. A person accepts or rejects it, with a reason. Each step is in the audit log. Each
function runs in a transaction that the caller opened. Times are UTC seconds.
"""

from collections.abc import Iterable
from datetime import date
from hashlib import blake2b
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, select, update

from pipeline.assessment.hazards import FileProof
from pipeline.assessment.workdays import Calendar, Due, day_of
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import put_new
from pipeline.review.tables.assessment_tables import TRIGGERS

Clause = Literal["3.1", "3.2", "3.3", "3.4", "3.5"]
TriggerState = Literal["suggested", "accepted", "rejected"]

BEFORE_LAUNCH: frozenset[Clause] = frozenset({"3.1", "3.2"})
"""The report of these cases is due before the launch. The others are due within 30 working days."""
ACTOR = "watch"
MAX_REASON = 4_000
"""Characters."""


class Signal(Struct, frozen=True):
    """A sign of a case of article 3. The same clause, name and period make the same trigger, however often seen."""

    clause: Clause
    name: str
    """For example `room_type:kids`."""
    detail: dict[str, Any]
    period: str = ""
    """The day, version or assessment that the signal is about, if it can occur again."""

    @property
    def id(self) -> str:
        text = "\x1f".join((self.clause, self.name, self.period))
        return f"{self.clause}-{blake2b(text.encode(), digest_size=5).hexdigest()}"


class Trigger(Struct, frozen=True, kw_only=True):
    """A signal in the store, and what a person decided."""

    id: str
    clause: Clause
    signal: str
    detail: dict[str, Any]
    found_at: float
    state: TriggerState
    decided_by: str | None
    decided_at: float | None
    reason: str
    due: str | None
    """ISO date. None: before the launch, or the year has no calendar."""

    @property
    def before_launch(self) -> bool:
        return self.clause in BEFORE_LAUNCH


def suggest(connection: Connection, signals: Iterable[Signal], calendar: Calendar, at: float) -> list[Trigger]:
    """Store the signals that are new, and return them. Dates that lacked a calendar are set if it has come."""
    set_missing_dates(connection, calendar)
    return [found for signal in signals if (found := _add(connection, signal, calendar, at, ACTOR))]


def record_notice(
    connection: Connection, authority: str, day: date, scan: FileProof, author: str, calendar: Calendar, at: float
) -> Trigger:
    """Store an authority's written notice, case 3(5). The date counts from the notice's `day`.

    Raises InputError without an authority, or for a day to come; CaseError if the notice is already there.
    """
    if not authority.strip() or day > day_of(at):
        raise InputError("The notice needs its authority and its date, not in the future", "Take them from the notice.")
    detail = {"authority": authority.strip(), "date": day.isoformat(), "scan": scan.plain()}
    # The hash of the scan is the period, so the same scan cannot be recorded twice.
    found = _add(connection, Signal("3.5", "notice", detail, scan.sha256), calendar, at, author, day)
    if not found:
        raise CaseError(
            f"The notice {scan.path} is already recorded",
            "The console's page Triggers shows it.",
            text="notice_known",
        )
    return found


def decide(connection: Connection, trigger: str, accept: bool, reason: str, author: str, at: float) -> Trigger:
    """Accept or reject a suggested trigger.

    Raises Missing, CaseError if it is decided already, and InputError without a reason.
    """
    if not 0 < len(reason.strip()) <= MAX_REASON:
        raise InputError("The decision needs a reason", f"Give one of at most {MAX_REASON} characters.")
    found = find(connection, trigger)
    state = "accepted" if accept else "rejected"
    values = {"state": state, "decided_by": author, "decided_at": at, "reason": reason.strip()}
    # The condition is in the UPDATE: of two people who decide at once, only one does.
    waiting = (TRIGGERS.c.id == found.id, TRIGGERS.c.state == "suggested")
    if not connection.execute(update(TRIGGERS).where(*waiting).values(values)).rowcount:
        raise CaseError(f"Trigger {found.id} is already {found.state}", "Nothing was changed.", text="trigger_decided")
    audit_log.append(connection, at, author, f"trigger.{state}", found.id, {"reason": reason.strip()})
    return find(connection, found.id)


def all_triggers(connection: Connection, state: TriggerState | None = None) -> list[Trigger]:
    """Return the triggers, newest first."""
    query = select(TRIGGERS).order_by(TRIGGERS.c.found_at.desc(), TRIGGERS.c.id)
    return [
        Trigger(**row._asdict())
        for row in connection.execute(query.where(TRIGGERS.c.state == state) if state else query)
    ]


def find(connection: Connection, trigger: str) -> Trigger:
    """Return one trigger. Raises Missing."""
    row = connection.execute(select(TRIGGERS).where(TRIGGERS.c.id == trigger)).one_or_none()
    if row is None:
        raise Missing(f"There is no trigger {trigger}", "The console's page Triggers lists them.", text="missing")
    return Trigger(**row._asdict())


def due_of(trigger: Trigger, calendar: Calendar) -> Due:
    """Return the due date of a trigger, and the year if it has no calendar. A report before the launch has no date."""
    return Due(None) if trigger.before_launch else calendar.due(_event_day(trigger))


def set_missing_dates(connection: Connection, calendar: Calendar) -> None:
    """Set the due dates of triggers whose year had no calendar."""
    undated = select(TRIGGERS).where(TRIGGERS.c.due.is_(None), TRIGGERS.c.clause.not_in(BEFORE_LAUNCH))
    for row in connection.execute(undated).all():
        if day := due_of(Trigger(**row._asdict()), calendar).day:
            connection.execute(update(TRIGGERS).where(TRIGGERS.c.id == row.id).values(due=day.isoformat()))


def _event_day(trigger: Trigger) -> date:
    """Return the day from which the date counts: the day of the written notice, or else the day of the finding."""
    if trigger.clause == "3.5":
        return date.fromisoformat(trigger.detail["date"])
    return day_of(trigger.found_at)


def _add(
    connection: Connection,
    signal: Signal,
    calendar: Calendar,
    at: float,
    author: str,
    day: date | None = None,
) -> Trigger | None:
    """Store a signal as a trigger. Return None if it is stored already."""
    # None without a calendar of the year; `set_missing_dates` sets it later.
    due = None if signal.clause in BEFORE_LAUNCH else calendar.due(day or day_of(at)).day
    made = Trigger(
        id=signal.id,
        clause=signal.clause,
        signal=signal.name,
        detail=signal.detail,
        found_at=at,
        state="suggested",
        decided_by=None,
        decided_at=None,
        reason="",
        due=due.isoformat() if due else None,
    )
    values = {name: getattr(made, name) for name in made.__struct_fields__}
    if not put_new(connection, TRIGGERS, values):
        return None
    audit_log.append(
        connection, at, author, "trigger.suggest", made.id, {"signal": signal.name, "detail": signal.detail}
    )
    return made
