"""`voxwarden fingerprints`: banned recordings, by their sound."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.app import Exit, add_group, say_error, settings_of
from agents.commands.paths import RecordingPaths, recordings, seconds_of
from agents.commands.store import actor
from agents.commands.table import clock
from agents.commands.terminal import json_text, plain, progress_bar, stdout
from pipeline.base.errors import AudioError, InputError, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE

if TYPE_CHECKING:
    from pipeline.review.database import Database
    from pipeline.sound.fingerprints.fingerprint import Ban
    from pipeline.sound.fingerprints.landmark_index import LandmarkIndex
    from pipeline.sound.fingerprints.matching import RecordingPlayback
    from pipeline.speech.audio.resample import Samples

fingerprints = add_group("fingerprints", "Ban recordings, and find where they play.")

Progressed = Callable[[float], None]
"""Takes the seconds that were processed."""


@fingerprints.command("add")
def add_recordings(
    ctx: typer.Context,
    paths: RecordingPaths,
    reason: Annotated[str, typer.Option(help="Why it is banned; the list shows it.")],
    title: Annotated[str | None, typer.Option(help="Its name. Default: the name of the file.")] = None,
    label: Annotated[str, typer.Option(help="A label of the policies, such as terror_extremism.")] = "",
) -> None:
    """Add recordings to the bank: songs, speeches or sounds that must not be played.

    The bank is in the review store, and the console shows it, too. It keeps landmarks of the sound and not the sound. A
    recording must have some seconds with sound, and at most four hours. A file that cannot be read to its last byte is
    not added.

    Examples:
      voxwarden fingerprints add anthem.mp3 --title "The anthem" --reason "ticket 4711"
      voxwarden fingerprints add songs/ --reason "list of the regulator, 2026-11"
    """
    from pipeline.judge import labels
    from pipeline.review.database import Database

    if label:
        labels.load_labels(settings_of(ctx).judge.labels).check([label], "--label")
    with closing(Database(settings_of(ctx).database_url)) as database:

        def add(file: Path, name: str, heard: Progressed) -> None:
            from pipeline.sound.fingerprints.fingerprint import ban_of

            ban = ban_of(title or Path(name).stem, reason, label, actor(), time.time())
            stdout.print(
                plain(f"{_add(database, file, name, ban, heard)}  {ban.title}"), soft_wrap=True, highlight=False
            )

        raise typer.Exit(_for_each(paths, add))


@fingerprints.command("match")
def match_recordings(
    ctx: typer.Context,
    paths: RecordingPaths,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print JSON lines, for a program.")] = False,
) -> None:
    """Find where recordings of the bank play in other recordings, also under talk.

    Use it to try a bank, and to search recordings of rooms. Each line has the span in the file, the place in the
    banned recording, its id and its title. Memory does not grow with the length of a file.

    Examples:
      voxwarden fingerprints match room.ogg
      voxwarden fingerprints match recordings/ --jsonl
    """
    from pipeline.review.recording_bank import Bank
    from pipeline.sound.fingerprints.recording_detector import loaded

    bank = loaded(Bank(settings_of(ctx).database_url))
    if not bank.bans:
        raise InputError("The bank has no recordings", "Add one with `voxwarden fingerprints add`.")

    def match(file: Path, name: str, heard: Progressed) -> None:
        for playback in _playbacks(bank.landmarks, file, name, heard):
            _show(playback, name, bank.bans[playback.recording], jsonl=jsonl)

    raise typer.Exit(_for_each(paths, match))


def _for_each(paths: list[Path], work: Callable[[Path, str, Progressed], None]) -> Exit:
    """Do the work for each file. An error of a file is shown, and the others are still processed."""
    code = Exit.CLEAN
    with recordings(paths) as named, progress_bar() as progress:
        task = progress.add_task("listening", total=seconds_of(named.files))
        for file in named.files:
            try:
                work(file, named.names.get(file, str(file)), partial(progress.advance, task))
            except VoxwardenError as error:
                say_error(error)
                code = Exit.FAILED
    return code


def _blocks(file: Path, name: str, heard: Progressed) -> "Iterator[Samples]":
    from pipeline.speech.audio.decode import read_file

    for block in read_file(file, name=name):
        yield block
        heard(block.size / SAMPLE_RATE)


def _add(database: "Database", file: Path, name: str, ban: "Ban", heard: Progressed) -> str:
    """Add one recording, and return its id."""
    from pipeline.review import recording_bank
    from pipeline.sound.fingerprints.fingerprint import fingerprint

    made = fingerprint(_blocks(file, name, heard), ban)
    with database.write() as connection:
        recording_bank.add_recording(connection, made)
    return made.id


def _playbacks(index: "LandmarkIndex", file: Path, name: str, heard: Progressed) -> "Iterator[RecordingPlayback]":
    """The playbacks in a file. A damaged file first gives the playbacks of its readable part."""
    from pipeline.sound.fingerprints.matching import RecordingMatcher, joined_playbacks

    matcher = RecordingMatcher(index)
    damage: AudioError | None = None

    def found() -> "Iterator[RecordingPlayback]":
        nonlocal damage
        try:
            for block in _blocks(file, name, heard):
                yield from matcher.push(block)
        except AudioError as error:
            damage = error  # raised at the end: what plays before the damage counts
        yield from matcher.flush()

    yield from joined_playbacks(found())
    if damage:
        raise damage


def _show(playback: "RecordingPlayback", name: str, ban: "Ban", *, jsonl: bool) -> None:
    if jsonl:
        line = {"file": name, **playback._asdict(), "title": ban.title, "label": ban.label}
        sys.stdout.write(json_text(json.dumps(line, ensure_ascii=False) + "\n"))
        sys.stdout.flush()
        return
    span, place = f"{clock(playback.begin)}–{clock(playback.end)}", clock(playback.offset)
    text = f"{name}  {span}  from {place} of {playback.recording}  {ban.title}"
    stdout.print(plain(text), soft_wrap=True, highlight=False)
