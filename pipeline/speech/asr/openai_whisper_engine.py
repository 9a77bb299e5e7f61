"""The `openai-whisper` engine on PyTorch. It uses float16 on CUDA and float32 on CPU.

On a CPU that multiplies bfloat16 in hardware, the encoder uses bfloat16.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from whisper.audio import FRAMES_PER_SECOND
from whisper.model import AudioEncoder, ModelDimensions, MultiHeadAttention, Whisper
from whisper.timing import find_alignment, merge_punctuations

from pipeline.base.compute_device import CPU
from pipeline.base.cpu_cores import cores, multiplies_bfloat16
from pipeline.base.gpu_memory import in_batches, most_at_once
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr
from pipeline.speech.asr import whisper_adapter, whisper_weights
from pipeline.speech.asr.hypothesis import Hypothesis, SpecialTokens, legible, spoken
from pipeline.speech.asr.openai_whisper_decoding import Written, decode_clips, tokenizer_of
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
    budget,
    mel_seconds,
)
from pipeline.speech.asr.whisper_recogniser import FEW, BeamSearch, WhisperRecogniser
from pipeline.speech.languages.writing_systems import OPENING

CLOSING = "\"'.。,，!！?？:：”)]}、》」"
"""Punctuation that belongs to the word before."""

ROWS = 20
"""Maximum hypotheses that a CPU decodes at the same time. Whisper decodes all clips of a batch until the last one ends.
So with beams, small batches are faster there."""

MANY = 512
"""The most clips of a batch on a GPU, before their memory is considered."""

T = TypeVar("T")
R = TypeVar("R")


def load_engine(asr: Asr) -> Recogniser:
    """Find and load the weights, and warm up the model. Raises WeightsMissing, WeightsCorrupt or ConfigError."""
    found = whisper_weights.find_weights(asr)
    model = model_of(found, asr.device)
    codes = tokenizer_of(model).all_language_codes  # the models differ: only large-v3 and later know Cantonese
    check_languages(asr, codes.__contains__, multilingual=model.is_multilingual)
    adapters = whisper_adapter.shipped_adapters(asr, found)
    workers = asr.workers or cores() if asr.device == CPU else 1  # one batch uses the whole GPU
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


def batches_for(device: torch.device) -> tuple[int, int]:
    """The most clips that are encoded together, and decoded together."""
    # On a CPU, a clip alone is encoded faster, because nothing is padded.
    return (1, FEW) if device.type == "cpu" else (MANY, MANY)


def _cast(side: nn.Module, dtype: torch.dtype) -> None:
    """Convert the weights of the encoder or decoder once. Whisper would convert them at each use."""
    for module in side.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Embedding)):  # not LayerNorm: Whisper computes it in float32
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
            _cast(each.decoder, self._writing)
        self._of_thread = threading.local()
        self.workers = workers
        self.bands: int = model.dims.n_mels
        self.encodes, self.batch = batches_for(model.device)
        self._sizes = Sizes(model.dims)
        (self._silence,) = self.encode([np.full((self.bands, LONGEST), SILENCE, np.float32)])

    def _mine(self, model: Whisper) -> Whisper:
        """This thread's copy of the modules, with shared weights."""
        mine: dict[int, Whisper] = self._of_thread.__dict__.setdefault("mine", {})
        # Each decoding adds its own hooks to the modules.
        if id(model) not in mine:
            mine[id(model)] = sharing(model)
        return mine[id(model)]

    def encode(self, mels: Sequence[Mel], language: str = "") -> list[Tensor]:
        longest = max(mel_seconds(mel) for mel in mels)
        return self._in_batches(partial(self._encode, language), mels, self._sizes.encoding(longest), self.encodes)

    def _encode(self, language: str, mels: Sequence[Mel]) -> list[Tensor]:
        # Clips of a batch have the same adapter, because `language` is empty for clips of different lengths.
        encoder = fitting(self._model, self._adapted, language, mel_seconds(mels[0])).encoder
        features = [torch.from_numpy(mel).to(self._model.device, self._hearing) for mel in mels]
        return [each.to(self._writing) for each in encode_clips(encoder, features)]

    def languages(self, encodings: Sequence[Tensor], limit: float) -> list[Mapping[str, float]]:
        """Uses the first step of the decoder, as openai-whisper's `detect_language` does for 30 s."""
        if not self._model.is_multilingual:
            return [{"en": 1.0} for _ in encodings]
        return self._in_batches(partial(self._languages, limit), encodings, self._sizes.decoding(limit, 1), ROWS)

    def _languages(self, limit: float, encodings: Sequence[Tensor]) -> list[Mapping[str, float]]:
        tokenizer = tokenizer_of(self._model)
        start = torch.tensor([[tokenizer.sot]] * len(encodings), device=encodings[0].device)
        logits = self._model.logits(start, self._padded(encodings, limit))[:, 0, [*tokenizer.all_language_tokens]]
        return [dict(zip(tokenizer.all_language_codes, row, strict=True)) for row in logits.float().softmax(1).tolist()]

    def _padded(self, encodings: Sequence[Tensor], limit: float) -> Tensor:
        positions = round(limit * POSITIONS_PER_SECOND)
        return torch.stack([torch.cat([one, self._silence[len(one) : positions]]) for one in encodings])

    def adapts(self, language: str, limit: float) -> bool:
        return fitting(self._model, self._adapted, language, limit) is not self._model

    def decode(
        self, encodings: Sequence[Tensor], language: str, lengths: Sequence[float], limit: float, how: BeamSearch
    ) -> list[list[Hypothesis]]:
        model = self._mine(fitting(self._model, self._adapted, language if how.adapted else "", limit))
        found = self._in_batches(
            lambda batch: decode_clips(model, self._padded(batch, limit), language, limit, how),
            encodings,
            self._sizes.decoding(limit, how.beam),
            max(1, ROWS // how.beam),
        )
        return [
            [self._hypothesis(each, language, seconds, how.adapted) for each in several]
            for several, seconds in zip(found, lengths, strict=True)
        ]

    def _hypothesis(self, written: Written, language: str, seconds: float, adapted: bool) -> Hypothesis:
        tokenizer = tokenizer_of(self._model, language)
        said, end = spoken(written.tokens, SpecialTokens(tokenizer.eot, tokenizer.timestamp_begin), seconds)
        kept, text = legible(said, lambda tokens: tokenizer.decode(list(tokens)).strip())
        return Hypothesis(language, kept, text, written.avg_logprob, written.no_speech, seconds, adapted, end)

    def words(self, mel: Mel, hypothesis: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
        def timed(mels: Sequence[Mel]) -> list[tuple[TimedWord, ...]]:
            whole = torch.from_numpy(as_trained(mels[0], LIMITS[-1])).to(self._model.device, self._writing)
            return [words_of(self._mine(self._model), whole, hypothesis, seconds)]

        (found,) = in_batches(timed, [mel], 1)
        return found

    def _in_batches(
        self, work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], size: int, on_cpu: int
    ) -> list[R]:
        """Work on batches that fit the memory of a GPU. `size` is that of an item in bytes."""
        with torch.inference_mode():
            return in_batches(work, items, most_at_once(self._model.device, size, on_cpu))


class Sizes:
    """Estimates of the memory that a clip takes on a GPU, in bytes."""

    WIDTHS = 24
    """Tensors of the model's width that a layer of the encoder has in memory, with those of its inner layer."""
    TABLES = 6
    """Tensors of the vocabulary's width and 4 bytes, that a step of the decoder has in memory."""
    FLOAT16 = 2

    def __init__(self, dims: ModelDimensions) -> None:
        self._dims = dims

    def encoding(self, seconds: float) -> int:
        """Of a clip of `seconds` in the encoder."""
        positions, dims = round(seconds * POSITIONS_PER_SECOND), self._dims
        # With a mask, the weights of the attention may be in memory, too.
        width: int = self.WIDTHS * dims.n_audio_state + 2 * dims.n_audio_head * positions
        return positions * width * self.FLOAT16

    def decoding(self, seconds: float, beam: int) -> int:
        """Of a clip that is padded to `seconds`, with `beam` hypotheses, in the decoder."""
        positions, dims = round(seconds * POSITIONS_PER_SECOND), self._dims
        # Keys and values of all layers. Those of the text are copied at each step.
        cached: int = 2 * dims.n_text_layer * dims.n_text_state * self.FLOAT16
        tables: int = self.TABLES * dims.n_vocab * 4
        return cached * (positions + 2 * beam * budget(seconds)) + beam * tables


def encode_clips(encoder: AudioEncoder, mels: Sequence[Tensor]) -> list[Tensor]:
    """Encode `mels`, each of shape (bands, frames), to shape (positions, width), each as if it was alone.

    Whisper's own `forward` requires 30 s.
    """
    frames = torch.tensor([mel.shape[1] for mel in mels], device=mels[0].device)
    positions = (frames + 1) // 2
    heard = gelu(encoder.conv1(pad_sequence([mel.T for mel in mels], batch_first=True).transpose(1, 2)))
    # Alone, a clip has zeros after its last frame.
    heard = heard * _within(frames)[:, None]
    hidden = gelu(encoder.conv2(heard)).transpose(1, 2)
    # The positional embeddings are sinusoids, so a shorter clip can use the first ones.
    hidden = (hidden + encoder.positional_embedding[: hidden.shape[1]]).to(hidden.dtype)
    # Without a mask, PyTorch has a faster kernel.
    mask = None if len({mel.shape[1] for mel in mels}) == 1 else _within(positions)[:, None, None]
    for block in encoder.blocks:
        hidden = hidden + _attended(block.attn, block.attn_ln(hidden), mask)
        hidden = hidden + block.mlp(block.mlp_ln(hidden))
    encoded = encoder.ln_post(hidden)
    return [row[:length] for row, length in zip(encoded, positions.tolist(), strict=True)]


def _within(lengths: Tensor) -> Tensor:
    """Whether each place is within the length of its clip, shape (clips, the largest of `lengths`)."""
    return torch.arange(int(lengths.max()), device=lengths.device) < lengths[:, None]


def _attended(attention: MultiHeadAttention, hidden: Tensor, mask: Tensor | None) -> Tensor:
    """Self-attention. Whisper's own takes a mask only as a sign that the text is causal."""
    query, key, value = (
        part(hidden).unflatten(-1, (attention.n_head, -1)).transpose(1, 2)
        for part in (attention.query, attention.key, attention.value)
    )
    found = scaled_dot_product_attention(query, key, value, mask)
    attended: Tensor = attention.out(found.transpose(1, 2).flatten(2))
    return attended


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


def _share_cores(workers: int) -> None:
    """Divide the cores among the workers' threads, unless the operator has set their number."""
    if "OMP_NUM_THREADS" not in os.environ:
        # PyTorch counts all cores of the machine, also in a container with fewer.
        torch.set_num_threads(max(1, cores() // workers))
