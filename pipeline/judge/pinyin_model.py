"""The pinyin model for Mandarin: a linear model over hashed n-grams of toneless syllables. It works beside the encoder.

A recogniser's mistake is often another character with the same or a similar sound. The encoder reads a different word
there; this model reads the same syllable. Feature hashing after Weinberger et al. 2009.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import ConfigError
from pipeline.judge.classifier_text import own_words, view
from pipeline.judge.model_outputs import Calibrated, Calibration
from pipeline.speech.languages.writing_systems import HAN
from pipeline.speech.languages.zh.script import has_han

Numbers = NDArray[np.float64]
Buckets = NDArray[np.int64]

FILE = "sounds.npz"
LONGEST = 3
"""Syllables in the longest n-gram. Four were measured and were worse."""

_TOKEN = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")
_NEAR = ((re.compile("^([zcs])h"), r"\1"), (re.compile("^n(?=.)"), "l"), (re.compile("(?<=[aei]n)g$"), ""))
"""Sounds that accents and recognisers confuse: zh/z, ch/c, sh/s; n/l; ang/an, eng/en, ing/in."""

_STEP, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
"""Odd constants for multiplicative hashing (Knuth, vol. 3, 6.4)."""


@dataclass(frozen=True, slots=True)
class PinyinModel:
    """The model that `training/classifier/sounds.py` trains. `weights` is int8, shape (buckets, outputs)."""

    labels: tuple[str, ...]
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    """The logit value of one unit of `weights`, shape (outputs,)."""
    bias: NDArray[np.float32]
    """Shape (outputs,)."""
    share: float
    """Weight of this model beside the encoder, 0 to 1."""

    def logits(self, texts: Sequence[str]) -> Numbers:
        """Logits, shape (texts, outputs). A text without syllables gets the bias alone."""
        return np.stack([self._logits(text) for text in texts]) if texts else np.zeros((0, len(self.labels)))

    def _logits(self, text: str) -> Numbers:
        found = grams(text, len(self.weights))
        total = self.weights[found].sum(axis=0, dtype=np.int32)  # int8 would overflow
        # Divide by the root of the number of n-grams, so that long texts do not get extreme logits.
        logits: Numbers = total * self.scale / max(1, len(found)) ** 0.5 + self.bias
        return logits

    def save(self, folder: Path) -> None:
        np.savez_compressed(
            folder / FILE, labels=self.labels, weights=self.weights, scale=self.scale, bias=self.bias, share=self.share
        )


def load_pinyin_model(folder: Path) -> PinyinModel | None:
    """The pinyin model in a model folder, or None if there is no file; raises ConfigError for a broken file."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:  # a pickle could run code
            labels = tuple(map(str, file["labels"]))
            return PinyinModel(labels, file["weights"], file["scale"], file["bias"], float(file["share"]))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ConfigError(f"{path}: {error}", "Train again, or remove the file.") from error


def grams(text: str, buckets: int) -> Buckets:
    """The bucket of each n-gram of `text`, for n from 1 to LONGEST. `buckets` is a power of two."""
    codes = np.array([_CODES[token] for token in _TOKEN.findall(view(text).lower())], np.uint64)
    hashes = [codes]
    # The hash of an n-gram is computed from the hash of its first n - 1 tokens. Products wrap at 64 bits.
    for n in range(1, min(LONGEST, len(codes))):
        hashes.append(hashes[-1][:-1] * _STEP + codes[n:])
    mixed = np.concatenate(hashes) * _MIX
    # A multiplication mixes the upper bits best.
    return (mixed >> np.uint64(64 - (buckets.bit_length() - 1))).astype(np.int64)


def syllable(character: str) -> str:
    """A Chinese character's toneless syllable, with confusable sounds merged. Other words do not change."""
    from pypinyin import lazy_pinyin

    sound: str = lazy_pinyin(character)[0]
    for pattern, near in _NEAR:
        sound = pattern.sub(near, sound)
    return sound


class _Codes(dict[str, int]):
    """A number for the sound of each token. Results for characters are cached."""

    def __missing__(self, token: str) -> int:
        if not has_han(token):  # not cached, because the number of words is not bounded
            return zlib.crc32(token.encode())  # not `hash`, which differs between processes
        self[token] = code = zlib.crc32(syllable(token).encode())
        return code


_CODES = _Codes()


class EncoderWithPinyin(Calibrated):
    """The weighted mean of both models' logits for texts with Chinese characters; the encoder alone for others.

    Of the speech before an utterance, the pinyin model reads the speaker's own words, in which a pause may have cut a
    sentence. Without them, it would deny what the encoder finds in both parts.
    """

    def __init__(self, encoder: Calibrated, sounds: PinyinModel, calibration: Calibration) -> None:
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
        texts = [own_words(text) for text in texts]
        places = [at for at, text in enumerate(texts) if has_han(text)]
        by_sound = self._sounds.logits([texts[at] for at in places])
        found[places] += self._sounds.share * (by_sound - found[places])
        return found
