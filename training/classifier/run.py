"""Runs a whole training, from the sets to the folders that the judge loads."""

import shutil
from collections.abc import Callable, Iterable, Sequence
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
from pipeline.judge.pinyin_model import load_pinyin_model
from pipeline.learning import model_export
from pipeline.learning.checkpoint import Checkpoint
from pipeline.learning.fine_tuning import Recipe, Say, Teach
from pipeline.learning.training_rows import OUTPUTS, Row
from training.classifier import packaged, sets, sounds, unfinished
from training.classifier.calibrate import calibrate
from training.classifier.noise import hearing
from training.classifier.sides import split
from training.classifier.teach import clauses, taught
from training.classifier.train import train

WEIGHTS, ONNX = "transformers", "onnx"


def run(
    data: Path,
    out: Path,
    recipe: Recipe,
    names: Iterable[str],
    base: str | None,
    teacher: str | None,
    say: Say,
    clock: Callable[[], float] = monotonic,
) -> None:
    """Train on the sets `names` under `data`, starting from the encoder `base`; write `out`/transformers and
    `out`/onnx after each run.

    The first run learns from `teacher`, if there is one. Each later run goes on from the model before it, and learns
    from it. A stopped training goes on from the last checkpoint, if all arguments are the same. Its models are the same
    as without the stop. `clock` gives seconds, for the checkpoints.
    """
    guide = named(teacher) if teacher else None
    packaged.check(base)  # Each run loads its own encoder. This check reports a wrong name before minutes of reading.
    sides = split([*sets.read(data, names)])
    say(", ".join(f"{part}: {len(rows)} texts" for part, rows in sides.items()))
    work = unfinished.begin(out, unfinished.inputs(recipe, sides, base, teacher))
    parts = clauses(sides["train"], [*sides["validation"], *sides["test"]])
    hear = partial(hearing, [row.text for row in sides["train"]], recipe.seed)
    for number in range(recipe.runs):
        say(f"run {number + 1} of {recipe.runs}")
        before, done = work / str(number), work / str(number + 1)
        if not done.is_dir():
            rows = [*sides["train"], *parts] if guide else sides["train"]
            teach: Teach = partial(taught, teacher=guide) if guide else list
            start = str(before / WEIGHTS) if number else base
            with whole(done) as new:
                generation(number, rows, new / WEIGHTS, recipe, start, say, teach, Checkpoint(f"{done}.pt", clock))
                model_export.convert_to_onnx(new / WEIGHTS, new / ONNX)
                listener = load_pinyin_model(before / ONNX)  # the same for all runs
                listener = listener or sounds.train(sides["train"], sounds.SoundsRecipe(recipe.seed), hear(), say)
                say(f"sounds: a share of {sounds.add(new / ONNX, listener, sides['validation'], hear()):g}")
                for label, languages in calibrate(new / ONNX, sides["validation"], recipe.seed).items():
                    say(f"thresholds of {label}: {languages}")
        guide = load_model(str(done / ONNX))
        for name in (WEIGHTS, ONNX):
            with whole(out / name) as new:
                shutil.copytree(done / name, new, dirs_exist_ok=True)
    unfinished.end(work)


def named(teacher: str) -> Calibrated:
    """The model that `--teacher` names. Raises ConfigError if there is none, or if it has other outputs than ours."""
    remedy = "Name the folder onnx/ that a training wrote."
    if not (Path(teacher) / MODEL).is_file():
        raise ConfigError(f"--teacher: no {MODEL} in {teacher}", remedy)
    guide = load_model(teacher)
    if guide.labels != OUTPUTS:
        raise ConfigError(f"--teacher: {teacher} has other labels than this training", remedy)
    return guide


def generation(
    number: int,
    rows: Sequence[Row],
    out: Path,
    recipe: Recipe,
    start: str | None,
    say: Say,
    teach: Teach = list,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Write the model of run `number` (from 0) to `out`. It starts from the encoder `start`.

    Each run has its own order and noise. `teach` gives the rows their targets.
    """
    one = replace(recipe, seed=recipe.seed + number)
    torch.manual_seed(recipe.seed)  # for a new head
    model_export.save_transformers(out, *train(rows, packaged.start(start), one, say, teach, checkpoint))
