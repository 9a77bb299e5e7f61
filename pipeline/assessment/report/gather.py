"""Gathers the content of a report from the store: figures, answers, evidence, triggers, hazards, drills.

Each number has the SQL that read it: `purpose` tells for which number the next statements are.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, case, distinct, event, func, select
from sqlalchemy.exc import CompileError

from pipeline.assessment import attachments, catalogue
from pipeline.assessment import measure as measuring
from pipeline.assessment import options as choices
from pipeline.assessment.attachments import Attachment
from pipeline.assessment.options import to_plain
from pipeline.assessment.report import (
    assessments,
    content,
    data_files,
    frozen_records,
    recorded_content,
    rules_in_force,
    stored_evidence,
)
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.content import (
    ITEMS,
    AssessmentReport,
    Definition,
    Gap,
    Names,
    ReportedAnswer,
    ReportedEvidence,
    ReportedValue,
    ReportItem,
    Restrictions,
    Reviewers,
    Versions,
)
from pipeline.assessment.report.data_files import LEDGER_FILE, TALLY_FILE, Packed
from pipeline.assessment.report.frozen_records import Frozen
from pipeline.assessment.report.stored_evidence import Collected
from pipeline.review import audit_log
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.quality.snapshot import SNAPSHOT
from pipeline.review.tables.core import ACCOUNTS, AUDIT, DECISIONS
from pipeline.settings import Settings

PURPOSE = "purpose"
SHARED = "shared"
"""The purpose of statements that prepare data for several numbers."""

Queries = Mapping[str, tuple[str, ...]]
"""SQL statements by purpose."""


class QueryLog:
    """Notes the statements of a connection by purpose. Of equal statements, it keeps the last one's values."""

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        self._found: dict[str, dict[str, Any]] = {}

    def note(self, _connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        """Note one statement. SQLAlchemy calls it."""
        if context is not None and context.invoked_statement is not None:  # None: plain SQL, such as PRAGMA
            name, asked = context.execution_options.get(PURPOSE, ""), context.invoked_statement
            # A statement that is built once gets its values when it runs.
            known = asked.params(context.compiled_parameters[0]) if asked.is_select else asked
            self._found.setdefault(name, {})[statement] = known

    def queries(self) -> Queries:
        """Return the SQL by purpose."""
        return {
            name: tuple(map(self._sql, kept.values()))
            for purposes, kept in sorted(self._found.items())
            for name in purposes.split(" ")
        }

    def _sql(self, statement: Any) -> str:
        # With its values, so that an inspector can run it as it is.
        try:
            made = statement.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True})
        except (CompileError, NotImplementedError):  # a value that SQL text cannot express
            made = statement.compile(dialect=self._dialect)
        return "\n".join(line.strip() for line in str(made).splitlines())


@contextmanager
def logged(connection: Connection) -> Iterator[QueryLog]:
    """Note all statements of `connection` inside the block."""
    log = QueryLog(connection)
    event.listen(connection, "before_cursor_execute", log.note)
    try:
        yield log
    finally:
        event.remove(connection, "before_cursor_execute", log.note)


@contextmanager
def purpose(connection: Connection, name: str) -> Iterator[None]:
    """Say what the statements inside the block are for."""
    connection.execution_options(**{PURPOSE: name})
    try:
        yield
    finally:
        connection.execution_options(**{PURPOSE: ""})


OF_DRILLS = "drills"
"""The source of indicators that are measured on test data."""
COUNTS = ("evidence", "restrictions", "reviewers", "register", "drills", SHARED)
"""Numbers that are no figures, but have a query, too."""


class Measurement(Struct, frozen=True, kw_only=True):
    """The part of a report that rests on speech and decisions. On a large store it takes up to a minute."""

    figures: tuple[Figure, ...]
    evidence: list[Collected]
    tables: Mapping[str, Packed]
    """The tables of a bundle, by file."""
    versions: Versions
    restrictions: tuple[Restrictions, ...]
    reviewers: Reviewers
    queries: Queries

    def frozen(self) -> Frozen:
        """Return the basis of a final report of this measurement."""
        return frozen_records.packed(self.evidence, self.tables)


