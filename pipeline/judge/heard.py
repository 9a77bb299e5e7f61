"""Turns a sound into a flag, with one policy."""

from uuid import uuid5

from pipeline.contract.messages import NAMESPACE, Flag, HeardSound, Sound, Suggestion, origin
from pipeline.judge.cooldowns import Blocked, CoolDowns
from pipeline.judge.labels import Labels
from pipeline.judge.policy import NEVER, PolicyResolver, ResolvedPolicy, SoundLimits
from pipeline.judge.reasons import of_both, of_cooldown, of_ear, of_sound, of_withheld

NO_LANGUAGE = ""
"""The language of a sound. Moderators of all languages may get its case."""
OFF = SoundLimits(NEVER, NEVER, "")
"""What the second ear hears does not count for a label that the policy has switched off."""


class SoundFlagger:
    """Applies one policy to sounds.

    `cooldowns` remembers who was blocked for which sound. It is not that of words: sounds and words come on topics of
    their own, so the order of the two is not the same in each run.
    """

    def __init__(self, policies: PolicyResolver, labels: Labels, cooldowns: CoolDowns | None = None) -> None:
        self._policies = policies
        self._labels = labels
        self._cooldowns = cooldowns or CoolDowns()

    def flag(self, sound: Sound, agreed: str = "") -> Flag:
        """Return the flag of a sound. Its label is that of the sound itself, or else that of the policy.

        A label of the second ear that needs both sources is withheld, unless it is `agreed`: the words have it, too.

        The label of a recording counts even where the policy has switched the label off: people have banned this
        recording. A label of the second ear does not.
        """
        policy = self._policies.resolved(sound.room_type, NO_LANGUAGE)
        limits = _limits(sound, policy)
        suggestion, label = limits.by_score(sound.score), _label(sound, limits, self._labels)
        reasons = _reasons(sound, suggestion, limits)
        withheld = suggestion != "pass" and not agreed and _needs_words(sound, policy)
        if withheld:
            suggestion, reasons = "pass", (*reasons, of_withheld(label))
        if suggestion == "block" and self._cools(sound, policy.cooldown_seconds):
            suggestion = "review"
            reasons = (*reasons, of_cooldown(_subject(sound), policy.cooldown_seconds))
        return Flag(
            **origin(sound),
            id=str(uuid5(NAMESPACE, "\x1f".join(filter(None, ("judge", sound.id, self._policies.version, agreed))))),
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
            reasons=(*reasons, of_both(agreed)) if agreed else reasons,
            policy=self._policies.version,
            model=sound.model,
            address=sound.address,
            source="ear" if sound.kind == "ear" else "sound",
            sound=HeardSound(kind=sound.kind, name=sound.name, reference=sound.reference, score=sound.score),
            withheld=(label,) if withheld else (),
            released=agreed,
        )

    def _cools(self, sound: Sound, seconds: float) -> bool:
        """Whether this speaker was blocked for the same sound within the last `seconds`. If not, it is blocked now."""
        same = sound.reference or _subject(sound)
        if same in self._cooldowns.cooling(sound.room, sound.speaker, sound.start, seconds):
            return True
        self._cooldowns.remember(sound.room, Blocked(sound.speaker, sound.start, frozenset({same})), seconds)
        return False


def _subject(sound: Sound) -> str:
    """The label that the second ear hears, or the sound, for people."""
    return sound.label if sound.kind == "ear" else sound.name or sound.kind


def _limits(sound: Sound, policy: ResolvedPolicy) -> SoundLimits:
    if sound.kind == "ear":
        return policy.ear.get(sound.label, OFF)
    return policy.sounds[sound.kind]


def _needs_words(sound: Sound, policy: ResolvedPolicy) -> bool:
    return sound.kind == "ear" and policy.labels[sound.label].both


def _label(sound: Sound, limits: SoundLimits, labels: Labels) -> str:
    return limits.label if sound.kind == "ear" or sound.label not in labels.labels else sound.label


def _reasons(sound: Sound, suggestion: Suggestion, limits: SoundLimits) -> tuple[str, ...]:
    if suggestion == "pass":
        return ()
    limit = limits.block if suggestion == "block" else limits.review
    if sound.kind == "ear":
        return (of_ear(sound.label, sound.score, suggestion, limit),)
    return (of_sound(sound.kind, sound.score, suggestion, limit),)
