"""Hazards (安全隐患) and their rectification: found, fixed, and closed with a proof (article 6 of the Provisions).

A hazard is found in a figure that misses the operator's limit, in a drill, in an incident, or by a person. Its history
only grows, and each step is in the audit log. Each function runs in a transaction that the caller opened. Times are
UTC seconds.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from hashlib import blake2b, sha256
from typing import Any, BinaryIO, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update

from pipeline.assessment.workdays import day_of
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import put_new
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.tables.assessment_tables import HAZARD_STEPS, HAZARDS

BLOCK = 1 << 20
"""Bytes that are read at once, so that a large file does not fill the memory."""


class Proof(Struct, frozen=True):
    """What shows that a hazard is gone."""

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class FileProof(Proof, frozen=True):
    """A file outside the store. Its hash shows later whether it is the same file."""

    path: str
    sha256: str


class FigureProof(Proof, frozen=True):
    """A figure that keeps the operator's limit."""

    figure: str
    """See `name_of`."""
    value: float
    threshold: float
    since: float
    until: float


class DrillProof(Proof, frozen=True):
    """A later drill that did not fail in the same way."""

    drill: str
    lines: int
    """Lines, or test rooms, that the drill had about it. All went right."""


def of_stream(file: BinaryIO, name: str) -> FileProof:
    """Hash what a file has from here to its end. Raises InputError if that is nothing."""
    digest, size = sha256(), 0
    while block := file.read(BLOCK):
        digest.update(block)
        size += len(block)
    if not size:
        raise InputError(f"{name} is empty", "An empty file proves nothing.", text="file_empty")
    return FileProof(name, digest.hexdigest())


def of_figure(figure: Figure, window: Window) -> FigureProof | None:
    """Return the proof that a figure of a window keeps its limit; None if it does not."""
    if figure.met is not True or figure.value is None or figure.threshold is None:  # `met` None: no data, so no proof
        return None
    return FigureProof(name_of(figure), figure.value, figure.threshold, window.since, window.until)


def name_of(figure: Figure) -> str:
    """Return the name of a figure, for example `I-06.in_time` or `I-06.in_time severity=critical`."""
    parts = [f"{key}={value}" for key, value in sorted(figure.split.items())]
    return " ".join((f"{figure.indicator}.{figure.key}", *parts))


HazardSource = Literal["threshold", "drill", "incident", "person"]
HazardState = Literal["open", "fixed", "closed"]

BEFORE: dict[HazardState, tuple[HazardState, ...]] = {
    "open": ("fixed", "closed"),
    "fixed": ("open",),
    "closed": ("fixed",),
}
"""The states from which a hazard moves to each state."""


class Finding(Struct, frozen=True, kw_only=True):
    """A hazard as it is found. A second finding about the same thing is the same hazard."""

    source: HazardSource
    about: str
    """The figure (`I-06.in_time`), or an item or indicator and a name (`5(4).drill`, `I-32.incident:ID`)."""
    title: str
    owner: str = ""
    due: date | None = None

    @property
    def id(self) -> str:
        # The title of a figure or a drill has numbers, which differ each time. Two hazards that persons find about one
        # item differ only by title.
        parts = (self.source, self.about, self.title if self.source == "person" else "")
        return blake2b("\x1f".join(parts).encode(), digest_size=5).hexdigest()  # short enough for a command line


class Step(Struct, frozen=True, kw_only=True):
    """One entry in the history of a hazard."""

    number: int
    at: float
    author: str
    state: HazardState
    note: str
    evidence: tuple[dict[str, Any], ...]


class Hazard(Struct, frozen=True, kw_only=True):
    """A hazard with its history, oldest step first."""

    id: str
    source: HazardSource
    about: str
    title: str
    found_at: float
    owner: str
    due: str | None
    """ISO date."""
    state: HazardState
    steps: tuple[Step, ...] = ()

    @property
    def since(self) -> float:
        """When it came into its state, in UTC seconds. A new owner or due date does not change that."""
        others = [number for number, step in enumerate(self.steps) if step.state != self.state]
        return self.steps[others[-1] + 1 if others else 0].at