def gather(connection: Connection, assessment: Assessment, settings: Settings) -> AssessmentReport:
    """Return the report of an assessment as it is now: the frozen one, or else a draft. Raises ConfigError."""
    if assessment.final:
        return assessment.report()
    return draft(connection, assessment, settings)


def measure(connection: Connection, window: Window, settings: Settings) -> Measurement:
    """Measure a window for a report. Raises ConfigError."""
    options = choices.build(settings)
    with logged(connection) as log:
        with purpose(connection, SHARED):  # until `measuring` names the indicator
            last = assessments.figures_before(connection, window)
            figures = tuple(measuring.measure(connection, window, options, last))
        with purpose(connection, "reviewers"):
            reviewers = _reviewers(connection, window)
        return Measurement(
            figures=figures,
            evidence=stored_evidence.collect(connection, window),
            tables=data_files.packed(connection, Window(window.since - options.settled, window.until)),
            versions=rules_in_force.versions(connection, window, settings),
            restrictions=recorded_content.restrictions(connection, window),
            reviewers=reviewers,
            queries=_shown(log.queries()),
        )


def _shown(found: Queries) -> Queries:
    """Return the SQL that a report shows: the SQL of numbers, without the SQL of texts."""
    return {name: sql for name, sql in found.items() if name in catalogue.INDICATORS or name.split(".")[0] in COUNTS}


def draft(
    connection: Connection, assessment: Assessment, settings: Settings, measured: Measurement | None = None
) -> AssessmentReport:
    """Return the report with what people wrote until now. Its window is measured now, unless it is `measured`."""
    window, options = assessment.window, choices.build(settings)
    measured = measured or measure(connection, window, settings)
    # What people wrote is read now, also for a window that was measured before: it is quick, and changes until the end.
    figures, found, digest = measured.figures, measured.evidence, measured.tables[TALLY_FILE].sha256
    answers = recorded_content.answers(connection, assessment.id)
    hazards = recorded_content.hazards(connection, window)
    with logged(connection) as log:
        register = recorded_content.register(connection, window)
        with purpose(connection, "drills"):
            drills = recorded_content.drills(connection, window)
    shown = rules_in_force.in_force(connection, settings)
    files = attachments.listed(connection, assessment.id)
    return AssessmentReport(
        id=assessment.id,
        title=assessment.title,
        window=window,
        opened_by=assessment.opened_by,
        opened_at=assessment.opened_at,
        versions=measured.versions,
        answers=answers,
        items=tuple(
            _item(
                number,
                answers,
                figures,
                (*stored_evidence.of_item(found, number), *_fixed(number, shown, digest), *_attached(number, files)),
                hazards,
            )
            for number in ITEMS
        ),
        figures=tuple(each for each in figures if not of_drills(each)),
        drill_figures=tuple(each for each in figures if of_drills(each)),
        restrictions=measured.restrictions,
        queries={**measured.queries, **_shown(log.queries())},
        definitions=tuple(map(definition, catalogue.INDICATORS.values())),
        labels=rules_in_force.label_names(rules_in_force.known_labels(settings)),
        triggers=recorded_content.triggers(connection, window),
        hazards=hazards,
        drills=drills,
        register=register,
        reviewers=measured.reviewers,
        options=to_plain(options),
        files=shown,
        settled=options.settled,
        tallies=digest,
        ledger=measured.tables[LEDGER_FILE].sha256,
        audit_head=_head(connection),
    )


def finish(report: AssessmentReport, by: str, at: float, open_reason: str = "") -> AssessmentReport:
    """Return the report as final, in the form that its JSON gives back.

    `open_reason` says why it is final with open hazards or triggers; without them, it is left out.
    """
    # Encoded and decoded, so that pages are the same now and after a year. A float has another text than an int.
    reason = open_reason.strip() if report.open_hazards or report.open_triggers else ""
    final = msgspec.structs.replace(report, finished_by=by, finished_at=float(at), open_reason=reason)
    return content.decode(content.encode(final), report.id)


