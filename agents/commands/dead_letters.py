"""`voxwarden dead-letters`: list, show, replay and drop records that a stage could not handle."""

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from agents.commands.app import Exit, add_group, settings_of
from agents.commands.cases import moment
from agents.commands.terminal import json_text, plain, stderr, stdout

if TYPE_CHECKING:
    from pipeline.runner.dead_letter_store import DeadLetterStore, Letter, LetterFilter

HEAD_BYTES = 256  # bytes of a value that `show` prints, at most

Stage = Annotated[str | None, typer.Option(help="Only letters of this stage.")]
Reason = Annotated[
    str | None, typer.Option(help="Only letters whose reason contains this text. Upper and lower case are equal.")
]
Since = Annotated[
    str | None,
    typer.Option(help="Only letters since: an age such as 30m, 12h or 7d, or a UTC time such as 2026-01-31T08:00."),
]
Addresses = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ADDRESS]...", help="Addresses of letters, or of their origins, from `list`."),
]
Local = Annotated[bool, typer.Option("--local", help="Use the data_dir of `voxwarden run` on this machine, not Kafka.")]
All = Annotated[bool, typer.Option("--all", help="All letters that still wait.")]

group = add_group("dead-letters", "List, show, replay and drop the records that a stage could not handle.")


@group.command("list")
def list_letters(
    ctx: typer.Context,
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    handled: Annotated[
        bool, typer.Option("--handled", help="Also show letters that were replayed or dropped.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show only this many letters, the newest.")] = 50,
    local: Local = False,
    form: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="table for a person, jsonl for a program.")
    ] = "table",
) -> None:
    """List the dead letters that still wait for a replay or a drop, oldest first.

    Use it to see what a stage could not handle, and why.

    Examples:
      voxwarden dead-letters list --stage segment --since 24h
      voxwarden dead-letters list --local
    """
    found = _box(ctx, local).letters(_wanted([], stage, reason, since, handled))
    shown = found[-limit:]
    if form == "jsonl":
        for letter in shown:
            _write(letter)
        return
    stdout.print(_table(shown) if shown else "No dead letters.")
    if len(found) > len(shown):
        stderr.print(f"These are the newest {limit} of {len(found)} letters. Show more with --limit.")


@group.command()
def show(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(help="Address of the letter, or of its origin, from `list`.")],
    local: Local = False,
) -> None:
    """Show one dead letter: its headers, and the start of its value.

    Use it to find the cause. Audio is shown only as hexadecimal digits.

    Example:
      voxwarden dead-letters show voice.dead-letters/0/12
    """
    box = _box(ctx, local)
    for letter in box.letters(_wanted([address], None, None, None, handled=True)):
        content = box.content(letter)
        table = Table(show_header=False, box=None)
        table.add_row("address", plain(letter.address))
        for name, value in content.headers.items():
            table.add_row(plain(name), plain(value))
        stdout.print(table)
        text = "json" in content.headers.get("content-type", content.headers.get("ce_datacontenttype", ""))
        stdout.print(_head(content.value, text), markup=False, highlight=False, soft_wrap=True)


@group.command()
def replay(
    ctx: typer.Context,
    addresses: Addresses = None,
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    everything: All = False,
    local: Local = False,
) -> None:
    """Send dead letters back to the topic that they came from.

    Use it after you have fixed the cause. The exit code is 3 if a letter cannot be replayed. With --local, the next
    `voxwarden run` handles the letters when it starts; stop a running one first. A record that fails again can be
    replayed three times at most.

    Examples:
      voxwarden dead-letters replay voice.dead-letters/0/12
      voxwarden dead-letters replay --stage judge --since 2h
    """
    box = _box(ctx, local)
    sent, refusals = box.send_back(_chosen(box, addresses, stage, reason, since, everything))
    stdout.print(f"{sent} replayed.")
    for letter, why in refusals:
        stderr.print(f"{letter.address} is not replayed: {why}.", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(Exit.FAILED if refusals else Exit.CLEAN)


@group.command()
def drop(
    ctx: typer.Context,
    addresses: Addresses = None,
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    everything: All = False,
    local: Local = False,
) -> None:
    """Mark dead letters as handled without a replay.

    Use it for records that you do not need, so that `list` shows only open letters. Kafka keeps the records until their
    retention ends; `list --handled` shows them.

    Example:
      voxwarden dead-letters drop --reason "no ce_type header"
    """
    box = _box(ctx, local)
    stdout.print(f"{box.drop(_chosen(box, addresses, stage, reason, since, everything))} dropped.")


def _box(ctx: typer.Context, local: bool) -> "DeadLetterStore":
    if local:
        from pipeline.runner.dead_letter_file import local_dead_letters

        return local_dead_letters(settings_of(ctx))
    from agents.broker.dead_letter_topic import KafkaDeadLetters

    return KafkaDeadLetters(settings_of(ctx).kafka)


def _chosen(
    box: "DeadLetterStore",
    addresses: list[str] | None,
    stage: str | None,
    reason: str | None,
    since: str | None,
    everything: bool,
) -> "list[Letter]":
    from pipeline.runner.dead_letter_store import check_chosen

    wanted = _wanted(addresses or [], stage, reason, since, handled=False)
    check_chosen(wanted, everything)
    return box.letters(wanted)


def _wanted(
    addresses: list[str], stage: str | None, reason: str | None, since: str | None, handled: bool
) -> "LetterFilter":
    from pipeline.runner.dead_letter_store import LetterFilter

    after = moment(since, time.time()) if since else None
    return LetterFilter(frozenset(addresses), stage, reason, after, handled)


def _table(letters: "list[Letter]") -> Table:
    table = Table("Letter", "Stage", "Reason", "Origin", "Time (UTC)", "Bytes", "State")
    for letter in letters:
        again = f"replayed {letter.replays} times, failed again" if letter.replays else "waits"
        table.add_row(
            plain(letter.address),
            plain(letter.stage),
            plain(letter.reason),
            plain(letter.origin or "made by the stage"),
            _time(letter.at),
            f"{letter.size:,}" + (" (cut)" if letter.cut else ""),
            letter.handled or again,
        )
    return table


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _write(letter: "Letter") -> None:
    from dataclasses import asdict

    line: dict[str, Any] = asdict(letter)
    sys.stdout.write(json_text(json.dumps(line, ensure_ascii=False)) + "\n")


def _head(value: bytes, text: bool) -> str:
    """Return the first bytes as text, or as hexadecimal digits if the value may be audio."""
    head = value[:HEAD_BYTES]
    shown = plain(head.decode("utf-8", "replace")) if text else head.hex(" ")
    return f"{shown} ... ({len(value):,} bytes)" if len(value) > HEAD_BYTES else str(shown)
