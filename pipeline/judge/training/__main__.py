"""`python -m pipeline.judge.training --data DIR --out DIR`: train, calibrate and write the classifier."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import VoxwardenError
from pipeline.judge.training import folder, sets
from pipeline.judge.training.train import Recipe, split, train


def main(
    data: Annotated[Path, typer.Option(help="The folder with a folder for each set.")],
    out: Annotated[Path, typer.Option(help="Where the model goes.")],
    only: Annotated[list[str] | None, typer.Option(help="Train on these sets alone.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures, within noise.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Times each text is seen.")] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after so many batches.")] = None,
) -> None:
    """Train the text classifier from scratch on all sets; half an hour on two cores."""
    try:
        sides = split([*sets.read(data, tuple(only or sets.SETS))])
    except VoxwardenError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(", ".join(f"{len(rows)} texts to {part}" for part, rows in sides.items()))
    model, tokenizer = train(sides["train"], Recipe(seed=seed, epochs=epochs, steps=steps), typer.echo)
    folder.save(out, model, tokenizer)
    for label, languages in folder.calibrate(out, sides["validation"], seed).items():
        typer.echo(f"{label}: {languages}")


if __name__ == "__main__":
    typer.run(main)
