"""The assessments in the store: open one, find it, and freeze its report.

The caller opens the connection. Times are UTC seconds.
"""

from datetime import UTC, datetime, tzinfo

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update

from pipeline.assessment import attachments
from pipeline.assessment.options import DAY_SECONDS
from pipeline.assessment.report import content, frozen_records
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.frozen_records import Frozen
from pipeline.base import canonical_json
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Figure, Window, check_full_hours
from pipeline.review.tables.assessment_tables import ASSESSMENTS

DAYS = 90
ALIKE = 0.1
"""Windows whose lengths differ by at most this share are compared. Quarters have 90 to 92 days."""
FROZEN = "assessment.final"
"""Action of the line of the audit log that has the hash of a final report."""


class Assessment(Struct, frozen=True, kw_only=True):
    """One assessment. The last three fields are empty in a draft."""

    id: str
    title: str
    since: float
    until: float
    opened_by: str
    opened_at: float
    state: str
    sha256: str | None
    content: str | None

    @property
    def window(self) -> Window:
        return Window(self.since, self.until)

    @property
    def final(self) -> bool:
        return self.state == "final"

    def report(self) -> AssessmentReport:
        """Return the frozen report. Raises InputError if it was changed."""
        if self.content is None:
            raise InputError(
                f"Assessment {self.id} has no final report",
                "Make it with `report --final`.",
                text="no_final",
                id=self.id,
            )
        return content.decode(self.content, self.id)


def default_window(now: float, days: int = DAYS) -> Window:
    """Return the last `days` days, up to the end of the last full hour."""
    until = now // HOUR * HOUR  # the tallies count whole hours
    return Window(until - days * DAY_SECONDS, until)


def open_one(connection: Connection, title: str, window: Window, by: str, at: float, zone: tzinfo = UTC) -> Assessment:
    """Open an assessment. Its id is the year in `zone` and a number, for example 2026-2.

    Raises InputError for an empty window, one that ends in the future, and one that begins or ends within an hour.
    """
    if not window.since < window.until <= at:
        raise InputError(
            "The window is empty or ends in the future",
            "Give --since before --until, and --until past.",
            text="window_empty",
        )
    check_full_hours(window)
    year = datetime.fromtimestamp(at, zone).year
    audit_log.lock(connection)  # no other process opens one with the same number
    count = connection.scalar(select(func.count()).where(ASSESSMENTS.c.id.like(f"{year}-%"))) or 0
    made = Assessment(
        id=f"{year}-{count + 1}",
        title=title,
        since=window.since,
        until=window.until,
        opened_by=by,
        opened_at=at,
        state="draft",
        sha256=None,
        content=None,
    )
    values = {name: getattr(made, name) for name in made.__struct_fields__}
    connection.execute(insert(ASSESSMENTS).values(values))
    audit_log.append(connection, at, by, "assessment.open", made.id, {"since": window.since, "until": window.until})
    return made


def find(connection: Connection, identity: str | None) -> Assessment:
    """Return an assessment; the newest one if `identity` is None. Raises Missing."""
    columns = [ASSESSMENTS.c[name] for name in Assessment.__struct_fields__]
    query = select(*columns).order_by(ASSESSMENTS.c.opened_at.desc(), ASSESSMENTS.c.id.desc()).limit(1)
    row = connection.execute(query.where(ASSESSMENTS.c.id == identity) if identity else query).one_or_none()
    if row is None:
        remedy = "Open one on the console's page Reports."
        if identity is None:
            raise Missing("There is no assessment", remedy, text="no_assessment")
        raise Missing(f"There is no assessment {identity}", remedy, text="missing_assessment", id=identity)
    return Assessment(**row._asdict())


