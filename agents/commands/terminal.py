"""Show text from other people on a terminal without side effects.

A name or a transcript may hold control characters, which a terminal executes, and characters that change the direction
of text. On the terminal, each becomes a replacement character. In JSON, each is escaped, so that nothing is lost.
"""

import unicodedata
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.segment import Segment
from rich.text import Text

HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of control and format characters, lone surrogates, and line separators."""
JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need. They join letters and do not change the direction."""


def is_harmful(character: str) -> bool:
    return unicodedata.category(character) in HARMFUL and character not in JOINERS


def harmless(text: str, but: str = "\n\t") -> str:
    """Return `text` with a replacement character for each harmful one, except those in `but`."""
    if text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if c not in but and is_harmful(c) else c for c in text)


def plain(text: str) -> Text:
    """Return `text` for one line or table cell: without markup and without line breaks."""
    return Text(harmless(text, but=""))


def json_text(text: str) -> str:
    """Escape the harmful characters of a JSON text. Its meaning and its line breaks stay."""
    if text.isprintable():
        return text
    return "".join(_escape(c) if c != "\n" and is_harmful(c) else c for c in text)


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints only harmless text, with its own styles."""
    made = Console(stderr=stderr)
    made.push_render_hook(_Cleaning())
    return made


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class _Cleaning(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Clean(each) for each in renderables]


class _Clean:
    """Renders like `inner`, with harmless text."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)
