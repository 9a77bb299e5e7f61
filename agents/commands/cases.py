"""`voxwarden cases`: list, show and decide cases without the console."""

import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from msgspec.structs import replace

from agents.commands import table
from agents.commands.app import add_group, settings_of
from agents.commands.terminal import json_text, stderr, stdout
from pipeline.base.errors import DependencyError, InputError
from pipeline.contract.messages import Action, Suggestion, Verdict
from pipeline.review.cases.case_values import Case, Choice, Filters, Status

if TYPE_CHECKING:
    from pipeline.review.review_store import ReviewStore, SqlReviewStore

POLL_SECONDS = 0.5  # seconds between two looks into the store
OVERLAP_SECONDS = 10.0  # seconds that each look covers again: a case becomes visible later than the time that it bears
PAGE = 200  # cases that one query fetches


def new_cases(
    store: "ReviewStore",
    filters: Filters,
    shown: Collection[str],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Case]:
    """Yield each case that passes `filters` as soon as it is stored, but no case of `shown`. Oldest first, without end.

    `clock` returns UTC seconds. A database that does not answer is asked again.
    """
    seen, looked = set(shown), clock()
    while True:
        now = clock()
        recent = _stored_since(store, filters, looked - OVERLAP_SECONDS)
        if recent is not None:
            yield from (case for case in reversed(recent) if case.id not in seen)
            # Only these can come again, so `seen` does not grow. `now` is from before the query: it missed later cases.
            seen, looked = {case.id for case in recent}, now
        sleep(POLL_SECONDS)


def _stored_since(store: "ReviewStore", filters: Filters, since: float) -> list[Case] | None:
    """Return the cases that were stored since then, newest first; None if the database does not answer."""
    wanted = replace(filters, since=max(since, filters.since or 0.0))
    found: list[Case] = []
    try:
        while page := store.cases(wanted, found[-1].key if found else None, PAGE):
            found += page
    except DependencyError:
        return None
    return found


UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")

Table = Literal["table", "json", "jsonl"]
Page = Literal["text", "json"]

cases = add_group("cases", "List, show and decide cases.")


