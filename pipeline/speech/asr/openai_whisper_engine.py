"""The `openai-whisper` engine on PyTorch. It uses float16 on CUDA and float32 on CPU.

On a CPU that multiplies bfloat16 in hardware, the encoder uses bfloat16.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from whisper.audio import FRAMES_PER_SECOND
from whisper.decoding import DecodingResult
from whisper.model import AudioEncoder, Whisper
from whisper.timing import find_alignment, merge_punctuations

from pipeline.base.cpu_cores import cores, multiplies_bfloat16
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr
from pipeline.speech.asr import whisper_adapter, whisper_weights
from pipeline.speech.asr.hypothesis import Hypothesis, SpecialTokens, legible, spoken
from pipeline.speech.asr.openai_whisper_decoding import decode_clips, tokenizer_of
from pipeline.speech.asr.openai_whisper_weights import adapted, model_of, sharing
from pipeline.speech.asr.recogniser import Clip, Recogniser, TimedWord, check_languages
from pipeline.speech.asr.whisper_adapter import fitting
from pipeline.speech.asr.whisper_input import (
    LIMITS,
    LONGEST,
    POSITIONS_PER_SECOND,
    SILENCE,
    Mel,
    as_trained,
    mel_seconds,
)
from pipeline.speech.asr.whisper_recogniser import BeamSearch, WhisperRecogniser, first_beam
from pipeline.speech.languages.writing_systems import OPENING

CLOSING = "\"'.。,，!！?？:：”)]}、》」"
"""Punctuation that belongs to the word before."""

ROWS = 20
"""Maximum hypotheses that are decoded at the same time. Whisper decodes all clips of a batch until the last one ends.
So with beams, small batches are faster than large ones."""


def load_engine(asr: Asr) -> Recogniser:
    """Find and load the weights, and warm up the model. Raises WeightsMissing, WeightsCorrupt or ConfigError."""
    found = whisper_weights.find_weights(asr)
    model = model_of(found, asr.device)
    codes = tokenizer_of(model).all_language_codes  # the models differ: only large-v3 and later know Cantonese
    check_languages(asr, codes.__contains__, multilingual=model.is_multilingual)
    adapters = whisper_adapter.shipped_adapters(asr, found)
    workers = 1 if model.device.type == "cuda" else asr.workers or cores()  # one batch uses the whole GPU
    _share_cores(workers)
    network = OpenAIWhisper(model, workers, {each.language: adapted(model, each) for each in adapters})
    engine = WhisperRecogniser(
        network, whisper_adapter.recogniser_name("openai-whisper", found, adapters), asr.batch, asr.chinese
    )
    engine.transcribe([Clip(np.zeros(SAMPLE_RATE, np.float32), asr.language)])
    return engine


def types_for(device: torch.device) -> tuple[torch.dtype, torch.dtype]:
    """The number types of the encoder and of the decoder: 16-bit types where they are faster than float32.

    The decoder never uses bfloat16. It decodes clips in batches, and with this low precision a clip's text would depend
    on the other clips in the batch.
    """
    if device.type == "cuda":
        return torch.float16, torch.float16
    return torch.bfloat16 if multiplies_bfloat16() else torch.float32, torch.float32


def _cast(encoder: AudioEncoder, dtype: torch.dtype) -> None:
    """Convert the encoder's weights once. Whisper would convert them at each use."""
    for module in encoder.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d)):  # not LayerNorm: Whisper computes it in float32
            module.to(dtype)


