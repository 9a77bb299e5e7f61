"""The figures of judgement, compared with counts of the facts and with small cases made by hand."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.assessment.indicators import judgement
from pipeline.assessment.options import Options
from pipeline.contract.messages import Verdict
from pipeline.review.cases import appeals, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import audits, drawing, snapshot
from pipeline.review.quality.quality_checks import Kind
from pipeline.review.quality.statistics import Share, wilson
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.assessment.reading import WEEK, figures
from tests.pipeline.assessment.world import Fact

OPTIONS = Options()
PARTS: dict[str, Callable[[Fact], str]] = {
    "label": lambda fact: fact.flag.flagged[0] if fact.flag.flagged else "",
    "language": lambda fact: fact.flag.language,
    "room_type": lambda fact: fact.flag.room_type,
    "policy": lambda fact: fact.flag.policy,
    "source": lambda fact: fact.flag.source,
}
HOUR, DAY = 3_600.0, 86_400.0


def verdict_of(fact: Fact) -> str:
    return fact.standing(WEEK.until)[-1].verdict


def expected(facts: list[Fact], hit: Callable[[Fact], bool], key: str = "share") -> dict[tuple[str, ...], Share]:
    """Return the share of facts that are hits, by the key of the figure: all of them, and each part."""
    groups: dict[tuple[str, ...], list[Fact]] = {(key,): facts}
    for name, value in PARTS.items():
        for fact in facts:
            if value(fact):
                groups.setdefault((key, name, value(fact)), []).append(fact)
    return {part: Share(sum(map(hit, group)), len(group)) for part, group in groups.items()}


def test_confirmed_flags_by_part(filled: Database, facts: list[Fact]) -> None:
    decided = [fact for fact in facts if fact.flagged and any(map(WEEK.contains, times(fact)))]
    found = figures(filled, judgement.confirmation, OPTIONS)
    wanted = expected(decided, lambda fact: verdict_of(fact) == "uphold")
    assert {key: (one.value, one.n, one.interval) for key, one in found.items()} == {
        key: (share.value, share.n, share.interval) for key, share in wanted.items()
    }


def times(fact: Fact) -> list[float]:
    return [one.at for one in fact.standing(WEEK.until)]


def test_wrong_actions_by_part(filled: Database, facts: list[Fact]) -> None:
    acted = [
        fact
        for fact in facts
        if not fact.flag.drill and any(one.action and one.at >= WEEK.since for one in fact.standing(WEEK.until))
    ]
    found = figures(filled, judgement.wrong_actions, OPTIONS)
    wanted = expected(acted, lambda fact: verdict_of(fact) == "dismiss")
    assert wanted["share",].hits > 0
    assert {key: (one.value, one.n) for key, one in found.items()} == {
        key: (share.value, share.n) for key, share in wanted.items()
    }


def test_recall_and_prevalence_have_all_parts(filled: Database, facts: list[Fact]) -> None:
    recall, prevalence = (figures(filled, judgement.audited, OPTIONS, indicator=name) for name in ("I-12", "I-13"))
    with filled.read() as connection:
        snapshot.take(connection, WEEK.until)
        judged = audits.read_judged(connection, WEEK)
    whole = audits.recall(judged)
    assert whole is not None
    assert recall["share",].value == whole.value
    assert recall["share",].interval == whole.interval
    assert recall["missed",].value == pytest.approx(1 - whole.value)
    decided = [f for f in facts if f.audited and not f.flag.drill and WEEK.contains(f.stored) and f.decided(WEEK.until)]
    assert recall["share",].n == prevalence["share",].n == len(decided)
    for key, one in recall.items():
        assert one.interval is None or one.interval[0] <= (one.value or 0) <= one.interval[1], key
    assert {key for key in recall if key[0] == "share"} == set(prevalence)
    assert {"game", "kids"} < {key[-1] for key in prevalence}


def decide(
    store: SqlReviewStore, case: str, verdict: Verdict, at: float, who: str = "ana", action: bool = False
) -> str:
    return store.decide(case, who, Choice(verdict=verdict, action="mute" if action else None), at).id


def flagged(store: SqlReviewStore, name: str, at: float = 0.0, label: str = "violence", speaker: str = "") -> str:
    one = flag(name, at, at + 5, flagged=(label,), speaker=speaker or name)
    return store.add([one], NOON + at + 10)[0].case


def test_precision_is_a_full_count_if_every_case_is_decided(database: Database) -> None:
    store = SqlReviewStore(database)
    cases = [flagged(store, name, 100.0 * n, "hate" if n == 3 else "violence") for n, name in enumerate("abcd")]
    for case, verdict in zip(cases[:3], ("uphold", "dismiss", "dismiss"), strict=True):
        decide(store, case, verdict, NOON + HOUR)  # type: ignore[arg-type]
    waiting = figures(database, judgement.precision, OPTIONS)
    assert (waiting["share",].value, waiting["share",].unmeasured) == (None, "needs_opinions")
    assert waiting["share", "label", "violence"].value == pytest.approx(1 / 3)
    decide(store, cases[3], "uphold", NOON + HOUR)
    found = figures(database, judgement.precision, OPTIONS)
    assert (found["share",].value, found["share",].n, found["share",].interval) == (0.5, 4, None)
    assert found["false_alarms",].value == 0.5


def test_precision_and_agreement_from_second_opinions(database: Database, tmp_path: Path) -> None:
    """Of 4 cases, 2 get a second opinion with the probability 1/2. Opinions on "b" differ, and the third is lea's."""
    store, evidence = SqlReviewStore(database), EvidenceFolder(tmp_path / "clips")
    cases = {name: flagged(store, name, 100.0 * n) for n, name in enumerate("abcd")}
    for case in cases.values():
        decide(store, case, "uphold", NOON + HOUR, action=True)
    for kind, name, verdict, who in (
        ("second", "a", "uphold", "ben"),
        ("second", "b", "dismiss", "ben"),
        ("third", "b", "dismiss", "lea"),
    ):
        with database.write() as connection:
            copy = drawing.copy(connection, evidence, kind, cases[name], name, 0.5, NOON + 2 * HOUR)  # type: ignore[arg-type]
        decide(store, copy or "", verdict, NOON + 3 * HOUR, who)  # type: ignore[arg-type]
    precise = figures(database, judgement.precision, OPTIONS)
    assert (precise["share",].value, precise["share",].n) == (0.5, 2)
    assert precise["share",].interval == pytest.approx(wilson(0.5, 4**2 / (2 * 2 * 1)))
    low, high = precise["share",].interval or (0, 0)
    assert precise["false_alarms",].interval == pytest.approx((1 - high, 1 - low))
    agreed = figures(database, judgement.agreement, OPTIONS)
    assert (agreed["share",].value, agreed["share",].n) == (0.5, 2)
    assert agreed["kappa",].value == pytest.approx(0.0)
    assert (agreed["reversed",].value, agreed["reversed",].n) == (0.5, 2)
    with database.write() as connection:
        appeal, _ = appeals.lodge(connection, cases["c"], "c", "no", NOON + 4 * HOUR, 10.0)
        appeals.settle(connection, appeal.id, "lea", Choice(verdict="dismiss"), NOON + 5 * HOUR, 10.0)
    again = figures(database, judgement.agreement, OPTIONS)["reversed", "label", "violence"]
    assert again.value == pytest.approx(2 / 3)
    assert again.n == 3


