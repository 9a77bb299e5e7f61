"""What is found in a transcript, and what one policy makes of it. Several policies may rule on the same findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.judge.classifier import Classifier
from pipeline.judge.context import Blocked, Context
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Match, Matcher
from pipeline.judge.policy import PolicyResolver
from pipeline.judge.readings import classify
from pipeline.judge.times import times_of
from pipeline.judge.verdict import Verdict, decide
from pipeline.messages import Flag, Hit, Transcript, derive_id


@dataclass(frozen=True, slots=True)
class Detection:
    """The classifier's scores and the lexicons' matches, before any policy."""

    scores: Mapping[str, float]
    matches: Sequence[Match]


class Detector:
    """Lexicon and classifier. Every reading is classified; terms are looked for in the text alone, which people see."""

    def __init__(self, classifier: Classifier, matcher: Matcher) -> None:
        self._classifier = classifier
        self._matcher = matcher
        self.model = classifier.name

    def find(self, batch: Sequence[Transcript]) -> list[Detection]:
        """One for each transcript, in order."""
        scores = classify(self._classifier, batch)
        return [
            Detection(found, list(self._matcher.find(transcript.text)))
            for transcript, found in zip(batch, scores, strict=True)
        ]


class Flagger:
    """One policy at work. It remembers whom it blocked, so transcripts of a room must come in order."""

    def __init__(self, rulebook: PolicyResolver, labels: Labels, model: str) -> None:
        self.version = rulebook.version
        self._rulebook = rulebook
        self._labels = labels
        self._model = model
        self._context = Context()

    def flag(self, transcript: Transcript, found: Detection) -> Flag:
        rules = self._rulebook.rules(transcript.room_type, transcript.language)
        matches = [match for match in found.matches if match.term.label in rules.labels]
        room, speaker, start = transcript.room, transcript.speaker, transcript.start
        cooling = self._context.cooling(room, speaker, start, rules.cooldown_seconds)
        verdict = decide(found.scores, matches, rules, self._labels, transcript.marks, cooling)
        if verdict.suggestion == "block":
            self._context.remember(room, Blocked(speaker, start, verdict.blocked), rules.cooldown_seconds)
        return self._flag(transcript, verdict, matches)

    def _flag(self, transcript: Transcript, verdict: Verdict, matches: Sequence[Match]) -> Flag:
        return Flag(
            room=transcript.room,
            speaker=transcript.speaker,
            room_type=transcript.room_type,
            start=transcript.start,
            id=derive_id("judge", transcript, self.version),
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
            reasons=verdict.reasons,
            words=transcript.words if verdict.suggestion != "pass" else (),
            policy=self.version,
            model=self._model,
            address=transcript.address,
        )


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
