"""Combines two models in one classifier: the encoder, which reads characters, and the pinyin model."""

from collections.abc import Sequence

from pipeline.base.errors import ConfigError
from pipeline.judge.calibration import Calibrated, Calibration
from pipeline.judge.conversation_text import utterance
from pipeline.judge.sounds import FILE, Numbers, Sounds
from pipeline.speech.languages.zh.pinyin import has_han


class Mixed(Calibrated):
    """The weighted mean of both models' logits for texts with Chinese characters; the encoder alone for others.

    The pinyin model does not read the speech before an utterance.
    """

    def __init__(self, encoder: Calibrated, sounds: Sounds, calibration: Calibration) -> None:
        if sounds.labels != encoder.labels:
            raise ConfigError(
                f"judge.model: {FILE} of {encoder.name} has other labels than the model beside it",
                "Train both together, or remove the file.",
            )
        super().__init__(encoder.name, encoder.labels, calibration, context=encoder.context)
        self._encoder = encoder
        self._sounds = sounds

    def logits(self, texts: Sequence[str]) -> Numbers:
        found = self._encoder.logits(texts)
        texts = [utterance(text) for text in texts]
        places = [at for at, text in enumerate(texts) if has_han(text)]
        by_sound = self._sounds.logits([texts[at] for at in places])
        found[places] += self._sounds.share * (by_sound - found[places])
        return found
