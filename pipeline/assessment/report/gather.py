"""Gathers the content of a report from the store: figures, answers, evidence, triggers, hazards, drills."""

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, distinct, func, select

from pipeline.assessment import catalogue
from pipeline.assessment import measure as measuring
from pipeline.assessment import options as choices
from pipeline.assessment.report import content, evidence, files, plain_options, queries, records, tallies
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
from pipeline.assessment.report.evidence import EvidenceSource
from pipeline.assessment.report.queries import Queries
from pipeline.review import audit_log
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.tables.core import ACCOUNTS, AUDIT, CASES, DECISIONS
from pipeline.settings import Settings

OF_DRILLS = "drills"
"""The source of indicators that are measured on test data."""
COUNTS = ("evidence", "restrictions", "reviewers", "register", "drills", queries.SHARED)
"""Numbers that are no figures, but have a query, too."""


class Measurement(Struct, frozen=True, kw_only=True):
    """The part of a report that rests on speech and decisions. On a large store it takes up to a minute."""

    figures: tuple[Figure, ...]
    evidence: list[tuple[EvidenceSource, ReportedEvidence]]
    tallies: str
    versions: Versions
    restrictions: tuple[Restrictions, ...]
    reviewers: Reviewers
    queries: Queries


def gather(connection: Connection, assessment: Assessment, settings: Settings) -> AssessmentReport:
    """Return the report of an assessment as it is now: the frozen one, or else a draft. Raises ConfigError."""
    if assessment.final:
        return assessment.report()
    return draft(connection, assessment, settings)


def measure(connection: Connection, window: Window, settings: Settings) -> Measurement:
    """Measure a window for a report. Raises ConfigError."""
    options = choices.build(settings)
    with queries.logged(connection) as log:
        with queries.purpose(connection, queries.SHARED):
            figures = tuple(measuring.measure(connection, window, options))
        with queries.purpose(connection, "reviewers"):
            reviewers = _reviewers(connection, window)
        return Measurement(
            figures=figures,
            evidence=evidence.collect(connection, window),
            tallies=tallies.digest(connection, Window(window.since - options.settled, window.until)),
            versions=files.versions(connection, window, settings),
            restrictions=records.restrictions(connection, window),
            reviewers=reviewers,
            queries=_shown(log.queries()),
        )


def _shown(found: Queries) -> Queries:
    """Return the SQL that a report shows: that of numbers, but not that of texts."""
    return {name: sql for name, sql in found.items() if name in catalogue.INDICATORS or name.split(".")[0] in COUNTS}


def draft(
    connection: Connection, assessment: Assessment, settings: Settings, measured: Measurement | None = None
) -> AssessmentReport:
    """Return the report with what people wrote until now. Its window is measured now, unless it is `measured`."""
    window, options = assessment.window, choices.build(settings)
    measured = measured or measure(connection, window, settings)
    figures, found, digest = measured.figures, measured.evidence, measured.tallies
    answers = records.answers(connection, assessment.id)
    hazards = records.hazards(connection, window)
    with queries.logged(connection) as log:
        register = records.register(connection, window)
        with queries.purpose(connection, "drills"):
            drills = records.drills(connection, window)
    shown = files.in_force(settings)
    return AssessmentReport(
        id=assessment.id,
        title=assessment.title,
        window=window,
        opened_by=assessment.opened_by,
        opened_at=assessment.opened_at,
        versions=measured.versions,
        answers=answers,
        items=tuple(
            _item(number, answers, figures, (*evidence.of_item(found, number), *_fixed(number, shown, digest)), hazards)
            for number in ITEMS
        ),
        figures=tuple(each for each in figures if not of_drills(each)),
        drill_figures=tuple(each for each in figures if of_drills(each)),
        restrictions=measured.restrictions,
        queries={**measured.queries, **_shown(log.queries())},
        definitions=tuple(map(definition, catalogue.INDICATORS.values())),
        labels=files.label_names(files.known_labels(settings)),
        triggers=records.triggers(connection, window),
        hazards=hazards,
        drills=drills,
        register=register,
        reviewers=measured.reviewers,
        options=plain_options.to_plain(options),
        files=shown,
        settled=options.settled,
        tallies=digest,
        audit_head=_head(connection),
    )


def finish(report: AssessmentReport, by: str, at: float) -> AssessmentReport:
    """Return the report as final, in the form that its JSON gives back."""
    final = msgspec.structs.replace(report, finished_by=by, finished_at=float(at))
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
        of_files = (ReportedEvidence(kind=each.name.removesuffix(".yaml"), sha256=each.sha256) for each in shown)
        return (ReportedEvidence(kind="tallies", sha256=digest), *of_files)
    return ()


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
    kept = (DECISIONS.c.at >= window.since, DECISIONS.c.at < window.until, CASES.c.drill == "")
    joined = DECISIONS.join(CASES, CASES.c.id == DECISIONS.c.case_id)
    counts = select(func.count(), func.count(distinct(DECISIONS.c.moderator))).select_from(joined).where(*kept)
    decisions, deciders = connection.execute(counts).one()
    return Reviewers(
        accounts={row.role: row.n for row in connection.execute(roles)},
        deciders=deciders,
        decisions=decisions,
        audits=connection.scalar(counts.with_only_columns(func.count()).where(CASES.c.suggestion == "pass")) or 0,
    )


def _head(connection: Connection) -> str:
    newest = select(AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)
    return connection.scalar(newest) or audit_log.GENESIS
