"""All figures of a window: their order, limits, trend, and the marks of what the data do not cover."""

from typing import Any

import pytest

from pipeline.assessment import drills, figure_cases
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.measure import figure_key, measure
from pipeline.assessment.options import DAY_SECONDS, Options
from pipeline.assessment.report import gather
from pipeline.base.errors import InputError
from pipeline.contract.messages import Flag, HeardSound
from pipeline.contract.speech_status import status_of
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag, sound_flag

DAY = Window(NOON, NOON + DAY_SECONDS)
OPTIONS = Options(limits={"I-02.share": 0.9, "I-04.share": 0.1}, settled=0.0)


def said(name: str, at: float, **changes: Any) -> Flag:
    return flag(name, at, at + 2, **{"suggestion": "pass", "flagged": (), "hits": ()} | changes)


def keep(database: Database, *flags: Flag, lost: int = 0) -> None:
    """Store verdicts, and `lost` utterances that never get one."""
    store = SqlReviewStore(database)
    store.add(flags, NOON)
    missing = [said(f"{flags[0].id}-{number}", flags[0].start - NOON + 10 * number) for number in range(1, lost + 1)]
    store.add([status_of(one, "segmented") for one in missing], NOON)


def measured(database: Database, options: Options = OPTIONS, window: Window = DAY) -> list[Figure]:
    with database.read() as connection:
        return measure(connection, window, options)


def figure(database: Database, indicator: str, key: str, **split: str) -> Figure:
    """Return the only figure of this indicator, key and split."""
    [found] = [one for one in measured(database) if (one.indicator, one.key) == (indicator, key) and one.split == split]
    return found


def test_figures_have_the_order_of_the_catalogue_and_repeat(database: Database) -> None:
    keep(database, said("a", 0), said("b", 60, room_type="kids"))
    found = measured(database)
    places = [list(INDICATORS).index(one.indicator) for one in found]
    assert places == sorted(places)
    assert measured(database) == found
    assert all(one.unit == INDICATORS[one.indicator].values[one.key].unit for one in found)
    assert all((one.value is None) == bool(one.unmeasured) for one in found)


@pytest.mark.parametrize("window", [Window(NOON + 1_800, NOON + DAY_SECONDS), Window(NOON, NOON + 1_800)])
def test_tallies_and_cases_of_different_times_are_not_mixed(database: Database, window: Window) -> None:
    keep(database, said("a", 600), said("b", 2_400))
    with pytest.raises(InputError, match="within an hour"):
        measured(database, window=window)


def test_an_empty_store_measures_nothing(database: Database) -> None:
    found = measured(
        database, window=Window(DAY.since - DAY_SECONDS, DAY.since)
    )  # before the accounts, and so before the audit log
    assert {one.indicator for one in found} == set(INDICATORS)
    assert {one.value for one in found} == {None}


def test_a_limit_is_kept_in_the_direction_of_the_catalogue(database: Database) -> None:
    keep(database, said("a", 0), said("b", 60, language="th"), lost=1)
    coverage, hard = figure(database, "I-02", "share"), figure(database, "I-04", "share")
    assert (coverage.value, coverage.threshold, coverage.met) == (2 / 3, 0.9, False)
    assert (hard.value, hard.threshold, hard.met) == (0.5, 0.1, False)
    assert figure(database, "I-02", "share", room_type="default").threshold is None
    with database.read() as connection:
        kept = measure(connection, DAY, Options(limits={"I-02.share": 0.6, "I-04.share": 0.6}, settled=0.0))
    assert [one.met for one in kept if one.threshold is not None] == [True, True]


def test_no_value_keeps_no_limit(database: Database) -> None:
    coverage = figure(database, "I-02", "share")
    assert (coverage.threshold, coverage.met) == (0.9, None)


