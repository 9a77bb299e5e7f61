"""The command that converts a public set: `python -m training.convert --help`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.errors import ConfigError
from training.commands import errors_in_a_line, notes
from training.convert.files import Cells
from training.convert.sources import SOURCES, Converter

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def convert(
    name: Annotated[str, typer.Argument(help="The set, as docs/learning.md names it.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="Folder with the authors' files.", show_default=False)],
    data: Annotated[Path, typer.Option(help="Folder with one folder for each set.", show_default=False)],
) -> None:
    """Convert a public set to the files that the training reads.

    Download the set from the address in docs/learning.md first, for example
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
        found = converted(rows, source)
        write(path, found)
        notes.print(f"{path}: {len(found)} rows", highlight=False, soft_wrap=True)


def converted(rows: Converter, source: Path) -> list[Cells]:
    """The rows of `source`; raises ConfigError if there are none, or if the files have another form."""
    try:
        if found := [*rows(source)]:
            return found
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise ConfigError(
            f"The files in {source} have another form: {error!r}", "Take the version in docs/learning.md."
        ) from error
    raise ConfigError(f"No rows in {source}", "Check the folder with the authors' files.")


def write(path: Path, rows: Sequence[Cells]) -> None:
    """Write `rows`, of which there is at least one, as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*rows[0]])
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    with errors_in_a_line():
        app(prog_name="python -m training.convert")
