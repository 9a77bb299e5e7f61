"""The folder of an unfinished training, `OUT/unfinished`.

It holds digests of the training's inputs, each finished run, and the checkpoint of the present run.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from pathlib import Path

import msgspec

from pipeline.base.errors import ConfigError
from pipeline.base.stopping import whole
from pipeline.learning.fine_tuning import Recipe
from pipeline.learning.model_export import write_json
from pipeline.learning.training_rows import Part, Row
from training.classifier import noise, packaged

FOLDER = "unfinished"
INPUTS = "inputs.json"


def inputs(
    recipe: Recipe, sides: Mapping[Part, Sequence[Row]], base: str | None, teacher: str | None
) -> dict[str, str]:
    """A digest of each input of a training. With the same inputs it goes on to the same weights."""
    return {
        "recipe": _digest([repr(recipe)]),
        "texts": _digest(chain(map(_written, chain(*sides.values())), map(repr, noise.round_trips().items()))),
        "encoder": _content(base or str(packaged.file())),
        "teacher": _content(teacher) if teacher else "",
    }


def begin(out: Path, given: Mapping[str, str]) -> Path:
    """The folder under `out`. Raises ConfigError if the training in it has other inputs than those `given`."""
    folder = out / FOLDER
    file = folder / INPUTS
    if not file.is_file():
        shutil.rmtree(folder, ignore_errors=True)  # `end` was stopped
        out.mkdir(parents=True, exist_ok=True)
        with whole(folder) as new:
            write_json(new / INPUTS, given)
    there = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    if other := [name for name in given if given[name] != there[name]]:
        raise ConfigError(
            f"The unfinished training in {folder} has other inputs: {', '.join(other)}",
            "Use its options, sets and encoder to go on, or remove the folder to train anew.",
        )
    return folder


def end(folder: Path) -> None:
    """Remove the folder of a finished training."""
    (folder / INPUTS).unlink()  # first, so that no other training goes on from a part of the folder
    shutil.rmtree(folder)


def _written(row: Row) -> str:
    """The row with its labels in order. Some sets have them in the order of a Python set, which differs."""
    return repr(replace(row, labels=dict(sorted(row.labels.items()))))


def _content(source: str) -> str:
    """The digest of a file or of all files in a folder. The id of a hub has a commit, so it stands for its content."""
    path = Path(source)
    files = sorted(each for each in [path, *path.rglob("*")] if each.is_file())
    return _digest([each.read_bytes() for each in files] or [source])


def _digest(parts: Iterable[str | bytes]) -> str:
    digest = sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()
