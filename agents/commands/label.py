"""`voxwarden label`: check the labels that speech of AI must have."""

import json
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from agents.commands.app import Exit, add_group, say_error, settings_of
from agents.commands.paths import Named, RecordingPaths, recordings, seconds_of
from agents.commands.table import clock
from agents.commands.terminal import json_text, plain, progress_bar, stdout
from pipeline.settings import Settings
from pipeline.sound.labelling.implicit_label import LABELS, ImplicitLabel
from pipeline.sound.labelling.label_check import ExplicitLabel, Heard, LabelCheck, Labelling

FOUND, MISSING, WRONG, UNKNOWN = "[green]● found[/]", "[yellow]○ missing[/]", "[red]■ {}[/]", "[yellow]? not checked[/]"
# A state has a shape, a word and a colour, so that colour is never the only sign.
VERDICTS = {
    "complete": ("[green]● complete[/]", "an explicit and an implicit label"),
    "incomplete": ("[yellow]◆ incomplete[/]", "it needs a rhythm or a notice, and a valid field in the metadata"),
    "none": ("[red]■ no label[/]", ""),
    "unknown": ("[yellow]? unknown[/]", "no rhythm was heard, and not all speech was checked for a notice"),
}


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


label = add_group("label", "Check the labels that speech of AI must have in China.")


class LabelFormat(StrEnum):
    TABLE = "table"
    JSONL = "jsonl"


class LabelFailOn(StrEnum):
    """The lack of labels for which `--fail-on` exits with 1."""

    NONE = "none"
    INCOMPLETE = "incomplete"

    def holds_for(self, found: Labelling) -> bool:
        return found.verdict == "none" or (self is LabelFailOn.INCOMPLETE and found.verdict != "complete")


@label.command("check")
def check_labels(
    ctx: typer.Context,
    paths: RecordingPaths,
    speech: Annotated[
        bool,
        typer.Option("--speech/--no-speech", help="Look for the spoken notice, which needs the speech recogniser."),
    ] = True,
    form: Annotated[
        LabelFormat, typer.Option("--format", help="table for a person, jsonl for a program.")
    ] = LabelFormat.TABLE,
    fail_on: Annotated[
        LabelFailOn | None,
        typer.Option(help="Exit with 1 if a recording has no label, or not both of them."),
    ] = None,
) -> None:
    """Check whether recordings are labelled as generated by AI, as GB 45438-2025 asks.

    It looks for the explicit label, which people hear: the rhythm short-long-short-short ("AI" in Morse code) or a
    spoken notice such as "generated by AI". And for the implicit label: the field AIGC in the metadata. The labelling
    is complete if a recording has both. A person has to read each notice: a talk about AI has the same words. Without
    --speech a missing explicit label is unknown. A file that cannot be read to its last byte is reported on stderr, the
    others are still checked, and the exit code is 3.

    Examples:
      voxwarden label check upload.mp3
      voxwarden label check uploads/ --format jsonl > labels.jsonl
      voxwarden label check upload.wav --no-speech
      voxwarden label check upload.wav --fail-on incomplete
    """
    settings = settings_of(ctx)
    code = Exit.CLEAN
    with recordings(paths) as named:
        readable = len(named.errors()) < len(named.files)  # if no file can be read, no model is loaded
        for found in _checked(settings if speech and readable else None, named):
            WRITERS[form](found)
            if found.error:
                say_error(found.error)
                code = Exit.FAILED
            elif fail_on and fail_on.holds_for(found):
                code = max(code, Exit.FLAGGED)
    raise typer.Exit(code)


def _checked(settings: Settings | None, named: Named) -> Iterator[Labelling]:
    """The labelling of each file. Without `settings`, no speech is recognised."""
    with progress_bar() as progress:
        passes = 1 if settings is None else 2
        seconds = seconds_of(named.files)
        task = progress.add_task("listening", total=seconds and seconds * passes)
        advance = partial(progress.advance, task)
        heard = _heard(settings, named, advance) if settings else None
        yield from LabelCheck(named.files, named.names, heard, advance)


def _heard(settings: Settings, named: Named, advance: Callable[[float], None]) -> Heard:
    from pipeline.base.metrics import Metrics
    from pipeline.contract.topology import SEGMENT
    from pipeline.runner.stage_processor import build_processor
    from pipeline.speech.asr.file_transcription import UtteranceFiles, transcribed
    from pipeline.speech.asr.transcribe_stage import build_for_texts

    metrics = Metrics()
    segment, stage = build_processor(SEGMENT, settings, metrics), build_for_texts(settings, metrics)
    utterances = UtteranceFiles(named.files, segment, advance=advance, names=named.names)
    return transcribed(utterances, stage)


def _write_table(found: Labelling) -> None:
    stdout.print(labelling_table(found))
    stdout.file.flush()


def _write_line(found: Labelling) -> None:
    sys.stdout.write(json_text(json.dumps(labelling_line(found), ensure_ascii=False)) + "\n")
    sys.stdout.flush()


WRITERS: dict[LabelFormat, Callable[[Labelling], Any]] = {
    LabelFormat.TABLE: _write_table,
    LabelFormat.JSONL: _write_line,
}
