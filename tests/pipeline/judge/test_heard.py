"""The flags of sounds."""

from typing import get_args

import pytest
from msgspec import structs

from pipeline.contract.messages import EventKind, Flag, HeardSound, Sound
from pipeline.judge.heard import SoundFlagger
from pipeline.judge.labels import Labels
from pipeline.judge.policy import PolicyResolver
from pipeline.judge.rules import policy_of
from tests.builders import sound
from tests.pipeline.judge.fakes import LABELS

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


def policy(text: str = RULES) -> PolicyResolver:
    return policy_of(text, LABELS)


def judged(heard: Sound, text: str = RULES, labels: Labels = LABELS) -> Flag:
    return SoundFlagger(policy(text), labels).flag(heard)


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
    chosen = judged(heard, f"{{name: own, every: {{review: 0.5}}, sounds: {{{kind}: {{label: abuse, block: never}}}}}}")
    assert chosen.flagged == ("abuse",)
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
    flagger = SoundFlagger(policy(f"{RULES}cooldown_seconds: 60\n"), LABELS)

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
