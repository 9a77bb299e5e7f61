"""Looks for the signals of article 3 of the Provisions in the tallies, the cases, the register and the figures.

`watch` stores new signals as triggers. The console runs it once a day. A signal counts if it came after the last
finished assessment, or at any time if there is none.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from pipeline.assessment import measure, triggers
from pipeline.assessment import options as choices
from pipeline.assessment.hazards import name_of
from pipeline.assessment.indicators.judgement import caught_near
from pipeline.assessment.options import DAY_SECONDS
from pipeline.assessment.report import rules_in_force
from pipeline.assessment.triggers import Signal, Trigger
from pipeline.assessment.workdays import CHINA, Calendar
from pipeline.contract.messages import SAMPLE_RATE, UNDETERMINED
from pipeline.review.cases.case_values import REPORTED
from pipeline.review.database import Database
from pipeline.review.delivery.speech_tallies import DAY_HOURS, HOUR
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.tables.assessment_tables import ASSESSMENTS, REGISTER, ROOM_TYPES, TALLIES
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, DECISIONS
from pipeline.settings import Settings

DAYS = 30
"""Days over which the use of the service is averaged, and a language must be in use."""
LOOK_BACK_HOURS = 90 * DAY_HOURS
"""Hours back in which versions are compared, if the last assessment is older."""
ENOUGH = 1_000
"""Utterances that each of two versions must have judged before their shares of caught speech are compared."""
SHOWN = 20
"""Ids of cases that a trigger names."""
SPREADING = frozenset({"I-24", "I-25"})
"""The indicators of exposure and spread. A value over the operator's limit suggests case 3(4)."""

USES = {"speakers": "daily speakers", "listened": "listener hours a day", "rooms": "room hours a day"}


class TriggerLimits(Struct, frozen=True):
    """From where a change suggests a case of article 3 of the Provisions. No law states these numbers."""

    growth: float = 0.5
    """Growth since the last assessment: half as many again suggests case 3(3)."""
    caught_shift: float = 0.3
    """Relative change of the share of caught speech between two versions: suggests case 3(2)."""
    language_share: float = 0.01
    """Share of the last 30 days' speech from which a language counts as used."""
    late_cases: int = 1
    """Illegal cases past their deadline on one day: suggests case 3(4)."""
    missed_cases: int = 1
    """Upheld illegal cases that the machine had passed, on one day: suggests case 3(4)."""


class Base(Struct, frozen=True):
    """The last finished assessment: its id, and the end of its window in UTC seconds. Empty and 0: there is none."""

    id: str = ""
    until: float = 0.0

    @property
    def hour(self) -> int:
        return math.ceil(self.until / HOUR)


def signals(
    connection: Connection,
    rules: TriggerLimits,
    illegal: frozenset[str],
    now: float,
    figures: Iterable[Figure] = (),
    recogniser: str = "",
) -> Iterator[Signal]:
    """Yield all signals that the data show at `now` (UTC seconds).

    `illegal` are the labels of illegal information. `figures` come from a recent window, with limits. `recogniser`
    is engine and model of the settings; empty: it is not compared.
    """
    base = last_assessment(connection)
    yield from _room_types(connection, base)
    yield from _languages(connection, base, rules, now)
    yield from _families(connection, base)
    yield from _recogniser(connection, base, recogniser)
    yield from _caught_shares(connection, base, rules, now)
    yield from _registered(connection, base, rules)
    yield from _growth(connection, base, rules, now)
    for days in (1, 0):  # yesterday, too: the last look may have been hours before its end
        yield from _late(connection, rules, illegal, now, days)
        yield from _missed(connection, rules, illegal, now, days)
    yield from _spread(figures, now)


def last_assessment(connection: Connection) -> Base:
    """Return the finished assessment whose window ends last."""
    query = select(ASSESSMENTS.c.id, ASSESSMENTS.c.until).where(ASSESSMENTS.c.state == "final")
    row = connection.execute(query.order_by(ASSESSMENTS.c.until.desc(), ASSESSMENTS.c.id).limit(1)).one_or_none()
    return Base(row.id, row.until) if row else Base()


def _room_types(connection: Connection, base: Base) -> Iterator[Signal]:
    query = select(ROOM_TYPES).where(ROOM_TYPES.c.first_seen_at >= base.until).order_by(ROOM_TYPES.c.name)
    for row in connection.execute(query):
        yield Signal("3.1", f"room_type:{row.name}", {"first_seen_at": row.first_seen_at})


