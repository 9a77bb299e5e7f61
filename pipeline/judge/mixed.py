"""Two views of a Mandarin sentence by one classifier: it reads the characters, and the sentence spelt by sound."""

from collections.abc import Sequence

from pipeline.judge.calibration import Calibrated, Calibration, Numbers
from pipeline.judge.pinyin import has_han
from pipeline.judge.sounds import spelt


class Mixed(Calibrated):
    """The weighted mean of both views' logits where there are Chinese characters, elsewhere those of the text alone."""

    def __init__(self, encoder: Calibrated, calibration: Calibration) -> None:
        super().__init__(encoder.name, encoder.labels, calibration)
        self._encoder = encoder
        self._share = calibration.by_sound

    def logits(self, texts: Sequence[str]) -> Numbers:
        spellings = {at: spelt(text) for at, text in enumerate(texts) if has_han(text)}
        distinct = {spelling: at for at, spelling in enumerate(dict.fromkeys(spellings.values()), len(texts))}
        found = self._encoder.logits([*texts, *distinct])
        read, heard = found[: len(texts)], found[[distinct[spelling] for spelling in spellings.values()]]
        places = [*spellings]
        read[places] += self._share * (heard - read[places])
        return read