def test_audits_without_a_finding_give_only_a_limit(database: Database) -> None:
    store = SqlReviewStore(database)
    said = [flag(f"a{n}", n, n + 1, suggestion="pass", flagged=(), hits=()) for n in range(40)]
    audited = store.add(said, NOON + 100, [one.id for one in said[:20]], 0.5)
    decide(store, flagged(store, "b", 50), "uphold", NOON + HOUR)
    for one in audited:
        decide(store, one.case, "dismiss", NOON + HOUR)
    found = figures(database, judgement.audited, OPTIONS, indicator="I-12")
    recall, missed = found["share",], found["missed",]
    assert recall.interval is not None
    assert recall.interval[1] == 1.0
    assert (recall.bound, missed.bound) == ("at_least", "at_most")
    assert recall.value == recall.interval[0] < 0.5
    assert missed.value == 1 - recall.value
    assert found["share", "language", "zh"].bound == "at_least"
    assert (found["needed",].value, found["needed",].n) == (math.ceil(162.06 * 40), 40)


def test_a_figure_says_that_it_lacks_the_reviewers_errors(database: Database, tmp_path: Path) -> None:
    store, evidence = SqlReviewStore(database), EvidenceFolder(tmp_path / "clips")
    said = [flag(f"a{n}", n, n + 1, suggestion="pass", flagged=(), hits=()) for n in range(40)]
    [audit] = store.add(said, NOON + 100, ["a0"], 0.5)
    cases = [flagged(store, f"b{n}", 500.0 * n) for n in range(16)]
    for case in (audit.case, *cases):
        decide(store, case, "uphold" if case != cases[0] else "dismiss", NOON + HOUR)

    def caveats() -> list[str]:
        both = [figures(database, judgement.audited, OPTIONS, indicator=name) for name in ("I-12", "I-13")]
        return [found["share",].caveat for found in both]

    assert caveats() == ["reviewed_once", "reviewed_once"]
    for case in (audit.case, *cases):
        with database.write() as connection:
            kind: Kind = "upheld" if case == audit.case else "second"
            copy = drawing.copy(connection, evidence, kind, case, case, 1.0, NOON + 2 * HOUR)
        decide(store, copy or "", "uphold" if case != cases[0] else "dismiss", NOON + 3 * HOUR, "ben")
    assert caveats() == ["", ""]


