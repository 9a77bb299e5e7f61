"""One training run, from the sets to folders that the judge loads."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from pipeline.judge.training import encoder, folder, sets, sounds
from pipeline.judge.training.train import Recipe, split, train


def run(
    data: Path, out: Path, recipe: Recipe, names: Iterable[str], base: str | None, say: Callable[[str], None]
) -> None:
    """Train on the sets `names` under `data`, from the encoder `base` on; write `out`/transformers and `out`/onnx.

    The first is there after some minutes already, and is renewed: what an interrupt leaves can be used.
    """
    torch.manual_seed(recipe.seed)  # of a new head
    sides = split([*sets.read(data, names)])
    say(", ".join(f"{len(rows)} texts to {part}" for part, rows in sides.items()))
    weights, onnx = out / "transformers", out / "onnx"
    trained = train(sides["train"], encoder.load(base), recipe, say, lambda *now: folder.save(weights, *now))
    folder.save(weights, *trained)
    folder.convert(weights, onnx)
    sounds.add(onnx, sides, sounds.Recipe(recipe.seed), say)
    for label, languages in folder.calibrate(onnx, sides["validation"], recipe.seed).items():
        say(f"thresholds of {label}: {languages}")
