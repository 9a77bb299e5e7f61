"""Show flags as rows that a person reads as they arrive."""

import time

from rich.table import Table
from rich.text import Text

from pipeline.contract.messages import Flag, Suggestion
from pipeline.judge.verdict import from_context

STYLES: dict[Suggestion, str] = {"block": "bold red", "review": "yellow", "pass": "green"}
SHAPES: dict[Suggestion, str] = {"block": "■", "review": "◆", "pass": "●"}
"""Risk has a shape, a word and a colour, so that colour is never the only sign."""


def flag_row(flag: Flag, when: str | None = None, who: str | None = None) -> Table:
    """Return a flag as a row.

    `when` replaces the seconds of a recording; `who` is the speaker, if there are several.
    """
    row = Table.grid(padding=(0, 2))
    row.add_column(width=15 if when is None else 16, no_wrap=True)
    row.add_column(width=13, no_wrap=True)
    row.add_column(overflow="fold")
    times = when or f"{clock(flag.start)}–{clock(flag.end)}"
    suggestion = f"[{STYLES[flag.suggestion]}]{SHAPES[flag.suggestion]} {flag.suggestion:6}[/] {flag.risk:.2f}"
    row.add_row(times, suggestion, _words(flag, who))
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
    """Return speaker, labels and text, with the hits of the lexicon underlined. It says if the context led to it."""
    words = Text(flag.content, style="dim" if flag.suggestion == "pass" else "")
    for hit in flag.hits:
        words.stylize("bold underline", hit.start, hit.end)
    speaker = Text(f"{who}: " if who else "", style="bold")
    context = " in context" if from_context(flag.reasons) else ""
    labels = Text(f"{', '.join(flag.flagged)}{context}: " if flag.flagged else "", style=STYLES[flag.suggestion])
    return Text.assemble(speaker, labels, words)
