"""Drills: test speech through the live pipeline, and orders to stop test rooms. Their history and results.

A detection drill speaks each test sentence in a room of its own. The audio carries the drill's id as its mark, so it is
recognised as test speech. Deliver writes the results (`pipeline/review/review_store.py`). A stop drill orders the
app to close test rooms, and takes the app's confirmations. No production figure counts a drill. The caller opens the
transactions. Times are UTC seconds.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.assessment import hazards
from pipeline.assessment.drill_speech import SPEAKER, DrillLine
from pipeline.assessment.hazards import DrillProof, Finding, Hazard
from pipeline.base.errors import InputError, Missing
from pipeline.contract.messages import Flag
from pipeline.review import audit_log
from pipeline.review.cases import deciding, storing
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.storing import Merge
from pipeline.review.tables.assessment_tables import ACTIONS, DRILL_LINES, DRILLS
from pipeline.review.tables.core import CASES, DECISIONS

DrillKind = Literal["detection", "stop"]

ORDER = "stop drill"
"""Text of the cases of a stop drill."""
DUE_DAYS: dict[DrillKind, float] = {"detection": 90.0, "stop": 180.0}
"""Days after which the next drill is due. No law states them: once a quarter, and twice a year."""


class Drill(Struct, frozen=True, kw_only=True):
    """A drill. `ended_at` is None while it runs."""

    id: str
    kind: DrillKind
    started_by: str
    started_at: float
    ended_at: float | None = None


class LineResult(Struct, frozen=True, kw_only=True):
    """What became of one test utterance, or of one test room of a stop drill."""

    room: str
    language: str
    label: str
    text: str
    spoken_at: float
    """End of the speech, or the time of the order."""
    suggestion: str | None
    """None: no flag arrived."""
    flagged: tuple[str, ...]
    heard: str
    stored_at: float | None
    decided_at: float | None = None
    acted_at: float | None = None
    """When the app carried out the action. None: it did not, or did not confirm it."""
    failed: bool = False
    """The app confirmed that the action failed."""

    @property
    def answered(self) -> bool:
        return self.suggestion is not None

    @property
    def caught(self) -> bool:
        return self.suggestion in {"review", "block"}

    @property
    def right(self) -> bool:
        """Whether risky speech was caught, or clean speech passed."""
        return self.caught if self.label else self.suggestion == "pass"


class DrillCell(NamedTuple):
    """The result for one label in one language; an empty label is clean speech."""

    language: str
    label: str
    lines: int
    answered: int
    right: int
    named: int
    """Lines that were caught under their own label."""


class Times(NamedTuple):
    """Seconds from the end of the speech: how many lines got this far, the median, and the longest."""

    n: int
    median: float | None
    longest: float | None


def begin(
    connection: Connection, lines: Iterable[DrillLine], author: str, at: float
) -> tuple[Drill, dict[str, DrillLine]]:
    """Start a detection drill. Return it, and the line of each room. Raises InputError without lines."""
    drill = _start(connection, "detection", author, at)
    # A room of its own for each line: the judge reads a flag together with what was said before in its room.
    rooms = {f"{drill.id}-{number}": line for number, line in enumerate(lines, 1)}
    if not rooms:
        raise InputError(
            "The drill has no lines", "Choose a language and labels that drills.yaml has.", text="drill_empty"
        )
    _write_lines(connection, drill, rooms, at)
    audit_log.append(connection, at, author, "drill.start", drill.id, {"kind": drill.kind, "lines": len(rooms)})
    return drill, rooms


def spoken(connection: Connection, drill: str, room: str, at: float) -> None:
    """Record that the speech of a room ended at `at`."""
    line = (DRILL_LINES.c.drill == drill, DRILL_LINES.c.room == room)
    connection.execute(update(DRILL_LINES).where(*line).values(spoken_at=at))


def waiting(connection: Connection, drill: Drill) -> int:
    """Return the number of lines without a flag, or of test rooms whose action the app has not confirmed."""
    found = results(connection, drill.id)
    if drill.kind == "stop":
        return sum(line.acted_at is None for line in found)
    return sum(not line.answered for line in found)


def order_stop(
    connection: Connection, rooms: Sequence[str], author: str, at: float, ranking: Ranking | None = None
) -> Drill:
    """Start a stop drill: decide in each test room that the app must close it. The events go out at once.

    The rooms must be test rooms that are open in the app. Raises InputError without rooms.
    """
    if not rooms or len(set(rooms)) < len(rooms):
        raise InputError("The stop drill needs different test rooms", "Name each with --room.", text="drill_rooms")
    drill = _start(connection, "stop", author, at)
    _write_lines(connection, drill, {room: DrillLine("", "", "", ORDER) for room in rooms}, at)
    flags = [_order(drill, room) for room in rooms]
    # Merge(0, 0): each order is a case of its own. No undo time, because the event must go out at once.
    for outcome in storing.add_flags(connection, flags, at, Merge(0.0, 0.0), ranking or Ranking({})):
        choice = Choice(verdict="uphold", action="close_room", note=ORDER)
        deciding.decide(connection, outcome.case, author, choice, at, undo_seconds=0.0)
    audit_log.append(connection, at, author, "drill.start", drill.id, {"kind": drill.kind, "lines": len(rooms)})
    return drill


def end(connection: Connection, drill: str, author: str, at: float) -> None:
    """Record that a drill has ended. Flags and confirmations that come later still count. Raises Missing."""
    get(connection, drill)
    connection.execute(update(DRILLS).where(DRILLS.c.id == drill).values(ended_at=at))
    audit_log.append(connection, at, author, "drill.end", drill)


def cancel(connection: Connection, drill: str, author: str, at: float) -> None:
    """Remove a drill whose speech could not be sent: no page, figure or due date may count it. Raises Missing."""
    get(connection, drill)
    connection.execute(delete(DRILL_LINES).where(DRILL_LINES.c.drill == drill))
    connection.execute(delete(DRILLS).where(DRILLS.c.id == drill))
    audit_log.append(connection, at, author, "drill.cancel", drill)


def all_drills(connection: Connection, kind: DrillKind | None = None) -> list[Drill]:
    """Return the drills, newest first."""
    query = select(DRILLS).order_by(DRILLS.c.started_at.desc(), DRILLS.c.id)
    return [Drill(**row._asdict()) for row in connection.execute(query.where(DRILLS.c.kind == kind) if kind else query)]


def get(connection: Connection, drill: str) -> Drill:
    """Return one drill. Raises Missing."""
    row = connection.execute(select(DRILLS).where(DRILLS.c.id == drill)).one_or_none()
    if row is None:
        raise Missing(f"There is no drill {drill}", "The console's page Drills lists them.")
    return Drill(**row._asdict())


def results(connection: Connection, drill: str) -> list[LineResult]:
    """Return the results of all lines, in the order of the rooms' names. Raises Missing."""
    stops = get(connection, drill).kind == "stop"
    acted = _acted(connection, drill)
    rows = connection.execute(
        select(DRILL_LINES).where(DRILL_LINES.c.drill == drill).order_by(DRILL_LINES.c.room)
    ).all()
    return [
        LineResult(
            room=row.room,
            language=row.language,
            label=row.label,
            text=row.text,
            spoken_at=row.spoken_at,
            suggestion=row.suggestion,
            flagged=tuple(row.flagged or ()),
            heard=row.heard or "",
            stored_at=None if stops else row.stored_at,
            **acted.get(row.room, {}) | ({"acted_at": row.stored_at} if stops else {}),
        )
        for row in rows
    ]


