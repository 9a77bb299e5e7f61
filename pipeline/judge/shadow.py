"""Shadow policies: they judge live speech beside the real policy, are counted, and lead to nothing else."""

from typing import get_args

from pipeline.judge.detector import Detection
from pipeline.judge.flagger import Flagger
from pipeline.messages import Flag, Suggestion, Transcript
from pipeline.metrics import Metrics, from_zero


class Shadow:
    """One of them. Its series are there from the start, so that a rate sees its first flag."""

    def __init__(self, flagger: Flagger, metrics: Metrics) -> None:
        self._flagger = flagger
        self._count = metrics.shadow_flags
        from_zero(metrics.shadow_flags, (flagger.version,), get_args(Suggestion), ("yes", "no"))

    def watch(self, transcript: Transcript, detection: Detection, real: Flag) -> None:
        """Judge the same findings, and count whether the suggestion is that of the real policy's flag."""
        suggestion = self._flagger.flag(transcript, detection).suggestion
        self._count.labels(self._flagger.version, suggestion, "yes" if suggestion == real.suggestion else "no").inc()
