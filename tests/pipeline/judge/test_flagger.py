"""A flag has its transcript's evidence, and the policy's cool-down follows the speech, speaker by speaker."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from pipeline.contract.messages import EventKind, Flag, HeardSound, Sound, Transcript, Word
from pipeline.judge import moderation_policy, verdict
from pipeline.judge.conversations import Conversations, SpeechBefore
from pipeline.judge.detection import Detection
from pipeline.judge.flagger import Flagger, SoundFlagger, times_of
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Match, Term
from pipeline.judge.moderation_policy import PolicyResolver
from pipeline.judge.rule_texts import policy_of
from tests.builders import sound, transcript
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
    return Flagger(moderation_policy.load_policy(str(folder / "own.yaml"), LABELS), LABELS, "words@1")


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


def in_context(before: SpeechBefore) -> Detection:
    return Detection({"violence": 0.1, "risk": 0.1}, [], {"violence": 0.7, "risk": 0.7}, before)


def told(*starts: float) -> list[SpeechBefore]:
    return Conversations().follow([transcript("x", at) for at in starts])


def test_the_higher_of_both_scores_counts_and_the_reason_says_so(own: Flagger) -> None:
    [_, before] = told(100.0, 103.0)
    flag = own.flag(transcript("x", 103.0), in_context(before))
    assert (flag.suggestion, flag.flagged, flag.labels["violence"]) == ("review", ("violence",), 0.7)
    assert flag.reasons == ("violence: score 0.70 reaches review at 0.50", verdict.of_context("pass"))
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


WORDS = (Word("we", 100.1, 100.3), Word(" kill", 100.5, 100.9), Word(" you.", 101.0, 101.4))


def test_a_span_has_the_times_of_its_words() -> None:
    found = transcript("we kill you.", words=WORDS)
    assert times_of(found, 3, 11) == (100.5, 101.4)
    assert times_of(found, 4, 5) == (100.5, 100.9)


def test_without_words_times_follow_the_share_of_characters() -> None:
    assert times_of(transcript("abcdefgh"), 2, 4) == pytest.approx((100.5, 101.0))


def test_words_that_are_not_in_the_text_are_left_out() -> None:
    odd = (Word("other", 100.0, 100.2), *WORDS)
    assert times_of(transcript("we kill you.", words=odd), 0, 2) == (100.1, 100.3)
    assert times_of(transcript("nothing fits", words=odd), 0, 12) == (100.0, 102.0)


SILENT = "{name: own, every: {review: 0.5}}"
RULES = """
name: own
every: {review: 0.5}
labels: {fraud: {enabled: false}}
sounds:
  recording: {label: abuse, review: 0.7, block: 0.9}
room_types:
  kids:
    sounds:
      recording: {block: 0.75}
  stage:
    sounds:
      recording: {review: never, block: never}
"""


def policy_of_text(text: str = RULES) -> PolicyResolver:
    return policy_of(text, LABELS)


def judged(heard: Sound, text: str = RULES, labels: Labels = LABELS) -> Flag:
    return SoundFlagger(policy_of_text(text), labels).flag(heard)


def test_a_policy_that_names_no_sounds_reviews_each_recording() -> None:
    found = judged(sound(score=0.5), SILENT)
    assert (found.suggestion, found.flagged, found.labels) == ("review", (), {})
    assert found.reasons == ("sound recording: score 0.50 reaches review at 0.00",)


@pytest.mark.parametrize("kind", get_args(EventKind))
def test_a_sound_event_is_reviewed_unless_the_policy_says_never(kind: EventKind) -> None:
    heard = structs.replace(sound(kind=kind, reference="", score=0.6), name="")
    found = judged(heard)
    assert (found.suggestion, found.flagged, found.content) == ("review", (), kind)
    assert found.sound == HeardSound(kind=kind, score=0.6)
    labelled = judged(heard, f"{{name: own, every: {{review: 0.5}}, sounds: {{{kind}: {{label: abuse}}}}}}")
    assert (labelled.flagged, labelled.labels) == ((), {}), "a sound alone accuses nobody"
    assert judged(heard, f"{{name: own, every: {{review: 0.5}}, sounds: {{{kind}: {{review: never}}}}}}").reasons == ()


@pytest.mark.parametrize(
    ("room_type", "score", "suggestion"),
    [
        ("default", 0.6, "pass"),
        ("default", 0.7, "review"),
        ("default", 0.9, "block"),
        ("kids", 0.8, "block"),
        ("stage", 0.99, "pass"),
    ],
)
def test_the_policy_decides_by_room_type_and_score(room_type: str, score: float, suggestion: str) -> None:
    found = judged(sound(score=score, room_type=room_type))
    assert found.suggestion == suggestion
    assert bool(found.flagged) is bool(found.reasons) is (suggestion != "pass")


def test_the_label_of_the_recording_wins_over_that_of_the_policy() -> None:
    assert judged(sound()).flagged == ("abuse",)
    assert judged(sound(label="fraud")).flagged == ("fraud",), "also if the policy has switched it off"
    assert judged(sound(label="gone")).flagged == ("abuse",), "a label that labels.yaml no longer has"


EAR = """
name: own
every: {review: 0.5}
labels: {fraud: {enabled: false}}
review_scale: 0.5
ear:
  every: {review: 0.7}
  labels: {hate: {review: 0.6, block: 0.8}}