def find_all(connection: Connection, findings: Iterable[Finding], author: str, at: float) -> list[Hazard]:
    """Store findings. Return the hazards that are new, and those that were closed and are now open again.

    A finding about a hazard that is open or fixed changes nothing. An incident opens one hazard, once.
    """
    return [hazard for finding in findings if (hazard := _found(connection, finding, author, at))]


def of_figures(figures: Iterable[Figure]) -> Iterator[Finding]:
    """Yield a finding for each figure that misses the operator's limit."""
    for figure in figures:
        if figure.met is False and figure.value is not None and figure.threshold is not None:
            sign = "<" if figure.value < figure.threshold else ">"
            title = f"{name_of(figure)}: {figure.value:.6g} {sign} {figure.threshold:.6g}"
            yield Finding(source="threshold", about=name_of(figure), title=title)


def assign(connection: Connection, hazard: str, owner: str, due: date | None, author: str, at: float) -> Hazard:
    """Set the owner and the due date.

    Raises Missing, CaseError if it is closed, InputError without an owner or for a day that is over.
    """
    if not owner.strip():
        raise InputError("The hazard needs an owner", "Name the person who fixes it.")
    _check_due(due, at)
    found = get(connection, hazard, lock=True)
    if found.state == "closed":
        raise CaseError(f"Hazard {hazard} is closed", "Reopen it first.", text="hazard_closed")
    values = {"owner": owner.strip(), "due": due.isoformat() if due else None}
    connection.execute(update(HAZARDS).where(HAZARDS.c.id == hazard).values(values))
    note = f"→ {owner.strip()}" + (f" · {due.isoformat()}" if due else "")  # no words: it is read in two languages
    return _step(connection, found, found.state, "hazard.assign", author, note, (), at)


def fix(connection: Connection, hazard: str, note: str, author: str, at: float, proofs: Sequence[Proof] = ()) -> Hazard:
    """Record that the cause is removed. Raises Missing, CaseError unless it is open, InputError without a note."""
    return _move(connection, hazard, "fixed", note, author, proofs, at)


def close(connection: Connection, hazard: str, note: str, author: str, at: float, proofs: Sequence[Proof]) -> Hazard:
    """Close a fixed hazard with at least one proof.

    Raises Missing, CaseError unless it is fixed, and InputError without a proof or a note.
    """
    if not proofs:
        raise InputError(
            f"Hazard {hazard} needs a proof to be closed", "Give a file, or a later figure that keeps its limit."
        )
    return _move(connection, hazard, "closed", note, author, proofs, at)


def reopen(connection: Connection, hazard: str, note: str, author: str, at: float) -> Hazard:
    """Open a fixed or closed hazard again. Raises Missing, CaseError if it is open, InputError without a note."""
    return _move(connection, hazard, "open", note, author, (), at)


def recheck(connection: Connection, figures: Iterable[Figure], window: Window, author: str, at: float) -> list[Hazard]:
    """Close the fixed hazards of missed limits whose figure keeps its limit in a window after the fix. Return them."""
    proofs = {proof.figure: proof for figure in figures if (proof := of_figure(figure, window))}
    return [
        close(connection, hazard.id, "", author, at, [proof])
        for hazard in all_hazards(connection, "fixed")
        # A hazard that a person found about a figure may be more than the missed limit, so a person closes it.
        if hazard.source == "threshold" and (proof := proofs.get(hazard.about)) and hazard.since <= window.since
    ]


