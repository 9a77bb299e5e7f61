"""`voxwarden assess drill`: test speech through the live pipeline."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.app import Exit, add_group, settings_of
from agents.commands.assess import By, assess, author, said, say, show, warn
from agents.commands.store import database_of

if TYPE_CHECKING:
    from pipeline.assessment.drill_speech import DrillLine, Voice
    from pipeline.assessment.drills import Drill
    from pipeline.review.database import Database
    from pipeline.settings import Settings
    from pipeline.speech.audio.resample import Samples

AT_ONCE = 8  # lines that are spoken at the same time
POLL_SECONDS = 0.5

drill = add_group("drill", "Test speech through the live pipeline.", assess)

Languages = Annotated[
    list[str] | None, typer.Option("--language", help="Only lines of this language. Repeat it for more.")
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", help="Only lines of this label, or `clean`. Repeat it for more.")
]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for the last result.")]


@drill.command()
def lines(ctx: typer.Context, languages: Languages = None, labels: Labels = None) -> None:
    """List the sentences of a detection drill, with the names that your recordings need.

    Example:
      voxwarden assess drill lines --language zh
    """
    for line in _lines(settings_of(ctx), languages, labels):
        show(f"{line.name:26} {line.text}")


@drill.command()
def run(
    ctx: typer.Context,
    gateway: Annotated[str, typer.Option(help="Address of the gateway.")] = "ws://127.0.0.1:8765",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="VOXWARDEN_DRILL_TOKEN", help="Token of the gateway. Default: the first of gateway.tokens."
        ),
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of your own recordings, named like the lines.")] = None,
    languages: Languages = None,
    labels: Labels = None,
    room_type: Annotated[str, typer.Option(help="Type of the test rooms.")] = "default",
    wait: Wait = 60.0,
    by: By = None,
) -> None:
    """Send test sentences through the live gateway, and show what was detected.

    Each sentence is spoken in a room of its own, marked as a drill, so it counts in no production figure. Its cases
    come to your moderators. Voxwarden ships the speech of its own sentences; those of your drills.yaml need --audio.
    The exit code is 3 if a flag is missing at the end. It is also 3 if the gateway refuses the speech; nothing is then
    recorded.

    Examples:
      voxwarden assess drill run
      voxwarden assess drill run --language zh --label fraud
      voxwarden assess drill run --audio recordings
    """
    from pipeline.assessment import drills

    settings = settings_of(ctx)
    sounds = _sounds(_lines(settings, languages, labels), _voice(audio))
    key = token or next((each.get_secret_value() for each in settings.gateway.tokens), "")
    with database_of(ctx) as database:
        with database.write() as connection:
            made, rooms = drills.begin(connection, [line for line, _ in sounds], author(by), time.time())
        say("{id}: {n} lines", id=made.id, n=len(rooms))
        send = partial(_send, database, made, gateway, key, room_type)
        try:
            with ThreadPoolExecutor(AT_ONCE) as threads:
                list(threads.map(send, rooms, [samples for _, samples in sounds]))  # `list` raises the first error
        except BaseException:  # also Ctrl-C
            with database.write() as connection:
                drills.cancel(connection, made.id, author(by), time.time())
            raise
        missing = _await(database, made, wait)
        with database.write() as connection:
            drills.end(connection, made.id, author(by), time.time())
        _results(database, made)
    if missing:
        raise typer.Exit(Exit.FAILED)


def _lines(settings: "Settings", languages: Sequence[str] | None, labels: Sequence[str] | None) -> "list[DrillLine]":
    """Return the lines of the languages and labels that are chosen, and that the policy turns on."""
    from pipeline.assessment import drill_speech
    from pipeline.judge import labels as label_file
    from pipeline.judge import moderation_policy

    book = drill_speech.book()
    rules = moderation_policy.load_policy(settings.judge.policy, label_file.load_labels(settings.judge.labels))
    enabled = {language: rules.resolved("default", language).labels for language in book.lines}
    return [
        line
        for line in drill_speech.lines_of(book, enabled)
        if (not languages or line.language in languages) and (not labels or (line.label or "clean") in labels)
    ]


def _voice(audio: Path | None) -> "Voice":
    from pipeline.assessment import drill_speech

    return drill_speech.folder(audio) if audio else drill_speech.shipped


def _sounds(lines: "Sequence[DrillLine]", voice: "Voice") -> "list[tuple[DrillLine, Samples]]":
    """Return the lines that have a sound, and warn about the others."""
    sounds = [(line, samples) for line in lines if (samples := voice(line)) is not None]
    if len(sounds) < len(lines):
        silent = sorted({line.name for line in lines} - {line.name for line, _ in sounds})
        warn("{n} lines have no recording and are left out: {names}", n=len(silent), names=", ".join(silent))
    return sounds


def _send(
    database: "Database", made: "Drill", gateway: str, token: str, room_type: str, room: str, samples: "Samples"
) -> None:
    """Speak one line in its room, and store when it ended."""
    from pipeline.assessment import drills
    from pipeline.assessment.drill_speech import send

    ended = send(gateway, token, made.id, room, samples, room_type)
    with database.write() as connection:
        drills.spoken(connection, made.id, room, ended)


def _await(database: "Database", made: "Drill", seconds: float) -> int:
    """Wait until all results are there, at most for some seconds. Return the number of missing ones."""
    from pipeline.assessment import drills

    deadline = time.monotonic() + seconds
    while True:
        with database.read() as connection:
            missing = drills.waiting(connection, made)
        if not missing or time.monotonic() >= deadline:
            return missing
        time.sleep(POLL_SECONDS)


def _results(database: "Database", made: "Drill") -> None:
    from pipeline.assessment import drills

    with database.read() as connection:
        found = drills.results(connection, made.id)
    if made.kind == "detection":
        for cell in drills.cells(found):
            label, under = cell.label or said("clean"), ""
            if cell.label:
                under = said(", {n} under this label", n=cell.named)
            right = said("{n} of {m} right, {k} with a flag", n=cell.right, m=cell.lines, k=cell.answered)
            show(f"{cell.language}  {label:20} {right}{under}")
    for name, (n, median, longest) in drills.times(found).items():
        if n:
            say(
                "to {step}: {n} of {m}, median {median:.1f} s, longest {longest:.1f} s",
                step=said(name),
                n=n,
                m=len(found),
                median=median,
                longest=longest,
            )
    for line in found:
        result = said(line.suggestion or ("failed" if line.failed else "done" if line.acted_at else "no result"))
        show(f"  {line.room}  {line.language} {line.label or '-'}  {result}  {', '.join(line.flagged)}")