room_types:
  kids: {ear: {every: {review: 0.3}}}
  game: {ear: {labels: {hate: {review: never, block: never}}}}
"""


def heard_by_ear(label: str, score: float, room_type: str = "default") -> Sound:
    heard = sound(kind="ear", label=label, score=score, room_type=room_type, reference="", model="tiny@1")
    return structs.replace(heard, name="Own")


@pytest.mark.parametrize(
    ("label", "score", "room_type", "suggestion"),
    [
        ("abuse", 0.69, "default", "pass"),
        ("abuse", 0.7, "default", "review"),
        ("abuse", 1.0, "default", "review"),
        ("hate", 0.6, "default", "review"),
        ("hate", 0.8, "default", "block"),
        ("hate", 0.3, "kids", "review"),
        ("hate", 0.8, "kids", "block"),
        ("hate", 1.0, "game", "pass"),
        ("abuse", 0.7, "game", "review"),
        ("fraud", 1.0, "default", "pass"),
        ("gone", 1.0, "default", "pass"),
    ],
)
def test_the_policy_decides_about_the_second_ear_by_label_and_room_type(
    label: str, score: float, room_type: str, suggestion: str
) -> None:
    found = judged(heard_by_ear(label, score, room_type), EAR)
    assert found.suggestion == suggestion
    assert found.flagged == ((label,) if suggestion != "pass" else ())
    assert found.labels == ({label: score} if label in {"abuse", "hate"} else {})
    assert (found.source, found.text, found.content) == ("ear", "", "ear: Own")
    assert found.sound == HeardSound(kind="ear", name="Own", score=score)


def test_a_policy_without_rules_for_the_second_ear_reviews_only_what_is_nearly_sure() -> None:
    assert judged(heard_by_ear("hate", 0.89), SILENT).suggestion == "pass"
    found = judged(heard_by_ear("hate", 1.0), SILENT)
    assert (found.suggestion, found.reasons) == ("review", ("second ear: hate 1.00 reaches review at 0.90",))


def test_a_flag_says_what_was_heard_and_where_its_audio_is() -> None:
    heard = sound(address="voice.sounds/0/7", listeners=12)
    found = judged(heard)
    assert found.sound == HeardSound(kind="recording", name="The anthem", reference="1a2b3c4d5e6f7081", score=0.8)
    assert (found.source, found.text, found.language) == ("sound", "", "")
    assert (found.utterance, found.address, found.risk, found.listeners) == ("sound", "voice.sounds/0/7", 0.8, 12)
    assert (found.start, found.end, found.model) == (heard.start, heard.end, "fingerprints@1")
    assert found.content == "recording: The anthem"


def test_after_a_block_the_same_recording_is_only_reviewed_until_the_cool_down_ends() -> None:
    flagger = SoundFlagger(policy_of_text(f"{RULES}cooldown_seconds: 60\n"), LABELS)

    def suggested(start: float, **changes: object) -> str:
        return flagger.flag(sound(str(start), start, start + 15, score=0.95, **changes)).suggestion

    assert [suggested(at) for at in (0.0, 15.0, 60.0, 75.0, 90.0)] == ["block", "review", "review", "block", "review"]
    assert suggested(95.0, reference="another") == "block", "another recording"
    assert suggested(95.0, speaker="ben") == "block", "another speaker"
    assert suggested(75.0) == "block", "the same sound again"
    cooled = flagger.flag(sound("late", 100.0, 110.0, score=0.95))
    assert cooled.reasons[-1] == "at most review: blocked for The anthem within the last 60 s"
    assert cooled.flagged == ("abuse",)


def test_the_id_depends_on_the_sound_and_the_policy_only() -> None:
    one = judged(sound())
    assert one.id == judged(sound(start=0.3, end=9.0)).id
    assert one.id != judged(sound("other")).id
    assert one.id != judged(sound(), SILENT).id