def test_upheld_reports_on_flagged_speech(database: Database) -> None:
    """Each report covers 180 s before its moment. A flag may lie up to 60 s outside."""
    store = SqlReviewStore(database)
    for name, flag_at in (("within", 100.0), ("before", -64.0), ("long", -66.0), ("after", 239.0), ("late", 241.0)):
        store.add([flag(name, flag_at, flag_at + 5, room=name, speaker="ann")], NOON)
    store.add([flag("other", 100, 105, room="elsewhere", speaker="bob")], NOON)
    for room in ("within", "before", "long", "after", "late", "elsewhere"):
        report(database, store, Complaint(room=room, speaker="ann", label="abuse", at=NOON + 180))
    report(database, store, Complaint(room="elsewhere", label="abuse", at=NOON + 180))
    report(database, store, Complaint(room="within", speaker="eve", at=NOON + 180), heard=False)
    found = figures(database, judgement.reported, OPTIONS)
    assert found["share",].value == pytest.approx(4 / 7)
    assert found["share", "label", "abuse"].n == 7


def report(database: Database, store: SqlReviewStore, complaint: Complaint, heard: bool = True) -> None:
    with database.write() as connection:
        filed, _ = user_reports.file(connection, complaint, NOON + 200, Ranking({}), 180.0)
        user_reports.finish_search(connection, filed, ["ann"] if heard else [])
    decide(store, filed.case, "uphold", NOON + HOUR)


def test_repeat_offenders(database: Database) -> None:
    """Ann had two actions within 30 days, bob in 31 days; cat's first one was reversed, and dan had one."""
    store = SqlReviewStore(database)
    for name, speaker, days in (
        ("a1", "ann", -20), ("a2", "ann", 1), ("b1", "bob", -30), ("b2", "bob", 1), ("c2", "cat", 2), ("d", "dan", 1),
    ):  # fmt: skip
        case = flagged(store, name, days * DAY, speaker=speaker)
        decide(store, case, "uphold", NOON + days * DAY + HOUR, action=True)
    case = flagged(store, "c1", DAY, speaker="cat")
    decide(store, case, "uphold", NOON + DAY + HOUR, action=True)
    with database.write() as connection:
        appeal, _ = appeals.lodge(connection, case, "cat", "no", NOON + DAY + 2 * HOUR, 10.0)
        appeals.settle(connection, appeal.id, "lea", Choice(verdict="dismiss"), NOON + DAY + 3 * HOUR, 10.0)
    found = figures(database, judgement.repeat_offenders, OPTIONS)
    assert (found["share",].value, found["share",].n) == (0.25, 4)
