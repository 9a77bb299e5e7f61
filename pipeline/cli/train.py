"""`voxwarden train`: the shipped classifier, made anew from its data sets."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.app import app, stderr
from pipeline.errors import ConfigError


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="The folder with a folder for each set.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where the model goes: onnx/ and transformers/.", show_default=False)],
    encoder: Annotated[
        str | None,
        typer.Option(help="Folder (OUT/onnx, too) or hub id NAME@COMMIT to start from; else multilingual-e5-small."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Train on this set alone, or on these.")] = None,
    research: Annotated[bool, typer.Option("--research", help="Also on sets that no shipped model may use.")] = False,
    learning_rate: Annotated[float, typer.Option(min=0, help="At its highest.")] = 1e-4,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures, within noise.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="Models trained, each the pupil of the one before.")] = 2,
    teacher: Annotated[str | None, typer.Option(help="Folder of an onnx model whose pupil the first is.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Texts that each of them sees, each misheard anew.")] = 300_000,
    kept: Annotated[float, typer.Option(min=0, max=1, help="To forget less: share of --encoder's weights kept.")] = 0.0,
    minutes: Annotated[float | None, typer.Option(min=0, help="End by then, with fewer texts seen.")] = None,
) -> None:
    """Train the text classifier: what is risky, and of which kind.

    It needs the packages of voxwarden\\[train], and the text sets that docs/training.md names. An hour and a half on
    two cores that multiply bfloat16, three on others. OUT/onnx is what judge.model takes; OUT/transformers is what
    other tools fine-tune further.

    Examples:
      voxwarden train --data sets --out model
      voxwarden train --data sets --out model --encoder ./multilingual-e5-small
      voxwarden train --data sets --out newer --encoder model/onnx --teacher model/onnx --runs 1 --kept 0.3
      voxwarden --set judge.model=model/onnx judge chat.txt
    """
    try:
        from pipeline.judge.training.sets import RESEARCH, SETS, check

        names = only or [*SETS, *(RESEARCH if research else ())]
        check(data, names)  # before PyTorch is imported, which takes seconds
        from pipeline.judge.training.run import run
        from pipeline.judge.training.train import Recipe
    except ModuleNotFoundError as error:
        raise ConfigError(f"Training needs the package {error.name}", "pip install 'voxwarden[train]'") from error
    run(
        data,
        out,
        Recipe(seed, runs, samples, minutes, learning_rate=learning_rate, kept=kept),
        names,
        encoder,
        teacher,
        lambda line: stderr.print(line, highlight=False),
    )
