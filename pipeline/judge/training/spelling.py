"""Pieces for Mandarin spelt by sound: of those that sound alike, as `今天` and `金天`, one, `·jin·tian`.

So the encoder reads a spelling from the first as a mixture of what it may stand for, and need only learn to choose.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pipeline.judge.normalise import HAN
from pipeline.judge.sounds import MARK, spelt

SIZE = 6_000
"""Spellings of several syllables, those of the commonest; every single one is a piece."""
ONCE = 0.01
"""How often a piece is said to occur that does not."""

SPELT = re.compile(rf"(?:{MARK}[^{MARK}]+)+")

_MANDARIN = re.compile(rf"▁?([{HAN}]{{1,4}})")

Piece = tuple[str, float]
"""With its log probability."""


def spellings(pieces: Sequence[str], counts: Mapping[int, int]) -> Mapping[str, Mapping[int, float]]:
    """Spelling → the places in `pieces` of what sounds so, and how often each occurs by `counts`."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for at, piece in enumerate(pieces):
        if match := _MANDARIN.fullmatch(piece):
            found[spelt(match[1])][at] = max(counts.get(at, 0), ONCE)
    return _commonest(found)


def added(spelt_so: Mapping[str, Mapping[int, float]], rows: Tensor) -> tuple[list[Piece], Tensor]:
    """Each spelling as a piece, and its embedding (spellings, width): the mean of those `rows` (pieces, width)."""
    every = sum(sum(counts.values()) for counts in spelt_so.values())
    pieces = [(spelling, math.log(sum(counts.values()) / every)) for spelling, counts in spelt_so.items()]
    means = [
        torch.tensor([*counts.values()], dtype=rows.dtype) @ rows[[*counts]] / sum(counts.values())
        for counts in spelt_so.values()
    ]
    return pieces, torch.stack(means) if means else rows[:0]


def _commonest(found: Mapping[str, Mapping[int, float]]) -> Mapping[str, Mapping[int, float]]:
    order = sorted(found, key=lambda spelling: (spelling.count(MARK) > 1, -sum(found[spelling].values())))
    single = sum(spelling.count(MARK) == 1 for spelling in order)
    return {spelling: found[spelling] for spelling in order[: single + SIZE]}
