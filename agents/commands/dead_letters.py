"""`voxwarden dead-letters`: what could not be handled, and what becomes of it."""

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from pipeline.cli.app import Exit, app, settings_of, stderr, stdout
from pipeline.cli.cases import moment
from pipeline.cli.terminal import json_text, plain

if TYPE_CHECKING:
    from pipeline.letters import Box, Letter, LetterFilter

HEAD_BYTES = 256
"""Of a value, at the most."""

Stage = Annotated[str | None, typer.Option(help="The stage that could not handle them.")]
Reason = Annotated[str | None, typer.Option(help="A part of the reason, in upper or lower case.")]
Since = Annotated[str | None, typer.Option(help="Since: 30m, 12h, 7d ago, or 2026-01-31T08:00 (UTC).")]
Addresses = Annotated[
    list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="Their own, or their origin's, as `list` shows them.")
]
Local = Annotated[bool, typer.Option("--local", help="Of `voxwarden run` on this machine: no Kafka, but data_dir.")]
All = Annotated[bool, typer.Option("--all", help="Every one that is not dealt with.")]

group = typer.Typer(no_args_is_help=True, help="What could not be handled: list, show, replay or drop it.")
app.add_typer(group, name="dead-letters")


@group.command("list")
def list_letters(
    ctx: typer.Context,
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    handled: Annotated[bool, typer.Option("--handled", help="Also those that were replayed or dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    local: Local = False,
    form: Annotated[Literal["table", "jsonl"], typer.Option("--format", help="For a person, or a program.")] = "table",
) -> None:
    """List the letters that nobody has dealt with, the oldest first.

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
        stderr.print(f"The newest {limit} of {len(found)}; --limit shows more.")


@group.command()
def show(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(help="Its own, or its origin's, as `list` shows them.")],
    local: Local = False,
) -> None:
    """Show one letter: its headers, and the beginning of its value; audio only as hexadecimal digits.

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
    """Send letters back to the topic they came from; the exit code is 3 if one cannot be.

    With --local the next `voxwarden run` handles them again when it starts; none may be running. A record that dies
    again and again is replayed three times at the most.

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
    """Mark letters as dealt with. Kafka keeps them until their retention is over; `list --handled` shows them.

    Example:
      voxwarden dead-letters drop --reason "no ce_type header"
    """
    box = _box(ctx, local)
    stdout.print(f"{box.drop(_chosen(box, addresses, stage, reason, since, everything))} dropped.")


def _box(ctx: typer.Context, local: bool) -> "Box":
    if local:
        from pipeline.dead_letters import box_of

        return box_of(settings_of(ctx))
    from agents.dead_letters import KafkaBox

    return KafkaBox(settings_of(ctx).kafka)


def _chosen(
    box: "Box",
    addresses: list[str] | None,
    stage: str | None,
    reason: str | None,
    since: str | None,
    everything: bool,
) -> "list[Letter]":
    from pipeline.letters import check_chosen

    wanted = _wanted(addresses or [], stage, reason, since, handled=False)
    check_chosen(wanted, everything)
    return box.letters(wanted)


def _wanted(
    addresses: list[str], stage: str | None, reason: str | None, since: str | None, handled: bool
) -> "LetterFilter":
    from pipeline.letters import LetterFilter

    after = moment(since, time.time()) if since else None
    return LetterFilter(frozenset(addresses), stage, reason, after, handled)


def _table(letters: "list[Letter]") -> Table:
    table = Table("Letter", "Stage", "Reason", "Origin", "Time (UTC)", "Bytes", "State")
    for letter in letters:
        again = f"replayed {letter.replays} times, died again" if letter.replays else "waits"
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
    """The first bytes; what is no JSON may be audio, and is shown in hexadecimal digits."""
    head = value[:HEAD_BYTES]
    shown = plain(head.decode("utf-8", "replace")) if text else head.hex(" ")
    return f"{shown} ... ({len(value):,} bytes)" if len(value) > HEAD_BYTES else str(shown)