def test_the_trend_compares_with_the_last_report(database: Database) -> None:
    """It takes no second snapshot, which costs as much as the figures themselves."""
    keep(database, said("b", -DAY_SECONDS), lost=3)
    last = measured(database, window=Window(DAY.since - DAY_SECONDS, DAY.since))
    keep(database, said("a", 0), lost=1)
    with database.read() as connection, gather.logged(connection) as log:
        found = {figure_key(one): one for one in measure(connection, DAY, OPTIONS, last)}
    coverage, hard = found["I-02", "share", ()], found["I-04", "share", (("language", "zh"),)]
    assert (coverage.value, coverage.previous, hard.previous) == (0.5, 0.25, 0.0)
    assert len([sql for sql in log.queries()["shared"] if sql.startswith("INSERT INTO uphold_snapshot")]) == 1
    assert figure(database, "I-02", "share").previous is None, "there is no report"


def test_data_that_begin_inside_the_window_cover_a_part_of_it(database: Database) -> None:
    keep(database, said("a", 3_600))
    assert not figure(database, "I-02", "share").whole
    keep(database, said("b", -10))
    assert figure(database, "I-02", "share").whole


def test_a_drill_before_the_speech_is_no_data(database: Database) -> None:
    with database.write() as connection:
        drills.order_stop(connection, ["test room"], "lea", DAY.since - 10)
    keep(database, said("a", 3_600))
    assert not figure(database, "I-06", "undecided").whole


def test_deleted_cases_leave_a_part_of_the_window(database: Database) -> None:
    keep(database, said("a", -10))
    assert figure(database, "I-06", "undecided").whole
    detail = {"class": "upheld", "label": "any", "days": 2}
    with database.write() as connection:
        audit_log.append(connection, DAY.since + 1.5 * DAY_SECONDS, "retention", "case.expire", "x", detail)
    assert figure(database, "I-06", "undecided").whole, "that case was stored before the window"
    with database.write() as connection:
        audit_log.append(connection, DAY.since + 2.5 * DAY_SECONDS, "retention", "case.expire", "y", detail)
    assert not figure(database, "I-06", "undecided").whole
    assert figure(database, "I-02", "share").whole, "the tallies stay"


def test_an_erased_case_leaves_a_part_of_the_window(database: Database) -> None:
    keep(database, said("a", -10))
    with database.write() as connection:
        audit_log.append(connection, DAY.since + 1, "lea", "case.erase", "x")
    assert not figure(database, "I-06", "undecided").whole


def test_a_policy_stands_apart_only_if_another_one_was_in_use(database: Database) -> None:
    first = said("a", 0, suggestion="review", flagged=("fraud",))
    keep(database, first)
    assert not [one for one in measured(database) if {"policy", "model"} & one.split.keys()]
    keep(database, said("b", 60, suggestion="review", flagged=("fraud",), policy="default@2"))
    apart = {one.split["policy"] for one in measured(database) if one.indicator == "I-05" and "policy" in one.split}
    assert apart == {"default@1", "default@2"}
    assert not [one for one in measured(database) if "model" in one.split]


def test_a_source_stands_apart_only_if_there_is_another_one(database: Database) -> None:
    store = SqlReviewStore(database)
    [words] = store.add([said("a", 0, suggestion="review", flagged=("fraud",))], NOON)
    store.decide(words.case, "ana", Choice(verdict="uphold"), NOON + 60)
    assert not [one for one in measured(database) if "source" in one.split]
    [sound] = store.add([sound_flag("b", 900, 910)], NOON + 900)
    store.decide(sound.case, "ana", Choice(verdict="dismiss"), NOON + 960)
    heard = HeardSound(kind="ear", name="Own", score=0.9)
    [ear] = store.add([sound_flag("c", 1_800, 1_806, source="ear", sound=heard, flagged=("hate",))], NOON + 1_800)
    store.decide(ear.case, "ana", Choice(verdict="uphold"), NOON + 1_860)
    apart = {
        (one.indicator, one.split["source"]): one.value
        for one in measured(database)
        if "source" in one.split and one.key == "share"
    }
    values = (("words", 1), ("sound", 0), ("ear", 1))
    assert apart == {(name, source): value for name in ("I-09", "I-10") for source, value in values}
    with database.read() as connection:
        for source, case in (("words", words.case), ("sound", sound.case), ("ear", ear.case)):
            assert figure_cases.listed(connection, figure(database, "I-09", "share", source=source), DAY) == [case]
