"""Turns detections and sounds into flags, with one policy. Several policies may judge the same detection."""

from collections.abc import Mapping, Sequence
from uuid import uuid5

from pipeline.contract.messages import (
    NAMESPACE,
    Flag,
    HeardSound,
    Hit,
    Sound,
    Suggestion,
    Transcript,
    flag_id,
    origin,
)
from pipeline.judge.detection import Detection, highest
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Match
from pipeline.judge.moderation_policy import NEVER, PolicyResolver, ResolvedPolicy, SoundLimits
from pipeline.judge.speaker_memory import Blocked, CoolDowns
from pipeline.judge.verdict import (
    Verdict,
    decide_verdict,
    in_context,
    of_audio_classifier,
    of_both,
    of_cooldown,
    of_sound,
    of_withheld,
)

NO_LANGUAGE = ""
"""The language of a sound. Moderators of all languages may get its case."""
OFF = SoundLimits(NEVER, NEVER, "")
"""What the second ear hears does not count for a label that the policy has switched off."""


class Flagger:
    """Applies one policy. `cooldowns` remembers blocked speakers, so the transcripts of a room must come in order."""

    def __init__(
        self, policies: PolicyResolver, labels: Labels, model: str, cooldowns: CoolDowns | None = None
    ) -> None:
        self.version = policies.version
        self._policies = policies
        self._labels = labels
        self._model = model
        self._cooldowns = cooldowns or CoolDowns()
        self._key = f"{self.version} {model}"

    def flag(self, transcript: Transcript, detection: Detection, agreed: str = "") -> Flag:
        """Return the flag of a transcript.

        With `agreed`, return the flag that is released because words and second ear agree on this label.
        """
        policy = self._policies.resolved(transcript.room_type, transcript.language)
        # A policy may switch labels off.
        matches = [match for match in detection.matches if match.term.label in policy.labels]
        room, speaker, start = transcript.room, transcript.speaker, transcript.start
        cooling = self._cooldowns.cooling(room, speaker, start, policy.cooldown_seconds)

        def decided(scores: Mapping[str, float]) -> Verdict:
            return decide_verdict(scores, matches, policy, self._labels, transcript.marks, cooling, agreed)

        verdict = decided(detection.scores)
        if self._reads_context(detection):
            verdict = in_context(verdict, decided(highest(detection.scores, detection.in_context)))
        if verdict.suggestion == "block":
            self._cooldowns.remember(room, Blocked(speaker, start, verdict.blocked), policy.cooldown_seconds)
        if verdict.suggestion != "pass" and detection.before and not agreed:  # a release comes at no certain time
            detection.before.said.flagged_by.add(self._key)
        return self._flag(transcript, verdict, matches, agreed)

    def _reads_context(self, detection: Detection) -> bool:
        """Whether the scores in context count."""
        # Words before that have a flag already would flag all that follows them.
        return bool(detection.in_context and detection.before and not detection.before.follows_flag(self._key))

    def _flag(self, transcript: Transcript, verdict: Verdict, matches: Sequence[Match], agreed: str) -> Flag:
        return Flag(
            **origin(transcript),
            # A released flag has another id than the flag that withheld the label.
            id=flag_id(transcript, " ".join(filter(None, (self.version, agreed)))),
            utterance=transcript.utterance,
            transcript=transcript.id,
            end=transcript.end,
            text=transcript.text,
            language=transcript.language,
            confidence=transcript.confidence,
            suggestion=verdict.suggestion,
            risk=verdict.risk,
            labels=verdict.labels,
            flagged=verdict.flagged,
            hits=tuple(_hit(match, transcript) for match in matches),
            marks=transcript.marks,
            reasons=(*verdict.reasons, of_both(agreed)) if agreed else verdict.reasons,
            words=transcript.words if verdict.suggestion != "pass" else (),
            policy=self.version,
            model=self._model,
            address=transcript.address,
            withheld=verdict.withheld,
            released=agreed,
            early=transcript.early,
            act=verdict.act,
        )


class SoundFlagger:
    """Applies one policy to sounds.

    `cooldowns` remembers who was blocked for which sound. Blocks for words are kept apart. Sounds and words come on
    different topics, so their order can differ from run to run.
    """

    def __init__(self, policies: PolicyResolver, labels: Labels, cooldowns: CoolDowns | None = None) -> None:
        self._policies = policies
        self._labels = labels
        self._cooldowns = cooldowns or CoolDowns()

    def flag(self, sound: Sound, agreed: str = "") -> Flag:
        """Return the flag of a sound. Its label is the sound's own, or else the policy's.

        A label of the second ear that needs both sources is withheld, unless it is `agreed`: the words have it, too.
        """
        policy = self._policies.resolved(sound.room_type, NO_LANGUAGE)
        limits = _limits_of_sound(sound, policy)
        suggestion, label = limits.by_score(sound.score), _label_of_sound(sound, limits, self._labels)
        reasons = _reasons_of_sound(sound, suggestion, limits)
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
            confidence=1.0,  # there are no words to mishear
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


def _hit(match: Match, transcript: Transcript) -> Hit:
    start_time, end_time = times_of(transcript, match.start, match.end)
    return Hit(
        term=match.term.text,
        label=match.term.label,
        level=match.level,
        start=match.start,
        end=match.end,
        start_time=start_time,
        end_time=end_time,
    )


def times_of(transcript: Transcript, start: int, end: int) -> tuple[float, float]:
    """Start and end of the characters `start` to `end` (half open) of the text, in UTC seconds.

    Uses the words' own times if the recogniser gave them, else the share of characters.
    """
    touched = [word for word, first, last in _words(transcript) if first < end and start < last]
    if touched:
        return touched[0][0], touched[-1][1]
    length = max(1, len(transcript.text))
    seconds = transcript.end - transcript.start
    return transcript.start + seconds * start / length, transcript.start + seconds * end / length


def _words(transcript: Transcript) -> list[tuple[tuple[float, float], int, int]]:
    """Each word's times and its characters in the text. Words that are not in the text in order are left out."""
    placed: list[tuple[tuple[float, float], int, int]] = []
    cursor = 0
    for word in transcript.words:
        text = word.text.strip()
        if text and (first := transcript.text.find(text, cursor)) >= 0:
            cursor = first + len(text)  # a word that is said twice is found twice
            placed.append(((word.start, word.end), first, cursor))
    return placed


def _subject(sound: Sound) -> str:
    """The label that the second ear hears, or the sound, for people."""
    return sound.label if sound.kind == "ear" else sound.name or sound.kind


def _limits_of_sound(sound: Sound, policy: ResolvedPolicy) -> SoundLimits:
    if sound.kind == "ear":
        return policy.ear.get(sound.label, OFF)
    # Not by label: people have banned this recording, so it counts even if the policy has switched its label off.
    return policy.sounds[sound.kind]


def _needs_words(sound: Sound, policy: ResolvedPolicy) -> bool:
    return sound.kind == "ear" and policy.labels[sound.label].both


def _label_of_sound(sound: Sound, limits: SoundLimits, labels: Labels) -> str:
    return limits.label if sound.kind == "ear" or sound.label not in labels.labels else sound.label


def _reasons_of_sound(sound: Sound, suggestion: Suggestion, limits: SoundLimits) -> tuple[str, ...]:
    if suggestion == "pass":
        return ()
    limit = limits.block if suggestion == "block" else limits.review
    if sound.kind == "ear":
        return (of_audio_classifier(sound.label, sound.score, suggestion, limit),)
    return (of_sound(sound.kind, sound.score, suggestion, limit),)