def _languages(connection: Connection, base: Base, rules: TriggerLimits, now: float) -> Iterator[Signal]:
    """Yield the languages in use now that were not in use before the last assessment."""
    known = _used(connection, base.hour, rules) if base.id else {}
    for language, share in _used(connection, int(now) // HOUR, rules).items():
        if language not in known:
            yield Signal("3.1", f"language:{language}", {"share": share})


def _used(connection: Connection, end: int, rules: TriggerLimits) -> dict[str, float]:
    """Return the languages and their shares of speech, in the 30 days before the hour `end`."""
    columns = (TALLIES.c.language, func.sum(TALLIES.c.samples))
    since = end - DAYS * DAY_HOURS
    # Speech that was skipped for its language has a known language, too. Other skipped speech has none.
    heard, skipped = (and_(*_between(measure, since, end)) for measure in ("monitored", "skipped"))
    other = and_(skipped, TALLIES.c.bucket == "language")
    spoken = (or_(heard, other), TALLIES.c.language != UNDETERMINED)
    query = select(*columns).where(*spoken).group_by(TALLIES.c.language)
    samples = {language: int(count) for language, count in connection.execute(query).all()}
    total = sum(samples.values())
    shares = {language: count / total for language, count in sorted(samples.items()) if total}
    # Single misheard utterances get odd languages, so a language needs a share of the speech.
    return {language: share for language, share in shares.items() if share >= rules.language_share}


def _families(connection: Connection, base: Base) -> Iterator[Signal]:
    """Yield the classifiers and policies with another name than before. The first ones are no change."""
    for kind in ("model", "policy"):
        first = _first_hours(connection, kind)
        start = min(first.values(), default=0)
        for family, hour in sorted(first.items()):
            if hour > start and hour >= base.hour:
                yield Signal("3.2", f"{kind}:{family}", {"first_used_at": hour * HOUR})


def _recogniser(connection: Connection, base: Base, now: str) -> Iterator[Signal]:
    """Yield the recogniser if it is another one than in the last finished report."""
    content = connection.scalar(select(ASSESSMENTS.c.content).where(ASSESSMENTS.c.id == base.id))
    before = content and msgspec.json.decode(content).get("versions", {}).get("recogniser")  # old reports lack it
    if now and before and before != now:
        yield Signal("3.2", f"recogniser:{now}", {"before": before, "after": now}, base.id)


def _first_hours(connection: Connection, kind: Literal["model", "policy"]) -> dict[str, int]:
    """Return the hour of first use of each family: its name without the version (`default@1`: `default`)."""
    column = TALLIES.c[kind]
    query = select(column, func.min(TALLIES.c.hour)).where(TALLIES.c.measure == "judged").group_by(column)
    first: dict[str, int] = {}
    for name, hour in connection.execute(query).all():
        family = name.partition("@")[0]
        first[family] = min(hour, first.get(family, hour))
    return first


def _caught_shares(connection: Connection, base: Base, rules: TriggerLimits, now: float) -> Iterator[Signal]:
    """Yield the versions of policy and model that catch another share of speech than the version before."""
    end = int(now) // HOUR + 1
    versions = _versions(connection, max(base.hour, end - LOOK_BACK_HOURS), end)
    for (_, before), (version, after) in pairwise(versions):
        if _moved(before, after, rules):
            yield Signal("3.2", "caught_share", {"version": version, "before": before, "after": after}, version)


def _versions(connection: Connection, begin: int, end: int) -> list[tuple[str, float]]:
    """Return each version with its share of caught speech, in order of first use."""
    by = (TALLIES.c.policy, TALLIES.c.model)
    caught = func.sum(TALLIES.c["count"]).filter(TALLIES.c.bucket != "pass")
    columns = (*by, func.min(TALLIES.c.hour), func.sum(TALLIES.c["count"]), func.coalesce(caught, 0))
    rows = connection.execute(select(*columns).where(*_between("judged", begin, end)).group_by(*by)).all()
    ordered = sorted((hour, policy, model, int(count), int(hits)) for policy, model, hour, count, hits in rows)
    return [(f"{policy} {model}", hits / count) for _, policy, model, count, hits in ordered if count >= ENOUGH]


def _moved(before: float, after: float, rules: TriggerLimits) -> bool:
    return abs(after - before) > rules.caught_shift * before  # not divided by `before`, which may be 0


def _registered(connection: Connection, base: Base, rules: TriggerLimits) -> Iterator[Signal]:
    """Yield the technical changes and shadow runs that people registered."""
    query = select(REGISTER).where(REGISTER.c.kind.in_(("technical_change", "shadow_run")))
    for row in connection.execute(query.where(REGISTER.c.opened_at >= base.until).order_by(REGISTER.c.id)):
        fields = row.fields
        if row.kind == "technical_change":
            yield Signal("3.2", f"technical_change:{fields['component']}", {"register": row.id, **fields}, row.id)
        elif _moved(fields["caught_before"], fields["caught_after"], rules):
            yield Signal("3.2", "shadow_run", {"register": row.id, **fields}, row.id)


def _growth(connection: Connection, base: Base, rules: TriggerLimits, now: float) -> Iterator[Signal]:
    """Yield the uses whose mean over 30 whole days grew by the set factor since the last assessment."""
    if not base.id:
        return
    for use, name in USES.items():
        before, after = (_mean(connection, use, int(end) // HOUR) for end in (base.until, now))
        if before and after and after / before - 1 >= rules.growth:
            detail = {"before": before, "after": after, "growth": after / before - 1, "assessment": base.id}
            yield Signal("3.3", name, detail, base.id)


def _mean(connection: Connection, measure: str, end: int) -> float | None:
    """Return the daily mean of a use, over the 30 whole UTC days before the hour `end`; None if there are no data.

    Data that are younger than 30 days have fewer days.
    """
    last = end - end % DAY_HOURS  # whole days: the evening has more speech than the morning
    begin = last - DAYS * DAY_HOURS
    value = TALLIES.c.samples if measure == "listened" else TALLIES.c["count"]
    total = connection.scalar(select(func.sum(value)).where(*_between(measure, begin, last)))
    oldest = connection.scalar(select(func.min(TALLIES.c.hour)).where(TALLIES.c.measure == measure))
    if total is None or oldest is None:
        return None
    days = math.ceil((last - max(begin, oldest)) / DAY_HOURS)
    # `listened` counts samples times listeners, so this gives listener hours.
    mean: float = float(total) / days / (SAMPLE_RATE * HOUR if measure == "listened" else 1)
    return mean


def _late(
    connection: Connection, rules: TriggerLimits, illegal: frozenset[str], now: float, days_ago: int
) -> Iterator[Signal]:
    """Yield the day on which illegal cases passed their deadline: they are open, or were upheld too late."""
    day, begin, end = _day(now, days_ago)
    final = (DECISIONS.c.undone.is_(None), DECISIONS.c.verdict.in_(FINAL))
    decided = select(func.min(DECISIONS.c.at)).where(DECISIONS.c.case_id == CASES.c.id, *final)
    late = (CASES.c.status != "decided") | (
        (CASES.c.verdict == "uphold") & (decided.scalar_subquery() > CASES.c.due_at)
    )
    overdue = (CASES.c.due_at >= begin, CASES.c.due_at < min(end, now), CASES.c.suggestion != "pass", late)
    query = _cases().where(*overdue, CASES.c.label.in_(illegal))
    found = list(connection.scalars(query.order_by(CASES.c.due_at, CASES.c.id)))
    if len(found) >= rules.late_cases:
        yield Signal("3.4", "late_illegal_cases", {"day": day, "n": len(found), "cases": found[:SHOWN]}, day)


def _missed(
    connection: Connection, rules: TriggerLimits, illegal: frozenset[str], now: float, days_ago: int
) -> Iterator[Signal]:
    """Yield the day on which people upheld illegal speech that the machine had passed: in an audit, or by a report."""
    day, begin, end = _day(now, days_ago)
    label = func.coalesce(DECISIONS.c.label, CASES.c.label)  # a moderator may have corrected the label
    # The case of a report does not come from the machine, so look for the machine's flag near its speech.
    passed = (CASES.c.suggestion == "pass") | ((CASES.c.policy == REPORTED) & ~caught_near())
    query = (
        _cases()
        .join(DECISIONS, DECISIONS.c.case_id == CASES.c.id)
        .where(DECISIONS.c.undone.is_(None), DECISIONS.c.verdict == "uphold", CASES.c.verdict == "uphold")
        .where(DECISIONS.c.at >= begin, DECISIONS.c.at < end, label.in_(illegal), passed)
        .distinct()
    )
    found = sorted(connection.scalars(query))
    if len(found) >= rules.missed_cases:
        yield Signal("3.4", "missed_illegal_speech", {"day": day, "n": len(found), "cases": found[:SHOWN]}, day)


def _cases() -> Any:
    """Select the ids of real cases."""
    return select(CASES.c.id).where(CASES.c.drill == "", CASES.c.id.not_in(COPIES))


def _spread(figures: Iterable[Figure], now: float) -> Iterator[Signal]:
    """Yield the figures of exposure and spread that miss the operator's limit, once a day."""
    day = _day(now, 0)[0]
    for figure in figures:
        if figure.indicator in SPREADING and figure.met is False:
            detail = {"day": day, "value": figure.value, "limit": figure.threshold, "n": figure.n}
            yield Signal("3.4", name_of(figure), detail, day)


def _between(measure: str, begin: int, end: int) -> tuple[ColumnElement[bool], ...]:
    return TALLIES.c.measure == measure, TALLIES.c.hour >= begin, TALLIES.c.hour < end


def _day(now: float, days_ago: int) -> tuple[str, float, float]:
    """Return a day in China, where the law counts days: its ISO date, and its begin and end in UTC seconds."""
    today = datetime.fromtimestamp(now, UTC).astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(days=days_ago)
    return begin.date().isoformat(), begin.timestamp(), (begin + timedelta(days=1)).timestamp()


def watch(database: Database, settings: Settings, calendar: Calendar, now: float) -> list[Trigger]:
    """Return the new triggers at `now` (UTC seconds). Exposure and spread count the last 24 full hours.

    Raises ConfigError for a limit of an unknown figure.
    """
    options = choices.build(settings)
    until = now // HOUR * HOUR
    window = Window(until - DAY_SECONDS, until)
    # Two transactions: the figures may take seconds, and SQLite has only one writer at a time.
    with database.read_in_background() as connection:
        figures = list(measure.limited(connection, window, options, sorted(SPREADING)))
        recogniser = rules_in_force.recogniser(settings)
        found = list(signals(connection, TriggerLimits(), options.illegal, now, figures, recogniser))
    with database.write() as connection:
        return triggers.suggest(connection, found, calendar, now)
