"""Turns a sound into a flag, with one policy."""

from uuid import uuid5

from pipeline.judge.labels import Labels
from pipeline.judge.policy import PolicyResolver, SoundLimits
from pipeline.judge.reasons import of_sound
from pipeline.messages import NAMESPACE, Flag, HeardSound, Sound, Suggestion, origin

NO_LANGUAGE = ""
"""The language of a sound. Moderators of all languages may get its case."""


def flag_of(sound: Sound, policies: PolicyResolver, labels: Labels) -> Flag:
    """Return the flag of a sound. The label is that of the sound itself, or else that of the policy.

    The label of a recording counts even where the policy has switched the label off: people have banned this recording.
    """
    limits = policies.resolved(sound.room_type, NO_LANGUAGE).sounds[sound.kind]
    suggestion, label = limits.by_score(sound.score), sound.label if sound.label in labels.labels else limits.label
    flagged = (label,) if label and suggestion != "pass" else ()
    return Flag(
        **origin(sound),
        id=str(uuid5(NAMESPACE, f"judge\x1f{sound.id}\x1f{policies.version}")),
        utterance=sound.id,
        transcript=sound.id,
        end=sound.end,
        text="",
        language=NO_LANGUAGE,
        confidence=1.0,
        suggestion=suggestion,
        risk=sound.score,
        labels={label: sound.score} if label else {},
        flagged=flagged,
        reasons=_reasons(sound, suggestion, limits),
        policy=policies.version,
        model=sound.model,
        address=sound.address,
        source="sound",
        sound=HeardSound(kind=sound.kind, name=sound.name, reference=sound.reference, score=sound.score),
    )


def _reasons(sound: Sound, suggestion: Suggestion, limits: SoundLimits) -> tuple[str, ...]:
    if suggestion == "pass":
        return ()
    return (of_sound(sound.kind, sound.score, suggestion, limits.block if suggestion == "block" else limits.review),)
