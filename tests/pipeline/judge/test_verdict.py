import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Mark, Suggestion
from pipeline.judge import verdict
from pipeline.judge.labels import SEVERITIES, Severity
from pipeline.judge.matcher import Match, Term
from pipeline.judge.moderation_policy import (
    LabelRule,
    LabelThreshold,
    Policy,
    PolicyLayer,
    PolicyResolver,
    ResolvedPolicy,
)
from pipeline.judge.verdict import ORDER, decide_verdict
from tests.pipeline.judge.fakes import LABELS

POLICY = Policy.model_validate(
    {
        "name": "test",
        "every": {"review": 0.5, "block": 0.9, "levels": {"medium": "review", "high": "review", "critical": "block"}},
        "labels": {"political_sensitive": {"enabled": False}},
        "risk": {"review": 0.8},
        "marks": {"silence_phrase": "pass", "repetition": "review"},
        "cooldown_seconds": 30,
    }
)
RULES: ResolvedPolicy = PolicyResolver(POLICY, LABELS).resolved("default", "en")


def hit(label: str, level: Severity) -> Match:
    return Match(Term("term", label, level), level, 0, 4)


def test_clean_speech_passes_with_the_classifiers_risk() -> None:
    verdict = decide_verdict({"risk": 0.02, "abuse": 0.01}, [], RULES, LABELS)
    assert (verdict.suggestion, verdict.flagged, verdict.reasons) == ("pass", (), ())
    assert verdict.risk == pytest.approx(0.02)
    assert set(verdict.labels) == set(RULES.labels)


def test_a_score_equal_to_a_threshold_reaches_it() -> None:
    assert decide_verdict({"abuse": 0.5}, [], RULES, LABELS).suggestion == "review"
    assert decide_verdict({"abuse": 0.9}, [], RULES, LABELS).suggestion == "block"
    assert decide_verdict({"abuse": 0.49}, [], RULES, LABELS).suggestion == "pass"


def test_a_level_has_the_effect_of_the_policy_with_a_reason() -> None:
    verdict = decide_verdict({"risk": 0.0}, [hit("fraud", "critical"), hit("abuse", "low")], RULES, LABELS)
    assert (verdict.suggestion, verdict.flagged) == ("block", ("fraud",))
    assert verdict.reasons == ("fraud: the term “term” (critical) means block",)


ACT = PolicyResolver(
    POLICY.model_copy(
        update={
            "labels": {"hate": LabelRule(act=0.7, languages={"zh": LabelThreshold(act=0.95)}), "abuse": LabelRule()}
        }
    ),
    LABELS,
)


@pytest.mark.parametrize(
    ("language", "scores", "fit"),
    [
        ("en", {"hate": 0.7}, ("hate",)),
        ("en", {"hate": 0.69}, ()),
        ("zh", {"hate": 0.9}, ()),
        ("zh", {"hate": 0.95}, ("hate",)),
        ("en", {"abuse": 1.0}, ()),
        ("en", {"abuse": 0.9, "hate": 0.9}, ("hate",)),
        ("en", {"risk": 0.99}, ()),
    ],
)
def test_a_label_is_fit_for_an_automatic_action_by_its_own_score(
    language: str, scores: dict[str, float], fit: tuple[str, ...]
) -> None:
    assert decide_verdict(scores, [], ACT.resolved("default", language), LABELS).act == fit


def test_no_action_rests_on_a_term_or_on_words_that_may_be_invented() -> None:
    rules = ACT.resolved("default", "en")
    assert decide_verdict({"hate": 0.1}, [hit("hate", "critical")], rules, LABELS).act == ()
    marked = decide_verdict({"hate": 0.9}, [], rules, LABELS, marks=["repetition"])
    assert (marked.suggestion, marked.act) == ("review", ())


def test_flagged_labels_come_worst_first() -> None:
    verdict = decide_verdict({"abuse": 0.6, "violence": 0.6}, [hit("ads_spam", "medium")], RULES, LABELS)
    assert verdict.flagged == ("violence", "abuse", "ads_spam")


def test_only_labels_that_carry_the_decision_are_shown() -> None:
    threat = decide_verdict({"violence": 0.95, "self_harm": 0.7, "privacy": 0.91, "sexual": 0.6}, [], RULES, LABELS)
    assert (threat.suggestion, threat.flagged) == ("block", ("violence", "privacy"))
    assert len(threat.reasons) == 2
    insult = decide_verdict({"abuse": 0.99, "violence": 0.6}, [hit("hate", "medium")], RULES, LABELS)
    assert (insult.suggestion, insult.flagged) == ("block", ("hate", "violence", "abuse")), "more severe, or by a term"


def test_a_label_that_is_off_has_no_effect_and_lowers_the_risk() -> None:
    scores = {"risk": 0.95, "political_sensitive": 0.9, "abuse": 0.1}
    verdict = decide_verdict(scores, [hit("political_sensitive", "critical")], RULES, LABELS)
    assert verdict.suggestion == "pass"
    assert "political_sensitive" not in verdict.labels
    assert verdict.risk == pytest.approx(0.1)


