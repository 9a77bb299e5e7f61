"""Hears screams, moans, crying and shots in live rooms, with YAMNet: a network that knows 521 classes of sound.

Users download the file that its authors publish. LiteRT runs it. The method is in S. Hershey et al., "CNN architectures
for large-scale audio classification" (ICASSP 2017), with the classes of AudioSet (J. Gemmeke et al., ICASSP 2017).

A window on a whole second is always heard. The window between two of them is heard only if one of the two has a trace
of a sound. So ordinary talk needs little more than half of the time.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.base.errors import ConfigError
from pipeline.base.libraries import require
from pipeline.contract.messages import SAMPLE_RATE, EventKind, HeardSound, YamnetKind
from pipeline.judge.model_outputs import Numbers
from pipeline.settings import ListenSettings
from pipeline.sound.sound_detector import SoundSpan
from pipeline.sound.sound_windows import Lasting, Persistence, Windows, above
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

SETTING = "listen.yamnet"
SAMPLES = 15_600
"""The network hears 0.975 s at once."""
CLASSES = 521
REMEDY = "docs/sounds.md has the command that downloads the file."
PLACES: Mapping[str, int] = {
    "Screaming": 11,
    "Crying, sobbing": 19,
    "Baby cry, infant cry": 20,
    "Whimper": 21,
    "Wail, moan": 22,
    "Groan": 33,
    "Explosion": 420,
    "Gunshot, gunfire": 421,
    "Machine gun": 422,
    "Fusillade": 423,
    "Artillery fire": 424,
    "Cap gun": 425,
}
"""Places of classes among the scores, as `yamnet_class_map.csv` of the repository tensorflow/models has them."""
CRIES = ("Crying, sobbing", "Baby cry, infant cry", "Whimper")
MOANS = ("Wail, moan", "Groan")
SHOTS = ("Explosion", "Gunshot, gunfire", "Machine gun", "Fusillade", "Artillery fire", "Cap gun")
TRACE = 0.05
"""The least trace of a sound, as a share of its limit. No recording of the side *validate* was lost by it."""
QUIETEST = 1e-6
"""Mean square of the quietest window that is heard: -60 dB of full scale."""
KindScores = Mapping[YamnetKind, float]
"""For each kind of sound, the highest score of its classes."""
MASKS: Sequence[YamnetKind] = ("scream", "crying")
"""Kinds that hide a moan. YAMNet takes most screams and crying for moans, too."""
MASK = SAMPLE_RATE
"""Samples after a window that holds one of MASKS in which there are no moans. On the side *validate*, moans were then
heard in 0 of 17 recordings of screams and 1 of 14 of crying, before in 4 and 12.
"""
MODEL = "yamnet@2"
"""Version of the rules."""


class Yamnet:
    """Raises ConfigError if `path` is not YAMNet, or if LiteRT is not installed."""

    def __init__(self, path: Path) -> None:
        self._run = _interpreter(path)
        [heard, *_] = self._run.get_input_details()
        [told, *_] = self._run.get_output_details()
        if not _takes(heard) or told["shape"][-1] != CLASSES:
            raise ConfigError(
                f"{SETTING}: {path} is not YAMNet, which hears {SAMPLES} samples and knows {CLASSES} classes",
                REMEDY,
            )
        # Some files leave the length of the input open.
        self._run.resize_tensor_input(heard["index"], _shape(heard))
        self._run.allocate_tensors()
        self._shape, self._heard, self._told = _shape(heard), heard["index"], told["index"]

    def scores(self, samples: Samples) -> Numbers:
        """The score of each class, shape (CLASSES,), from 0 to 1, for 16 kHz samples of shape (SAMPLES,)."""
        self._run.set_tensor(self._heard, samples.astype(np.float32, copy=False).reshape(self._shape))
        self._run.invoke()
        scores: Numbers = self._run.get_tensor(self._told)[0]
        return scores


def _interpreter(path: Path) -> Any:
    _check_readable(path)
    require("ai-edge-litert", SETTING)
    from ai_edge_litert.interpreter import Interpreter  # only a user of YAMNet has it

    try:
        return Interpreter(str(path), num_threads=1)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"{SETTING}: {path} is damaged, or no model for LiteRT", REMEDY) from error


def _check_readable(path: Path) -> None:
    """Raise ConfigError if the file cannot be read."""
    # LiteRT would say that it is damaged.
    try:
        path.open("rb").close()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ConfigError(f"{SETTING}: there is no file {path.absolute()}", REMEDY) from error
    except OSError as error:
        raise ConfigError(
            f"{SETTING}: {path} cannot be read: {error.strerror}", "Let the user of the listen worker read it."
        ) from error


def _takes(heard: dict[str, Any]) -> bool:
    """Whether the input is one window of samples. Some files leave its length open."""
    return heard["dtype"] is np.float32 and int(np.prod(_shape(heard))) == SAMPLES and heard["shape"].size <= 2


def _shape(heard: dict[str, Any]) -> list[int]:
    return [SAMPLES if size == -1 else int(size) for size in heard["shape_signature"]]


class YamnetRule(NamedTuple):
    """How a kind of sound is heard: `least` of `of` windows hold it.

    A window holds it if one of its `classes` has at least the score `limit`.
    """

    classes: Sequence[str]
    limit: float
    least: int
    of: int

    @property
    def places(self) -> list[int]:
        """Where its classes are among the scores of the network."""
        return [PLACES[name] for name in self.classes]


RULES: Mapping[YamnetKind, YamnetRule] = {
    "scream": YamnetRule(("Screaming",), 0.1, 1, 1),
    "moan": YamnetRule(MOANS, 0.3, 1, 1),
    "crying": YamnetRule(CRIES, 0.05, 2, 3),
    "gunshot": YamnetRule(SHOTS, 0.1, 1, 1),
}


class Glances:
    """Scores the windows of one stream, which come each half second. A trace of one of `kinds` counts.

    It gives the scores of all kinds, because some hide others.
    """

    def __init__(self, network: Yamnet, kinds: Sequence[YamnetKind]) -> None:
        self._network = network
        self._kinds = kinds
        self._trace = 0.0
        """The trace in the last window on a whole second."""
        self._between: tuple[int, Samples] | None = None
        """The window after it, and its end."""

    def push(self, windows: Iterator[tuple[int, Samples]]) -> Iterator[tuple[int, KindScores]]:
        """Yield the end and the scores of each window, shape (samples,), in order; zeros if it was not heard.

        The window between two whole seconds waits for the second one.
        """
        for end, window in windows:
            if end % SAMPLE_RATE:
                self._between = end, window
                continue
            scores = self._scores(window)
            trace = max(scores[kind] / RULES[kind].limit for kind in self._kinds)
            yield from self._passed(max(trace, self._trace))
            self._trace = trace
            yield end, scores

    def flush(self) -> Iterator[tuple[int, KindScores]]:
        """Yield the last window if it waits."""
        yield from self._passed(self._trace)

    def _passed(self, trace: float) -> Iterator[tuple[int, KindScores]]:
        if self._between:
            (end, window), self._between = self._between, None
            yield end, self._scores(window) if trace >= TRACE else dict.fromkeys(RULES, 0.0)

    def _scores(self, window: Samples) -> KindScores:
        if float(np.square(window).mean()) < QUIETEST:
            return dict.fromkeys(RULES, 0.0)
        scores = self._network.scores(window[-SAMPLES:])  # a window is 25 ms longer than its input
        return {kind: float(scores[rule.places].max()) for kind, rule in RULES.items()}


class YamnetDetector:
    """Hears some kinds of sound in one stream. It begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, network: Yamnet, kinds: Sequence[YamnetKind], start: int) -> None:
        self._windows = Windows(start)
        self._glances = Glances(network, kinds)
        self._persistence = {kind: Persistence(RULES[kind].least, RULES[kind].of) for kind in kinds}
        self._masked_until = start
        """The end of the last window in which a moan is hidden."""

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return self._heard(self._glances.push(self._windows.push(samples)))

    def flush(self) -> Sequence[SoundSpan]:
        return self._heard(chain(self._glances.push(self._windows.flush()), self._glances.flush()))

    def _heard(self, windows: Iterator[tuple[int, KindScores]]) -> Sequence[SoundSpan]:
        """The sounds that last at the end of any of the windows, each as it is at the last one."""
        found: dict[YamnetKind, Lasting] = {}
        for end, scores in windows:
            if any(scores[kind] >= RULES[kind].limit for kind in MASKS):
                self._masked_until = end + MASK
            for kind, persistence in self._persistence.items():
                hidden = kind == "moan" and end <= self._masked_until
                if lasting := persistence.add(end, 0.0 if hidden else above(scores[kind], RULES[kind].limit)):
                    found[kind] = lasting
        return [_span(kind, lasting) for kind, lasting in found.items()]


class YamnetDetectors:
    """Makes detectors for the `kinds` that YAMNet hears. All speakers share its network."""

    edition = 0
    awake = True

    def __init__(self, network: Yamnet, kinds: Sequence[EventKind]) -> None:
        self._network = network
        self._kinds = [kind for kind in RULES if kind in kinds]

    def look(self) -> None:
        """Nothing outside of the process changes the network."""

    def detector(self, start: int, key: Key) -> YamnetDetector:
        del key  # all speakers are heard alike
        return YamnetDetector(self._network, self._kinds, start)


def yamnet_detectors(settings: ListenSettings) -> YamnetDetectors | None:
    """Build the factory if `listen.sounds` has any of its kinds. Raises ConfigError if the network cannot be loaded."""
    if settings.yamnet is None or not RULES.keys() & {*settings.sounds}:
        return None
    return YamnetDetectors(Yamnet(settings.yamnet), settings.sounds)


def _span(kind: YamnetKind, lasting: Lasting) -> SoundSpan:
    return SoundSpan(HeardSound(kind=kind, score=lasting.score), "", lasting.start, lasting.end, MODEL)
