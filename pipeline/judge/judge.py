"""The judge stage: transcripts in, a flag for each out, clean ones too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline import settings
from pipeline.judge import labels, lexicon, policy
from pipeline.judge.classifier import Classifier
from pipeline.judge.classifier import load as load_classifier
from pipeline.judge.context import Blocked, Context
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Match, Matcher
from pipeline.judge.policy import Rulebook
from pipeline.judge.times import times_of
from pipeline.judge.verdict import Verdict, decide
from pipeline.judge.windows import classify
from pipeline.messages import Flag, Hit, Transcript, derive_id
from pipeline.metrics import Metrics
from pipeline.stage import Processor, Rejected


@dataclass(frozen=True, slots=True)
class Law:
    """Everything that people write and the judge goes by."""

    labels: Labels
    matcher: Matcher
    rulebook: Rulebook


class Judge(Processor[Transcript, Flag]):
    """Lexicon and classifier find, the policy decides."""

    def __init__(self, law: Law, classifier: Classifier, context: Context, metrics: Metrics) -> None:
        self._law = law
        self._classifier = classifier
        self._context = context
        self._metrics = metrics

    def process(self, batch: Sequence[Transcript]) -> list[Flag | Rejected]:
        texts = [transcript.text for transcript in batch]
        scores = classify(self._classifier, texts, [transcript.language for transcript in batch])
        return [self._judge(transcript, found) for transcript, found in zip(batch, scores, strict=True)]

    def _judge(self, transcript: Transcript, scores: Mapping[str, float]) -> Flag:
        rules = self._law.rulebook.rules(transcript.room_type, transcript.language)
        matches = [match for match in self._law.matcher.find(transcript.text) if match.term.label in rules.labels]
        room, speaker, start = transcript.room, transcript.speaker, transcript.start
        cooling = self._context.cooling(room, speaker, start, rules.cooldown_seconds)
        verdict = decide(scores, matches, rules, self._law.labels, transcript.marks, cooling)
        if verdict.suggestion == "block":
            self._context.remember(room, Blocked(speaker, start, verdict.blocked))
        self._count(verdict)
        return self._flag(transcript, verdict, matches)

    def _flag(self, transcript: Transcript, verdict: Verdict, matches: Sequence[Match]) -> Flag:
        version = self._law.rulebook.version
        return Flag(
            room=transcript.room,
            speaker=transcript.speaker,
            room_type=transcript.room_type,
            start=transcript.start,
            id=derive_id("judge", transcript, version),
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
            policy=version,
            model=self._classifier.name,
            address=transcript.address,
        )

    def _count(self, verdict: Verdict) -> None:
        self._metrics.flags.labels(verdict.suggestion).inc()
        if verdict.suggestion != "pass":
            for label in verdict.flagged:
                self._metrics.labels.labels(label).inc()


def build(all_settings: settings.Settings, metrics: Metrics) -> Judge:
    """The judge as the settings want it; raises ConfigError."""
    chosen = all_settings.judge
    return Judge(check(chosen), load_classifier(chosen), Context(chosen.context_utterances), metrics)


def check(chosen: settings.Judge) -> Law:
    """Read labels, lexicons and policy, without a model; raises ConfigError, which names file and key."""
    known = labels.load(chosen.labels)
    lexicons = lexicon.load(chosen.lexicons, known)
    return Law(known, lexicon.compile_terms(lexicons), policy.load(chosen.policy, known, lexicons))


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
