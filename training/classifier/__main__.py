"""The command that trains the text classifier: `python -m training.classifier --help`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.errors import ConfigError
from training.commands import errors_in_a_line, notes

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with one folder for each set.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the model: onnx/ and transformers/.", show_default=False)],
    encoder: Annotated[
        str | None,
        typer.Option(help="Folder or hub id NAME@COMMIT to start from. Default: multilingual-e5-small."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Train only on this set. Repeat it for several.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Leave out this set. Repeat it for several.")] = None,
    learning_rate: Annotated[float, typer.Option(min=0, help="The highest learning rate.")] = 1e-4,
    seed: Annotated[int, typer.Option(help="On one machine, the same seed gives the same weights.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="Number of models. Each goes on from the one before it.")] = 2,
    teacher: Annotated[str | None, typer.Option(help="Folder of an ONNX model that teaches the first.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Texts for each model, each with new errors.")] = 300_000,
    kept: Annotated[float, typer.Option(min=0, max=1, help="Share of --encoder's weights in the result.")] = 0.0,
) -> None:
    """Train the text classifier: is a text risky, and under which labels?

    It needs `pip install -e '.\\[train]'` and the text sets of docs/learning.md.
    It takes hours: two cores read about 80 texts a second, or 20 without bfloat16.
    judge.model takes OUT/onnx. Other tools can fine-tune OUT/transformers.
    You can stop it at any time, also with a kill. The same command goes on from the last checkpoint in OUT, at most ten
    minutes back, and gives the same model.

    Examples:
      python -m training.classifier --data sets --out model
      python -m training.classifier --data sets --out model --encoder ./multilingual-e5-small
      python -m training.classifier --data sets --out newer --encoder model/onnx --teacher model/onnx --runs 1
      voxwarden --set judge.model=model/onnx judge chat.txt
    """
    try:
        from training.classifier.sets import SETS, check, known

        left_out = known(without or ())
        names = [name for name in only or SETS if name not in left_out]
        check(data, names)  # check the sets before importing PyTorch, which takes seconds
        from pipeline.learning.fine_tuning import Recipe
        from training.classifier.run import run
    except ModuleNotFoundError as error:
        raise ConfigError(f"Training needs the package {error.name}", "pip install -e '.[train]'") from error
    recipe = Recipe(seed, runs, samples, learning_rate=learning_rate, kept=kept)
    try:
        run(data, out, recipe, names, encoder, teacher, lambda line: notes.print(line, highlight=False))
    except KeyboardInterrupt:
        notes.print("stopped; the same command goes on from the last checkpoint", highlight=False)
        raise


if __name__ == "__main__":
    with errors_in_a_line():
        app(prog_name="python -m training.classifier")
