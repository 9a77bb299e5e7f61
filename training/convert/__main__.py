"""The command that converts a public set: `python -m training.convert --help`."""

import csv
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import ConfigError
from training.commands import errors_in_a_line, notes
from training.convert.files import Cells
from training.convert.sources import SOURCES

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def convert(
    name: Annotated[str, typer.Argument(help="The set, as docs/training.md names it.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="Folder with the authors' files.", show_default=False)],
    data: Annotated[Path, typer.Option(help="Folder with one folder for each set.", show_default=False)],
) -> None:
    """Convert a public set to the files that the training reads.

    Download the set from the address in docs/training.md first, for example
    with git clone. Files may be in subfolders. A file of DATA is replaced.

    Examples:
      git clone https://github.com/surge-ai/toxicity
      python -m training.convert surge_toxicity toxicity --data sets
    """
    if not (files := SOURCES[name].convert if name in SOURCES else {}):
        names = ", ".join(name for name, public in SOURCES.items() if public.convert)
        raise ConfigError(f"No converter for {name}", f"There is one for: {names}.")
    for file, rows in files.items():
        path = data / name / file
        notes.print(f"{path}: {write(path, rows(source))} rows", highlight=False, soft_wrap=True)


def write(path: Path, rows: Iterable[Cells]) -> int:
    """Write `rows` as CSV and return their number; raises ConfigError if there are none."""
    rows = iter(rows)
    if not (first := next(rows, None)):
        raise ConfigError(f"No rows for {path}", "Check the folder with the authors' files.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*first])
        table.writeheader()
        return sum(1 for row in chain((first,), rows) if table.writerow(row))


if __name__ == "__main__":
    with errors_in_a_line():
        app(prog_name="python -m training.convert")
