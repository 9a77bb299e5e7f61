"""On the decisions of a simulated team, thresholds move to the stated number of false alarms."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest

from pipeline.base.user_files import validated
from pipeline.judge import labels, rule_texts
from pipeline.judge.classifier_text import SEPARATOR
from pipeline.judge.moderation_policy import Policy
from pipeline.judge.rule_texts import LexiconText, RuleSet, RuleTexts
from pipeline.learning import decided_cases, policy_fitting
from pipeline.learning.policy_fitting import FittedLanguage
from pipeline.review.cases import deciding
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.learning import team
from tests.pipeline.learning.team import Said

LABELS = labels.load_labels()
POLICY = """
name: team
every: {review: 0.8, block: 0.98, levels: {high: review}}
labels:
  hate: {enabled: false}
risk: {review: never}
room_types: {kids: {review_scale: 0.5}}
"""
PRESENT = 0.8
"""The review threshold of POLICY."""
TERMS = "groups: [{label: violence, level: high, terms: [smash you]}]"
UTTERANCES = 1_000
FRESH = 10_000
"""New utterances that tell what thresholds really do."""
AUDITED = 0.8
"""The share of the passed speech that audits draw."""


class Listed:
    """Knows the scores of each text."""

    name = "listed@1"
    labels: tuple[str, ...] = ("abuse", "fraud")
    context: bool = False

    def __init__(self) -> None:
        self.scores: dict[str, dict[str, float]] = {}

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        return [self.scores[text] for text in texts]


def ruleset() -> RuleSet:
    return rule_texts.compiled(RuleTexts(POLICY, (LexiconText("en", TERMS),)), LABELS, "1")


def conversations(model: Listed, seed: int = 1, utterances: int = UTTERANCES) -> list[Said]:
    """One utterance in eight is abuse, and a quarter of it reaches the present threshold. Fraud is rare."""
    random, numbers = np.random.default_rng(seed), count()
    made: list[Said] = []
    for _ in range(utterances):
        label = str(random.choice(["", "abuse", "fraud"], p=[0.87, 0.12, 0.01]))
        logits = {name: random.normal(-4, 1.2) + 4.5 * (name == label) for name in ("abuse", "fraud")}
        scores = {name: float(1 / (1 + np.exp(-logit))) for name, logit in logits.items()}
        number = next(numbers)
        text = f"utterance {seed} {number}" + (" I smash you" if not label and number % 200 < 1 else "")
        model.scores[text] = scores | {"risk": max(scores.values())}
        flagged = tuple(name for name, score in scores.items() if score >= PRESENT) or (
            ("violence",) if "smash" in text else ()
        )
        made.append(Said(text, label, "review" if flagged else "pass", flagged))
    return made


def fitted(database: Database, model: Listed, rate: float, act_rate: float | None = None) -> list[FittedLanguage]:
    present = ruleset()
    with database.read() as connection:
        cases = [each for each in decided_cases.decided_since(connection, 0.0) if each.example.room_type == "default"]
        weights = decided_cases.weights_of(connection, cases, Window(0.0, NOON + 1e6), lambda kind: kind == "default")
    read = policy_fitting.read_cases(cases, weights, model, present, lambda done, total: None)
    return policy_fitting.fit(read, present.policy, LABELS, rate, act_rate=act_rate)


class Attentive:
    """A text with speech before it is riskier."""

    name = "attentive@1"
    labels: tuple[str, ...] = ("abuse",)
    context: bool = True

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        return [{"risk": 0.9 if SEPARATOR in text else 0.1 if "mild" in text else 0.6} for text in texts]


def test_cases_are_scored_in_context_where_the_judge_would(sqlite_url: str) -> None:
    quiet: dict[str, Any] = {"suggestion": "pass", "flagged": ()}
    speech = [
        flag("a", 0, text="first", speaker="ann", **quiet),
        flag("b", 5, text="answer", speaker="bob"),
        flag("c", 8, text="mild", speaker="cem"),
        flag("d", 9, text="again", speaker="bob"),
    ]
    with closing(Database(sqlite_url)) as database:
        team.hire(database)
        outcomes = SqlReviewStore(database).add(speech, NOON + 60, {"a"}, 1.0)
        with database.write() as connection:
            for each in outcomes:
                deciding.decide(connection, each.case, "ida", Choice(verdict="dismiss"), NOON + 61)
        with database.read() as connection:
            cases = decided_cases.decided_since(connection, 0.0)
            heard = decided_cases.read_speech_before(connection, cases)
    read = policy_fitting.read_cases(cases, [1.0] * 4, Attentive(), ruleset(), lambda done, total: None, heard)
    risks = {each.case.example.text: each.scores["risk"] for each in read}
    assert risks == {"first": 0.6, "answer": 0.9, "mild": 0.1, "again": 0.6}, "own words before `again` have a flag"


@pytest.mark.full
def test_the_team_gets_the_false_alarms_that_it_accepts(sqlite_url: str) -> None:
    model = Listed()
    speech = conversations(model)
    others = [Said(f"kids {at}", "abuse", "review", ("abuse",), room_type="kids") for at in range(9)]
    drills = [Said(f"drill {at}", "abuse", "review", ("abuse",), drill="drill") for at in range(9)]
    with closing(Database(sqlite_url)) as database:
        team.hire(database)
        team.work(database, [*speech, *others, *drills], AUDITED)
        [found], [too_few] = (fitted(database, model, rate, act_rate=0.0005) for rate in (0.01, 0.0001))
    rules_of = {rule.rule: rule for rule in found.rules}
    assert found.language == "en"
    assert "hate" not in rules_of
    assert rules_of["fraud"].after is None
    abuse = rules_of["abuse"].after
    assert abuse is not None
    assert abuse < PRESENT

    def flags(said: Said, threshold: float) -> bool:
        scores = model.scores[said.text]
        limits = {"abuse": threshold, "fraud": PRESENT, "risk": rules_of["risk"].after or 2}
        return "smash" in said.text or any(scores[name] >= limit for name, limit in limits.items())

    fresh = [(bool(said.label), flags(said, abuse)) for said in conversations(model, 2, FRESH)]
    false_rate = sum(flagged for risky, flagged in fresh if not risky) / FRESH
    recall = float(np.mean([flagged for risky, flagged in fresh if risky]))
    (was, now), false = (one.recall for one in found.flagged), found.flagged[1].false
    assert was
    assert now
    assert false
    assert false_rate == pytest.approx(0.01, abs=0.004)
    assert false.value == pytest.approx(false_rate, abs=0.004)
    assert was.interval[1] < now.value == pytest.approx(recall, abs=0.06)
    act, terms = rules_of["abuse"].act, {"fraud", "risk"}
    assert act
    assert abuse < act
    assert {rules_of[name].act for name in terms} == {None}
    acted = [(bool(said.label), model.scores[said.text]["abuse"] >= act) for said in conversations(model, 3, FRESH)]
    wrong = sum(hit for risky, hit in acted if not risky) / FRESH
    assert 0 < wrong < false_rate
    assert found.acted
    assert found.acted.false
    assert found.acted.false.interval[0] < wrong < found.acted.false.interval[1]
    assert found.acted.recall
    assert 0 < found.acted.recall.value < now.value
    all_upheld, before, after = found.upheld
    assert before < after <= all_upheld
    assert found.excess is None
    assert too_few.excess is not None
    assert all(rule.after is None for rule in too_few.rules)
    stays = next(rule for rule in too_few.rules if rule.rule == "abuse")
    assert stays.act
    assert stays.act >= PRESENT, "an action never comes without a review"


def test_the_weights_add_up_to_the_speech(database: Database) -> None:
    team.hire(database)
    model = Listed()
    speech = conversations(model)[:200]
    team.work(database, speech, AUDITED)
    with database.read() as connection:
        cases = decided_cases.decided_since(connection, 0.0)
        weights = decided_cases.weights_of(connection, cases, Window(0.0, NOON + 1e6), lambda kind: True)
    passed = [weight for each, weight in zip(cases, weights, strict=True) if not decided_cases.is_flagged(each.example)]
    assert sum(weights) == pytest.approx(200)
    assert sum(passed) == pytest.approx(sum(said.suggestion == "pass" for said in speech))


def test_too_few_audits_change_nothing(database: Database) -> None:
    team.hire(database)
    model = Listed()
    team.work(database, conversations(model)[:200], 0.05)
    [found] = fitted(database, model, 0.01)
    assert found.audits < policy_fitting.AUDITS
    assert all(rule.after is None for rule in found.rules)
    assert found.flagged[0] == found.flagged[1]


def test_new_thresholds_stand_below_the_old_ones_in_the_file() -> None:
    present = ruleset()
    rule = partial(
        policy_fitting.FittedRule, upheld=20, before=PRESENT, flagged=(policy_fitting.Flagging(None, None),) * 2
    )
    one = [rule("abuse", after=0.4), rule("fraud", after=None), rule("risk", after=0.995)]
    found = FittedLanguage(
        "zh", 100, 5, None, tuple(one), (policy_fitting.Flagging(None, None),) * 2, (0, 0, 0), (0, 0, 0)
    )
    content = policy_fitting.with_limits(present.policy, "fitted", [found])
    made = rule_texts.check_policy(validated(content, Policy, "fitted"), LABELS)
    assert made.version.startswith("fitted@")
    zh, en = made.resolved("", "zh"), made.resolved("", "en")
    assert (zh.labels["abuse"].review, zh.labels["abuse"].block, en.labels["abuse"].review) == (0.4, 0.98, PRESENT)
    assert (zh.labels["fraud"].review, zh.risk.review) == (PRESENT, 0.995)
    assert made.resolved("kids", "zh").labels["abuse"].review == 0.2
    assert "hate" not in zh.labels


def test_a_block_is_never_below_its_review() -> None:
    present = ruleset()
    one = policy_fitting.FittedRule("abuse", 20, PRESENT, 0.99, (policy_fitting.Flagging(None, None),) * 2, act=0.995)
    found = FittedLanguage("en", 100, 5, None, (one,), (policy_fitting.Flagging(None, None),) * 2, (0, 0, 0), (0, 0, 0))
    made = rule_texts.check_policy(
        validated(policy_fitting.with_limits(present.policy, "a", [found]), Policy, "a"), LABELS
    )
    limits = made.resolved("", "en").labels["abuse"]
    assert (limits.block, limits.act) == (0.99, 0.995)


def test_an_action_is_never_below_its_review() -> None:
    present = rule_texts.policy_of(
        f"{{name: a, every: {{review: {PRESENT}}}, labels: {{abuse: {{act: 0.97}}}}}}", LABELS
    )
    one = policy_fitting.FittedRule("abuse", 20, PRESENT, 0.99, (policy_fitting.Flagging(None, None),) * 2)
    found = FittedLanguage("en", 100, 5, None, (one,), (policy_fitting.Flagging(None, None),) * 2, (0, 0, 0), (0, 0, 0))
    made = rule_texts.check_policy(validated(policy_fitting.with_limits(present, "a", [found]), Policy, "a"), LABELS)
    assert made.resolved("", "en").labels["abuse"].act == 0.99
    assert made.resolved("", "zh").labels["abuse"].act == 0.97
