"""`voxwarden moderate`: moderate recordings."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.commands.app import Exit, FailOn, app, settings_of, warn_unknown, with_options
from agents.commands.paths import Named, RecordingPaths, recordings, seconds_of
from agents.commands.terminal import progress_bar, stderr
from pipeline.base.errors import VoxwardenError
from pipeline.settings import Settings


class ModerateFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    SRT = "srt"


@app.command()
def moderate(
    ctx: typer.Context,
    paths: RecordingPaths,
    room_type: Annotated[
        str, typer.Option(help="The type of the room, which selects rules of the policy, e.g. kids.")
    ] = "default",
    policy: Annotated[str | None, typer.Option(help="A policy by name or path. Default: judge.policy.")] = None,
    form: Annotated[
        ModerateFormat,
        typer.Option("--format", help="table for a person, json or jsonl for a program, srt for subtitles."),
    ] = ModerateFormat.TABLE,
    fail_on: Annotated[FailOn | None, typer.Option(help="Exit with 1 if a suggestion is at least this severe.")] = None,
) -> None:
    """Moderate recordings: transcribe the speech, find what breaks the rules, and suggest what to do.

    Use it for files of any length: WAV, FLAC, MP3, Ogg, M4A, WebM and every other format that FFmpeg opens. Channels
    are mixed. If the mix hides the speech of one channel, this channel is processed separately, as is each further
    audio stream. Nothing is stored. A file that cannot be read to its last byte is reported on stderr, the others are
    still moderated, and the exit code is 3.

    Examples:
      voxwarden moderate call.wav
      voxwarden moderate recordings/ --format jsonl > found.jsonl
      voxwarden moderate upload.m4a --room-type kids --fail-on review
      curl -s https://example.org/call.ogg | voxwarden moderate -
    """
    settings = with_options(settings_of(ctx), "judge", policy=policy or None)
    warn_unknown(settings, room_type)
    with recordings(paths) as named:
        if form is ModerateFormat.SRT and len(named.files) > 1:
            raise typer.BadParameter("srt works with one recording; name one file, or use jsonl", param_hint="--format")
        errors = named.errors()
        if len(errors) == len(named.files):
            raise typer.Exit(_refuse(errors, form))
        raise typer.Exit(asyncio.run(_moderate(settings, named, room_type, form, fail_on)))


def _refuse(errors: Mapping[str, VoxwardenError], form: ModerateFormat) -> Exit:
    """Write the errors if no file can be read. No model needs to be loaded for that."""
    from agents.commands.results import WRITERS
    from pipeline.runner.recordings_runner import FileReport

    writer = WRITERS[form]()
    for name, error in errors.items():
        writer.write(FileReport(name, error=str(error)))
    writer.close()
    return Exit.FAILED


async def _moderate(
    settings: Settings, named: Named, room_type: str, form: ModerateFormat, fail_on: FailOn | None
) -> Exit:
    from agents.commands.results import WRITERS
    from pipeline.base.metrics import Metrics
    from pipeline.runner.recordings_runner import FileReport, Recordings

    bar = _Bar(named.files)
    code, skipped = Exit.CLEAN, Counter[str]()
    with bar.progress, closing(WRITERS[form]()) as writer:
        async for found in Recordings(named.files, settings, Metrics(), room_type, named.names):
            bar.advance(found)
            writer.write(found)
            if isinstance(found, FileReport):
                code = max(code, _code(found, fail_on))
                skipped += found.skipped
    for language, count in skipped.most_common():
        note = f"{count} utterances are in the language {language}, which asr.languages does not have."
        stderr.print(f"{note} They were not judged.", highlight=False)
    return code


def _code(report: Any, fail_on: FailOn | None) -> Exit:
    if report.error:
        return Exit.FAILED
    return Exit.FLAGGED if fail_on and fail_on.holds_for(report.suggestion) else Exit.CLEAN


class _Bar:
    """Progress in seconds of judged audio."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.progress = progress_bar()
        self._task = self.progress.add_task("listening", total=seconds_of(files))
        self._before = self._furthest = 0.0

    def advance(self, found: Any) -> None:
        if hasattr(found, "seconds"):
            self._before += found.seconds
            self._furthest = self._before
        else:
            self._furthest = max(self._furthest, self._before + found.end)  # flags are not in the order of time
        self.progress.update(self._task, completed=self._furthest)
