"""`voxwarden moderate`: recordings in, flags out."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.app import Exit, app, settings_of
from pipeline.cli.paths import audio_files, seconds_of
from pipeline.cli.progress import progress_bar
from pipeline.errors import InputError
from pipeline.settings import Settings


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    SRT = "srt"


class FailOn(StrEnum):
    REVIEW = "review"
    BLOCK = "block"


@app.command()
def moderate(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.", show_default=False)],
    room_type: Annotated[str, typer.Option(help="Which rules of the policy hold, e.g. kids.")] = "default",
    policy: Annotated[str | None, typer.Option(help="A policy by name or path, instead of judge.policy.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How results are written.")] = Format.TABLE,
    fail_on: Annotated[FailOn | None, typer.Option(help="Exit with 1 if anything is at least this bad.")] = None,
) -> None:
    """Moderate recordings: what was said, what of it is risky, and what to do about it.

    WAV, FLAC, MP3, Ogg, M4A, WebM and whatever else FFmpeg opens; any length, any number of channels (they are mixed).
    Nothing is stored. A file that cannot be read is named, and the rest goes on.

    Examples:
      voxwarden moderate call.wav
      voxwarden moderate recordings/ --format jsonl > found.jsonl
      voxwarden moderate upload.m4a --room-type kids --fail-on review
    """
    settings = settings_of(ctx)
    if policy:
        judge = settings.judge.model_copy(update={"policy": policy})
        settings = settings.model_copy(update={"judge": judge})
    files = audio_files(paths)
    if not files:
        raise InputError(f"No recordings in {', '.join(map(str, paths))}", "Name a file, or a folder that holds some.")
    if form is Format.SRT and len(files) > 1:
        raise typer.BadParameter("subtitles are of one recording; name one file, or take jsonl", param_hint="--format")
    raise typer.Exit(asyncio.run(_moderate(settings, files, room_type, form, fail_on)))


async def _moderate(
    settings: Settings, files: Sequence[Path], room_type: str, form: Format, fail_on: FailOn | None
) -> Exit:
    from pipeline.cli.results import WRITERS
    from pipeline.metrics import Metrics
    from pipeline.recordings import Recordings, Report

    writer = WRITERS[form]()
    bar = _Bar(files)
    code = Exit.CLEAN
    with bar.progress:
        async for found in Recordings(files, settings, Metrics(), room_type):
            bar.advance(found)
            writer.write(found)
            if isinstance(found, Report):
                code = max(code, _code(found, fail_on))
        writer.close()
    return code


def _code(report: Any, fail_on: FailOn | None) -> Exit:
    if report.error:
        return Exit.FAILED
    failing = {None: (), FailOn.REVIEW: ("review", "block"), FailOn.BLOCK: ("block",)}[fail_on]
    return Exit.FLAGGED if report.suggestion in failing else Exit.CLEAN


class _Bar:
    """Progress in seconds of audio, by what has been judged."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.progress = progress_bar()
        self._task = self.progress.add_task("listening", total=seconds_of(files))
        self._before = 0.0

    def advance(self, found: Any) -> None:
        if hasattr(found, "seconds"):
            self._before += found.seconds
            self.progress.update(self._task, completed=self._before)
        else:
            self.progress.update(self._task, completed=self._before + found.end)
