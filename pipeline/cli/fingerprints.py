"""`voxwarden fingerprints`: banned recordings, by their sound."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.cli.app import Exit, app, say_error, settings_of, stdout
from pipeline.cli.casetables import utc
from pipeline.cli.paths import recordings, seconds_of
from pipeline.cli.progress import progress_bar
from pipeline.cli.table import clock
from pipeline.cli.terminal import json_text, plain
from pipeline.errors import AudioError, InputError, VoxwardenError
from pipeline.messages import SAMPLE_RATE

if TYPE_CHECKING:
    from pipeline.audio.resample import Samples
    from pipeline.sound.fingerprints.bank import Bank
    from pipeline.sound.fingerprints.fingerprint import Ban, Fingerprint
    from pipeline.sound.fingerprints.index import LandmarkIndex
    from pipeline.sound.fingerprints.matching import Playback

fingerprints = typer.Typer(
    no_args_is_help=True, help="Ban recordings, and find where they play.", rich_markup_mode="rich"
)
app.add_typer(fingerprints, name="fingerprints")

Progressed = Callable[[float], None]
"""Takes the seconds that were processed."""

Files = Annotated[
    list[Path], typer.Argument(help="Recordings, folders or pipes; - is standard input.", show_default=False)
]


@fingerprints.command("add")
def add_recordings(
    ctx: typer.Context,
    paths: Files,
    reason: Annotated[str, typer.Option(help="Why it is banned; the list shows it.")],
    title: Annotated[str | None, typer.Option(help="Its name. Default: the name of the file.")] = None,
    label: Annotated[str, typer.Option(help="A label of the policies, such as terror_extremism.")] = "",
    by: Annotated[str, typer.Option(help="Who bans it.")] = "cli",
) -> None:
    """Add recordings to the bank: songs, speeches or sounds that must not be played.

    The bank is the folder `fingerprints` in data_dir. It keeps landmarks of the sound and not the sound. A recording
    must have some seconds with sound, and at most four hours. A file that cannot be read to its last byte is not added.

    Examples:
      voxwarden fingerprints add anthem.mp3 --title "The anthem" --reason "ticket 4711"
      voxwarden fingerprints add songs/ --reason "list of the regulator, 2026-11"
    """
    from pipeline.judge import labels

    if label:
        labels.load(settings_of(ctx).judge.labels).check([label], "--label")
    bank = bank_of(ctx)

    def add(file: Path, name: str, heard: Progressed) -> None:
        from pipeline.sound.fingerprints.fingerprint import Ban

        ban = Ban(title=title or Path(name).stem, reason=reason, label=label, added_by=by, added_at=time.time())
        stdout.print(plain(f"{_add(bank, file, name, ban, heard)}  {ban.title}"), soft_wrap=True, highlight=False)

    raise typer.Exit(_for_each(paths, add))


@fingerprints.command("match")
def match_recordings(
    ctx: typer.Context,
    paths: Files,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print JSON lines, for a program.")] = False,
) -> None:
    """Find where recordings of the bank play in other recordings, also under talk.

    Use it to try a bank, and to search recordings of rooms. Each line has the span in the file, the place in the
    banned recording, its id and its title. Memory does not grow with the length of a file.

    Examples:
      voxwarden fingerprints match room.ogg
      voxwarden fingerprints match recordings/ --jsonl
    """
    bank = _LoadedBank(bank_of(ctx))

    def match(file: Path, name: str, heard: Progressed) -> None:
        for playback in _playbacks(bank.index, file, name, heard):
            _show(playback, name, bank.bans[playback.recording], jsonl=jsonl)

    code = _for_each(paths, match)
    raise typer.Exit(Exit.FAILED if bank.damaged else code)


@fingerprints.command("list")
def list_recordings(ctx: typer.Context) -> None:
    """List the recordings of the bank: who added them, when and why.

    Example:
      voxwarden fingerprints list
    """
    bank, code = bank_of(ctx), Exit.CLEAN
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True, min_width=16)  # a shortened id would remove nothing
    for name in ("title", "length", "label", "reason", "added", "by"):
        table.add_column(name, overflow="fold")
    for identity in bank.ids():
        try:
            one = bank.describe(identity)
        except VoxwardenError as error:
            say_error(error)
            code = Exit.FAILED
            continue
        texts = (plain(text) for text in (one.ban.label, one.ban.reason))
        by = utc(one.ban.added_at), plain(one.ban.added_by)
        table.add_row(identity, plain(one.ban.title), clock(one.seconds), *texts, *by)
    empty = f"No recordings in {bank.folder}. Add one with `voxwarden fingerprints add`."
    stdout.print(table if table.rows else plain(empty), soft_wrap=not table.rows)
    raise typer.Exit(code)


@fingerprints.command("remove")
def remove_recordings(
    ctx: typer.Context, ids: Annotated[list[str], typer.Argument(help="Ids, as `list` shows them.")]
) -> None:
    """Remove recordings from the bank.

    Example:
      voxwarden fingerprints remove 1a2b3c4d5e6f7081
    """
    bank = bank_of(ctx)
    for identity in ids:
        bank.remove(identity)
        stdout.print(plain(f"{identity} is removed"), highlight=False)


def bank_of(ctx: typer.Context) -> "Bank":
    """The bank of the settings."""
    from pipeline.sound.fingerprints.bank import Bank

    return Bank(settings_of(ctx).data_dir / "fingerprints")


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
    from pipeline.audio.decode import read_file

    for block in read_file(file, name=name):
        yield block
        heard(block.size / SAMPLE_RATE)


def _add(bank: "Bank", file: Path, name: str, ban: "Ban", heard: Progressed) -> str:
    """Add one recording, and return its id."""
    from pipeline.sound.fingerprints.fingerprint import fingerprint

    made = fingerprint(_blocks(file, name, heard), ban)
    bank.add(made)
    return made.id


class _LoadedBank:
    """The index of a bank, and the bans. Errors of damaged files are shown. Raises InputError if the bank is empty."""

    def __init__(self, bank: "Bank") -> None:
        from pipeline.sound.fingerprints.index import LandmarkIndex

        self.bans: dict[str, Ban] = {}
        self.damaged = False
        self.index = LandmarkIndex(self._readable(bank))
        if not self.bans:
            raise InputError(f"No recordings in {bank.folder}", "Add one with `voxwarden fingerprints add`.")

    def _readable(self, bank: "Bank") -> "Iterator[Fingerprint]":
        for each in bank.all():
            if isinstance(each, VoxwardenError):
                say_error(each)
                self.damaged = True
            else:
                self.bans[each.id] = each.recording.ban
                yield each


def _playbacks(index: "LandmarkIndex", file: Path, name: str, heard: Progressed) -> "Iterator[Playback]":
    """The playbacks in a file. A damaged file first gives those of the part that could be decoded."""
    from pipeline.sound.fingerprints.matching import RecordingMatcher, joined

    matcher = RecordingMatcher(index)
    damage: AudioError | None = None

    def found() -> "Iterator[Playback]":
        nonlocal damage
        try:
            for block in _blocks(file, name, heard):
                yield from matcher.push(block)
        except AudioError as error:
            damage = error
        yield from matcher.flush()

    yield from joined(found())
    if damage:
        raise damage


def _show(playback: "Playback", name: str, ban: "Ban", *, jsonl: bool) -> None:
    if jsonl:
        line = {"file": name, **playback._asdict(), "title": ban.title, "label": ban.label}
        sys.stdout.write(json_text(json.dumps(line, ensure_ascii=False) + "\n"))
        sys.stdout.flush()
        return
    span, place = f"{clock(playback.begin)}–{clock(playback.end)}", clock(playback.offset)
    text = f"{name}  {span}  from {place} of {playback.recording}  {ban.title}"
    stdout.print(plain(text), soft_wrap=True, highlight=False)
