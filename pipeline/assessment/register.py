"""The register (台账): what only people know, as entries of a fixed kind with typed fields.

Each function runs in a transaction that the caller opened. Each change is in the audit log. Times are UTC seconds.
"""

import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Connection, insert, select, update

from pipeline.assessment.hazards import Finding
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.tables.assessment_tables import REGISTER

Kind = Literal[
    "authority_request",
    "police_report",
    "policy_change",
    "technical_change",
    "shadow_run",
    "incident",
    "restore_test",
    "synthetic_voice",
]
Line = Annotated[str, Meta(min_length=1, max_length=500)]
Long = Annotated[str, Meta(max_length=10_000)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class RegisterEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of an entry. Each kind has its own."""


class AuthorityRequest(RegisterEntry, frozen=True, kw_only=True):
    """A request of an authority for data or help. Opened when received, closed when answered, due as it says."""

    authority: Line
    """The authority, for example 公安 or 网信办."""
    reference: Line
    """Number of the document."""
    legal_basis: Line
    approver: Line
    """The person who approved the answer."""
    exports: Count = 0
    """Number of exports handed over."""
    signed: Count = 0
    """Exports with hash and signature."""
    note: Long = ""


class PoliceReport(RegisterEntry, frozen=True, kw_only=True):
    """A report to the police that the law asks for. Opened when the matter was found, closed when it was sent."""

    matter: Line
    case: str = ""
    """Id of the case in the review store."""
    receipt: str = ""
    """Number of the receipt."""
    note: Long = ""


class PolicyChange(RegisterEntry, frozen=True, kw_only=True):
    """A change of a policy or a lexicon. Opened when it was approved."""

    version: Line
    """The new version, for example `default@1a2b3c4d`."""
    reason: Line
    emergency: bool = False
    instruction: str = ""
    """Reference of the authority's instruction that caused it."""
    note: Long = ""


class TechnicalChange(RegisterEntry, frozen=True, kw_only=True):
    """A change of the technology. Opened when it was approved. It suggests case 3(2)."""

    component: Literal[
        "recogniser", "classifier", "policy_engine", "voice_changer", "voice_synthesis", "hosting", "other"
    ]
    before: str = ""
    after: Line
    note: Long = ""


class ShadowRun(RegisterEntry, frozen=True, kw_only=True):
    """The result of a shadow policy. A share that moved by more than the set limit suggests case 3(2)."""

    policy: Line
    """Version of the shadow policy."""
    caught_before: Share
    """Share of speech that the real policy caught."""
    caught_after: Share
    """Share of speech that the shadow policy caught."""
    note: Long = ""


class Incident(RegisterEntry, frozen=True, kw_only=True):
    """A failure or a security incident. Opened when it began, closed when the service was well again."""

    title: Line
    severity: Literal["low", "medium", "high", "critical"]
    cause: Long = ""
    note: Long = ""


class RestoreTest(RegisterEntry, frozen=True, kw_only=True):
    """A test that a backup can be restored. Opened at its start, closed at its end."""

    backup: Line
    """What was restored, and from when."""
    result: Literal["passed", "failed"]
    note: Long = ""


class SyntheticVoice(RegisterEntry, frozen=True, kw_only=True):
    """Generated voice of a period, and its labels. Opened at the end of the period."""

    clips: Count
    """Generated clips."""
    labelled: Count
    """Clips with an explicit label."""
    files: Count = 0
    """Exported files."""
    marked: Count = 0
    """Files with a label in their metadata."""
    note: Long = ""


KINDS: dict[Kind, type[RegisterEntry]] = {
    "authority_request": AuthorityRequest,
    "police_report": PoliceReport,
    "policy_change": PolicyChange,
    "technical_change": TechnicalChange,
    "shadow_run": ShadowRun,
    "incident": Incident,
    "restore_test": RestoreTest,
    "synthetic_voice": SyntheticVoice,
}

PARTS_OF = {"signed": "exports", "labelled": "clips", "marked": "files"}
"""Counts that are a part of another count."""

REPORT_WITHIN_SECONDS = 24 * 3_600.0
"""Time within which the police must be told (MPS Order 33, article 10(6))."""


class Record(Struct, frozen=True, kw_only=True):
    """An entry in the store."""

    id: str
    kind: Kind
    opened_at: float
    due_at: float | None
    closed_at: float | None
    fields: dict[str, Any]
    author: str
    """Who changed it last."""
    changed_at: float


def add(
    connection: Connection,
    kind: Kind,
    fields: Mapping[str, Any],
    author: str,
    at: float,
    *,
    opened_at: float | None = None,
    due_at: float | None = None,
    closed_at: float | None = None,
) -> Record:
    """Store an entry. Without `opened_at` it is opened now. A police report is due after 24 hours.

    Raises InputError for a wrong kind or field, or times out of order.
    """
    opened = at if opened_at is None else opened_at
    due = opened + REPORT_WITHIN_SECONDS if kind == "police_report" and due_at is None else due_at
    made = Record(
        id=uuid.uuid4().hex[:12],
        kind=kind,
        opened_at=opened,
        due_at=due,
        closed_at=closed_at,
        fields=_checked(kind, fields),
        author=author,
        changed_at=at,
    )
    _check_times(made, at)
    connection.execute(insert(REGISTER).values({name: getattr(made, name) for name in made.__struct_fields__}))
    audit_log.append(connection, at, author, "register.add", made.id, {"kind": kind})
    return made


def change(connection: Connection, identity: str, fields: Mapping[str, Any], author: str, at: float) -> Record:
    """Change some fields of an entry. Raises Missing and InputError."""
    record = get(connection, identity, lock=True)  # two changes at once would lose the fields of one
    changed = _checked(record.kind, record.fields | dict(fields))
    return _write(connection, record, {"fields": changed}, "register.change", {"fields": sorted(fields)}, author, at)


def close(connection: Connection, identity: str, author: str, at: float, closed_at: float | None = None) -> Record:
    """Close an entry, now if there is no `closed_at`. Raises Missing, InputError, and CaseError if it is closed."""
    record = get(connection, identity, lock=True)
    if record.closed_at is not None:
        raise CaseError(f"Entry {identity} is already closed", "Nothing was changed.", text="entry_closed")
    closed = at if closed_at is None else closed_at
    _check_times(msgspec.structs.replace(record, closed_at=closed), at)
    return _write(connection, record, {"closed_at": closed}, "register.close", {"closed_at": closed}, author, at)


def all_records(
    connection: Connection, kind: Kind | None = None, *, still_open: bool = False, limit: int | None = None
) -> list[Record]:
    """Return entries, newest first: of one kind, or only those that are not closed, or at most `limit`, if you ask."""
    query = select(REGISTER).order_by(REGISTER.c.opened_at.desc(), REGISTER.c.id).limit(limit)
    query = query.where(REGISTER.c.kind == kind) if kind else query
    query = query.where(REGISTER.c.closed_at.is_(None)) if still_open else query
    return [Record(**row._asdict()) for row in connection.execute(query)]


def incidents(connection: Connection) -> Iterator[Finding]:
    """Yield a finding for each incident."""
    for record in all_records(connection, "incident"):
        yield Finding(source="incident", about=f"I-32.incident:{record.id}", title=record.fields["title"])


def get(connection: Connection, identity: str, *, lock: bool = False) -> Record:
    """Return one entry, locked until the transaction ends if you ask. Raises Missing."""
    query = select(REGISTER).where(REGISTER.c.id == identity)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise Missing(
            f"The register has no entry {identity}", "The console's page Register lists them.", text="missing"
        )
    return Record(**row._asdict())


def _write(
    connection: Connection,
    record: Record,
    values: Mapping[str, Any],
    action: str,
    detail: dict[str, Any],
    author: str,
    at: float,
) -> Record:
    changed = update(REGISTER).where(REGISTER.c.id == record.id)
    connection.execute(changed.values({**values, "author": author, "changed_at": at}))
    audit_log.append(connection, at, author, action, record.id, {"kind": record.kind, **detail})
    return get(connection, record.id)


def _checked(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with their defaults."""
    if kind not in get_args(Kind):
        raise InputError(f"The register has no kind {kind}", f"Its kinds are {', '.join(get_args(Kind))}.")
    try:
        # Not strict: a command line and a page send text, also for numbers.
        entry = msgspec.convert(dict(fields), KINDS[kind], strict=False)  # type: ignore[index]
    except msgspec.ValidationError as error:
        names = ", ".join(KINDS[kind].__struct_fields__)  # type: ignore[index]
        raise InputError(
            f"The {kind} has a wrong field: {error}", f"Its fields are {names}.", text="invalid"
        ) from error
    plain: dict[str, Any] = msgspec.to_builtins(entry)
    for part, whole in PARTS_OF.items():
        if plain.get(part, 0) > plain.get(whole, 0):
            raise InputError(f"The {kind} has more {part} than {whole}", "Correct one of the two.", text="entry_counts")
    return plain


def _check_times(record: Record, at: float) -> None:
    if record.opened_at > at or (record.closed_at or 0.0) > at:
        raise InputError(
            "The entry is opened or closed in the future", "Give a time that has passed.", text="entry_future"
        )
    # A due date may be in the future, but not before the begin.
    for name, later in (("due", record.due_at), ("closed", record.closed_at)):
        if later is not None and later < record.opened_at:
            raise InputError(
                f"The entry is {name} before it is opened", "Correct one of the two times.", text="entry_times"
            )
