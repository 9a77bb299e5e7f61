"""Second thoughts: what a suspicious first decode leads to. Thresholds are those of openai-whisper's `transcribe()`."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from whisper.decoding import DecodingResult
from whisper.model import Whisper

from pipeline.asr.batch_decoding import decode
from pipeline.asr.guards import LOW_LOGPROB, NO_SPEECH, is_looping

LADDER: tuple[dict[str, Any], ...] = ({"beam_size": 5}, {"temperature": 0.4}, {"temperature": 0.8})
"""Tried in turn until one is not suspicious. On CPU the beam takes three times as long as a greedy decode; the best of
five samples, as Whisper's command line takes, six times."""

SEED = 20_220_921
"""Sampling starts from here for every clip, so that it depends on nothing else."""


def is_suspicious(result: DecodingResult) -> bool:
    """Whether another decode may do better. Silence is not suspicious: another decode would invent, too."""
    silent = result.no_speech_prob > NO_SPEECH and result.avg_logprob < LOW_LOGPROB
    return not silent and (result.avg_logprob < LOW_LOGPROB or is_looping(result.text, result.compression_ratio))


def attempts(model: Whisper, features: Tensor, first: DecodingResult, seconds: float) -> list[DecodingResult]:
    """The decodes of one clip (`features`: audio context, width), best first; only `first` if that is sound."""
    tried = [first, *_climb(model, features, first, seconds)]
    return sorted(tried, key=lambda result: (is_looping(result.text, result.compression_ratio), -result.avg_logprob))


def _climb(model: Whisper, features: Tensor, first: DecodingResult, seconds: float) -> Iterator[DecodingResult]:
    result, steps = first, iter(LADDER)
    devices = [features.device] if features.is_cuda else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(SEED)
        while is_suspicious(result) and (step := next(steps, None)):
            (result,) = decode(model, features[None], [first.language], [seconds], **step)
            yield result