def cells(found: Sequence[LineResult]) -> list[DrillCell]:
    """Return the results by language and label."""
    return [
        DrillCell(
            language,
            label,
            len(lines := [line for line in found if (line.language, line.label) == (language, label)]),
            sum(line.answered for line in lines),
            sum(line.right for line in lines),
            sum(label in line.flagged for line in lines),
        )
        for language, label in sorted({(line.language, line.label) for line in found})
    ]


def times(found: Sequence[LineResult]) -> dict[str, Times]:
    """Return the times to flag, to decision and to action of the lines, from the end of their speech."""
    risky = [line for line in found if line.label or line.text == ORDER]  # clean speech passes, so nobody acts on it
    return {
        "flag": _times((line.spoken_at, line.stored_at) for line in risky if line.caught),
        "decision": _times((line.spoken_at, line.decided_at) for line in risky),
        "action": _times((line.spoken_at, line.acted_at) for line in risky),
    }


def findings(drill: Drill, found: Sequence[LineResult]) -> Iterator[Finding]:
    """Yield the hazard of a failed drill: a label that was missed in a language, or a room that was not stopped."""
    for about, right, lines in _parts(drill, found):
        if right < lines:
            title = " ".join(filter(None, (f"{drill.id}:", about.partition(" ")[2], f"{right} / {lines}")))
            yield Finding(source="drill", about=about, title=title)


