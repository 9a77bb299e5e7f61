"""Turns a sound into a flag, with one policy."""

from uuid import uuid5

from pipeline.judge.labels import Labels
from pipeline.judge.policy import NEVER, PolicyResolver, ResolvedPolicy, SoundLimits
from pipeline.judge.reasons import of_ear, of_sound
from pipeline.messages import NAMESPACE, Flag, HeardSound, Sound, Suggestion, origin

NO_LANGUAGE = ""
"""The language of a sound. Moderators of all languages may get its case."""
OFF = SoundLimits(NEVER, NEVER, "")
"""What the second ear hears does not count for a label that the policy has switched off."""


def flag_of(sound: Sound, policies: PolicyResolver, labels: Labels) -> Flag:
    """Return the flag of a sound. Its label is that of the sound itself, or else that of the policy.

    The label of a recording counts even where the policy has switched the label off: people have banned this recording.
    A label of the second ear does not.
    """
    limits = _limits(sound, policies.resolved(sound.room_type, NO_LANGUAGE))
    suggestion, label = limits.by_score(sound.score), _label(sound, limits, labels)
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
        source="ear" if sound.kind == "ear" else "sound",
        sound=HeardSound(kind=sound.kind, name=sound.name, reference=sound.reference, score=sound.score),
    )


def _limits(sound: Sound, policy: ResolvedPolicy) -> SoundLimits:
    if sound.kind == "ear":
        return policy.ear.get(sound.label, OFF)
    return policy.sounds[sound.kind]


def _label(sound: Sound, limits: SoundLimits, labels: Labels) -> str:
    return limits.label if sound.kind == "ear" or sound.label not in labels.labels else sound.label


def _reasons(sound: Sound, suggestion: Suggestion, limits: SoundLimits) -> tuple[str, ...]:
    if suggestion == "pass":
        return ()
    limit = limits.block if suggestion == "block" else limits.review
    if sound.kind == "ear":
        return (of_ear(sound.label, sound.score, suggestion, limit),)
    return (of_sound(sound.kind, sound.score, suggestion, limit),)