@cases.command("list")
def list_cases(
    ctx: typer.Context,
    status: Annotated[Status | None, typer.Option(help="Only cases with this status.")] = None,
    label: Annotated[str | None, typer.Option(help="Only cases with this label, e.g. violence.")] = None,
    suggestion: Annotated[
        Suggestion | None, typer.Option(help="Only cases with this suggestion of the policy.")
    ] = None,
    room: Annotated[str | None, typer.Option(help="Only cases of this room.")] = None,
    speaker: Annotated[str | None, typer.Option(help="Only cases of this speaker.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only cases stored since: an age such as 30m, 12h or 7d, or a UTC time such as 2026-01-31T08:00."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show only this many cases, the newest.")] = 50,
    output: Annotated[
        Table, typer.Option("--format", help="table for a person, json or jsonl for a program.")
    ] = "table",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then show new cases as they arrive, until Ctrl-C; newest last.")
    ] = False,
) -> None:
    """List cases, newest first.

    Use it to see what was flagged, to pass cases to a program, or to watch new cases.

    Examples:
      voxwarden cases list --status pending --suggestion block
      voxwarden cases list --since 24h --format jsonl
      voxwarden cases list --follow --suggestion block
    """
    if follow and output == "json":
        raise typer.BadParameter("a list that goes on has no end; use table or jsonl", param_hint="--format")
    after = None if since is None else moment(since, time.time())
    filters = Filters(status=status, label=label, suggestion=suggestion, room=room, speaker=speaker, since=after)
    store = _store(ctx)
    try:
        found = _pages(store, filters, limit)
        if follow:
            _follow(store, filters, found[::-1], output)
    finally:
        store.close()
    if output == "table":
        stdout.print(table.listing(found, time.time()) if found else "No cases.")
        if len(found) == limit:
            stderr.print(f"These are the newest {limit} cases. Show more with --limit.")
    else:
        _write(found, lines=output == "jsonl")


@cases.command("show")
def show_case(
    ctx: typer.Context,
    case: Annotated[
        str, typer.Argument(help="Id of the case, or the start of the id if no other case begins with it.")
    ],
    output: Annotated[Page, typer.Option("--format", help="text for a person, json for a program.")] = "text",
) -> None:
    """Show one case: the text, the reasons for the flag, the path of its clip, and the decisions.

    Use it before you decide. The start of an id is enough if no other case begins with it.

    Example:
      voxwarden cases show 3f2a
    """
    store = _store(ctx)
    try:
        file = store.case(store.find(case))
    finally:
        store.close()
    clips = [settings_of(ctx).data_dir / "evidence" / clip.path for clip in file.evidence]
    if output == "text":
        stdout.print(table.page(file, clips, time.time()), soft_wrap=False)
    else:
        fields = {name: msgspec.to_builtins(getattr(file, name)) for name in file.__struct_fields__}
        _write_line(fields | {"clips": [str(clip) for clip in clips]})


@cases.command("decide")
def decide_case(
    ctx: typer.Context,
    case: Annotated[
        str, typer.Argument(help="Id of the case, or the start of the id if no other case begins with it.")
    ],
    verdict: Annotated[Verdict, typer.Argument(help="uphold, dismiss or escalate.")],
    moderator: Annotated[str, typer.Option(help="Name of the moderator who decides.")],
    label: Annotated[str | None, typer.Option(help="The right label, if the flag has a wrong one.")] = None,
    note: Annotated[str, typer.Option(help="The reason. It is stored with the decision.")] = "",
    action: Annotated[Action | None, typer.Option(help="What the app should do. Only with uphold.")] = None,
    duration: Annotated[
        str | None, typer.Option(help="How long a mute or a removal lasts, e.g. 30m or 7d. Default: the app decides.")
    ] = None,
) -> None:
    """Decide one case.

    Use it to decide without the console. [bold]uphold[/bold]: the speech breaks the rules. [bold]dismiss[/bold]: it
    does not. [bold]escalate[/bold]: a senior moderator must decide, and the case stays open. The app is told after
    10 s. Until then, `voxwarden cases undo` takes the decision back.

    Examples:
      voxwarden cases decide 3f2a dismiss --moderator ana --note "it was a quote"
      voxwarden cases decide 3f2a uphold --moderator ana --action mute --duration 1h
    """
    if label is not None:
        from pipeline.judge import labels

        labels.load_labels(settings_of(ctx).judge.labels).check([label], "--label")
    seconds = None if duration is None else _seconds(duration)
    choice = Choice(verdict=verdict, label=label, note=note, action=action, duration_seconds=seconds)
    store = _store(ctx)
    try:
        decision = store.decide(store.find(case), moderator, choice, time.time())
    finally:
        store.close()
    stdout.print(table.decided(decision))


@cases.command("undo")
def undo_decision(
    ctx: typer.Context,
    case: Annotated[
        str, typer.Argument(help="Id of the case, or the start of the id if no other case begins with it.")
    ],
    moderator: Annotated[str, typer.Option(help="Name of the moderator who decided.")],
) -> None:
    """Undo the last decision of a case, within 10 s.

    Example:
      voxwarden cases undo 3f2a --moderator ana
    """
    store = _store(ctx)
    try:
        store.undo(store.find(case), moderator, time.time())
    finally:
        store.close()
    stdout.print("The decision is undone.")


def _seconds(duration: str) -> float:
    if not (found := AGO.fullmatch(duration)):
        raise InputError(f"--duration {duration} is not a duration", "Write 30m, 12h or 7d.")
    return float(found[1]) * UNITS[found[2]]


def moment(text: str, now: float, option: str = "--since") -> float:
    """Return a time as UTC seconds: an age such as `12h` before `now`, or a date and time, by default in UTC.

    Raises InputError, which names `option`, for other text.
    """
    if AGO.fullmatch(text):
        return now - _seconds(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text} is not a time", "Write 30m, 12h, 7d or 2026-01-31T08:00.") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _store(ctx: typer.Context) -> "SqlReviewStore":
    from pipeline.review.review_store import open_store

    return open_store(settings_of(ctx), must_exist=True)


def _pages(store: "SqlReviewStore", filters: Filters, limit: int) -> list[Case]:
    found: list[Case] = []
    while len(found) < limit:
        page = store.cases(filters, found[-1].key if found else None, min(PAGE, limit - len(found)))
        if not page:
            break
        found += page
    return found


def _follow(store: "SqlReviewStore", filters: Filters, found: list[Case], output: Table) -> None:
    """Show the cases `found`, and then new ones for ever."""
    if output == "table":
        stdout.print(table.listing(found, time.time()))
    else:
        _write(found, lines=True)
    sys.stdout.flush()
    for case in new_cases(store, filters, {case.id for case in found}):
        if output == "table":
            stdout.print(table.listing([case], time.time(), header=False))
        else:
            _write_line(case)
        sys.stdout.flush()


def _write(found: list[Case], lines: bool) -> None:
    if lines:
        for case in found:
            _write_line(case)
    else:
        sys.stdout.write(json_text(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()) + "\n")


def _write_line(value: Any) -> None:
    sys.stdout.write(json_text(msgspec.json.encode(value).decode()) + "\n")
