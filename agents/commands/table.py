"""Show flags as rows that a person reads as they arrive."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.commands.terminal import plain
from pipeline.contract.messages import UNSUPPORTED, Decision, Flag, SpeechStatus, Suggestion

if TYPE_CHECKING:
    from pipeline.review.cases.case_values import Case, CaseFile

Result = Suggestion | Literal["unheard"]
STYLES: dict[Result, str] = {"block": "bold red", "review": "yellow", "pass": "green", "unheard": "magenta"}
# Risk has a shape, a word and a colour, so that colour is never the only sign.
SHAPES: dict[Result, str] = {"block": "■", "review": "◆", "pass": "●", "unheard": "○"}


def flag_row(flag: Flag, when: str | None = None, who: str | None = None) -> Table:
    """Return a flag as a row.

    `when` replaces the seconds of a recording; `who` is the speaker, if there are several.
    """
    if flag.verdict is None:
        suggestion = f"[{STYLES['unheard']}]{SHAPES['unheard']} {UNSUPPORTED}[/]"
    else:
        suggestion = f"[{STYLES[flag.verdict]}]{SHAPES[flag.verdict]} {flag.verdict:6}[/] {flag.risk:.2f}"
    return _row(when or _span(flag), suggestion, _words(flag, who))


def unheard_row(status: SpeechStatus) -> Table:
    """Return an utterance of a recording that was not judged as a row."""
    return _row(_span(status), f"[{STYLES['unheard']}]{SHAPES['unheard']} unheard[/]", Text(why_unheard(status)))


def why_unheard(status: SpeechStatus) -> str:
    """Return the reason why an utterance was not judged, and its language if that is the reason."""
    return f"{status.reason} {status.language}".rstrip()


def _span(spoken: Flag | SpeechStatus) -> str:
    return f"{clock(spoken.start)}–{clock(spoken.end)}"


def _row(times: str, result: str, words: Text) -> Table:
    row = Table.grid(padding=(0, 2))
    row.add_column(width=16, no_wrap=True)
    row.add_column(width=13, no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(times, result, words)
    return row


def arrived_row(flag: Flag, ended: float | None = None) -> Table:
    """Return a flag of a live room as a row: the time of the speech, the delay of the flag, room and speaker.

    `ended` is the clock time of the end of the speech in UTC seconds, for playback that is faster than live.
    """
    ended = flag.end if ended is None else ended
    delay = time.time() - ended
    shown = f"{delay:.1f}" if delay < 99.95 else f"{delay:.0f}"
    when = f"{time.strftime('%H:%M:%S', time.localtime(ended))} +{shown} s"
    return flag_row(flag, when, f"{flag.room}/{flag.speaker}")


def clock(seconds: float) -> str:
    """Return seconds as `1:02:03.4`, without hours if there are none."""
    minutes, rest = divmod(round(seconds, 1), 60)  # rounded first, or 59.96 would be 0:60.0
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{rest:04.1f}"


def _words(flag: Flag, who: str | None) -> Text:
    """Return speaker, labels and text, with the hits of the lexicon underlined. It says if the context led to it.

    A finding of the second reader is without the text, because the judge's flag of the same speech has its own row.
    """
    words = Text(READER, "dim") if flag.source == "reader" else _marked(Text(flag.content), flag)
    if flag.suggestion == "pass":
        words.style = "dim"
    speaker = Text(f"{who}: " if who else "", style="bold")
    from pipeline.judge.verdict import from_context

    context = " in context" if from_context(flag.reasons) else ""
    labels = Text(f"{', '.join(flag.flagged)}{context}: " if flag.flagged else "", style=STYLES[flag.suggestion])
    return Text.assemble(speaker, labels, words)


READER = "found by the second reader"


def _marked(said: Text, flag: Flag) -> Text:
    """Underline the hits of the lexicon in the text `said`."""
    for hit in flag.hits:
        said.stylize("bold underline", hit.start, hit.end)
    return said


# Characters of an id in a list. They are enough for `cases show`.
SHORT = 8

# Characters of the text in a list. `cases show` prints all of it.
EXCERPT = 100


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
    judged = {flag.utterance for flag in file.flags if flag.source == "words"}
    for flag in file.flags:
        parts += [Text(), _flag(flag, shown=flag.source == "reader" and flag.utterance in judged)]
    parts += [Text(), *map(decided, file.decisions)] if file.decisions else []
    for flag in file.linked:
        parts += [Text("\nFlagged again after the decision:", style="dim"), _flag(flag)]
    return Group(*parts)


def decided(decision: Decision) -> Text:
    line = f"{utc(decision.at)}  {decision.verdict} by {decision.moderator}"
    if decision.label:
        line += f" as {decision.label}"
    if decision.action:
        line += f", {decision.action}"
    if decision.duration_seconds:
        line += f" for {decision.duration_seconds:.0f} s"
    return plain(f"{line}: {decision.note}" if decision.note else line)


def _flag(flag: Flag, *, shown: bool = False) -> Table:
    """Return a flag with all its facts. `shown`: another flag shows the words."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row(utc(flag.start), Text(READER, "dim") if shown else _marked(plain(flag.content), flag))
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
