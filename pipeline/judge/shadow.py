"""Shadow policies, and a shadow model, judge live speech beside the real ones. Their decisions are only counted."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import Flag, Sound, Suggestion, Transcript
from pipeline.judge.conversations import SpeechBefore
from pipeline.judge.detection import Detection, Detector, Terms
from pipeline.judge.flagger import Flagger, SoundFlagger
from pipeline.judge.withheld_flags import Pairs, Release


class Shadow:
    """One shadow policy. Its time series exist from the start, so that a rate includes the first flag.

    `terms` are its own. None: it has the terms of the real policy. `sounds` judges sounds. None: it judges
    only words. `name` is its name in the metric, by default the version of the policy. `pairs` are its withheld flags.
    """

    def __init__(
        self,
        flagger: Flagger,
        metrics: Metrics,
        terms: Terms | None = None,
        sounds: SoundFlagger | None = None,
        name: str = "",
        pairs: Pairs | None = None,
    ) -> None:
        self._flagger = flagger
        self._sounds = sounds
        self._name = name or flagger.version
        self._terms = terms
        self._pairs = pairs or Pairs()
        self._count = metrics.shadow_flags
        from_zero(metrics.shadow_flags, (self._name,), get_args(Suggestion), ("yes", "no"))

    def watch(self, transcript: Transcript, detection: Detection, real: Flag) -> None:
        """Judge with these scores, and count whether the real policy suggests the same."""
        if self._terms:
            detection = replace(detection, matches=self._terms.find([transcript])[0])
        self._compare(partial(self._flagger.flag, transcript, detection), real)

    def watch_sound(self, sound: Sound, real: Flag) -> None:
        """Judge a sound, and count as `watch` does."""
        if self._sounds:
            self._compare(partial(self._sounds.flag, sound), real)

    def _compare(self, judge: Release, real: Flag) -> None:
        def counted(agreed: str) -> Flag:
            flag = judge(agreed)
            same = flag.suggestion == real.suggestion or agreed in real.withheld  # then both release it now
            self._count.labels(self._name, flag.suggestion, "yes" if same else "no").inc()
            return flag

        self._pairs.meet(counted(""), counted)  # `counted` also counts what this releases


class ShadowModel:
    """Another classifier. A policy judges its scores. It is a series of the same metric, named by both.

    It reads only words: the same policy would judge a sound in the same way.
    """

    def __init__(self, detector: Detector, flagger: Flagger, metrics: Metrics) -> None:
        self._detector = detector
        self._shadow = Shadow(flagger, metrics, name=f"{flagger.version} {detector.model}")

    def watch(self, batch: Sequence[Transcript], before: Sequence[SpeechBefore], real: Sequence[Flag]) -> None:
        """Judge a batch, and count whether each suggestion equals the real one."""
        for each in zip(batch, self._detector.detect(batch, before), real, strict=True):
            self._shadow.watch(*each)
