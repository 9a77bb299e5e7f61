"""`voxwarden moderate`: moderate recordings."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from agents.commands.app import Exit, app, exit_of, settings_of, warn_unknown, with_options
from agents.commands.paths import Named, RecordingPaths, recordings, seconds_of
from agents.commands.terminal import progress_bar
from pipeline.base.errors import VoxwardenError
from pipeline.contract.messages import SpeechStatus
from pipeline.settings import Settings

ModerateFailOn = Literal["unheard", "review", "block"]


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
    fail_on: Annotated[
        ModerateFailOn | None,
        typer.Option(help="Exit with 1 if a suggestion is at least this severe; unheard: or if speech was not judged."),
    ] = None,
) -> None:
    """Moderate recordings: transcribe the speech, find what breaks the rules, and suggest what to do.

    Use it for files of any length: WAV, FLAC, MP3, Ogg, M4A, WebM and every other format that FFmpeg opens. Channels
    are mixed. If the mix hides the speech of one channel, this channel is processed separately, as is each further
    audio stream. Nothing is stored. Speech in another language, or without words, is listed as unheard: it was
    not judged. A file that cannot be read to its last byte is reported on stderr, the others are still moderated, and
    the exit code is 3.

    Examples:
      voxwarden moderate call.wav
      voxwarden moderate recordings/ --format jsonl > found.jsonl
      voxwarden moderate upload.m4a --room-type kids --fail-on review
      voxwarden moderate upload.m4a --fail-on unheard
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
    settings: Settings, named: Named, room_type: str, form: ModerateFormat, fail_on: ModerateFailOn | None
) -> Exit:
    from agents.commands.results import WRITERS, say_unheard
    from pipeline.base.metrics import Metrics
    from pipeline.runner.recordings_runner import FileReport, Recordings

    bar = _Bar(named.files)
    code, unheard = Exit.CLEAN, Counter[tuple[str, str]]()
    with bar.progress, closing(WRITERS[form]()) as writer:
        async for found in Recordings(named.files, settings, Metrics(), room_type, named.names):
            bar.advance(found)
            writer.write(found)
            if isinstance(found, FileReport):
                code = max(code, Exit.FAILED if found.error else exit_of(found.suggestion, fail_on))
            elif isinstance(found, SpeechStatus):
                code = max(code, exit_of("unheard", fail_on))
                unheard[found.reason, found.language] += 1
    say_unheard(unheard, "judged")
    return code


class _Bar:
    """Progress in seconds of audio that is done."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.progress = progress_bar()
        self._task = self.progress.add_task("listening", total=seconds_of(files))
        self._before = self._furthest = 0.0

    def advance(self, found: Any) -> None:
        if hasattr(found, "seconds"):
            self._before += found.seconds
            self._furthest = self._before
        else:
            self._furthest = max(self._furthest, self._before + found.end)  # they are not in the order of time
        self.progress.update(self._task, completed=self._furthest)
