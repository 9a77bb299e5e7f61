"""`voxwarden ingest`: send recordings to Kafka, as an app would."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from agents.commands.app import Exit, app, say_error, settings_of, warn_unknown
from agents.commands.terminal import harmless, progress_bar
from pipeline.base.errors import InputError
from pipeline.contract.messages import AudioChunk

if TYPE_CHECKING:
    from agents.broker.send_recordings import Ingest

Play = Callable[[Path, float], Iterator[AudioChunk]]
"""Returns a file as chunks, given its path and its start in UTC seconds."""


class IngestSpeed(StrEnum):
    REALTIME = "realtime"
    MAX = "max"


@app.command()
def ingest(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Recordings, sent one after another.", show_default=False)],
    room: Annotated[str, typer.Option(help="The id of the room.")],
    speaker: Annotated[str, typer.Option(help="The id of the speaker.")],
    room_type: Annotated[
        str, typer.Option(help="The type of the room, which selects rules of the policy, e.g. kids.")
    ] = "default",
    speed: Annotated[
        IngestSpeed, typer.Option(help="realtime sends audio as if it were live, max as fast as the broker takes it.")
    ] = IngestSpeed.REALTIME,
    start: Annotated[
        datetime | None,
        typer.Option(help="UTC time when the first recording began. Default: now. The same start gives the same ids."),
    ] = None,
) -> None:
    """Send recordings to Kafka as the audio of one speaker in a room, for the workers to moderate.

    Use it to test a deployment without an app. A recording that cannot be read is reported, the others are still sent,
    and the exit code is then 3.

    Examples:
      voxwarden ingest call.wav --room lobby --speaker alice
      voxwarden ingest day1.flac day2.flac --room lobby --speaker bob --speed max
    """
    settings = settings_of(ctx)
    warn_unknown(settings, room_type)
    from agents.broker.send_recordings import Ingest, paced
    from pipeline.speech.audio import vad
    from pipeline.speech.audio.recording_parts import check_one_part, chunks_of

    begin = start.replace(tzinfo=UTC).timestamp() if start else time.time()

    def play(path: Path, at: float) -> Iterator[AudioChunk]:
        check_one_part(path, vad.shared())
        chunks = chunks_of(path, room, speaker, room_type=room_type, start=at)
        return paced(chunks) if speed is IngestSpeed.REALTIME else chunks

    with Ingest(settings.kafka) as out:
        raise typer.Exit(_send_all(out, files, begin, play))


def _send_all(out: "Ingest", files: Sequence[Path], begin: float, play: Play) -> Exit:
    """Send the files one after another."""
    from pipeline.speech.audio.decode import duration_of

    code = Exit.CLEAN
    with progress_bar() as bar:
        for path in files:
            task = bar.add_task(escape(harmless(path.name)), total=None)
            first = begin  # where the previous file ended
            try:
                bar.update(task, total=duration_of(path))
                for chunk in out.send(play(path, first)):
                    begin = chunk.start + _seconds(chunk)
                    bar.update(task, completed=begin - first)
            except InputError as error:
                say_error(error)
                code = Exit.FAILED
    return code


def _seconds(chunk: AudioChunk) -> float:
    """Return the length of a chunk of 16-bit PCM. All chunks of files are of this kind."""
    return len(chunk.data) / 2 / chunk.channels / chunk.sample_rate