def all_assessments(connection: Connection) -> list[Assessment]:
    """Return all assessments, newest first."""
    columns = [ASSESSMENTS.c[name] for name in Assessment.__struct_fields__]
    query = select(*columns).order_by(ASSESSMENTS.c.opened_at.desc(), ASSESSMENTS.c.id.desc())
    return [Assessment(**row._asdict()) for row in connection.execute(query)]


def figures_before(connection: Connection, window: Window) -> tuple[Figure, ...]:
    """Return the figures of the last final report that ended before a window does, for the trend; without one, nothing.

    A report whose window is more than ALIKE longer or shorter does not count, because counts grow with the window. One
    that this Voxwarden cannot read gives nothing: without a trend, the figures can still be measured.
    """
    columns = [ASSESSMENTS.c[name] for name in Assessment.__struct_fields__]
    length = ASSESSMENTS.c.until - ASSESSMENTS.c.since
    alike = (length >= window.seconds * (1 - ALIKE), length <= window.seconds * (1 + ALIKE))
    final = select(*columns).where(ASSESSMENTS.c.state == "final", ASSESSMENTS.c.until < window.until, *alike)
    newest = (ASSESSMENTS.c.until.desc(), ASSESSMENTS.c.finished_at.desc())
    row = connection.execute(final.order_by(*newest).limit(1)).one_or_none()
    if row is None:
        return ()
    try:
        report = Assessment(**row._asdict()).report()
    except InputError:
        return ()
    return (*report.figures, *report.drill_figures)


def check_open(assessment: Assessment) -> None:
    """Raise CaseError if the assessment has a final report."""
    if assessment.final:
        raise CaseError(
            f"Assessment {assessment.id} already has a final report",
            "Open a new assessment for changes.",
            text="final",
            id=assessment.id,
        )


def freeze(connection: Connection, report: AssessmentReport, frozen: Frozen) -> str:
    """Store a final report, its basis, and the line of the audit log with its SHA-256, which is returned.

    `report` has `finished_by` and `finished_at`. Raises CaseError if required fields are empty, if hazards or triggers
    are open without a reason, if the attachments have changed, or if the assessment already has a final report. The
    database refuses every later change.
    """
    if report.missing:
        named = [(answer.part, answer.name) for answer in report.missing]
        raise CaseError(
            f"{len(named)} required fields are empty: {'; '.join(f'{part} {name.en}' for part, name in named)}",
            "Fill them in, then try again.",
            text="fields_missing",
            n=len(named),
            fields="；".join(f"{part} {name.zh}" for part, name in named),
        )
    hazards, triggers = len(report.open_hazards), len(report.open_triggers)
    if (hazards or triggers) and not report.open_reason:
        raise CaseError(
            f"{hazards} hazards and {triggers} triggers are open",
            "Close and decide them, or say with --with-open why the report is final without that.",
            text="open_items",
            hazards=hazards,
            triggers=triggers,
        )
    assert report.finished_at is not None  # noqa: S101 - a final report has both
    encoded = content.encode(report)
    digest = canonical_json.digest(encoded)
    values = {
        "state": "final",
        "finished_by": report.finished_by,
        "finished_at": report.finished_at,
        "sha256": digest,
        "content": encoded.decode(),
    }
    # The condition is in the UPDATE: of two people who finish the report at once, only one does.
    draft = (ASSESSMENTS.c.id == report.id, ASSESSMENTS.c.state == "draft")
    if not connection.execute(update(ASSESSMENTS).where(*draft).values(values)).rowcount:
        raise CaseError(
            f"Assessment {report.id} already has a final report",
            "Open a new assessment for changes.",
            text="final",
            id=report.id,
        )
    if attachments.in_report(report) != attachments.digests(connection, report.id):
        raise CaseError(
            "Somebody attached or detached a file meanwhile",
            "Look at the draft, then try again.",
            text="attachments_changed",
        )
    frozen_records.store(connection, report.id, frozen)
    audit_log.append(connection, report.finished_at, report.finished_by, FROZEN, report.id, {"sha256": digest})
    return digest
