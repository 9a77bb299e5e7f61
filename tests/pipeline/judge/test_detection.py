"""The classifier scores every reading; the lexicons search the displayed text only."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pipeline.contract.messages import MAX_ALTERNATIVES, Alternative, Transcript
from pipeline.judge import detection
from pipeline.judge.conversations import Conversations
from pipeline.judge.detection import (
    LEAST_RISK,
    MOST_RISK,
    Detection,
    Detector,
    Terms,
    by_script,
    mean,
    readings_of,
    score_readings,
    score_windows,
    windows,
)
from pipeline.judge.lexicon import Group, Lexicon, compile_terms
from tests.builders import transcript
from tests.pipeline.judge.fakes import WordClassifier, judge_of, shipped_matcher
from tests.pipeline.strategies import messages


def detected(detector: Detector, *batch: Transcript) -> list[Detection]:
    return detector.detect(batch, Conversations().follow(batch))


def test_each_transcript_has_its_scores_and_matches() -> None:
    detector = Detector(WordClassifier({"kill": {"violence": 0.8}}), shipped_matcher())
    harmless, threat = detected(detector, transcript("nice day"), transcript("i am going to kill you"))
    assert (harmless.scores["violence"], list(harmless.matches)) == (0.0, [])
    assert threat.scores["violence"] == 0.8
    assert [match.term.label for match in threat.matches] == ["violence"]


def test_another_reading_raises_the_score_but_gives_no_match() -> None:
    other = Alternative(text="i am going to kill you", score=-0.1)
    said = structs.replace(transcript("i am going to keel you"), alternatives=(other,))
    classifier = WordClassifier({"kill": {"violence": 0.8}})
    [found] = detected(Detector(classifier, shipped_matcher()), said)
    assert set(classifier.asked) == {said.text, other.text}
    assert found.scores["violence"] > 0
    assert list(found.matches) == []


def test_the_classifier_overrules_a_term_by_the_words_around_it() -> None:
    far = "and then we had tea and cake with all the neighbours from upstairs "
    classifier = WordClassifier({"never say": {"risk": 0.02}})
    detector = Detector(classifier, shipped_matcher())
    quoted, meant, hidden, sounded = detected(
        detector,
        transcript(f"we never say i will kill you {far}"),
        transcript(f"{far} i will kill you {far} never say so"),
        transcript("never say i will k1ll you"),
        transcript("never say 弄斯你", language="zh"),
    )
    assert [len(each.matches) for each in (quoted, meant, hidden, sounded)] == [0, 1, 1, 1]


def test_a_lexicon_of_a_team_is_never_overruled() -> None:
    group = Group(label="fraud", level="high", terms=("project falcon",))
    terms = Terms(compile_terms([Lexicon(groups=(group,))]), WordClassifier({"falcon": {"risk": 0.0}}))
    assert len(terms.find([transcript("project falcon")])[0]) == 1


def test_no_transcripts_are_no_detections() -> None:
    assert detected(Detector(WordClassifier(), shipped_matcher())) == []


SAID = [transcript("i will", 100.0), transcript("bob says", 103.0, speaker="bob"), transcript("find you", 106.0)]
DOUBT = {"risk": 0.6}


def asked(classifier: WordClassifier, *alone: dict[str, float], text: str = "find you") -> list[str]:
    said = [*SAID[:2], transcript(text, 106.0)]
    detection.score_in_context(classifier, said, Conversations().follow(said), alone)
    return classifier.asked


def test_the_speakers_own_words_come_right_before_the_utterance() -> None:
    assert asked(WordClassifier(context=True), {}, {}, DOUBT) == ["bob says</s>i will</s>find you"]


def test_the_first_words_of_a_room_have_no_context() -> None:
    assert asked(WordClassifier(context=True), DOUBT, {}, {}) == []


@pytest.mark.parametrize(
    ("risk", "read"), [(LEAST_RISK / 2, 0), (LEAST_RISK, 1), (MOST_RISK - 0.001, 1), (MOST_RISK, 0)]
)
def test_only_utterances_in_doubt_are_read_again(risk: float, read: int) -> None:
    assert len(asked(WordClassifier(context=True), {}, {}, {"risk": risk})) == read


def test_a_long_text_has_its_context_in_itself() -> None:
    assert asked(WordClassifier(context=True), {}, {}, DOUBT, text="find you " * 60) == []


def test_only_a_classifier_that_was_trained_with_context_gets_it() -> None:
    assert asked(WordClassifier(), DOUBT, DOUBT, DOUBT) == []


def test_scores_have_the_place_of_their_utterance() -> None:
    classifier = WordClassifier({"i will</s>find": {"violence": 0.9}}, context=True)
    found = detection.score_in_context(classifier, SAID, Conversations().follow(SAID), [DOUBT, {}, DOUBT])
    assert [scores.get("violence") for scores in found] == [None, None, 0.9]


SCAM = {"scam": {"fraud": 0.9, "risk": 0.9}}


def heard(text: str, *others: tuple[str, float], confidence: float = 1.0) -> Transcript:
    alternatives = tuple(Alternative(*other) for other in others)
    return msgspec.structs.replace(transcript(text), alternatives=alternatives, confidence=confidence)


def risk_of(said: Transcript) -> float:
    (scores,) = score_readings(WordClassifier(SCAM), [said])
    return scores["risk"]


def test_a_single_reading_has_the_scores_of_the_classifier() -> None:
    assert risk_of(heard("a scam")) == 0.9
    assert risk_of(heard("a can")) == 0.1


def test_an_equally_likely_reading_has_the_same_weight_as_the_text() -> None:
    """The mean of logit(.9) and logit(.1) is 0."""
    assert risk_of(heard("a can", ("a scam", 0.0))) == pytest.approx(0.5)
    assert risk_of(heard("a scam", ("a can", 0.0))) == risk_of(heard("a can", ("a scam", 0.0)))


def test_a_likelier_reading_has_more_weight() -> None:
    risks = [risk_of(heard("a can", ("a scam", score))) for score in (-9.0, -2.0, -0.5, 0.0)]
    assert risks == sorted(set(risks))
    assert risks[0] == pytest.approx(0.1, abs=1e-3)


def test_a_repeated_reading_is_scored_once_and_counts_twice() -> None:
    classifier = WordClassifier(SCAM)
    once = score_readings(classifier, [heard("a can", ("a scam", 0.0), ("a scam", 0.0))])
    assert classifier.asked == ["a can", "a scam"]
    assert once[0]["risk"] > risk_of(heard("a can", ("a scam", 0.0)))


def test_transcripts_do_not_mix() -> None:
    batch = [heard("a can", ("a scam", 0.0)), heard("", ("a scam", 0.0)), heard("a scam"), heard("x", (" ", 0.0))]
    scores = score_readings(WordClassifier(SCAM), batch)
    assert [score.get("risk") for score in scores] == [pytest.approx(0.5), None, 0.9, 0.1]


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


@given(st.text(min_size=1, max_size=2_000).filter(str.strip))
def test_windows_cover_the_text_in_order(text: str) -> None:
    cursor = 0
    for window in windows(text):
        place = text.find(window, max(0, cursor - len(window)))
        assert 0 <= place <= cursor
        cursor = max(cursor, place + len(window))
    assert windows(text)[-1] == text[len(text) - len(windows(text)[-1]) :]


THREAT, CHAT = "i am going to kill you", "我们去公园跑步，然后一起吃早饭吧。"


@pytest.mark.parametrize("text", [f"{CHAT} {THREAT}", f"{THREAT} {CHAT}"])
def test_a_sentence_in_another_script_hides_no_threat(text: str) -> None:
    class Diluted(WordClassifier):
        """The longer a text, the less its threat weighs."""

        def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
            found = super().classify(texts, languages)
            return [{"risk": each["risk"] * len(THREAT) / len(text)} for text, each in zip(texts, found, strict=True)]

    (scores,) = score_windows(Diluted({"kill": {"risk": 0.9}}), [text], ["zh"])
    assert scores["risk"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{CHAT} {THREAT}", [THREAT, CHAT]),
        (f"{THREAT}。{CHAT}{THREAT}", [f"{THREAT} {THREAT}", f"。{CHAT}"]),
        ("打开iPhone看看，这个app store不好用", []),
        ("我要 kill you all", []),  # two letters around it lower no risk
        ("打电话138 0013 8000给我", []),
        (THREAT, []),
        (CHAT, []),
        ("", []),
    ],
)
def test_a_text_of_two_scripts_is_read_by_script(text: str, found: list[str]) -> None:
    assert by_script(text) == found


@given(st.text(st.sampled_from("ab' 1,好の"), max_size=60))
def test_a_text_is_read_at_most_twice_more_and_nothing_is_left_out(text: str) -> None:
    found = by_script(text)
    assert len(found) in (0, 2)
    if found:
        letters = Counter(text)
        del letters[" "]
        assert Counter("".join(found).replace(" ", "")) == letters


def test_a_short_text_is_one_window_and_a_blank_one_none() -> None:
    assert windows("hello") == ["hello"]
    assert windows("好" * 110) == ["好" * 110]
    assert len(windows("好" * 111)) == 2
    assert windows(" \n") == []


def test_the_end_of_a_long_text_counts() -> None:
    classifier = WordClassifier({"scam": {"fraud": 0.9, "risk": 0.95}})
    scores = score_windows(classifier, ["ok " * 400 + "scam", "", "fine"], ["en", "en", "en"])
    assert (scores[0]["fraud"], scores[0]["risk"]) == (0.9, 0.95)
    assert scores[1] == {}
    assert scores[2]["risk"] == 0.1


def test_blank_texts_do_not_reach_the_classifier() -> None:
    classifier = WordClassifier()
    assert score_windows(classifier, ["", " "], ["en", "zh"]) == [{}, {}]
    assert classifier.asked == []
