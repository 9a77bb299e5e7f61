"""Show cases in a terminal. Speech and room names are printed as text, never as markup or control characters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.commands.table import SHAPES, STYLES
from agents.commands.terminal import plain
from pipeline.contract.messages import Decision, Flag, Suggestion

if TYPE_CHECKING:
    from pipeline.review.cases.values import Case, CaseFile

SHORT = 8
"""Characters of an id in a list. They are enough for `cases show`."""

EXCERPT = 100
"""Characters of the text in a list. `cases show` prints all of it."""


def listing(found: "Sequence[Case]", now: float, header: bool = True) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=header)
    for name, width in (("case", SHORT), ("age", 4), ("", 8), ("risk", 4)):
        table.add_column(name, no_wrap=True, min_width=width)
    for name in ("label", "status", "room", "speaker"):
        table.add_column(name, overflow="fold")
    table.add_column("text", min_width=16)
    for case in found:
        table.add_row(
            case.id[:SHORT],
            age(now - case.created_at),
            risk(case.suggestion),
            f"{case.risk:.2f}",
            *map(plain, (case.label, case.status, case.room, case.speaker)),
            plain(case.text if len(case.text) <= EXCERPT else case.text[:EXCERPT] + "…"),
        )
    return table


def page(file: "CaseFile", clips: Sequence[Path], now: float) -> Group:
    case = file.case
    title = Text.assemble(f"Case {case.id}  ", risk(case.suggestion), "  ", plain(case.label), f"  {case.status}")
    facts = Table.grid(padding=(0, 2))
    facts.add_row("room", plain(f"{case.room} ({case.room_type})"))
    facts.add_row("speaker", plain(case.speaker))
    facts.add_row("spoken", f"{utc(case.start)} – {utc(case.end)}, stored {age(now - case.created_at)} ago")
    for clip in clips:
        facts.add_row("clip", Text(str(clip), overflow="fold"))
    if not clips:
        facts.add_row("clip", "none: the audio was no longer in the log")
    parts: list[RenderableType] = [title, facts]
    for flag in file.flags:
        parts += [Text(), _flag(flag)]
    parts += [Text(), *map(decided, file.decisions)] if file.decisions else []
    for flag in file.linked:
        parts += [Text("\nFlagged again after the decision:", style="dim"), _flag(flag)]
    return Group(*parts)


def decided(decision: Decision) -> Text:
    line = f"{utc(decision.at)}  {decision.verdict} by {decision.moderator}"
    if decision.label:
        line += f" as {decision.label}"
    return plain(f"{line}: {decision.note}" if decision.note else line)


def _flag(flag: Flag) -> Table:
    said = plain(flag.content)
    for hit in flag.hits:
        said.stylize("bold underline", hit.start, hit.end)
    grid = Table.grid(padding=(0, 2))
    grid.add_row(utc(flag.start), said)
    scores = ", ".join(f"{name} {score:.2f}" for name, score in sorted(flag.labels.items(), key=lambda s: -s[1]))
    for name, value in (
        ("why", "; ".join(flag.reasons)),
        ("scores", scores),
        ("marks", ", ".join(flag.marks)),
        ("heard as", "" if flag.sound else f"{flag.language}, confidence {flag.confidence:.2f}"),
        ("judged by", f"policy {flag.policy}, model {flag.model}"),
    ):
        if value:
            grid.add_row(Text(name, style="dim"), plain(value))
    return grid


def risk(suggestion: Suggestion) -> Text:
    return Text(f"{SHAPES[suggestion]} {suggestion}", style=STYLES[suggestion])


def age(seconds: float) -> str:
    """Return a duration as `40 s`, `5 m`, `3 h` or `2 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
