"""The classifier scores every reading; the lexicons search the displayed text only."""

from msgspec import structs

from pipeline.contract.messages import Alternative, Transcript
from pipeline.judge.conversations import Conversations
from pipeline.judge.detector import Detection, Detector
from tests.builders import transcript
from tests.pipeline.judge.fakes import WordClassifier, shipped_matcher


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


def test_no_transcripts_are_no_detections() -> None:
    assert detected(Detector(WordClassifier(), shipped_matcher())) == []