def all_hazards(connection: Connection, state: HazardState | None = None) -> list[Hazard]:
    """Return the hazards with their history, oldest first."""
    query = select(HAZARDS).order_by(HAZARDS.c.found_at, HAZARDS.c.id)
    rows = connection.execute(query.where(HAZARDS.c.state == state) if state else query).all()
    return [Hazard(**row._asdict(), steps=_steps(connection, row.id)) for row in rows]


def get(connection: Connection, hazard: str, *, lock: bool = False) -> Hazard:
    """Return one hazard with its history, locked until the transaction ends if you ask. Raises Missing."""
    query = select(HAZARDS).where(HAZARDS.c.id == hazard)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise Missing(f"There is no hazard {hazard}", "The console's page Hazards lists them.")
    return Hazard(**row._asdict(), steps=_steps(connection, row.id))


def _found(connection: Connection, finding: Finding, author: str, at: float) -> Hazard | None:
    if not finding.title.strip():
        raise InputError("The hazard needs a title", "Say what is wrong.")
    _check_due(finding.due, at)
    made = Hazard(
        id=finding.id,
        source=finding.source,
        about=finding.about,
        title=finding.title.strip(),
        found_at=at,
        owner=finding.owner,
        due=finding.due.isoformat() if finding.due else None,
        state="open",
    )
    values = {name: getattr(made, name) for name in made.__struct_fields__ if name != "steps"}
    if put_new(connection, HAZARDS, values):
        return _step(connection, made, "open", "hazard.open", author, finding.title, (), at)
    known = get(connection, finding.id, lock=True)
    if known.state == "closed" and finding.source != "incident":  # an incident happens once, a limit is missed again
        return _step(connection, known, "open", "hazard.reopen", author, finding.title, (), at)
    return None


def _check_due(due: date | None, at: float) -> None:
    if due and due < (today := day_of(at)):
        raise InputError(f"The due date {due.isoformat()} is over", f"Give {today.isoformat()} or a later day.")


def _move(
    connection: Connection,
    hazard: str,
    state: HazardState,
    note: str,
    author: str,
    proofs: Sequence[Proof],
    at: float,
) -> Hazard:
    if not note.strip() and not proofs:
        raise InputError("The step needs a note", "Say what was done, or why.")
    found = get(connection, hazard, lock=True)
    if found.state not in BEFORE[state]:
        raise CaseError(
            f"Hazard {hazard} is {found.state}", f"It must be {' or '.join(BEFORE[state])}.", text="hazard_state"
        )
    action = "hazard.reopen" if state == "open" else f"hazard.{state}"
    return _step(connection, found, state, action, author, note.strip(), proofs, at)


def _step(
    connection: Connection,
    hazard: Hazard,
    state: HazardState,
    action: str,
    author: str,
    note: str,
    proofs: Sequence[Proof],
    at: float,
) -> Hazard:
    """Add a step to the history and to the audit log."""
    # The caller has the hazard's row locked, so no other step takes this number.
    last = connection.scalar(select(func.max(HAZARD_STEPS.c.number)).where(HAZARD_STEPS.c.hazard == hazard.id))
    evidence = [proof.plain() for proof in proofs]
    step = {"at": at, "author": author, "state": state, "note": note, "evidence": evidence}
    connection.execute(insert(HAZARD_STEPS).values(step | {"hazard": hazard.id, "number": (last or 0) + 1}))
    connection.execute(update(HAZARDS).where(HAZARDS.c.id == hazard.id).values(state=state))
    audit_log.append(connection, at, author, action, hazard.id, {"note": note, "evidence": evidence})
    return get(connection, hazard.id)


def _steps(connection: Connection, hazard: str) -> tuple[Step, ...]:
    columns = [HAZARD_STEPS.c[name] for name in Step.__struct_fields__]
    query = select(*columns).where(HAZARD_STEPS.c.hazard == hazard).order_by(HAZARD_STEPS.c.number)
    rows = connection.execute(query).all()
    return tuple(Step(**row._asdict() | {"evidence": tuple(row.evidence)}) for row in rows)
