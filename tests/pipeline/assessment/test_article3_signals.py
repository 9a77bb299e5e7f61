"""The signals of article 3 in tallies, cases, register and figures."""

from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import insert

from pipeline.assessment import article3_signals, triggers
from pipeline.assessment.article3_signals import TriggerLimits
from pipeline.assessment.report import content
from pipeline.assessment.triggers import Signal
from pipeline.assessment.workdays import SHIPPED, Calendar
from pipeline.contract.speech_status import status_of
from pipeline.review.cases import user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.delivery.speech_tallies import DAY_HOURS, Cell
from pipeline.review.quality.figure import Figure
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import REGISTER
from pipeline.settings import Settings
from tests.builders import NOON, flag
from tests.pipeline.assessment.report import samples
from tests.pipeline.assessment.tallied import DAY, MIDNIGHT_HOUR, NOON_HOUR, finish, tally

RULES = TriggerLimits()
ILLEGAL = frozenset({"violence"})


def found(
    database: Database, now: float = NOON, rules: TriggerLimits = RULES, figures: tuple[Figure, ...] = ()
) -> list[Signal]:
    with database.read() as connection:
        return list(article3_signals.signals(connection, rules, ILLEGAL, now, figures))


def names(database: Database, now: float = NOON, **options: Any) -> set[tuple[str, str]]:
    return {(each.clause, each.name) for each in found(database, now, **options)}


def store_of(database: Database) -> SqlReviewStore:
    return SqlReviewStore(database, ranking=Ranking({}))


def passed(name: str, at: float, **changes: Any) -> Any:
    return flag(name, at - NOON, at - NOON + 1, **{"suggestion": "pass", "flagged": (), "hits": ()} | changes)


def test_an_empty_store_gives_no_signal(database: Database) -> None:
    assert found(database) == []


def test_a_new_type_of_room_and_a_new_language_are_signals_until_an_assessment_covers_them(database: Database) -> None:
    store_of(database).add(
        [passed("a", NOON - DAY), passed("b", NOON - DAY, language="en", room_type="kids")], NOON - DAY
    )
    new = {("3.1", "room_type:default"), ("3.1", "room_type:kids"), ("3.1", "language:zh"), ("3.1", "language:en")}
    assert names(database) == new
    with database.write() as connection:
        finish(connection, "2025-1", NOON - 3_600)
    assert names(database) == set()
    store_of(database).add([passed("c", NOON + 60, room_type="dating", language="fr")], NOON + 60)
    assert names(database, NOON + 7_200) == {("3.1", "room_type:dating"), ("3.1", "language:fr")}


def test_speech_of_a_drill_is_no_signal(database: Database) -> None:
    store_of(database).add([passed("a", NOON, drill="d", room_type="test", language="fr")], NOON)
    assert names(database, NOON + 3_600) == set()


def test_a_language_that_the_recogniser_is_not_set_to_is_a_signal_too(database: Database) -> None:
    other = status_of(passed("a", NOON - 7_200), "skipped", "language")
    store_of(database).add([replace(other, language="fr"), passed("b", NOON - 7_200)], NOON)
    assert ("3.1", "language:fr") in names(database)


def test_a_language_with_too_small_a_share_is_a_mishearing(database: Database) -> None:
    with database.write() as connection:
        tally(
            connection,
            (Cell(NOON_HOUR - 1, "monitored", language="zh"), 9_950),
            (Cell(NOON_HOUR - 1, "monitored", language="cy"), 50),
        )
    assert names(database) == {("3.1", "language:zh")}
    assert ("3.1", "language:cy") in names(database, rules=TriggerLimits(language_share=0.005))


def judged(hour: int, bucket: str = "pass", policy: str = "default@1", model: str = "small@1") -> Cell:
    return Cell(hour, "judged", bucket, policy=policy, model=model)


def test_another_family_of_policy_or_model_is_a_signal_and_a_new_version_is_none(database: Database) -> None:
    with database.write() as connection:
        tally(connection, (judged(10), 5), (judged(11, policy="default@2"), 5), (judged(12, model="small@2"), 5))
    assert names(database) == set()
    with database.write() as connection:
        tally(connection, (judged(13, policy="strict@1"), 5), (judged(14, model="large@1"), 5))
    assert names(database) == {("3.2", "policy:strict"), ("3.2", "model:large")}
    with database.write() as connection:
        finish(connection, "2025-1", NOON)
    assert names(database) == set()


def test_another_recogniser_than_in_the_last_report_is_a_signal(database: Database) -> None:
    def seen(recogniser: str) -> list[tuple[str, str, dict[str, Any]]]:
        with database.read() as connection:
            every = article3_signals.signals(connection, RULES, ILLEGAL, NOON, recogniser=recogniser)
            return [(each.name, each.period, each.detail) for each in every]

    report = samples.final()
    used = report.versions.recogniser
    assert seen("other large") == []
    with database.write() as connection:
        finish(connection, "2025-1", NOON - DAY, content=content.encode(report).decode())
    assert seen(used) == []
    assert seen("other large") == [("recogniser:other large", "2025-1", {"before": used, "after": "other large"})]


