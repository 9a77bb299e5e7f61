"""Turns sounds into flags, with one policy. Several policies may judge the same sound."""

from uuid import uuid5

from pipeline.judge.cooldowns import Blocked, CoolDowns
from pipeline.judge.labels import Labels
from pipeline.judge.policy import PolicyResolver, SoundLimits
from pipeline.judge.reasons import of_cooldown, of_sound
from pipeline.messages import NAMESPACE, Flag, HeardSound, Sound, Suggestion, origin

NO_LANGUAGE = ""
"""The language of a sound. Moderators of all languages may get its case."""


class SoundFlagger:
    """Applies one policy to sounds.

    `cooldowns` remembers who was blocked for a recording. It is not that of words: sounds and words come on topics of
    their own, so the order of the two is not the same in each run.
    """

    def __init__(self, policies: PolicyResolver, labels: Labels, cooldowns: CoolDowns | None = None) -> None:
        self._policies = policies
        self._labels = labels
        self._cooldowns = cooldowns or CoolDowns()

    def flag(self, sound: Sound) -> Flag:
        """Return the flag of a sound. The label is that of the sound itself, or else that of the policy.

        The label of a recording counts even where the policy has switched the label off: people have banned this
        recording.
        """
        policy = self._policies.resolved(sound.room_type, NO_LANGUAGE)
        limits = policy.sounds[sound.kind]
        label = sound.label if sound.label in self._labels.labels else limits.label
        suggestion = limits.by_score(sound.score)
        reasons = _reasons(sound, suggestion, limits)
        if suggestion == "block" and self._cools(sound, policy.cooldown_seconds):
            suggestion = "review"
            reasons = (*reasons, of_cooldown(sound.name or sound.kind, policy.cooldown_seconds))
        return Flag(
            **origin(sound),
            id=str(uuid5(NAMESPACE, f"judge\x1f{sound.id}\x1f{self._policies.version}")),
            utterance=sound.id,
            transcript=sound.id,
            end=sound.end,
            text="",
            language=NO_LANGUAGE,
            confidence=1.0,
            suggestion=suggestion,
            risk=sound.score,
            labels={label: sound.score} if label else {},
            flagged=(label,) if label and suggestion != "pass" else (),
            reasons=reasons,
            policy=self._policies.version,
            model=sound.model,
            address=sound.address,
            source="sound",
            sound=HeardSound(kind=sound.kind, name=sound.name, reference=sound.reference, score=sound.score),
        )

    def _cools(self, sound: Sound, seconds: float) -> bool:
        """Whether this speaker was blocked for the same sound within the last `seconds`. If not, it is blocked now."""
        what = sound.reference or sound.kind
        if what in self._cooldowns.cooling(sound.room, sound.speaker, sound.start, seconds):
            return True
        self._cooldowns.remember(sound.room, Blocked(sound.speaker, sound.start, frozenset({what})), seconds)
        return False


def _reasons(sound: Sound, suggestion: Suggestion, limits: SoundLimits) -> tuple[str, ...]:
    if suggestion == "pass":
        return ()
    return (of_sound(sound.kind, sound.score, suggestion, limits.block if suggestion == "block" else limits.review),)