class OpenAIWhisper:
    """Implements `WhisperNetwork` with PyTorch.

    On a CPU, it has one single-threaded worker per core, which is faster than one batch on PyTorch's own threads.
    """

    def __init__(self, model: Whisper, workers: int, adapted: Mapping[str, Whisper]) -> None:
        self._model = model
        self._adapted = adapted
        self._hearing, self._writing = types_for(model.device)
        for each in (model, *adapted.values()):
            _cast(each.encoder, self._hearing)
        self._of_thread = threading.local()
        self.workers = workers
        self.bands: int = model.dims.n_mels
        self._silence = self.encode(np.full((self.bands, LONGEST), SILENCE, np.float32))

    def _mine(self, model: Whisper) -> Whisper:
        """This thread's copy of the modules, with shared weights."""
        mine: dict[int, Whisper] = self._of_thread.__dict__.setdefault("mine", {})
        # Each decoding adds its own hooks to the modules.
        if id(model) not in mine:
            mine[id(model)] = sharing(model)
        return mine[id(model)]

    def encode(self, mel: Mel, language: str = "") -> Tensor:
        encoder = fitting(self._model, self._adapted, language, mel_seconds(mel)).encoder
        with torch.inference_mode(), out_of_memory():
            features = torch.from_numpy(mel).to(self._model.device, self._hearing)[None]
            return encode_clips(encoder, features)[0].to(self._writing)

    def languages(self, encodings: Sequence[Tensor], limit: float) -> list[Mapping[str, float]]:
        """Uses the first step of the decoder, as openai-whisper's `detect_language` does for 30 s."""
        if not self._model.is_multilingual:
            return [{"en": 1.0} for _ in encodings]
        tokenizer = tokenizer_of(self._model)
        with torch.inference_mode(), out_of_memory():
            start = torch.tensor([[tokenizer.sot]] * len(encodings), device=encodings[0].device)
            logits = self._model.logits(start, self._padded(encodings, limit))[:, 0, [*tokenizer.all_language_tokens]]
        return [dict(zip(tokenizer.all_language_codes, row, strict=True)) for row in logits.float().softmax(1).tolist()]

    def _padded(self, encodings: Sequence[Tensor], limit: float) -> Tensor:
        positions = round(limit * POSITIONS_PER_SECOND)
        return torch.stack([torch.cat([one, self._silence[len(one) : positions]]) for one in encodings])

    def first(self, language: str) -> BeamSearch:
        """Greedy search without a configured beam: for Mandarin a beam takes three times as long."""
        return BeamSearch(first_beam(language, 1))

    def adapts(self, language: str, limit: float) -> bool:
        return fitting(self._model, self._adapted, language, limit) is not self._model

    def decode(
        self, encodings: Sequence[Tensor], language: str, lengths: Sequence[float], limit: float, how: BeamSearch
    ) -> list[list[Hypothesis]]:
        if len(encodings) > (most := max(1, ROWS // how.beam)):
            parts = (slice(at, at + most) for at in range(0, len(encodings), most))
            return [
                found for part in parts for found in self.decode(encodings[part], language, lengths[part], limit, how)
            ]
        model = fitting(self._model, self._adapted, language if how.adapted else "", limit)
        with torch.inference_mode(), out_of_memory():
            found = decode_clips(self._mine(model), self._padded(encodings, limit), language, limit, how)
        return [
            [self._hypothesis(result, seconds, how.adapted)] for result, seconds in zip(found, lengths, strict=True)
        ]

    def _hypothesis(self, result: DecodingResult, seconds: float, adapted: bool) -> Hypothesis:
        tokenizer = tokenizer_of(self._model, result.language)
        said, end = spoken(result.tokens, SpecialTokens(tokenizer.eot, tokenizer.timestamp_begin), seconds)
        kept, text = legible(said, lambda tokens: tokenizer.decode(list(tokens)).strip())
        score, silent = float(result.avg_logprob), float(result.no_speech_prob)
        return Hypothesis(result.language, kept, text, score, silent, seconds, adapted, end)

    def words(self, mel: Mel, hypothesis: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
        with torch.inference_mode(), out_of_memory():
            whole = torch.from_numpy(as_trained(mel, LIMITS[-1])).to(self._model.device, self._writing)
            return words_of(self._mine(self._model), whole, hypothesis, seconds)


def encode_clips(encoder: AudioEncoder, mel: Tensor) -> Tensor:
    """Encode `mel`, shape (clips, bands, frames), to shape (clips, positions, width).

    Whisper's own `forward` requires 30 s.
    """
    hidden = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
    # The positional embeddings are sinusoids, so a shorter clip can use the first ones.
    hidden = (hidden + encoder.positional_embedding[: hidden.shape[1]]).to(hidden.dtype)
    for block in encoder.blocks:
        hidden = block(hidden)
    encoded: Tensor = encoder.ln_post(hidden)
    return encoded


def words_of(model: Whisper, mel: Tensor, hypothesis: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
    """The words of one decoded clip with their times. Mandarin gives one word for each token: one or two characters.

    `mel` has shape (bands, 3000). The clip is encoded a second time, so this takes about as long as transcribing it.
    """
    tokenizer = tokenizer_of(model, hypothesis.language)
    timings = find_alignment(model, tokenizer, list(hypothesis.tokens), mel, round(seconds * FRAMES_PER_SECOND))
    merge_punctuations(timings, OPENING, CLOSING)
    return tuple(
        TimedWord(text, round(float(timing.start), 2), round(float(timing.end), 2), float(timing.probability))
        for timing in timings
        if (text := timing.word.strip())
    )


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Raise DependencyError if PyTorch runs out of memory, because a retry may succeed."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DependencyError("The device is out of memory", "Lower asr.batch, or use a smaller model.") from error


def _share_cores(workers: int) -> None:
    """Divide the cores among the workers' threads, unless the operator has set their number."""
    if "OMP_NUM_THREADS" not in os.environ:
        # PyTorch counts all cores of the machine, also in a container with fewer.
        torch.set_num_threads(max(1, cores() // workers))
