"""openai-whisper's decoder, for clips of different lengths in one batch, with all hypotheses of a beam.

Whisper's own search and timestamp rules ask the device for each hypothesis and token. Here, each step of the decoder
has one transfer from the device for the whole batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Module
from whisper.decoding import (
    ApplyTimestampRules,
    DecodingOptions,
    DecodingTask,
    LogitFilter,
    PyTorchInference,
    TokenDecoder,
)
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

from pipeline.speech.asr.whisper_input import budget, last_timestamp
from pipeline.speech.asr.whisper_recogniser import BeamSearch


class Written(NamedTuple):
    """What the decoder wrote for a clip."""

    tokens: Sequence[int]
    avg_logprob: float
    """Mean log-probability per token, with the end of text."""
    no_speech: float


def decode_clips(model: Whisper, features: Tensor, language: str, limit: float, how: BeamSearch) -> list[list[Written]]:
    """Decode `features`, shape (clips, positions, width), all in one language. `limit` is their length in seconds.

    Each clip has as many hypotheses as the beam, likeliest first.
    """
    task = BatchTask(model, language, features.dtype, limit, how)
    with one_sound_a_beam(model, how.beam):
        return task.hypotheses(features)


def tokenizer_of(model: Whisper, language: str | None = None) -> Tokenizer:
    """The tokenizer of `model`. `language` is the language of its prompts."""
    return get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language)


@contextmanager
def one_sound_a_beam(model: Whisper, beam: int) -> Iterator[None]:
    """Let all hypotheses of a clip attend to one copy of its encoding. Whisper would use a copy for each hypothesis."""

    def ask(_: Module, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, sounds = given
        return rows.reshape(len(sounds), -1, rows.shape[-1]), sounds

    def answer(_: Module, given: object, found: tuple[Tensor, object]) -> tuple[Tensor, object]:
        rows, weights = found
        return rows.reshape(len(rows) * beam, -1, rows.shape[-1]), weights

    attentions = [block.cross_attn for block in model.decoder.blocks] if beam > 1 else []
    hooks = [each.register_forward_pre_hook(ask) for each in attentions]
    hooks += [each.register_forward_hook(answer) for each in attentions]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class BatchTask(DecodingTask):  # type: ignore[misc] # whisper has no types
    """A decoding task for encoded clips."""

    logit_filters: list[LogitFilter]

    def __init__(self, model: Whisper, language: str, dtype: torch.dtype, limit: float, how: BeamSearch) -> None:
        options = DecodingOptions(language=language, fp16=dtype == torch.float16, sample_len=budget(limit))
        super().__init__(model, options)
        self.decoder = Beam(how.beam, self.tokenizer.eot, self.sample_begin, self.inference)
        first = self.tokenizer.timestamp_begin
        others = [each for each in self.logit_filters if not isinstance(each, ApplyTimestampRules)]
        # WithinContext must be before the rules, which compare the probabilities of all tokens that are allowed.
        self.logit_filters = [
            WithinContext(first + last_timestamp(limit)),
            *others,
            TimestampRules(first, self.tokenizer.eot, self.tokenizer.no_timestamps, self.sample_begin),
        ]
        if how.no_repeat:
            # openai-whisper has no option for this.
            self.logit_filters.append(NoRepeat(how.no_repeat, self.sample_begin, self.tokenizer.eot))

    def hypotheses(self, features: Tensor) -> list[list[Written]]:
        """The hypotheses of each clip, likeliest first. `features` has shape (clips, positions, width)."""
        size = self.decoder.size
        start = torch.tensor([self.initial_tokens] * (len(features) * size), device=features.device)
        self.decoder.reset()
        tokens, scores, silent = self._main_loop(features, start)
        ended = self.decoder.finalize(tokens.unflatten(0, (-1, size)), scores.unflatten(0, (-1, size)))
        return [
            sorted((self._written(*each, chance) for each in several), key=attrgetter("avg_logprob"), reverse=True)
            for several, chance in zip(ended, silent[::size], strict=True)
        ]

    def _written(self, score: float, tokens: Tensor, no_speech: float) -> Written:
        text = tokens[self.sample_begin :].tolist()
        return Written(text, score / (len(text) + 1), no_speech)


Ended = tuple[float, Tensor]
"""The log-probability of a hypothesis, and its tokens without the end of text."""


class Beam(TokenDecoder):  # type: ignore[misc] # whisper has no types
    """Beam search with `size` hypotheses for each clip. With one, it is greedy."""

    def __init__(self, size: int, end_of_text: int, begin: int, inference: PyTorchInference) -> None:
        self.size = size
        self._end = end_of_text
        self._begin = begin
        self._inference = inference
        self._ended: list[list[Ended]] = []

    def reset(self) -> None:
        self._ended = []

    def update(self, tokens: Tensor, logits: Tensor, sum_logprobs: Tensor) -> tuple[Tensor, bool]:
        """Extend the likeliest hypotheses, shape (rows, tokens), by a token. Changes `sum_logprobs`, shape (rows,).

        Also returns whether all clips have `size` hypotheses with an end.
        """
        self._ended = self._ended or [[] for _ in range(len(tokens) // self.size)]
        scores, found = (logits.float().log_softmax(-1) + sum_logprobs[:, None]).topk(self.size + 1)
        # At the start, all hypotheses of a clip are the same one.
        rows = 1 if tokens.shape[1] == self._begin else self.size
        candidates = [*zip(scores.tolist(), found.tolist(), strict=True)]
        kept = [
            each
            for first, ended in zip(range(0, len(tokens), self.size), self._ended, strict=True)
            for each in self._best(first, candidates[first : first + rows], tokens, ended)
        ]
        likelihoods, sources, chosen = (torch.tensor(each, device=tokens.device) for each in zip(*kept, strict=True))
        sum_logprobs.copy_(likelihoods)
        for module in self._inference.kv_modules if self.size > 1 else ():
            self._inference.kv_cache[module] = self._inference.kv_cache[module].index_select(0, sources)
        extended = torch.cat([tokens[sources], chosen[:, None]], dim=1)
        return extended, all(len(ended) == self.size for ended in self._ended)

    def _best(
        self, first: int, candidates: Sequence[tuple[list[float], list[int]]], tokens: Tensor, ended: list[Ended]
    ) -> list[tuple[float, int, int]]:
        """Score, row and next token of the likeliest hypotheses of a clip. Likelier ones that end go to `ended`."""
        kept: list[tuple[float, int, int]] = []
        every = [
            (score, row, token)
            for row, several in enumerate(candidates, first)
            for score, token in zip(*several, strict=True)
        ]
        for score, row, token in sorted(every, key=lambda each: -each[0]):
            if token != self._end:
                kept.append((score, row, token))
            elif len(ended) < self.size:
                ended.append((score, tokens[row]))
            if len(kept) == self.size:
                break
        return kept

    def finalize(self, tokens: Tensor, sum_logprobs: Tensor) -> list[list[Ended]]:
        """The hypotheses of each clip. Those without an end, likeliest first, fill them up to `size`."""
        going = [
            sorted(zip(scores, rows, strict=True), key=lambda each: -each[0])
            for scores, rows in zip(sum_logprobs.tolist(), tokens, strict=True)
        ]
        return [(ended + rest)[: self.size] for ended, rest in zip(self._ended, going, strict=True)]


class TimestampRules(LogitFilter):  # type: ignore[misc] # whisper has no types
    """Whisper's rules of timestamps: they are in pairs, do not decrease, and begin within the first second."""

    LATEST = 50
    """The latest first timestamp, in steps of 20 ms."""

    def __init__(self, first: int, end_of_text: int, no_timestamps: int, begin: int) -> None:
        self._first = first
        self._end = end_of_text
        self._none = no_timestamps
        self._begin = begin

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        logits[:, self._none] = -torch.inf
        written, stamps = tokens[:, self._begin :], logits[:, self._first :]
        if written.shape[1] == 0:
            logits[:, : self._first] = -torch.inf
            stamps[:, self.LATEST + 1 :] = -torch.inf
            return
        is_stamp = written >= self._first
        is_pair = is_stamp[:, -2] if written.shape[1] > 1 else torch.ones_like(is_stamp[:, -1])
        must_write, must_close = is_stamp[:, -1] & is_pair, is_stamp[:, -1] & ~is_pair
        stamps.masked_fill_(must_write[:, None], -torch.inf)
        logits[:, : self._end].masked_fill_(must_close[:, None], -torch.inf)
        # A segment has a length, so only the start of the next one may be the same timestamp again.
        least = (written * is_stamp).amax(1) + ~must_close
        places = torch.arange(self._first, logits.shape[1], device=logits.device)
        stamps.masked_fill_(places < least[:, None], -torch.inf)
        # If all timestamps together are likelier than each other token, one of them follows.
        likelier = stamps.logsumexp(-1) > logits[:, : self._first].amax(-1)
        logits[:, : self._first].masked_fill_(likelier[:, None], -torch.inf)


class WithinContext(LogitFilter):  # type: ignore[misc] # whisper has no types
    """Suppresses timestamps after the timestamp token `last`."""

    def __init__(self, last: int) -> None:
        self._last = last

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        logits[:, self._last + 1 :] = -torch.inf


class NoRepeat(LogitFilter):  # type: ignore[misc] # whisper has no types
    """Suppresses text tokens that would repeat a sequence of `size` tokens in the same hypothesis."""

    def __init__(self, size: int, begin: int, end_of_text: int) -> None:
        self._size = size
        self._begin = begin
        self._end_of_text = end_of_text

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        for row, written in enumerate(tokens[:, self._begin :].tolist()):
            logits[row, self._taken(written)] = -torch.inf

    def _taken(self, written: list[int]) -> list[int]:
        """The tokens that followed earlier occurrences of the last `size` - 1 tokens."""
        before = self._size - 1
        last = written[-before:]
        runs = (written[at : at + self._size] for at in range(len(written) - before))
        return [token for *head, token in runs if head == last and token < self._end_of_text]
