"""openai-whisper's decoder for clips of different lengths in one batch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Module
from whisper.decoding import DecodingOptions, DecodingResult, DecodingTask, LogitFilter
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

from pipeline.asr.context import budget, last_timestamp
from pipeline.asr.engine import BeamSearch


def decode(model: Whisper, features: Tensor, language: str, limit: float, how: BeamSearch) -> list[DecodingResult]:
    """Decode `features` (clips, positions, width), all of one language."""
    options = DecodingOptions(
        language=language,
        fp16=features.dtype == torch.float16,
        beam_size=how.beam if how.beam > 1 else None,
        sample_len=budget(limit),
    )
    task = BatchTask(model, options)
    # First of all: the rules for timestamps weigh what may be written against one another.
    task.logit_filters.insert(0, WithinContext(task.tokenizer.timestamp_begin + last_timestamp(limit)))
    if how.no_repeat:
        task.logit_filters.append(NoRepeat(how.no_repeat, task.sample_begin, task.tokenizer.eot))
    with one_sound_a_beam(model, task.n_group):
        results: list[DecodingResult] = task.run(features)
    return results


def tokenizer_of(model: Whisper, language: str | None = None) -> Tokenizer:
    return get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language)


@contextmanager
def one_sound_a_beam(model: Whisper, beam: int) -> Iterator[None]:
    """A clip's hypotheses look at one copy of its sound, as so many questions; Whisper would copy it for each."""

    def ask(_: Module, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, sounds = given
        clips = sounds[::beam]
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
    def _get_audio_features(self, features: Tensor) -> Tensor:
        """Whisper would take what is shorter than 30 s for a spectrogram; it wants one for each hypothesis."""
        return features.repeat_interleave(self.n_group, dim=0)

    def _detect_language(self, features: Tensor, tokens: Tensor) -> tuple[list[str | None], None]:
        """One a clip: of the features there are now as many as hypotheses."""
        del features
        return [self.options.language] * len(tokens), None


class WithinContext(LogitFilter):  # type: ignore[misc] # whisper has no types
    """Allows no time after the last."""

    def __init__(self, last: int) -> None:
        self._last = last

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        logits[:, self._last + 1 :] = -torch.inf


class NoRepeat(LogitFilter):  # type: ignore[misc] # whisper has no types
    """Lets no text token complete a run of `size` tokens that its row has already."""

    def __init__(self, size: int, begin: int, end_of_text: int) -> None:
        self._size = size
        self._begin = begin
        self._end_of_text = end_of_text

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        for row, written in enumerate(tokens[:, self._begin :].tolist()):
            logits[row, self._taken(written)] = -torch.inf

    def _taken(self, written: list[int]) -> list[int]:
        """What has followed the last tokens before."""
        before = self._size - 1
        last = written[-before:]
        runs = (written[at : at + self._size] for at in range(len(written) - before))
        return [token for *head, token in runs if head == last and token < self._end_of_text]
