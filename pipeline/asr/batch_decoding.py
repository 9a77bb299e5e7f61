"""openai-whisper's decoder for clips of different languages and lengths in one batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, DecodingResult, DecodingTask, LogitFilter
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

TOKENS_PER_SECOND = 10
SPARE_TOKENS = 24
"""No one speaks faster; a decoder that writes more is in a loop, and would hold up the batch."""


def decode(
    model: Whisper,
    features: Tensor,
    languages: Sequence[str],
    seconds: Sequence[float],
    **options: Any,
) -> list[DecodingResult]:
    """Decode `features` (clips, audio context, width), each in its language and with a token budget for its length.

    `options` are whisper's DecodingOptions.
    """
    fp16 = features.dtype == torch.float16
    task = BatchTask(model, DecodingOptions(fp16=fp16, **options), languages, seconds)
    results: list[DecodingResult] = task.run(features)
    return results


def tokenizer_of(model: Whisper, language: str | None = None) -> Tokenizer:
    return get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language)


class BatchTask(DecodingTask):  # type: ignore[misc] # whisper has no types
    def __init__(
        self, model: Whisper, options: DecodingOptions, languages: Sequence[str], seconds: Sequence[float]
    ) -> None:
        super().__init__(model, options)
        self._languages = list(languages)
        budgets = [SPARE_TOKENS + round(TOKENS_PER_SECOND * length) for length in seconds for _ in range(self.n_group)]
        self.logit_filters.append(Budget(budgets, self.sample_begin, self.tokenizer.eot))

    def _detect_language(self, audio_features: Tensor, tokens: Tensor) -> tuple[list[str], None]:
        """Whisper asks here which language each clip has; a batch of DecodingOptions knows only one."""
        if self.model.is_multilingual:
            marks = [self.tokenizer.to_language_token(language) for language in self._languages]
            tokens[:, self.sot_index + 1] = torch.tensor(marks)
        return self._languages, None


class Budget(LogitFilter):  # type: ignore[misc] # whisper has no types
    """Ends each row at its own budget, so that a looping row does not depend on what else is in the batch."""

    def __init__(self, budgets: Sequence[int], sample_begin: int, end: int) -> None:
        self._budgets = torch.tensor(budgets)
        self._begin = sample_begin
        self._end = end

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        spent = (self._budgets <= tokens.shape[1] - self._begin).to(logits.device)
        if spent.any():
            logits[spent] = -torch.inf
            logits[spent, self._end] = 0