def test_a_version_that_catches_another_share_of_speech_is_a_signal(database: Database) -> None:
    first, second = NOON_HOUR - 40, NOON_HOUR - 20
    with database.write() as connection:
        tally(connection, (judged(first), 990), (judged(first, "review"), 10))
        tally(connection, (judged(second, policy="default@2"), 988), (judged(second, "review", policy="default@2"), 12))
    assert names(database) == set()  # 0.2 more of the share is below the limit of 0.3
    with database.write() as connection:
        tally(connection, (judged(second, "block", policy="default@2"), 3))
    (signal,) = found(database)
    assert (signal.clause, signal.name, signal.period) == ("3.2", "caught_share", "default@2 small@1")
    assert (signal.detail["before"], signal.detail["after"]) == (0.01, 15 / 1_003)


def test_versions_that_judged_little_are_not_compared(database: Database) -> None:
    with database.write() as connection:
        tally(connection, (judged(NOON_HOUR - 40), 5_000), (judged(NOON_HOUR - 20, "review", policy="default@2"), 999))
    assert names(database) == set()


def register(database: Database, name: str, kind: str, **fields: Any) -> None:
    entry = {"id": name, "kind": kind, "opened_at": NOON, "fields": fields, "author": "lea", "changed_at": NOON}
    with database.write() as connection:
        connection.execute(insert(REGISTER).values(entry))


def test_registered_changes_and_shadow_runs_are_signals(database: Database) -> None:
    register(database, "1", "technical_change", component="recogniser", before="whisper", after="other")
    register(database, "2", "shadow_run", policy="next@1", caught_before=0.01, caught_after=0.02)
    register(database, "3", "shadow_run", policy="next@2", caught_before=0.01, caught_after=0.011)
    assert [(each.name, each.period) for each in found(database)] == [
        ("technical_change:recogniser", "1"),
        ("shadow_run", "2"),
    ]


def test_growth_is_measured_over_thirty_whole_days_against_the_last_assessment(database: Database) -> None:
    until = NOON - 100 * DAY
    with database.write() as connection:
        for day in range(1, 31):
            before = MIDNIGHT_HOUR - (100 + day) * DAY_HOURS
            after = MIDNIGHT_HOUR - day * DAY_HOURS
            tally(connection, (Cell(before, "speakers"), 100), (Cell(after, "speakers"), 150))
            tally(connection, (Cell(before, "rooms"), 10), (Cell(after + 5, "rooms"), 14))
        tally(connection, (Cell(MIDNIGHT_HOUR, "speakers"), 9_999))  # today is not over
    assert names(database) == set()
    with database.write() as connection:
        finish(connection, "2025-1", until)
    (signal,) = found(database)
    assert (signal.clause, signal.name, signal.period) == ("3.3", "daily speakers", "2025-1")
    assert (signal.detail["before"], signal.detail["after"], signal.detail["growth"]) == (100.0, 150.0, 0.5)
    assert names(database, rules=TriggerLimits(growth=0.51)) == set()


def test_a_young_store_is_averaged_over_the_days_that_it_has(database: Database) -> None:
    until = NOON - 31 * DAY
    with database.write() as connection:
        for day in (32, 33):
            tally(connection, (Cell(MIDNIGHT_HOUR - day * DAY_HOURS, "speakers"), 100))
        for day in range(1, 31):
            tally(connection, (Cell(MIDNIGHT_HOUR - day * DAY_HOURS, "speakers"), 110))
        finish(connection, "2025-1", until)
    assert names(database) == set()


def test_an_illegal_case_past_its_deadline_is_a_signal_of_the_day(database: Database) -> None:
    store = store_of(database)
    (case,) = (outcome.case for outcome in store.add([flag("a", 0, 1, room_type="default")], NOON))
    due = store.case(case).case.due_at
    seen = {"3.1"}
    assert {each.clause for each in found(database, due)} == seen
    late = [each for each in found(database, due + 1) if each.clause == "3.4"]
    assert [(each.name, each.detail["cases"]) for each in late] == [("late_illegal_cases", [case])]
    assert {each.clause for each in found(database, due + 1, TriggerLimits(late_cases=2))} == seen
    store.decide(case, "ana", Choice(verdict="uphold"), due + 2)
    assert [each.id for each in found(database, due + 3) if each.clause == "3.4"] == [late[0].id]


def test_an_escalation_in_time_is_no_decision_in_time(database: Database) -> None:
    store = store_of(database)
    (outcome,) = store.add([flag("a", 0, 1)], NOON)
    due = store.case(outcome.case).case.due_at
    store.decide(outcome.case, "ana", Choice(verdict="escalate"), due - 1)
    store.decide(outcome.case, "lea", Choice(verdict="uphold"), due + 1)
    (late,) = (each for each in found(database, due + 2) if each.clause == "3.4")
    assert (late.name, late.detail["cases"]) == ("late_illegal_cases", [outcome.case])


