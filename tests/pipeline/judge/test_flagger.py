"""A flag has its transcript's evidence, and the policy's cool-down follows the speech, speaker by speaker."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.contract.messages import Transcript, Word
from pipeline.judge import policy, reasons
from pipeline.judge.conversations import Before, Conversations
from pipeline.judge.detector import Detection
from pipeline.judge.flagger import Flagger
from pipeline.judge.matcher import Match, Term
from tests.builders import transcript
from tests.pipeline.judge.fakes import LABELS
from tests.pipeline.strategies import messages

OWN = """
name: own
every: {review: 0.5, block: 0.9, levels: {high: review, critical: block}}
labels: {hate: {enabled: false}}
risk: {review: 0.8}
cooldown_seconds: 10
room_types:
  calm: {cooldown_seconds: 0}
  strict: {every: {review: 0.1}}
"""
RUDE = Detection({"abuse": 0.95, "risk": 0.95}, [])
CLEAN = Detection({"risk": 0.01}, [])
MATCH = Match(Term("kill you", "violence", "critical"), "critical", 7, 15)


def flagger(folder: Path, text: str = OWN) -> Flagger:
    (folder / "own.yaml").write_text(text, "utf-8")
    return Flagger(policy.load_policy(str(folder / "own.yaml"), LABELS), LABELS, "words@1")


@pytest.fixture
def own(tmp_path: Path) -> Flagger:
    return flagger(tmp_path)


def test_a_hit_has_the_place_and_the_time_of_its_term(own: Flagger) -> None:
    words = (Word("I will", 100.0, 100.5), Word("kill", 100.6, 101.0), Word("you", 101.1, 101.4))
    flag = own.flag(transcript("I will kill you", words=words), Detection({"risk": 0.0}, [MATCH]))
    (hit,) = flag.hits
    assert (hit.term, hit.label, hit.level) == ("kill you", "violence", "critical")
    assert flag.text[hit.start : hit.end] == "kill you"
    assert (hit.start_time, hit.end_time) == (100.6, 101.4)
    assert (flag.suggestion, flag.flagged, flag.words) == ("block", ("violence",), words)


def test_a_label_that_is_off_gives_no_hit_and_no_score(own: Flagger) -> None:
    term = Match(Term("slur", "hate", "critical"), "critical", 0, 4)
    flag = own.flag(transcript("slur"), Detection({"hate": 0.99, "risk": 0.99}, [term]))
    assert (flag.suggestion, flag.hits, flag.flagged) == ("pass", (), ())
    assert "hate" not in flag.labels


def test_clean_speech_gets_a_flag_without_words(own: Flagger) -> None:
    flag = own.flag(transcript("hello", words=(Word("hello", 100.0, 100.5),)), CLEAN)
    assert (flag.suggestion, flag.words, flag.reasons) == ("pass", (), ())


def test_a_second_block_in_the_cooldown_is_a_review(own: Flagger) -> None:
    starts = (100.0, 105.0, 110.0, 110.5)
    assert [own.flag(transcript("x", at), RUDE).suggestion for at in starts] == ["block", "review", "review", "block"]


def in_context(before: Before) -> Detection:
    return Detection({"violence": 0.1, "risk": 0.1}, [], {"violence": 0.7, "risk": 0.7}, before)


def told(*starts: float) -> list[Before]:
    return Conversations().follow([transcript("x", at) for at in starts])


def test_the_higher_of_both_scores_counts_and_the_reason_says_so(own: Flagger) -> None:
    [_, before] = told(100.0, 103.0)
    flag = own.flag(transcript("x", 103.0), in_context(before))
    assert (flag.suggestion, flag.flagged, flag.labels["violence"]) == ("review", ("violence",), 0.7)
    assert flag.reasons == ("violence: score 0.70 reaches review at 0.50", reasons.of_context("pass"))
    lower = Detection({"abuse": 0.6, "risk": 0.6}, [], {"abuse": 0.1, "risk": 0.1}, before)
    assert own.flag(transcript("x", 103.0), lower).reasons == ("abuse: score 0.60 reaches review at 0.50",)


def test_words_that_have_a_flag_raise_nothing_that_follows(own: Flagger) -> None:
    """Each policy goes by its own flags. The second utterance is flagged by its context, so the third has none."""
    first, second, third, late = told(100.0, 103.0, 106.0, 124.0)
    assert own.flag(transcript("x", 100.0), Detection({"risk": 0.1}, [], {}, first)).suggestion == "pass"
    found = [own.flag(transcript("x", each.said.start), in_context(each)).suggestion for each in (second, third, late)]
    assert found == ["review", "pass", "review"]


def test_each_policy_goes_by_its_own_flags(tmp_path: Path, own: Flagger) -> None:
    lax = flagger(tmp_path, OWN.replace("review: 0.5", "review: 0.65"))
    first, second = told(100.0, 103.0)
    mild = Detection({"abuse": 0.6, "risk": 0.6}, [], {}, first)
    assert [each.flag(transcript("x", 100.0), mild).suggestion for each in (own, lax)] == ["review", "pass"]
    said = transcript("x", 103.0)
    assert [each.flag(said, in_context(second)).suggestion for each in (own, lax)] == ["pass", "review"]


def test_another_label_is_blocked_in_the_cooldown(own: Flagger) -> None:
    assert own.flag(transcript("x", 100.0), RUDE).suggestion == "block"
    assert own.flag(transcript("x", 101.0), Detection({"fraud": 0.95}, [])).suggestion == "block"


@pytest.mark.parametrize("other", [{"speaker": "bob"}, {"room": "hall"}])
def test_another_speaker_or_room_has_no_cooldown(own: Flagger, other: dict[str, str]) -> None:
    own.flag(transcript("x", 100.0), RUDE)
    assert own.flag(transcript("x", 101.0, **other), RUDE).suggestion == "block"


def test_the_room_type_chooses_the_rules(own: Flagger) -> None:
    calm = [own.flag(transcript("x", at, room_type="calm"), RUDE).suggestion for at in (100.0, 101.0)]
    assert calm == ["block", "block"]
    mild = Detection({"abuse": 0.2, "risk": 0.2}, [])
    found = [own.flag(transcript("x", room_type=kind), mild).suggestion for kind in ("strict", "default", "unknown")]
    assert found == ["review", "pass", "pass"]


def test_two_policies_give_two_flags_of_one_transcript(tmp_path: Path, own: Flagger) -> None:
    other = flagger(tmp_path, OWN.replace("0.9", "0.99"))
    said = transcript("x")
    blocked, reviewed = own.flag(said, RUDE), other.flag(said, RUDE)
    assert (blocked.suggestion, reviewed.suggestion) == ("block", "review")
    assert blocked.id != reviewed.id
    assert (blocked.policy, reviewed.policy) == (own.version, other.version)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages(Transcript), st.dictionaries(st.sampled_from([*LABELS.labels, "risk"]), st.floats(0, 1)))
def test_any_transcript_gets_the_same_flag_twice_with_its_own_fields(
    own: Flagger, said: Transcript, scores: dict[str, float]
) -> None:
    flag = own.flag(said, Detection(scores, []))
    assert flag == own.flag(said, Detection(scores, []))
    assert (flag.room, flag.speaker, flag.room_type) == (said.room, said.speaker, said.room_type)
    assert (flag.start, flag.end, flag.transcript, flag.utterance) == (said.start, said.end, said.id, said.utterance)
    assert (flag.text, flag.language, flag.confidence) == (said.text, said.language, said.confidence)
    assert (flag.marks, flag.address) == (said.marks, said.address)
    assert (flag.policy, flag.model) == (own.version, "words@1")