def test_risk_alone_is_reviewed_under_the_likeliest_label() -> None:
    verdict = decide_verdict({"risk": 0.85, "hate": 0.4, "abuse": 0.3}, [], RULES, LABELS)
    assert (verdict.suggestion, verdict.flagged) == ("review", ("hate",))
    assert "but no label does" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("mark", "suggestion"),
    [("silence_phrase", "pass"), ("repetition", "review"), ("no_speech", "review"), ("low_confidence", "review")],
)
def test_words_that_may_be_hallucinated_are_never_blocked(mark: Mark, suggestion: str) -> None:
    verdict = decide_verdict({"abuse": 0.99}, [], RULES, LABELS, marks=(mark,))
    assert verdict.suggestion == suggestion
    assert verdict.flagged == ("abuse",)
    assert mark in verdict.reasons[-1]


def test_a_term_is_reviewed_whatever_marks_the_text_has() -> None:
    found = [hit("abuse", "critical")]
    assert decide_verdict({}, found, RULES, LABELS, marks=("silence_phrase",)).suggestion == "review"
    assert decide_verdict({}, [hit("abuse", "low")], RULES, LABELS, marks=("silence_phrase",)).suggestion == "pass"


def test_after_a_block_the_same_label_is_reviewed_but_another_is_blocked() -> None:
    cooling = frozenset({"abuse"})
    again = decide_verdict({"abuse": 0.99}, [], RULES, LABELS, cooling=cooling)
    other = decide_verdict({"abuse": 0.99, "fraud": 0.95}, [], RULES, LABELS, cooling=cooling)
    assert (again.suggestion, other.suggestion) == ("review", "block")
    assert "within the last 30 s" in again.reasons[-1]


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["abuse", "fraud"]),
    st.lists(st.sampled_from(SEVERITIES), max_size=4),
)
def test_matches_only_raise_scores_and_a_higher_level_raises_more(
    risk: float, score: float, label: str, levels: list[Severity]
) -> None:
    scores = {"risk": risk, "abuse": score}
    bare = decide_verdict(scores, [], RULES, LABELS)
    found = [
        decide_verdict(scores, [hit(label, level)], RULES, LABELS) for level in sorted(levels, key=SEVERITIES.index)
    ]
    risks = [verdict.risk for verdict in (bare, *found)]
    assert risks == sorted(risks)
    assert all(0 <= value <= 1 for value in risks)
    suggestions = [ORDER.index(verdict.suggestion) for verdict in (bare, *found)]
    assert suggestions == sorted(suggestions)


def test_a_policy_without_rules_passes_everything() -> None:
    rules = PolicyResolver(Policy(name="none", labels=PolicyLayer().labels), LABELS).resolved("default", "en")
    assert decide_verdict({"risk": 1.0, "abuse": 1.0}, [hit("abuse", "critical")], rules, LABELS).suggestion == "pass"


@given(st.text(min_size=1), st.sampled_from(SEVERITIES), st.sampled_from(("review", "block")))
def test_every_term_is_read_back(term: str, level: str, suggestion: Suggestion) -> None:
    written = verdict.of_term("ads_spam", term, level, suggestion)  # type: ignore[arg-type]
    assert verdict.terms_alone([written]) == {("ads_spam", term)}


@pytest.mark.parametrize(
    "other",
    ["fraud: score 0.91 reaches review at 0.80", "risk 0.91 reaches review, but no label does", "lexicon: words"],
)
def test_another_cause_leaves_no_term(other: str) -> None:
    assert verdict.terms_alone([verdict.of_term("fraud", "term", "high", "block"), other]) == frozenset()


def test_the_manner_of_the_second_reader_is_read_back() -> None:
    of_reader = verdict.of_reader("fraud", 0.9, 0.7, "coded")
    assert verdict.manner(["fraud: score 0.91 reaches review at 0.80", of_reader]) == "coded"
    assert verdict.manner(["fraud: score 0.91 reaches review at 0.80"]) == ""


def test_a_flag_from_context_is_known_by_its_reason() -> None:
    term = verdict.of_term("fraud", "term", "high", "block")
    raised = verdict.of_context("review")
    assert raised.endswith("alone, the text means review")
    assert (verdict.from_context([term, raised]), verdict.from_context([term])) == (True, False)
    assert verdict.terms_alone([term, raised]) == frozenset()


def test_a_limit_is_no_cause() -> None:
    term = verdict.of_term("fraud", "term", "high", "block")
    limits = ["at most review: blocked for fraud within the last 60 s", "at most pass: the recogniser may …"]
    assert verdict.terms_alone([term, *limits]) == {("fraud", "term")}
    assert verdict.terms_alone([]) == frozenset()
