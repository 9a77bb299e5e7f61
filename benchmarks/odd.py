"""Test the command line with odd inputs: no traceback, the right exit code, and no input that is passed without being
heard.

    python -m benchmarks.odd                     every input, some minutes
    python -m benchmarks.odd lines sheets        only these parts

It makes each input itself from the voices of the demo. It prints a row for each part, then each input with a wrong
result. The exit code is 1 if there is one.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from agents.commands.command_line import main as voxwarden
from benchmarks import report
from tests.odd import recordings, sheets, texts
from tests.odd.recordings import FLAGGED, PASS, REFUSED, UNHEARD
from tests.odd.shells import SHELLS, ShellLine
from tests.odd.stores import write_stores

COMMAND = f"{sys.executable} -m agents"
MODEL = ("--set", "asr.model=tiny.en")
"""The smallest recogniser that understands the voices of the demo."""

TRACEBACKS = ("Traceback (most recent call last)", "This is a bug in Voxwarden")
EVERY = 4
"""Every fourth recording is also transcribed."""


@dataclass(frozen=True, slots=True)
class OddOutcome:
    """The result of an input. `wrong` says what is wrong with it."""

    part: str
    name: str
    wrong: str = ""


def main() -> None:
    parts = {"recordings": moderated, "transcripts": transcribed, "lines": judged, "sheets": checked, "shells": typed}
    parser = report.parser(__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="parts to run (default: all)")
    chosen = parser.parse_args().parts or list(parts)
    found = [outcome for part in chosen for outcome in run(part, parts[part])]
    print(f"\n{len(found)} inputs, {sum(bool(outcome.wrong) for outcome in found)} wrong")
    for outcome in found:
        if outcome.wrong:
            print(f"  {outcome.part}: {outcome.name}: {outcome.wrong}")
    sys.exit(any(outcome.wrong for outcome in found))


def run(name: str, part: Callable[[Path], Iterator[OddOutcome]]) -> list[OddOutcome]:
    with tempfile.TemporaryDirectory(prefix="odd-") as folder:
        found = list(part(Path(folder)))
    print(f"{name:12} {len(found):4} inputs {sum(bool(outcome.wrong) for outcome in found):4} wrong", flush=True)
    return found


def moderated(folder: Path) -> Iterator[OddOutcome]:
    """All recordings in one process."""
    expected = _written(folder)
    done = _started(*MODEL, "moderate", *expected, "--fail-on", "review", "--format", "jsonl")
    reports = {line["file"]: line for line in _objects(done.stdout) if line["kind"] == "file"}
    for path, allowed in expected.items():
        report = reports.get(str(path))
        came = "lost" if report is None else REFUSED if report["error"] else report["suggestion"] or UNHEARD
        came = came if came in {"lost", REFUSED, UNHEARD, PASS} else FLAGGED
        unnamed = came == REFUSED and str(path) not in done.stderr
        wrong = f"{came}, not {' or '.join(sorted(allowed))}" if came not in allowed else "not named" * unnamed
        yield OddOutcome("recordings", path.name, wrong)
    yield _ended("recordings", "all in one process", done, 3)


def transcribed(folder: Path) -> Iterator[OddOutcome]:
    """`transcribe` must refuse what `moderate` refuses, and give all words of the others."""
    expected = dict(list(_written(folder).items())[::EVERY])
    done = _started(*MODEL, "transcribe", *expected, "--format", "jsonl")
    found = _objects(done.stdout)
    for path, allowed in expected.items():
        lines = [line for line in found if line["file"] == str(path)]
        failed = any("error" in line for line in lines)
        said = any("idiot" in line.get("text", "").lower() for line in lines)
        came = {REFUSED} if failed else {FLAGGED} if said else {PASS}
        yield OddOutcome("transcripts", path.name, "" if came & allowed else f"{came}, not {sorted(allowed)}: {lines}")
    yield _ended("transcripts", "all in one process", done, 3)


def judged(folder: Path) -> Iterator[OddOutcome]:
    """All lines in one process, with one result for each."""
    lines = list(texts.lines())
    (folder / "lines.txt").write_bytes(b"".join(line + b"\n" for _, line, _ in lines))
    done = _started("judge", folder / "lines.txt", "--format", "jsonl")
    results = {line["line"]: line for line in _objects(done.stdout)}
    for number, (name, _, expected) in enumerate(lines, start=1):
        result = results.get(number) or {"kind": "lost"}
        came = {"utterance": FLAGGED, "error": REFUSED}.get(result["kind"], "lost")
        came = PASS if result.get("suggestion") == "pass" else came
        yield OddOutcome("lines", name, "" if came == expected else f"{came}, not {expected}: {str(result)[:200]}")
    yield _ended("lines", "all in one process", done, 3)


def checked(folder: Path) -> Iterator[OddOutcome]:
    """Each sheet in each form, in this process. None may be accepted."""
    for form, arguments in sheets.FORMS.items():
        for name, content in sheets.SHEETS.items():
            (path := folder / "sheet.yaml").write_bytes(content)
            code, shown = _called(*(argument.format(path) for argument in arguments))
            wrong = _traceback(shown) or ("" if code == 2 else f"exit code {code}, not 2")
            wrong = wrong or ("" if "sheet.yaml" in shown and len(shown.splitlines()) == 1 else f"says {shown[:200]!r}")
            yield OddOutcome("sheets", f"{form}: {name}", wrong)


def typed(folder: Path) -> Iterator[OddOutcome]:
    """Each line in a shell of its own."""
    _furnish(folder)
    for line in SHELLS:
        shell = ["bash", "-o", "pipefail", "-c", line.line.replace("voxwarden ", f"{COMMAND} ").removesuffix(" ")]
        done = subprocess.run(shell, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
        yield OddOutcome("shells", line.line, _wrong(line, done))


def _wrong(line: ShellLine, done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode != line.code:
        return f"exit code {done.returncode}, not {line.code}: {done.stderr[-300:]}"
    if line.out not in done.stdout or line.err not in " ".join(done.stderr.split()):
        return f"says {done.stdout[:200]!r} and {done.stderr[-300:]!r}"
    return _traceback(done.stderr)


def _written(folder: Path) -> dict[Path, frozenset[str]]:
    expected = {}
    for name, content, allowed in recordings.cases():
        (folder / name).write_bytes(content)
        expected[folder / name] = allowed
    return expected


def _furnish(folder: Path) -> None:
    (folder / "talk.wav").write_bytes(recordings.wav(recordings.talk()))
    (folder / "insult.wav").write_bytes(recordings.wav(recordings.insult()))
    (folder / "foreign.wav").write_bytes(recordings.wav(recordings.foreign()))
    both = np.concatenate([recordings.foreign(), recordings.NOTHING, recordings.insult()])
    (folder / "foreign-insult.wav").write_bytes(recordings.wav(both))
    (folder / "insult.txt").write_text(f"hello\n{texts.INSULT}\n")
    for name in ("notes.txt", "弄.txt"):
        (folder / name).write_text("see you tomorrow\n你好\n", "utf-8")
    (folder / "empty").mkdir()
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "yes.yaml").write_text("gateway: {port: yes}\n")
    (folder / "rooms.yaml").write_text(sheets.MANY_ROOM_TYPES)
    write_stores(folder)


def _started(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND.split(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=3_600)


def _called(*arguments: str) -> tuple[object, str]:
    """Exit code and output. `--config` sets a variable, which must not outlive the call."""
    shown, code = StringIO(), 0
    argv, environment = patch.object(sys, "argv", ["voxwarden", *arguments]), patch.dict(os.environ)
    with redirect_stdout(shown), redirect_stderr(shown), argv, environment:
        try:
            voxwarden()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, shown.getvalue()


def _objects(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def _ended(part: str, name: str, done: subprocess.CompletedProcess[str], code: int) -> OddOutcome:
    wrong = "" if done.returncode == code else f"exit code {done.returncode}, not {code}"
    return OddOutcome(part, name, _traceback(done.stderr) or wrong)


def _traceback(shown: str) -> str:
    return next((f"{shown[-500:]}" for sign in TRACEBACKS if sign in shown), "")


if __name__ == "__main__":
    main()
