"""Runs a whole training, from the sets to the folders that the judge loads."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import torch

from pipeline.base.errors import ConfigError
from pipeline.base.stopping import whole
from pipeline.judge.classifier import load_model
from pipeline.judge.model_outputs import Calibrated
from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning import model_export, starting_model
from pipeline.learning.fine_tuning import Recipe, Say
from pipeline.learning.training_rows import OUTPUTS, Row
from training.classifier import packaged, sets, sounds
from training.classifier.calibrate import calibrate
from training.classifier.noise import hearing
from training.classifier.sides import split
from training.classifier.teach import clauses, taught
from training.classifier.train import Teach, train


def run(
    data: Path,
    out: Path,
    recipe: Recipe,
    names: Iterable[str],
    base: str | None,
    teacher: str | None,
    say: Say,
) -> None:
    """Train on the sets `names` under `data`, starting from the encoder `base`; write `out`/transformers and
    `out`/onnx.

    The first run learns from `teacher`, if there is one. Each later run goes on from the model before it, and learns
    from it. `transformers/` holds a first model after some minutes and is updated. `onnx/` is written after each run.
    Each of them changes as a whole. So you can use the result of an interrupted training.
    """
    started = monotonic()
    guide = named(teacher) if teacher else None
    packaged.check(base)  # Each run loads its own encoder. This check reports a wrong name before minutes of reading.
    sides = split([*sets.read(data, names)])
    say(", ".join(f"{part}: {len(rows)} texts" for part, rows in sides.items()))
    weights, onnx = out / "transformers", out / "onnx"
    hear = hearing([row.text for row in sides["train"]], recipe.seed)
    listener = sounds.train(sides["train"], sounds.SoundsRecipe(recipe.seed), hear, say)
    parts = clauses(sides["train"], [*sides["validation"], *sides["test"]])
    for number in range(recipe.runs):
        say(f"run {number + 1} of {recipe.runs}")
        rows = [*sides["train"], *parts] if guide else sides["train"]
        minutes = time_of(number, recipe, (monotonic() - started) / 60)
        teach = partial(taught, teacher=guide) if guide else iter
        generation(number, rows, weights, replace(recipe, minutes=minutes), base, say, teach)
        with whole(onnx) as new:
            model_export.convert_to_onnx(weights, new)
            say(f"sounds: a share of {sounds.add(new, listener, sides['validation'], hear):g}")
            for label, languages in calibrate(new, sides["validation"], recipe.seed).items():
                say(f"thresholds of {label}: {languages}")
        guide = load_model(str(onnx))


def named(teacher: str) -> Calibrated:
    """The model that `--teacher` names. Raises ConfigError if there is none, or if it has other outputs than ours."""
    remedy = "Name the folder onnx/ that a training wrote."
    if not (Path(teacher) / MODEL).is_file():
        raise ConfigError(f"--teacher: no {MODEL} in {teacher}", remedy)
    guide = load_model(teacher)
    if guide.labels != OUTPUTS:
        raise ConfigError(f"--teacher: {teacher} has other labels than this training", remedy)
    return guide


def time_of(number: int, recipe: Recipe, spent: float) -> float | None:
    """The minutes for run `number` (from 0): an equal share of the minutes left after `spent`; raises ConfigError if
    none are left.
    """
    if recipe.minutes is None:
        return None
    if spent >= recipe.minutes:
        raise ConfigError(
            f"--minutes {recipe.minutes:g}: the time is over before run {number + 1}", "Allow more minutes."
        )
    return (recipe.minutes - spent) / (recipe.runs - number)


def generation(
    number: int, rows: Sequence[Row], out: Path, recipe: Recipe, base: str | None, say: Say, teach: Teach = iter
) -> None:
    """Write the model of run `number` (from 0) to `out`. `teach` gives the rows their targets.

    The first run starts from `base`. A later run goes on from the model in `out`, with its own order and noise.
    """
    one = replace(recipe, seed=recipe.seed + number)
    torch.manual_seed(recipe.seed)  # for the new head
    # At its high rate, a later run is worse for a while than the model before it, which is already saved.
    save = _unsaved if number else partial(model_export.save_transformers, out)
    model_export.save_transformers(
        out,
        *train(rows, starting_model.load_encoder(str(out)) if number else packaged.start(base), one, say, save, teach),
    )


def _unsaved(*_: object) -> None:
    """Later runs save no intermediate models."""
