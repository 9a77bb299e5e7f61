"""Each reading counts by its probability."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import MAX_ALTERNATIVES, Alternative, Transcript
from pipeline.judge.readings import classify, mean, readings_of
from tests.builders import transcript
from tests.pipeline.judge.fakes import WordClassifier, judge_of
from tests.pipeline.strategies import messages

SCAM = {"scam": {"fraud": 0.9, "risk": 0.9}}


def heard(text: str, *others: tuple[str, float], confidence: float = 1.0) -> Transcript:
    alternatives = tuple(Alternative(*other) for other in others)
    return msgspec.structs.replace(transcript(text), alternatives=alternatives, confidence=confidence)


def risk_of(said: Transcript) -> float:
    (scores,) = classify(WordClassifier(SCAM), [said])
    return scores["risk"]


def test_a_single_reading_has_the_scores_of_the_classifier() -> None:
    assert risk_of(heard("a scam")) == 0.9
    assert risk_of(heard("a can")) == 0.01


def test_an_equally_likely_reading_has_the_same_weight_as_the_text() -> None:
    """The mean of logit(.9) and logit(.01) is -1.2."""
    assert risk_of(heard("a can", ("a scam", 0.0))) == pytest.approx(0.232, abs=1e-3)
    assert risk_of(heard("a scam", ("a can", 0.0))) == risk_of(heard("a can", ("a scam", 0.0)))


def test_a_likelier_reading_has_more_weight() -> None:
    risks = [risk_of(heard("a can", ("a scam", score))) for score in (-9.0, -2.0, -0.5, 0.0)]
    assert risks == sorted(set(risks))
    assert risks[0] == pytest.approx(0.01, abs=1e-3)


def test_a_repeated_reading_is_scored_once_and_counts_twice() -> None:
    classifier = WordClassifier(SCAM)
    once = classify(classifier, [heard("a can", ("a scam", 0.0), ("a scam", 0.0))])
    assert classifier.asked == ["a can", "a scam"]
    assert once[0]["risk"] > risk_of(heard("a can", ("a scam", 0.0)))


def test_transcripts_do_not_mix() -> None:
    batch = [heard("a can", ("a scam", 0.0)), heard("", ("a scam", 0.0)), heard("a scam"), heard("x", (" ", 0.0))]
    scores = classify(WordClassifier(SCAM), batch)
    assert [score.get("risk") for score in scores] == [pytest.approx(0.232, abs=1e-3), None, 0.9, 0.01]


def test_the_judge_scores_the_alternatives() -> None:
    judge = judge_of({"scam": {"fraud": 0.98, "risk": 0.98}})
    alone, doubted = judge.process([heard("a can"), heard("a can", ("a scam", 0.0), ("scam", 0.0), confidence=0.2)])
    assert (alone.suggestion, doubted.suggestion) == ("pass", "review")  # type: ignore[union-attr]


def test_a_transcript_holds_few_alternatives() -> None:
    said = msgspec.to_builtins(heard("hello"))
    said["alternatives"] = [{"text": "hallo", "score": -1.0}] * MAX_ALTERNATIVES
    assert len(msgspec.convert(said, Transcript).alternatives) == MAX_ALTERNATIVES
    said["alternatives"] *= 2
    with pytest.raises(msgspec.ValidationError, match="alternatives"):
        msgspec.convert(said, Transcript)


@given(messages(Transcript))
def test_any_transcript_has_readings_with_weights(said: Transcript) -> None:
    readings = readings_of(said)
    assert said.text in readings
    assert all(weight > 0 for weight in readings.values())


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1e-6, 6)), min_size=1, max_size=6))
def test_a_mean_is_between_its_parts(parts: list[tuple[float, float]]) -> None:
    scores = [score for score, _ in parts]
    found = mean([{"risk": score} for score in scores], [weight for _, weight in parts])["risk"]
    assert min(scores) - 1e-5 <= found <= max(scores) + 1e-5
