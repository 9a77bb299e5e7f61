"""The list behind a figure has the cases that the figure counts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.assessment import figure_cases
from pipeline.assessment.catalogue import INDICATORS, figure
from pipeline.assessment.indicators import judgement
from pipeline.assessment.options import Options
from pipeline.contract.messages import Verdict
from pipeline.review.cases import appeals, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.assessment.reading import WEEK, figures
from tests.pipeline.assessment.world import Fact

HOUR = 3_600.0
FACTS: dict[str, Callable[[Fact], bool]] = {
    "flagged": lambda fact: fact.flagged and WEEK.contains(fact.stored),
    "undecided": lambda fact: FACTS["flagged"](fact) and fact.decided(WEEK.until) is None,
    "open": lambda fact: not fact.flag.drill and fact.stored < WEEK.until and fact.decided(WEEK.until) is None,
    "ordered": lambda fact: FACTS["flagged"](fact) and any(one.action for one in fact.standing(WEEK.until)),
    "caught": lambda fact: FACTS["flagged"](fact) and fact.upheld(WEEK.until),
    "decided": lambda fact: fact.flagged and any(one.at >= WEEK.since for one in fact.standing(WEEK.until)),
    "audits": lambda fact: fact.audited and not fact.flag.drill and WEEK.contains(fact.stored),
    "missed": lambda fact: FACTS["audits"](fact) and fact.upheld(WEEK.until),
    "actions": lambda fact: not fact.flag.drill and acted(fact),
    "wrong_actions": lambda fact: FACTS["actions"](fact) and not fact.upheld(WEEK.until),
}


def acted(fact: Fact) -> bool:
    return any(one.action and one.at >= WEEK.since for one in fact.standing(WEEK.until))


def behind(name: str, **split: str) -> Figure:
    indicator = "I-12" if name == "missed" else "I-09"
    return Figure(indicator=indicator, key="share", split=split, unit="share", value=1.0, cases=name)


def listed(database: Database, name: str, limit: int = 1_000, window: Window = WEEK) -> list[str]:
    with database.read() as connection:
        return figure_cases.listed(connection, behind(name), window, limit)


def rooms(database: Database, name: str, **split: str) -> set[str]:
    store = SqlReviewStore(database)
    with database.read() as connection:
        ids = figure_cases.listed(connection, behind(name, **split), WEEK, 1_000)
    return {store.case(one).case.room for one in ids}


@pytest.mark.parametrize("name", FACTS)
def test_the_lists_have_the_cases_of_the_facts(filled: Database, facts: list[Fact], name: str) -> None:
    wanted = {fact.flag.room for fact in facts if FACTS[name](fact)}
    assert wanted
    assert rooms(filled, name) == wanted


def test_a_split_narrows_the_list(filled: Database, facts: list[Fact]) -> None:
    chosen = [fact for fact in facts if FACTS["flagged"](fact)]
    assert rooms(filled, "flagged", language="zh") == {f.flag.room for f in chosen if f.flag.language == "zh"}
    assert rooms(filled, "flagged", severity="critical") == {f.flag.room for f in chosen if f.severity == 3}
    assert rooms(filled, "flagged", label="abuse", room_type="game") == {
        f.flag.room for f in chosen if f.flag.flagged == ("abuse",) and f.flag.room_type == "game"
    }


def test_missed_speech_has_the_label_and_the_verdict_of_people(database: Database, tmp_path: Path) -> None:
    """The machine gave no label. Of two upheld audits, the third opinion dismisses one."""
    store, evidence = SqlReviewStore(database), EvidenceFolder(tmp_path / "clips")
    said = [flag(n, 0, 5, room=n, suggestion="pass", flagged=(), hits=()) for n in "ab"]
    for audit in (cases := [one.case for one in store.add(said, NOON, ["a", "b"], 0.5)]):
        store.decide(audit, "ana", Choice(verdict="uphold", label="fraud"), NOON + 60)
    assert rooms(database, "missed", label="fraud") == {"a", "b"}
    assert rooms(database, "missed", label="abuse") == set()
    with database.write() as connection:
        copy = drawing.copy(connection, evidence, "third", cases[1], cases[1], 1.0, NOON + HOUR)
    store.decide(copy or "", "ben", Choice(verdict="dismiss"), NOON + 2 * HOUR)
    assert rooms(database, "missed", label="fraud") == {"a"}
    assert len(listed(database, "missed", window=Window(WEEK.since, NOON + 2 * HOUR))) == 2


def test_a_list_has_a_limit_and_begins_with_the_newest_case(filled: Database) -> None:
    assert listed(filled, "flagged", limit=3) == listed(filled, "flagged")[:3]


def test_the_lists_of_rights_and_opinions(database: Database, tmp_path: Path) -> None:
    store, evidence = SqlReviewStore(database), EvidenceFolder(tmp_path / "clips")
    agreed, differed = (store.add([flag(n, 0, 5, room=n)], NOON)[0].case for n in "ab")
    for case in (agreed, differed):
        store.decide(case, "ana", Choice(verdict="uphold", action="mute"), NOON + 60)
    verdicts: dict[str, Verdict] = {agreed: "uphold", differed: "dismiss"}
    for case, verdict in verdicts.items():
        with database.write() as connection:
            copy = drawing.copy(connection, evidence, "second", case, case, 0.5, NOON + HOUR)
        store.decide(copy or "", "ben", Choice(verdict=verdict), NOON + 2 * HOUR)
    with database.write() as connection:
        filed, _ = user_reports.file(connection, Complaint(room="c", speaker="eve", at=NOON), NOON, Ranking({}), 180.0)
        user_reports.finish_search(connection, filed, ["eve"])
        ids = [appeals.lodge(connection, case, "ann", "no", NOON + HOUR, 10)[0].id for case in (agreed, differed)]
        for appeal, settled in zip(ids, ("uphold", "dismiss"), strict=True):
            appeals.settle(connection, appeal, "lea", Choice(verdict=settled), NOON + 3 * HOUR, 10)  # type: ignore[arg-type]
    assert listed(database, "reports") == [filed.case]
    assert listed(database, "upheld_reports") == []
    store.decide(filed.case, "ana", Choice(verdict="uphold"), NOON + HOUR)
    assert listed(database, "upheld_reports") == [filed.case]
    assert set(listed(database, "appeals")) == set(listed(database, "second_opinions")) == {agreed, differed}
    assert listed(database, "reversed_appeals") == listed(database, "differing_opinions") == [differed]
    assert listed(database, "reversed_appeals", window=Window(WEEK.since, NOON + 3 * HOUR)) == []


def test_the_catalogue_names_lists_that_exist(filled: Database) -> None:
    named = {value.cases for about in INDICATORS.values() for value in about.values.values()} - {""}
    assert named == set(figure_cases.LISTS)
    assert figures(filled, judgement.confirmation, Options())["share",].cases == "decided"
    assert figure("I-09", "share", None, 0).cases == ""
    with filled.read() as connection:
        assert figure_cases.listed(connection, figure("I-09", "share", None, 0), WEEK) == []
