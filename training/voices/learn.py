"""The training: examples are drawn once, masked in each round, and the best round on other sources is kept."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from training.sound.sources import Recording
from training.voices.errors import equal_error
from training.voices.mixing import CONVERTED, VoiceMixer
from training.voices.network import VoiceNetwork

Say = Callable[[str], None]

MASKED_FRAMES, MASKED_BINS = 40, 60
"""The longest gap in time and in frequency that a round puts into an example (SpecAugment, Park et al. 2019)."""
BLOCK = 100
"""Examples that are drawn one after the other. Each block has a seed, so the number of threads does not matter."""


@dataclass(frozen=True)
class Lessons:
    """How to train."""

    seed: int = 12
    examples: int = 2_000
    """Examples that train."""
    validating: int = 400
    """Examples that choose the best round."""
    rounds: int = 8
    minutes: float = 60.0
    """Longest wall-clock time of the rounds."""
    batch: int = 64
    learning_rate: float = 3e-3
    softened: float = 0.03
    """The target is as far from 0 and 1 (label smoothing)."""


class Drawn(NamedTuple):
    """Examples: shapes of 16 bits, shape (examples, frames, bins), and which are synthetic, shape (examples,)."""

    shapes: torch.Tensor
    synthetic: torch.Tensor


def learn(train: Sequence[Recording], validate: Sequence[Recording], lessons: Lessons, say: Say) -> VoiceNetwork:
    """Train, and return the network of the round with the lowest equal error rate in validation.

    The validation has no conversions: their rules are those of the training.
    """
    torch.manual_seed(lessons.seed)
    say(f"{len(train)} recordings train, {len(validate)} validate")
    validation = _drawn(validate, lessons.validating, lessons.seed + 1, 0)
    pool = _drawn(train, lessons.examples, lessons.seed, CONVERTED)
    say("the examples are drawn")
    network = VoiceNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), lessons.learning_rate, weight_decay=0.02)
    steps = lessons.rounds * -(-len(pool.synthetic) // lessons.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lessons.learning_rate, total_steps=steps)
    best, kept, over = 2.0, network.state_dict(), monotonic() + 60 * lessons.minutes
    for number in range(lessons.rounds):
        losses = [_step(network, batch, optimiser, schedule, lessons) for batch in _batches(pool, lessons.batch)]
        rate = _rate(network, validation)
        say(f"round {number + 1}: loss {np.mean(losses):.3f}, equal error rate on other sources {rate:.3f}")
        if rate < best:
            best, kept = rate, {name: value.clone() for name, value in network.state_dict().items()}
        if monotonic() > over:
            say("the time is over")
            break
    network.load_state_dict(kept)
    return network.eval()


def _drawn(recordings: Sequence[Recording], count: int, seed: int, conversions: float) -> Drawn:
    """As many examples, `conversions` of the synthetic ones converted. Other threads share the work."""

    def block(number: int) -> Drawn:
        mixer = VoiceMixer(recordings, np.random.default_rng([seed, number]), conversions)
        examples = [mixer.draw() for _ in range(min(BLOCK, count - number * BLOCK))]
        shapes = torch.from_numpy(np.stack([each.shape.astype(np.float16) for each in examples]))
        return Drawn(shapes, torch.tensor([float(each.synthetic) for each in examples]))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        blocks = [*pool.map(block, range(-(-count // BLOCK)))]
    return Drawn(torch.cat([each.shapes for each in blocks]), torch.cat([each.synthetic for each in blocks]))


def _rate(network: VoiceNetwork, pool: Drawn) -> float:
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(part.float()) for part in pool.shapes.split(64)]).numpy()
    synthetic = pool.synthetic.numpy() > 0.5
    return equal_error(logits[~synthetic], logits[synthetic])


def _batches(pool: Drawn, size: int) -> Iterator[Drawn]:
    for places in torch.randperm(len(pool.synthetic)).split(size):
        yield Drawn(_masked(pool.shapes[places].float()), pool.synthetic[places])


def _masked(shapes: torch.Tensor) -> torch.Tensor:
    """The shapes with a gap in time and one in frequency: other in each example."""
    count, frames, bins = shapes.shape
    kept = _outside_gap(count, frames, MASKED_FRAMES)[:, :, None] & _outside_gap(count, bins, MASKED_BINS)[:, None, :]
    return shapes * kept


def _outside_gap(count: int, size: int, longest: int) -> torch.Tensor:
    """True outside of a gap of at most `longest` places, shape (count, size)."""
    length = torch.randint(0, longest + 1, (count, 1))
    begin = (torch.rand(count, 1) * (size - length)).long()
    places = torch.arange(size)
    return (places < begin) | (places >= begin + length)


def _step(
    network: VoiceNetwork,
    batch: Drawn,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    lessons: Lessons,
) -> float:
    network.train()
    targets = batch.synthetic * (1 - 2 * lessons.softened) + lessons.softened
    loss = nn.functional.binary_cross_entropy_with_logits(network(batch.shapes), targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    return loss.item()
