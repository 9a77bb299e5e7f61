"""The training: examples are drawn once, varied in each round, and the best round on other sources is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from training.sound.mixing import Mixer
from training.sound.network import MusicNetwork
from training.sound.sources import Recording, sides

Say = Callable[[str], None]

MASKED_FRAMES, MASKED_BANDS = 40, 10
"""The longest gap in time and in frequency that a round puts into an example (SpecAugment, Park et al. 2019)."""
TILT = 1.0
"""By how much the lowest and the highest band may change, in opposite directions, as natural logarithms."""


@dataclass(frozen=True)
class Recipe:
    """How to train."""

    seed: int = 31
    examples: int = 3_000
    """Examples that train."""
    validating: int = 400
    """Examples that choose the best round."""
    rounds: int = 16
    minutes: float = 60.0
    """Longest wall-clock time of the rounds."""
    batch: int = 64
    learning_rate: float = 3e-3
    softened: float = 0.03
    """The target is as far from 0 and 1 (label smoothing)."""


class Pool(NamedTuple):
    """Examples: levels, shape (examples, frames, bands), and whether they have music, shape (examples,)."""

    levels: torch.Tensor
    music: torch.Tensor


def learn(recordings: Sequence[Recording], recipe: Recipe, say: Say) -> MusicNetwork:
    """Train on the sources that do not validate. Return the network of the round with the best validation."""
    torch.manual_seed(recipe.seed)
    train, validate = sides(recordings)
    say(f"{len(train)} recordings train, {len(validate)} validate")
    validation = drawn(validate, recipe.validating, recipe.seed + 1)
    pool = drawn(train, recipe.examples, recipe.seed)
    say("the examples are drawn")
    network = MusicNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=0.01)
    steps = recipe.rounds * -(-len(pool.music) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps)
    best, kept, over = -1.0, network.state_dict(), monotonic() + 60 * recipe.minutes
    for number in range(recipe.rounds):
        losses = [_step(network, batch, optimiser, schedule, recipe) for batch in _batches(pool, recipe.batch)]
        score = f1(network, validation)
        say(f"round {number + 1}: loss {np.mean(losses):.3f}, F1 on other sources {score:.3f}")
        if score > best:
            best, kept = score, {name: value.clone() for name, value in network.state_dict().items()}
        if monotonic() > over:
            say("the time is over")
            break
    network.load_state_dict(kept)
    return network.eval()


def drawn(recordings: Sequence[Recording], count: int, seed: int) -> Pool:
    mixer = Mixer(recordings, np.random.default_rng(seed))
    examples = [mixer.draw() for _ in range(count)]
    levels = torch.from_numpy(np.stack([each.levels for each in examples])).float()
    return Pool(levels, torch.tensor([float(each.music) for each in examples]))


def f1(network: MusicNetwork, pool: Pool) -> float:
    """The harmonic mean of precision and recall at a score of one half."""
    network.eval()
    with torch.no_grad():
        found = torch.cat([network(part) > 0 for part in pool.levels.split(128)])
    wanted = pool.music > 0.5
    both = int((found & wanted).sum())
    return 2 * both / max(1, int(found.sum()) + int(wanted.sum()))


def _batches(pool: Pool, size: int) -> Iterator[Pool]:
    for places in torch.randperm(len(pool.music)).split(size):
        yield Pool(_varied(pool.levels[places]), pool.music[places])


def _varied(levels: torch.Tensor) -> torch.Tensor:
    """The levels with another tilt, and with a gap in time and one in frequency: other in each example."""
    count, frames, bands = levels.shape
    slope = (torch.rand(count, 1, 1) * 2 - 1) * TILT * torch.linspace(-1, 1, bands)
    kept = _outside_gap(count, frames, MASKED_FRAMES)[:, :, None] & _outside_gap(count, bands, MASKED_BANDS)[:, None, :]
    return (levels + slope) * kept


def _outside_gap(count: int, size: int, longest: int) -> torch.Tensor:
    """True outside of a gap of at most `longest` places, shape (count, size)."""
    length = torch.randint(0, longest + 1, (count, 1))
    begin = (torch.rand(count, 1) * (size - length)).long()
    places = torch.arange(size)
    return (places < begin) | (places >= begin + length)


def _step(
    network: MusicNetwork,
    batch: Pool,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    recipe: Recipe,
) -> float:
    network.train()
    targets = batch.music * (1 - 2 * recipe.softened) + recipe.softened
    loss = nn.functional.binary_cross_entropy_with_logits(network(batch.levels), targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    return loss.item()
