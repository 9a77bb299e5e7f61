"""What other people wrote, shown on a terminal without effect on it.

A name or a transcript may hold control characters, which a terminal obeys, and characters that turn the direction of
text round. On the terminal each one becomes a replacement character. In JSON each one is escaped, so no byte is lost.
"""

import unicodedata
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.segment import Segment
from rich.text import Text

HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of control and format characters, lone surrogates, and separators of lines."""
JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need; they join letters and turn nothing round."""


def is_harmful(character: str) -> bool:
    return unicodedata.category(character) in HARMFUL and character not in JOINERS


def harmless(text: str, but: str = "\n\t") -> str:
    """`text` with a replacement character for each harmful one, `but` for these."""
    if text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if c not in but and is_harmful(c) else c for c in text)


def plain(text: str) -> Text:
    """`text` for one line or cell: no markup, and no line break either."""
    return Text(harmless(text, but=""))


def json_text(text: str) -> str:
    """JSON with its harmful characters escaped. It says the same; line breaks between its parts stay."""
    if text.isprintable():
        return text
    return "".join(_escape(c) if c != "\n" and is_harmful(c) else c for c in text)


def console(*, stderr: bool = False) -> Console:
    """A console on which nothing that is printed has an effect, but its own styles."""
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
    """Renders as `inner` does, with harmless text."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)
