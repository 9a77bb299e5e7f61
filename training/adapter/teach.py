"""Trains an adapter of Whisper on clips and their texts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from random import Random
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.parametrize import register_parametrization
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer

from pipeline.base.cpu_cores import multiplies_bfloat16
from pipeline.base.errors import ConfigError
from pipeline.learning.fine_tuning import Gradients
from pipeline.speech.asr.openai_whisper_decoding import tokenizer_of
from pipeline.speech.asr.openai_whisper_engine import encode_clips
from pipeline.speech.asr.whisper_adapter import PLACES, Factors
from pipeline.speech.asr.whisper_input import POSITIONS_PER_SECOND

HALVES = multiplies_bfloat16()
SIMILAR = 8
"""Clips are sorted by length within this many batches."""
REPORT_EVERY = 50
UNASKED = -100
"""Replaces a token that the loss ignores."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A clip and its text."""

    text: str
    seconds: float
    mel: NDArray[np.float16]
    """Padded to one of the engine's limits, shape (bands, frames)."""


class Written(NamedTuple):
    """A batch for Whisper."""

    mel: Tensor
    """Shape (clips, bands, frames)."""
    given: Tensor
    """Input tokens of the decoder, shape (clips, tokens)."""
    tokens: Tensor
    """Target tokens, shape (clips, tokens); `UNASKED` where the loss ignores one."""


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    seed: int = 1
    rank: int = 32
    turns: float = 1.0
    """How often each clip is used."""
    batch: int = 16
    learning_rate: float = 5e-4
    warm_up: int = 50
    """Steps."""
    workers: int = 2
    """Threads that share a batch."""

    def slope(self, step: int, steps: int) -> float:
        """Factor of the learning rate: rises linearly during warm-up, then falls linearly to 0."""
        return min((step + 1) / self.warm_up, 1 - step / steps)


class LowRank(nn.Module):
    """A low-rank addition to a weight of shape (outputs, inputs). It is zero at the start."""

    def __init__(self, a: nn.Parameter, outputs: int) -> None:
        super().__init__()
        self.a = a
        self.b = nn.Parameter(torch.zeros(outputs, len(a)))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.b @ self.a


def teach(
    model: Whisper,
    language: str,
    clips: Sequence[Taught],
    recipe: AdapterRecipe,
    say: Callable[[str], None],
) -> Factors:
    """Trains an adapter and returns its factors. `say` receives lines of progress.

    `model` must not be used afterwards. Raises ConfigError if there are no clips.
    """
    torch.manual_seed(recipe.seed)
    places = attach(model.requires_grad_(False), recipe.rank)
    if not clips:
        raise ConfigError("There are no clips to train on", "Use more lines or takes, or shorter lines.")
    learning = [parameter for lows in places.values() for parameter in (lows[0].a, *(low.b for low in lows))]
    optimizer = torch.optim.AdamW(learning, lr=recipe.learning_rate, weight_decay=0.0)
    gradients = Gradients(learning, recipe.workers)
    tokenizer, random = tokenizer_of(model, language), Random(recipe.seed)
    steps, total = max(1, round(recipe.turns * len(clips) / recipe.batch)), 0.0
    for step, batch in zip(range(steps), batches(clips, recipe.batch, random), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * recipe.slope(step, steps)
        parts = [written(part, tokenizer) for at in range(recipe.workers) if (part := batch[at :: recipe.workers])]
        total += gradients.of(losses(model, parts))
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        if (step + 1) % REPORT_EVERY == 0:
            say(f"step {step + 1} of {steps}: loss {total / REPORT_EVERY:.4f}")
            total = 0.0
    return factors(places)


def attach(model: Whisper, rank: int) -> dict[str, list[LowRank]]:
    """Adds a `LowRank` to each place. CTranslate2 stacks some weights; their additions share one factor, so the stack
    keeps the rank.
    """
    places: dict[str, list[LowRank]] = {}
    for side, wheres in PLACES.items():
        for layer, block in enumerate(model.get_submodule(side).blocks):
            for where, names in wheres.items():
                modules = [cast(nn.Linear, block.get_submodule(name)) for name in names]
                inputs = modules[0].in_features
                a = nn.Parameter(torch.randn(rank, inputs) / sqrt(inputs))
                places[f"{side}/layer_{layer}/{where}"] = [_added(module, a) for module in modules]
    return places


def _added(module: nn.Linear, a: nn.Parameter) -> LowRank:
    low = LowRank(a, module.out_features)
    register_parametrization(module, "weight", low)
    return low


def factors(places: Mapping[str, Sequence[LowRank]]) -> Factors:
    """The trained factors."""
    found: dict[str, NDArray[np.float16]] = {}
    for place, lows in places.items():
        found[f"{place}/a"] = lows[0].a.detach().numpy().astype(np.float16)
        found[f"{place}/b"] = torch.cat([low.b.detach() for low in lows]).numpy().astype(np.float16)
    return found


def batches(clips: Sequence[Taught], size: int, random: Random) -> Iterator[list[Taught]]:
    """Endless batches: each clip once a turn, together with clips of as many frames and a similar length."""
    while True:
        turn = [batch for alike in _by_frames(clips) for batch in _sorted(alike, size, random)]
        random.shuffle(turn)
        yield from turn


def _by_frames(clips: Iterable[Taught]) -> list[list[Taught]]:
    alike: dict[int, list[Taught]] = {}
    for clip in clips:
        alike.setdefault(clip.mel.shape[1], []).append(clip)
    return [*alike.values()]


def _sorted(clips: list[Taught], size: int, random: Random) -> Iterator[list[Taught]]:
    random.shuffle(clips)
    for at in range(0, len(clips), size * SIMILAR):
        similar = sorted(clips[at : at + size * SIMILAR], key=lambda clip: len(clip.text))
        yield from (similar[start : start + size] for start in range(0, len(similar), size))


def written(batch: Sequence[Taught], tokenizer: Tokenizer) -> Written:
    """A batch as tensors. The loss covers the text, its end time and the end token."""
    mel = torch.stack([torch.from_numpy(clip.mel).float() for clip in batch])
    rows = [tokens_of(clip, tokenizer) for clip in batch]
    longest, prefix = max(map(len, rows)), len(tokenizer.sot_sequence) + 1
    tokens = torch.tensor([row + [tokenizer.eot] * (longest - len(row)) for row in rows])
    learnt = torch.tensor([[*range(longest)]]) < torch.tensor([[len(row)] for row in rows])
    learnt[:, :prefix] = False
    return Written(mel, tokens[:, :-1], tokens[:, 1:].where(learnt[:, 1:], UNASKED))


def losses(model: Whisper, parts: Sequence[Written]) -> list[Callable[[], Tensor]]:
    """The mean cross-entropy of a batch, in parts."""
    asked = sum(int((part.tokens != UNASKED).sum()) for part in parts)
    return [partial(_loss, model, part, asked) for part in parts]


def _loss(model: Whisper, part: Written, asked: int) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=HALVES, cache_enabled=False):
        logits = model.decoder(part.given, torch.stack(encode_clips(model.encoder, [*part.mel])))
    summed = cross_entropy(logits.float().flatten(0, 1), part.tokens.flatten(), ignore_index=UNASKED, reduction="sum")
    return summed / asked


def tokens_of(clip: Taught, tokenizer: Tokenizer) -> list[int]:
    """The target tokens for a clip, with timestamps, in the engine's format."""
    start = tokenizer.timestamp_begin
    end = start + round(clip.seconds * POSITIONS_PER_SECOND)
    return [*tokenizer.sot_sequence, start, *tokenizer.encode(clip.text), end, tokenizer.eot]
