"""Flags as rows that a person reads while they come."""

import time

from rich.table import Table
from rich.text import Text

from pipeline.messages import Flag, Suggestion

STYLES: dict[Suggestion, str] = {"block": "bold red", "review": "yellow", "pass": "green"}
SHAPES: dict[Suggestion, str] = {"block": "■", "review": "◆", "pass": "●"}
"""Risk is shape, word and colour, never colour alone."""


def flag_row(flag: Flag, when: str | None = None, who: str | None = None) -> Table:
    """`when` instead of the seconds in a recording, and `who` spoke, where there is more than one."""
    row = Table.grid(padding=(0, 2))
    row.add_column(width=15 if when is None else 16, no_wrap=True)
    row.add_column(width=13, no_wrap=True)
    row.add_column(overflow="fold")
    times = when or f"{clock(flag.start)}–{clock(flag.end)}"
    suggestion = f"[{STYLES[flag.suggestion]}]{SHAPES[flag.suggestion]} {flag.suggestion:6}[/] {flag.risk:.2f}"
    row.add_row(times, suggestion, _words(flag, who))
    return row


def arrived_row(flag: Flag, ended: float | None = None) -> Table:
    """A flag of a live room: when it was said, how long after that the verdict came, who said it where.

    `ended` is when the speech ended by the clock, UTC seconds, where its own times go faster.
    """
    ended = flag.end if ended is None else ended
    when = f"{time.strftime('%H:%M:%S', time.localtime(ended))} +{time.time() - ended:.1f} s"
    return flag_row(flag, when, f"{flag.room}/{flag.speaker}")


def clock(seconds: float) -> str:
    """`1:02:03.4`, without the hours where there are none."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{rest:04.1f}"


def _words(flag: Flag, who: str | None) -> Text:
    """Who said it, what it was flagged for, and the words, with those that hit the lexicon underlined."""
    words = Text(flag.text, style="dim" if flag.suggestion == "pass" else "")
    for hit in flag.hits:
        words.stylize("bold underline", hit.start, hit.end)
    speaker = Text(f"{who}: " if who else "", style="bold")
    labels = Text(f"{', '.join(flag.flagged)}: " if flag.flagged else "", style=STYLES[flag.suggestion])
    return Text.assemble(speaker, labels, words)
