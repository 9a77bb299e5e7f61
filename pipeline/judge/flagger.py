"""Turns a detection into a flag, with one policy. Several policies may judge the same detection."""

from collections.abc import Mapping, Sequence

from pipeline.contract.messages import Flag, Hit, Transcript, derive_id, origin
from pipeline.judge.cooldowns import Blocked, CoolDowns
from pipeline.judge.detector import Detection
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Match
from pipeline.judge.policy import PolicyResolver
from pipeline.judge.reasons import of_both
from pipeline.judge.times import times_of
from pipeline.judge.verdict import Verdict, decide_verdict, in_context
from pipeline.judge.windows import highest


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
        """Not if some of the words before have a flag already, because they would flag all that follows them."""
        return bool(detection.in_context and detection.before and not detection.before.follows_flag(self._key))

    def _flag(self, transcript: Transcript, verdict: Verdict, matches: Sequence[Match], agreed: str) -> Flag:
        return Flag(
            **origin(transcript),
            id=derive_id("judge", transcript, " ".join(filter(None, (self.version, agreed)))),
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