def test_a_case_in_time_a_dismissed_one_a_drill_and_a_legal_label_are_no_signal(database: Database) -> None:
    store = store_of(database)
    flags = [
        flag("in-time", 0, 1),
        flag("dismissed", 0, 1, speaker="b"),
        flag("drill", 0, 1, speaker="c", drill="d"),
        flag("legal", 0, 1, speaker="d", flagged=("ads_spam",)),
    ]
    cases = [outcome.case for outcome in store.add(flags, NOON)]
    due = store.case(cases[0]).case.due_at
    store.decide(cases[0], "ana", Choice(verdict="uphold"), NOON + 1)
    store.decide(cases[1], "ana", Choice(verdict="dismiss"), due + 2)
    assert [each for each in found(database, due + 3) if each.clause == "3.4"] == []


def test_upheld_illegal_speech_that_the_machine_passed_is_a_signal(database: Database) -> None:
    store = store_of(database)
    (outcome,) = store.add([passed("a", NOON)], NOON, drawn={"a"}, probability=0.1)
    store.decide(outcome.case, "ana", Choice(verdict="uphold", label="violence"), NOON + 10)
    (signal,) = (each for each in found(database, NOON + 20) if each.clause == "3.4")
    assert (signal.name, signal.detail["cases"]) == ("missed_illegal_speech", [outcome.case])
    assert [each.id for each in found(database, NOON + DAY) if each.clause == "3.4"] == [signal.id]  # the day after


def test_an_upheld_report_of_speech_that_was_caught_is_no_signal(database: Database) -> None:
    store = store_of(database)
    (caught,) = store.add([flag("caught", 30, 31)], NOON + 31)
    store.decide(caught.case, "ana", Choice(verdict="uphold"), NOON + 40)
    for speaker in ("ann", "bob"):
        complaint = Complaint(room="room", speaker=speaker, reporter="eve", label="violence", at=NOON + 300.0)
        with database.write() as connection:
            reported = user_reports.file(connection, complaint, NOON + 300, Ranking({}), 240.0)[0]
        store.decide(reported.case, "ana", Choice(verdict="uphold"), NOON + 310)
    (signal,) = (each for each in found(database, NOON + 320) if each.clause == "3.4")
    assert (signal.name, signal.detail["cases"]) == ("missed_illegal_speech", [reported.case])


def test_an_upheld_report_of_a_whole_room_in_which_speech_was_caught_is_no_signal(database: Database) -> None:
    store = store_of(database)
    (caught,) = store.add([flag("caught", 30, 31)], NOON + 31)
    store.decide(caught.case, "ana", Choice(verdict="uphold"), NOON + 40)
    complaint = Complaint(room="room", reporter="eve", label="violence", at=NOON + 300.0)
    with database.write() as connection:
        reported = user_reports.file(connection, complaint, NOON + 300, Ranking({}), 240.0)[0]
    store.decide(reported.case, "ana", Choice(verdict="uphold"), NOON + 310)
    assert [each for each in found(database, NOON + 320) if each.clause == "3.4"] == []


def test_a_figure_of_spread_over_its_limit_is_a_signal_of_the_day(database: Database) -> None:
    over = Figure(indicator="I-25", key="rooms", unit="count", value=7, n=9, threshold=5, met=False)
    kept = Figure(indicator="I-24", key="exposure", unit="ratio", value=1, n=9, threshold=5, met=True)
    other = Figure(indicator="I-02", key="share", unit="share", value=0.5, n=9, threshold=0.9, met=False)
    (signal,) = found(database, figures=(over, kept, other))
    assert (signal.clause, signal.name, signal.period) == ("3.4", "I-25.rooms", "2026-01-01")


def test_all_signals_become_triggers_once(database: Database) -> None:
    store_of(database).add([passed("a", NOON - DAY)], NOON - DAY)
    for expected in (2, 0):
        with database.write() as connection:
            seen = article3_signals.signals(connection, RULES, ILLEGAL, NOON)
            assert len(triggers.suggest(connection, seen, Calendar((SHIPPED,)), NOON)) == expected


CALENDAR = Calendar((SHIPPED,))


def test_exposure_over_the_limit_of_the_settings_is_suggested_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXWARDEN_ASSESSMENT__LIMITS", '{"I-24.listener_seconds": 5}')
    store = SqlReviewStore(database)
    (outcome,) = store.add([flag("a", 0, 1, listeners=10, flagged=("ads_spam",))], NOON + 1)
    store.decide(outcome.case, "ana", Choice(verdict="uphold"), NOON + 9)
    found = {each.signal: each for each in article3_signals.watch(database, Settings(), CALENDAR, NOON + 3_600)}
    assert set(found) == {"room_type:default", "language:zh", "I-24.listener_seconds"}
    assert found["I-24.listener_seconds"].detail["value"] == 80.0
    assert article3_signals.watch(database, Settings(), CALENDAR, NOON + 3_601) == []
    with database.read() as connection:
        assert len(triggers.all_triggers(connection, "suggested")) == 3
