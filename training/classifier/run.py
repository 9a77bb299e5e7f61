"""One command's training, from the sets to folders that the judge loads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import torch

from pipeline.errors import ConfigError
from pipeline.judge.calibration import Calibrated
from pipeline.judge.classifier import load_model
from pipeline.judge.onnx import MODEL
from training.classifier import encoder, folder, sets, sounds
from training.classifier.noise import hearing
from training.classifier.rows import Row
from training.classifier.teach import clauses, taught
from training.classifier.train import Recipe, split, train


def run(
    data: Path,
    out: Path,
    recipe: Recipe,
    names: Iterable[str],
    base: str | None,
    teacher: str | None,
    say: Callable[[str], None],
) -> None:
    """Train on the sets `names` under `data`, from the encoder `base` on; write `out`/transformers and `out`/onnx.

    The first run is `teacher`'s pupil, if one is named; each run after it the pupil of the one before.
    transformers/ is there after some minutes already, and is renewed, onnx/ after each run: what an interrupt leaves
    can be used.
    """
    started = monotonic()
    guide = named(teacher) if teacher else None
    encoder.check(base)  # each run loads its own; a name that is wrong is told before minutes of reading
    sides = split([*sets.read(data, names)])
    say(", ".join(f"{len(rows)} texts to {part}" for part, rows in sides.items()))
    weights, onnx = out / "transformers", out / "onnx"
    hear = hearing([row.text for row in sides["train"]], recipe.seed)
    listener = sounds.train(sides["train"], sounds.SoundsRecipe(recipe.seed), hear, say)
    parts = clauses(sides["train"], [*sides["validation"], *sides["test"]])
    for number in range(recipe.runs):
        say(f"run {number + 1} of {recipe.runs}")
        rows = taught([*sides["train"], *parts], guide, say) if guide else sides["train"]
        minutes = time_of(number, recipe, (monotonic() - started) / 60)
        generation(number, rows, weights, replace(recipe, minutes=minutes), base, say)
        folder.convert(weights, onnx)
        say(f"sounds: a share of {sounds.add(onnx, listener, sides['validation'], hear):g}")
        for label, languages in folder.calibrate(onnx, sides["validation"], recipe.seed).items():
            say(f"thresholds of {label}: {languages}")
        guide = load_model(str(onnx))


def named(teacher: str) -> Calibrated:
    """The model that `--teacher` names; raises ConfigError."""
    if not (Path(teacher) / MODEL).is_file():
        raise ConfigError(f"--teacher: no {MODEL} in {teacher}", "Name the folder onnx/ that a training wrote.")
    return load_model(teacher)


def time_of(number: int, recipe: Recipe, spent: float) -> float | None:
    """Minutes that run `number`, from 0, may take of those that are left after `spent`; raises ConfigError for none."""
    if recipe.minutes is None:
        return None
    if spent >= recipe.minutes:
        raise ConfigError(f"--minutes {recipe.minutes:g}: over before run {number + 1} could begin", "Allow it more.")
    return (recipe.minutes - spent) / (recipe.runs - number)


def generation(
    number: int, rows: Sequence[Row], out: Path, recipe: Recipe, base: str | None, say: Callable[[str], None]
) -> None:
    """Write the model of run `number`, from 0, to `out`: all begin alike; orders and noise are their own."""
    one = replace(recipe, seed=recipe.seed + number)
    torch.manual_seed(recipe.seed)  # of the new head
    # Young, a pupil is worse than the teacher that stands there.
    save = _unsaved if number else partial(folder.save, out)
    folder.save(out, *train(rows, encoder.load(base), one, say, save))


def _unsaved(*_: object) -> None:
    """Nothing is kept before the end."""
