"""Upgrade from 0.1.0 and go back, with the code of 0.1.0 itself, from this repository's history.

    python -m benchmarks.upgrade [--keep]

The code of 0.1.0 writes messages and a store. This version reads the messages and upgrades the store. Then the code of
0.1.0 reads messages of this version with all fields, and opens the upgraded store. The command prints each result, and
exits with 1 if one is not as docs/operate.md says. With `--keep` it also writes what 0.1.0 wrote into
tests/data/upgrade/, for the tests.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from msgspec import structs

from benchmarks.upgrade import reading, writing
from pipeline.contract.messages import Message, SpeechStatus
from pipeline.contract.topology import SPEECH
from pipeline.review import audit_log
from pipeline.review.database import Database

ROOT = Path(__file__).parents[2]
RELEASE = "deb68d9"
"""The commit of 0.1.0."""
KEPT = ROOT / "tests" / "data" / "upgrade"
FILES = ("messages.jsonl", "store.json")
NEWER = "was written by a newer Voxwarden"
UNKNOWN = "unknown topic"
"""The result of 0.1.0 for a message of a later topic: none, because it does not read the topic."""


def main() -> None:
    """Run the command."""
    keep = arguments().keep
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release = checked_out(folder / "0.1.0")
        run(release, writing.__file__, folder)
        if keep:
            KEPT.mkdir(exist_ok=True)
            for file in FILES:
                shutil.copy(folder / file, KEPT / file)
        with started(release, str(Path(__file__).with_name("staying.py")), folder / "store.db") as old:
            good = [forward(folder), goes_on(old)]
        good += back(release, folder)
    sys.exit(0 if all(good) else 1)


def arguments() -> argparse.Namespace:
    about = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upgrade", description=about)
    parser.add_argument("--keep", action="store_true", help="write the files of the tests")
    return parser.parse_args()


def checked_out(folder: Path) -> Path:
    """Put the code of 0.1.0 into `folder`. Exit if the history does not have it."""
    found = subprocess.run(["git", "-C", ROOT, "archive", RELEASE], capture_output=True, check=False)
    if found.returncode:
        sys.exit(f"The commit {RELEASE} is not here. Fetch the whole history: git fetch --unshallow")
    with tarfile.open(fileobj=BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def run(release: Path, script: str, *given: Path) -> str:
    """Run a script with the code of 0.1.0, and return its output."""
    command = [sys.executable, script, *map(str, given)]
    done = subprocess.run(command, cwd=release, env=variables(release), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def variables(release: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(release)}


@contextmanager
def started(release: Path, script: str, *given: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a script with the code of 0.1.0 beside the block. It has begun when the block begins."""
    command = [sys.executable, script, *map(str, given)]
    with subprocess.Popen(
        command, cwd=release, env=variables(release), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout:
            process.stdout.readline()
        yield process


def goes_on(old: subprocess.Popen[str]) -> bool:
    """Let a process of 0.1.0 that had opened the store work in it, now that it is upgraded."""
    answer = old.communicate("\n")[0].strip()
    print(f"a process of 0.1.0 that still runs: {answer or 'failed'}")
    return old.returncode == 0 and answer == "created ['pending']"


def forward(folder: Path) -> bool:
    """Read the messages, and upgrade the store."""
    records = [json.loads(line) for line in (folder / FILES[0]).read_text("utf-8").splitlines()]
    errors = [error for record in records for error in reading.read(record)]
    print(f"messages of 0.1.0: {len(records)} read, {len(errors)} not", *errors, sep="\n  ")
    began = time.perf_counter()
    with closing(Database(f"sqlite:///{folder / 'store.db'}")) as database:
        taken = time.perf_counter() - began
        with database.read() as connection:
            chain = audit_log.verify_chain(connection)
    kept = json.loads((folder / FILES[1]).read_text("utf-8"))
    number = sum(map(len, kept.values()))
    same = all(same_rows(kept[name], rows) for name, rows in writing.rows(folder / "store.db").items() if name in kept)
    print(f"store of 0.1.0: {number} rows in {len(kept)} tables upgraded in {taken:.2f} s; the same rows: {same}")
    print(f"audit log: {chain.lines} lines, {chain.broken or 'whole'}")
    return not errors and same and not chain.broken


def same_rows(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> bool:
    """Tell whether the upgrade kept all values. It may add columns."""
    columns = before[0].keys()
    return before == [{name: row[name] for name in columns} for row in after]


def back(release: Path, folder: Path) -> Iterator[bool]:
    """Let the code of 0.1.0 read messages of this version, and open the upgraded store."""
    (folder / "today.jsonl").write_text("".join(f"{line}\n" for line in map(writing.record, today())), "utf-8")
    for line in run(release, reading.__file__, folder / "today.jsonl", folder / "store.db").splitlines():
        found = json.loads(line)
        expected = NEWER if found["what"] == "store" else UNKNOWN if SPEECH.name in found["what"] else None
        good = found["error"] is None if expected is None else expected in (found["error"] or "")
        print(f"0.1.0 reads {found['what']}: {found['error'] or 'yes'}{'' if good else ' (unexpected)'}")
        yield good


def today() -> Iterator[tuple[str, Message]]:
    """Yield messages with all fields that came after 0.1.0, and the kinds that came after it."""
    for topic, message in writing.messages():
        yield topic, structs.replace(message, listeners=12, identity_verified=True, drill="d-1")
    who: dict[str, Any] = {"room": "茶馆", "speaker": "本", "start": writing.NOON}
    yield (
        SPEECH.name,
        SpeechStatus(**who, id="s", utterance="u", end=writing.NOON + 1, state="skipped", reason="overload"),
    )


if __name__ == "__main__":
    main()
