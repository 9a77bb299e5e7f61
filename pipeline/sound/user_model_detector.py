"""Hears streams with an audio classifier that users bring: windows of some seconds, which overlap by half."""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.base.errors import ConfigError
from pipeline.base.libraries import require
from pipeline.base.metrics import Metrics, from_zero
from pipeline.base.shared_models import SharedModels
from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.contract.stage import STAGE_FAULTS
from pipeline.judge import model_outputs
from pipeline.judge.model_outputs import RISK, Numbers, Outputs
from pipeline.settings import ListenSettings, Settings
from pipeline.sound.sound_detector import DueWindow, SoundSpan
from pipeline.sound.sound_windows import Windows
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

if TYPE_CHECKING:
    from pipeline.sound.audio_classifier import AudioClassifier

QUIET = 1e-5
"""Mean square of the loudest tenth of a second of what is not heard: -50 dB of full scale."""
RISE = 0.1
"""A score that is higher by this is reported at once, although the sound is known."""
NAME_LENGTH = 300  # the limit of `HeardSound.name`

log = logging.getLogger(__name__)
_shelf: SharedModels["AudioClassifier"] = SharedModels()


class WindowLabel(NamedTuple):
    """A label that a window may have: its score, and the model's own label with the highest part in it."""

    label: str
    score: float
    own: str


class LabelScores:
    """Turns the scores of a model's own labels into ours. Scores below `floor` are left out."""

    def __init__(self, labels: Sequence[str], exclusive: bool, outputs: Outputs, floor: float) -> None:
        self._labels, self._exclusive, self._floor = labels, exclusive, floor
        ours = dict.fromkeys(label for found in outputs.values() for label in found)
        self._columns = {label: [at for at, own in enumerate(labels) if label in outputs[own]] for label in ours}

    def of(self, scores: Numbers) -> Iterator[WindowLabel]:
        """Yield our labels for the scores of a window, shape (labels of the model,).

        If several of the model's labels map to one of ours, it gets their sum if they exclude each other, else the
        highest. Scores have four digits, because the next ones depend on the other windows of a batch.
        """
        for label, columns in self._columns.items():
            parts = scores[columns]
            score = round(min(1.0, float(parts.sum() if self._exclusive else parts.max())), 4)
            if score >= self._floor:
                yield WindowLabel(label, score, self._labels[columns[int(parts.argmax())]][:NAME_LENGTH])


class UserModelDetectors:
    """Makes detectors that hear with one model. It hears the windows of all speakers in batches."""

    edition = 0
    awake = True

    def __init__(self, model: "AudioClassifier", outputs: Outputs, settings: ListenSettings, metrics: Metrics) -> None:
        self.name = model.name
        self.window = settings.ear_seconds * SAMPLE_RATE
        """Samples of a window."""
        self.hop = -(-settings.ear_seconds // 2) * SAMPLE_RATE
        """Samples from one window to the next: half a window, in whole seconds."""
        self.scores = LabelScores(model.labels, model.exclusive, outputs, settings.ear_floor)
        self.counted = metrics.ear_windows
        from_zero(self.counted, ("heard", "quiet", "failed"))
        self._model = model
        self._fails = False
        """The last window could not be heard."""

    def look(self) -> None:
        """Nothing outside of the process changes the model."""

    def detector(self, start: int, key: Key) -> "UserModelDetector":
        del key  # all speakers are heard alike
        return UserModelDetector(self, start)

    def hear(self, windows: Sequence[DueWindow]) -> None:
        """Hear windows together. If that fails, hear each alone, so that one window cannot silence the others."""
        try:
            found = self._model.probabilities([window.samples for window in windows])
        except STAGE_FAULTS:
            raise  # for example too little memory, which is not the fault of a window
        except Exception as error:
            if len(windows) > 1:
                for window in windows:
                    self.hear([window])
            else:
                self._count(False, type(error).__name__)
            return
        for window, scores in zip(windows, found, strict=True):
            finite = bool(np.isfinite(scores).all())
            window.scores = scores if finite else None
            self._count(finite, "scores that are no numbers")

    def _count(self, heard: bool, problem: str) -> None:
        """Count a window. The first failure after a window that was heard is logged."""
        self.counted.labels("heard" if heard else "failed").inc()
        if not heard and not self._fails:
            log.warning("%s cannot hear a window, which is left out: %s", self.name, problem)
        self._fails = not heard


class UserModelDetector:
    """Hears one stream. It begins at `start`, in 16 kHz samples since 1970 UTC.

    A window is left out if its new half is quiet.
    """

    def __init__(self, factory: UserModelDetectors, start: int) -> None:
        self._factory = factory
        self._windows = Windows(start, factory.window, factory.hop)

    def push(self, samples: Samples) -> Iterator[SoundSpan | DueWindow]:
        return self._heard(self._windows.push(samples))

    def flush(self) -> Iterator[SoundSpan | DueWindow]:
        return self._heard(self._windows.flush())

    def _heard(self, windows: Iterator[tuple[int, Samples]]) -> Iterator[SoundSpan | DueWindow]:
        for end, samples in windows:
            if is_quiet(samples[-self._factory.hop :]):
                self._factory.counted.labels("quiet").inc()
                continue
            window = DueWindow(self._factory, samples)
            yield window
            if window.scores is not None:
                yield from (self._span(found, end) for found in self._factory.scores.of(window.scores))

    def _span(self, found: WindowLabel, end: int) -> SoundSpan:
        heard = HeardSound(kind="ear", name=found.own, score=found.score)
        made = self._factory
        return SoundSpan(heard, found.label, end - made.window, end, made.name, pause=made.hop, rise=RISE)


def is_quiet(samples: Samples) -> bool:
    """Whether there is no sound above a level in whole seconds of audio."""
    tenths = samples.reshape(-1, SAMPLE_RATE // 10)
    return float(np.square(tenths).mean(axis=1).max()) < QUIET


def user_model_detectors(settings: Settings, metrics: Metrics) -> UserModelDetectors | None:
    """Build the factory for the model that `listen.ear` names, if any. All stages of a process share the model.

    Raises ConfigError or DependencyError.
    """
    chosen = settings.listen
    if chosen.ear is None:
        return None
    require("transformers", f"listen.ear: {chosen.ear}")
    # PyTorch takes seconds to import, so only `listen.ear` imports it.
    from pipeline.sound import audio_classifier

    model = _shelf.get(chosen.model_dump_json(), lambda: audio_classifier.load_audio_classifier(chosen))
    outputs = model_outputs.load_label_map(
        chosen.ear_label_map, model.labels, chosen.ear, settings.judge.labels, "listen.ear_label_map"
    )
    if any(RISK in found for found in outputs.values()):
        raise ConfigError(f"{chosen.ear_label_map or chosen.ear}: {RISK} is no label for sounds", "Map it to null.")
    return UserModelDetectors(model, outputs, chosen, metrics)