def of_drills(figure: Figure) -> bool:
    """Tell whether a figure was measured on test data."""
    return OF_DRILLS in catalogue.INDICATORS[figure.indicator].sources


def indicators_of(number: str) -> tuple[str, ...]:
    """Return the ids of the indicators of an item of article 5."""
    return tuple(each.id for each in catalogue.INDICATORS.values() if number in each.items)


def _item(
    number: str,
    answers: tuple[ReportedAnswer, ...],
    figures: tuple[Figure, ...],
    found: tuple[ReportedEvidence, ...],
    hazards: tuple[content.ReportedHazard, ...],
) -> ReportItem:
    indicators = indicators_of(number)
    empty = (each.field for each in answers if each.part == number and each.required and not each.text.strip())
    whole = [each for each in figures if each.indicator in indicators and not each.split]
    measured = {each.indicator for each in figures if each.value is not None}
    return ReportItem(
        number=number,
        indicators=indicators,
        evidence=found,
        gaps=(
            *(Gap("answer", field) for field in empty),
            *(Gap("unmeasured", each) for each in indicators if each not in measured),
            *(Gap("missed", f"{each.indicator}.{each.key}") for each in whole if each.met is False),
        ),
        hazards=tuple(each.id for each in hazards if each.about.partition(".")[0] in (number, *indicators)),
    )


def _fixed(number: str, shown: tuple[content.File, ...], digest: str) -> tuple[ReportedEvidence, ...]:
    """Return the evidence that is no list of records: tallies and rules."""
    if number in {"5(2)", "5(3)"}:
        return (ReportedEvidence(kind="tallies", sha256=digest),)
    if number == "5(4)":
        return (ReportedEvidence(kind="tallies", sha256=digest), *map(_rules, shown))
    return ()


def _rules(file: content.File) -> ReportedEvidence:
    folder, _, name = file.name.removesuffix(".yaml").rpartition("/")
    return ReportedEvidence(kind=folder or name, name=name if folder else "", sha256=file.sha256)


def _attached(number: str, files: Iterable[Attachment]) -> tuple[ReportedEvidence, ...]:
    mine = (each for each in files if each.item == number)
    return tuple(ReportedEvidence(kind=attachments.KIND, name=each.name, sha256=each.sha256) for each in mine)


def definition(indicator: catalogue.Indicator) -> Definition:
    """Return the definition of an indicator, with its texts in both languages."""
    return Definition(
        id=indicator.id,
        name=Names(zh=indicator.name_zh, en=indicator.name),
        definition=Names(zh=indicator.definition_zh, en=indicator.definition),
        formula=Names(zh=indicator.formula_zh, en=indicator.formula),
        source=Names(zh=indicator.source("zh"), en=indicator.source("en")),
        compute=indicator.compute,
        values={
            key: ReportedValue(name=Names(zh=value.zh, en=value.en), unit=value.unit, better=value.better)
            for key, value in indicator.values.items()
        },
    )


def _reviewers(connection: Connection, window: Window) -> Reviewers:
    roles = (
        select(ACCOUNTS.c.role, func.count().label("n")).where(ACCOUNTS.c.disabled.is_(False)).group_by(ACCOUNTS.c.role)
    )
    # It reads the snapshot of the window, which `measuring` has taken before.
    passed = case((SNAPSHOT.c.suggestion == "pass", 1), else_=0)  # a case of speech that passed comes from an audit
    sums = (func.count(), func.count(distinct(DECISIONS.c.moderator)), func.coalesce(func.sum(passed), 0))
    joined = DECISIONS.join(SNAPSHOT, SNAPSHOT.c.id == DECISIONS.c.case_id)
    counts = select(*sums).select_from(joined).where(*within(DECISIONS.c.at, window))
    decisions, deciders, audits = connection.execute(counts).one()
    return Reviewers(
        accounts={row.role: row.n for row in connection.execute(roles)},
        deciders=deciders,
        decisions=decisions,
        audits=audits,
    )


def _head(connection: Connection) -> str:
    newest = select(AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)
    return connection.scalar(newest) or audit_log.GENESIS
