"""Show the labels of a recording: a table for a person, a JSON object for a program."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from agents.commands.table import clock
from agents.commands.terminal import plain
from pipeline.sound.labelling.implicit_label import LABELS, ImplicitLabel
from pipeline.sound.labelling.label_check import ExplicitLabel, Labelling

FOUND, MISSING, WRONG, UNKNOWN = "[green]● found[/]", "[yellow]○ missing[/]", "[red]■ {}[/]", "[yellow]? not checked[/]"
VERDICTS = {
    "complete": ("[green]● complete[/]", "an explicit and an implicit label"),
    "incomplete": ("[yellow]◆ incomplete[/]", "it needs a rhythm or a notice, and a valid field in the metadata"),
    "none": ("[red]■ no label[/]", ""),
    "unknown": ("[yellow]? unknown[/]", "no rhythm was heard, and not all speech was checked for a notice"),
}
"""A state has a shape, a word and a colour, so that colour is never the only sign."""


def labelling_table(found: Labelling) -> Table:
    """Return the labels of one recording as rows below its name."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=9, no_wrap=True)
    table.add_column(width=13, no_wrap=True)
    table.add_column(overflow="fold")
    for row in (*_marks(found, "rhythm"), *_marks(found, "notice"), *_metadata(found)):
        table.add_row(*row)
    table.add_row("labelling", *VERDICTS[found.verdict])
    whole = Table.grid()
    whole.add_row(Text.assemble((plain(found.file).plain, "bold"), f"  {clock(found.seconds)}", overflow="fold"))
    whole.add_row(table)
    whole.add_row("")
    return whole


Row = tuple[str, str, str | Text]


def _marks(found: Labelling, kind: str) -> Iterator[Row]:
    marks = [mark for mark in found.marks if mark.kind == kind]
    for mark in marks:
        yield kind, FOUND, _place(mark, found.seconds)
    if not marks:
        yield kind, MISSING if kind == "rhythm" or found.transcribed else UNKNOWN, ""


def _place(mark: ExplicitLabel, seconds: float) -> Text:
    place = f"{clock(mark.start)}–{clock(mark.end)} ({mark.position(seconds)})"
    return Text.assemble(place, "  ", plain(mark.text)) if mark.text else Text(place)


def _metadata(found: Labelling) -> Iterator[Row]:
    for each in found.metadata:
        yield "metadata", FOUND if each.state == "valid" else WRONG.format(each.state), _field(each)
    if not found.metadata:
        yield "metadata", MISSING, ""


def _field(found: ImplicitLabel) -> Text:
    """The place and meaning of a field, its problems and its texts, one on each line."""
    meaning = LABELS.get(found.fields.get("Label", ""), "")
    texts = [f"{name} {value}" for name, value in found.fields.items() if value]
    lines = [f"{found.place}: {meaning}" if meaning else found.place, *found.problems, *texts]
    return Text("\n").join(map(plain, lines))


def labelling_line(found: Labelling) -> dict[str, Any]:
    """Return the labels of one recording. Times are seconds of the recording."""
    return {
        "kind": "labelling",
        "file": found.file,
        "seconds": round(found.seconds, 3),
        "verdict": found.verdict,
        "explicit": found.explicit,
        "implicit": found.implicit,
        "marks": [_mark(mark, found.seconds) for mark in found.marks],
        "metadata": [
            {"place": each.place, "state": each.state, "fields": dict(each.fields), "problems": list(each.problems)}
            for each in found.metadata
        ],
        "error": found.error,
    }


def _mark(mark: ExplicitLabel, seconds: float) -> dict[str, Any]:
    heard = {"text": mark.text, "language": mark.language} if mark.kind == "notice" else {}
    times = {"start": round(mark.start, 3), "end": round(mark.end, 3), "position": mark.position(seconds)}
    return {"kind": mark.kind} | times | heard
