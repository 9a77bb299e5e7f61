"""Draw the terminal output of a command as an SVG for the README.

python -m tests.docs.terminal_picture docs/demo.svg voxwarden demo
"""

import os
import pty
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 112, 60


def main() -> None:
    out, *command = sys.argv[1:]
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    console.print(Text(f"$ {' '.join(command)}", style="bold"))
    console.print(Text.from_ansi(shown(command)))
    Path(out).write_text(widened(console.export_svg(title="Voxwarden")), "utf-8")


def widened(svg: str) -> str:
    """The SVG with twice the width for wide characters. Rich takes a Chinese character for one column wide."""

    def width(match: re.Match[str]) -> str:
        text = unescape(match[3])
        return f"{match[1]}{float(match[2]) * cell_len(text) / max(1, len(text)):g}{match[4]}{match[3]}</text>"

    return re.sub(r'(<text [^>]*textLength=")([\d.]+)(?="[^>]*>([^<]*)</text>)("[^>]*>)[^<]*</text>', width, svg)


def shown(command: list[str]) -> str:
    """The terminal output of `command`. Commands of this Python's environment take precedence."""
    ours, theirs = pty.openpty()
    environment = os.environ | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "COLUMNS": str(COLUMNS),
        "LINES": str(ROWS),
        "TERM": "xterm-256color",
    }
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as running:
        os.close(theirs)
        pieces = []
        while piece := _read(ours):
            pieces.append(piece)
        running.wait()
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end is closed
        return b""


if __name__ == "__main__":
    main()
