"""Shadow policies judge live speech beside the real policy. Their decisions are only counted."""

from typing import get_args

from pipeline.judge.detector import Detection
from pipeline.judge.flagger import Flagger
from pipeline.judge.matcher import Matcher
from pipeline.messages import Flag, Suggestion, Transcript
from pipeline.metrics import Metrics, from_zero


class Shadow:
    """One shadow policy. Its time series exist from the start, so that a rate includes the first flag.

    `matcher` finds its own terms. None: it has the terms of the real policy.
    """

    def __init__(self, flagger: Flagger, metrics: Metrics, matcher: Matcher | None = None) -> None:
        self._flagger = flagger
        self._matcher = matcher
        self._count = metrics.shadow_flags
        from_zero(metrics.shadow_flags, (flagger.version,), get_args(Suggestion), ("yes", "no"))

    def watch(self, transcript: Transcript, detection: Detection, real: Flag) -> None:
        """Judge with the same scores, and count whether the suggestion equals that of the real policy."""
        if self._matcher:
            detection = Detection(detection.scores, self._matcher.find(transcript.text))
        suggestion = self._flagger.flag(transcript, detection).suggestion
        self._count.labels(self._flagger.version, suggestion, "yes" if suggestion == real.suggestion else "no").inc()
