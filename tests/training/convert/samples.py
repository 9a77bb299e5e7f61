"""Writes the files of a download in the authors' format, and converts them."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.learning.training_rows import Row
from training.classifier.sets import read
from training.convert import __main__ as command
from training.convert.sources import SOURCES


def as_table(rows: Iterable[Mapping[str, object]], delimiter: str = ",") -> str:
    rows = list(rows)
    content = io.StringIO()
    table = csv.DictWriter(content, [*rows[0]], delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    return content.getvalue()


def put(folder: Path, files: Mapping[str, object]) -> None:
    """Write each file: text and bytes as they are, anything else as JSON."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case bytes():
                path.write_bytes(content)
            case str():
                path.write_text(content, "utf-8")
            case _:
                path.write_text(json.dumps(content), "utf-8")


def converted(folder: Path, name: str, files: Mapping[str, object]) -> dict[str, Row]:
    """The rows that training reads of the set `name`, by text, after a download of `files` is converted."""
    put(folder / "source", files)
    for file, rows in SOURCES[name].convert.items():
        command.write(folder / "sets" / name / file, command.converted(rows, folder / "source"))
    return {row.text: row for row in read(folder / "sets", (name,))}