def failures(connection: Connection) -> Iterator[Finding]:
    """Yield the hazards of the last drill of each kind that has ended."""
    # Oldest first, so that a later drill of the kind replaces an earlier one.
    newest = {drill.kind: drill for drill in reversed(all_drills(connection)) if drill.ended_at is not None}
    for drill in newest.values():
        yield from findings(drill, results(connection, drill.id))


def recheck(connection: Connection, author: str, at: float) -> list[Hazard]:
    """Close the fixed hazards of drills that a later drill, begun after the fix, proves to be gone. Return them."""
    ended = [drill for drill in reversed(all_drills(connection)) if drill.ended_at is not None]
    proofs = [(drill.started_at, _passed(drill, results(connection, drill.id))) for drill in ended]
    closed = []
    for hazard in hazards.all_hazards(connection, "fixed"):
        later = [passed.get(hazard.about) for began, passed in proofs if began >= hazard.since]
        if hazard.source == "drill" and (proof := next(filter(None, later), None)):
            closed.append(hazards.close(connection, hazard.id, "", author, at, [proof]))
    return closed


def last(connection: Connection) -> dict[DrillKind, float | None]:
    """Return when the last drill of each kind began."""
    query = select(DRILLS.c.kind, func.max(DRILLS.c.started_at)).group_by(DRILLS.c.kind)
    began = {row[0]: row[1] for row in connection.execute(query)}
    return {"detection": began.get("detection"), "stop": began.get("stop")}


def _parts(drill: Drill, found: Sequence[LineResult]) -> Iterator[tuple[str, int, int]]:
    """Yield what a drill tests: its name as a hazard, the lines that went right, and all its lines."""
    if drill.kind == "stop":
        yield "I-28.drill", sum(line.acted_at is not None for line in found), len(found)
        return
    for cell in cells(found):
        yield f"5(4).drill {cell.language} {cell.label or 'clean'}", cell.right, cell.lines


def _passed(drill: Drill, found: Sequence[LineResult]) -> dict[str, DrillProof]:
    return {about: DrillProof(drill.id, lines) for about, right, lines in _parts(drill, found) if right == lines}


def _start(connection: Connection, kind: DrillKind, author: str, at: float) -> Drill:
    day = datetime.fromtimestamp(at, UTC).strftime("%Y%m%d")
    drill = Drill(id=f"{kind}-{day}-{uuid.uuid4().hex[:6]}", kind=kind, started_by=author, started_at=at)
    connection.execute(insert(DRILLS).values({name: getattr(drill, name) for name in drill.__struct_fields__}))
    return drill


def _write_lines(connection: Connection, drill: Drill, rooms: Mapping[str, DrillLine], at: float) -> None:
    rows = [
        {"room": room, "language": line.language, "label": line.label, "text": line.text}
        for room, line in rooms.items()
    ]
    connection.execute(insert(DRILL_LINES), [row | {"drill": drill.id, "spoken_at": at} for row in rows])


def _order(drill: Drill, room: str) -> Flag:
    """Return the flag of a test room that must be closed."""
    name = f"{drill.id}-{room}"
    return Flag(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),  # the same for the same drill and room
        room=room,
        speaker=SPEAKER,
        drill=drill.id,
        start=drill.started_at,
        end=drill.started_at,
        utterance=name[-256:],  # the contract's limit; the end has the room, which tells the orders apart
        transcript=name[-256:],
        text=ORDER,
        language="zh",
        confidence=1.0,
        suggestion="block",
        risk=1.0,
        policy=SPEAKER,
        model=SPEAKER,
    )


def _acted(connection: Connection, drill: str) -> dict[str, dict[str, Any]]:
    """Return, by room, when the first decision stood and when the app carried it out."""
    decisions = DECISIONS.join(CASES, CASES.c.id == DECISIONS.c.case_id).outerjoin(
        ACTIONS, ACTIONS.c.decision == DECISIONS.c.id
    )
    columns = (CASES.c.room, DECISIONS.c.at, ACTIONS.c.at.label("acted"), ACTIONS.c.result)
    settled = (CASES.c.drill == drill, DECISIONS.c.undone.is_(None), DECISIONS.c.verdict != "escalate")
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(select(*columns).select_from(decisions).where(*settled).order_by(DECISIONS.c.at)):
        acted = row.acted if row.result == "done" else None
        found.setdefault(row.room, {"decided_at": row.at, "acted_at": acted, "failed": row.result == "failed"})
    return found


def _times(pairs: Iterable[tuple[float, float | None]]) -> Times:
    waits = [until - since for since, until in pairs if until is not None]
    return Times(len(waits), median(waits), max(waits)) if waits else Times(0, None, None)
