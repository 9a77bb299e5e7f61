"""Shadow policies: they judge live speech beside the real policy, are counted, and lead to nothing else."""

from typing import get_args

from pipeline.judge.ruling import Detection, Flagger
from pipeline.messages import Flag, Suggestion, Transcript
from pipeline.metrics import Metrics, from_zero


class Shadow:
    """One of them. Its series are there from the start, so that a rate sees its first flag."""

    def __init__(self, ruling: Flagger, metrics: Metrics) -> None:
        self._ruling = ruling
        self._count = metrics.shadow_flags
        from_zero(metrics.shadow_flags, (ruling.version,), get_args(Suggestion), ("yes", "no"))

    def watch(self, transcript: Transcript, found: Detection, real: Flag) -> None:
        """Judge the same findings, and count whether the suggestion is that of the real policy's flag."""
        suggestion = self._ruling.flag(transcript, found).suggestion
        self._count.labels(self._ruling.version, suggestion, "yes" if suggestion == real.suggestion else "no").inc()
