"""Flags as rows that a person reads while they come."""

import time

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipeline.messages import Flag, Suggestion

STYLES: dict[Suggestion, str] = {"block": "bold red", "review": "yellow", "pass": "green"}
SHAPES: dict[Suggestion, str] = {"block": "■", "review": "◆", "pass": "●"}
"""Risk is shape, word and colour, never colour alone."""


def flag_row(flag: Flag, when: str | None = None, who: str | None = None) -> Table:
    """`when` instead of the seconds in a recording, and `who` spoke, where there is more than one."""
    row = Table.grid(padding=(0, 2))
    for width in (17, 8, 4, 24):
        row.add_column(width=width, no_wrap=True)
    row.add_column()
    times = when or f"{clock(flag.start)}–{clock(flag.end)}"
    suggestion = f"[{STYLES[flag.suggestion]}]{SHAPES[flag.suggestion]} {flag.suggestion}[/]"
    words = Text(f"{who}: ", style="bold").append(_marked(flag)) if who else _marked(flag)
    row.add_row(times, suggestion, f"{flag.risk:.2f}", escape(", ".join(flag.flagged)), words)
    return row


def arrived_row(flag: Flag) -> Table:
    """A flag of a live room: when it was said, how long after that the verdict came, who said it where."""
    when = f"{time.strftime('%H:%M:%S', time.localtime(flag.end))} +{time.time() - flag.end:.1f} s"
    return flag_row(flag, when, f"{flag.room}/{flag.speaker}")


def clock(seconds: float) -> str:
    """`1:02:03.4`, without the hours where there are none."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{rest:04.1f}"


def _marked(flag: Flag) -> Text:
    """The words, with those that hit the lexicon underlined."""
    text = Text(flag.text, style="dim" if flag.suggestion == "pass" else "")
    for hit in flag.hits:
        text.stylize("bold underline", hit.start, hit.end)
    return text
