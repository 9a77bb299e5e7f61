"""openai-whisper's decoder, adapted to clips of different lengths in one batch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Module
from whisper.decoding import DecodingOptions, DecodingResult, DecodingTask, LogitFilter
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

from pipeline.speech.asr.whisper_input import budget, last_timestamp
from pipeline.speech.asr.whisper_recogniser import BeamSearch


def decode_clips(
    model: Whisper, features: Tensor, language: str, limit: float, how: BeamSearch
) -> list[DecodingResult]:
    """Decode `features`, shape (clips, positions, width), all in one language. `limit` is their length in seconds."""
    options = DecodingOptions(
        language=language,
        fp16=features.dtype == torch.float16,
        beam_size=how.beam if how.beam > 1 else None,  # None: greedy search
        sample_len=budget(limit),
    )
    task = BatchTask(model, options)
    # This filter must be first: Whisper's timestamp rules compare the probabilities of all tokens that are allowed.
    task.logit_filters.insert(0, WithinContext(task.tokenizer.timestamp_begin + last_timestamp(limit)))
    if how.no_repeat:
        # openai-whisper has no option for this.
        task.logit_filters.append(NoRepeat(how.no_repeat, task.sample_begin, task.tokenizer.eot))
    with one_sound_a_beam(model, task.n_group):
        results: list[DecodingResult] = task.run(features)
    return results


def tokenizer_of(model: Whisper, language: str | None = None) -> Tokenizer:
    """The tokenizer of `model`. `language` is the language of its prompts."""
    return get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language)


@contextmanager
def one_sound_a_beam(model: Whisper, beam: int) -> Iterator[None]:
    """Let all hypotheses of a clip attend to one copy of its encoding. Whisper would use a copy for each hypothesis."""

    def ask(_: Module, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, sounds = given
        clips = sounds[::beam]  # the copies of one clip are adjacent
        return rows.reshape(len(clips), -1, rows.shape[-1]), clips

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
    """A decoding task for encoded clips that are shorter than 30 s."""

    def _get_audio_features(self, features: Tensor) -> Tensor:
        """Repeat the encodings for each hypothesis. Whisper would take encodings of less than 30 s for spectrograms."""
        return features.repeat_interleave(self.n_group, dim=0)

    def _detect_language(self, features: Tensor, tokens: Tensor) -> tuple[list[str | None], None]:
        """The language of each clip. `features` has one row per hypothesis here, so its length is not used."""
        del features
        return [self.options.language] * len(tokens), None


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
