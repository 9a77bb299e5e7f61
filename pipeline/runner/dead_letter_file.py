"""The dead letters of one machine: a file of JSON lines. On Kafka, the topic `voice.dead-letters` holds them.

When a letter is replayed or dropped, a marker line is appended. Letters and markers are kept as long as on Kafka.
"""

import base64
import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.base import private_files
from pipeline.base.errors import BadMessage, InputError
from pipeline.base.private_files import sole_user
from pipeline.contract.cloud_events import decode_event, encode_event
from pipeline.contract.messages import AudioChunk, Message
from pipeline.contract.stage import Rejected
from pipeline.review.evidence.lookback import NOWHERE, open_lookback
from pipeline.runner.dead_letter_store import (
    MOST_REPLAYS,
    Content,
    Letter,
    LetterFilter,
    Refusals,
    chosen_of,
    mark_repeated,
)
from pipeline.runner.journal import Journal
from pipeline.settings import Settings

log = logging.getLogger(__name__)

# Maximum size of the file, so that many bad messages cannot fill the disk. Later letters are only counted and logged.
MAX_BYTES = 100_000_000


def dead_letter_path(settings: Settings) -> Path:
    """The file of the dead letters in the data folder."""
    return settings.data_dir / "dead-letters.jsonl"


class DeadLetterFile:
    """Appends dead letters to the file at `path`.

    A letter has the stage, the error, the time, the message (CloudEvent headers and base64 value) and its address.
    The constructor deletes letters that are older than `keep_seconds`.
    """

    def __init__(
        self,
        path: Path,
        keep_seconds: float = math.inf,
        clock: Callable[[], float] = time.time,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._path = path
        self._clock = clock
        self._max_bytes = max_bytes
        private_files.repair(path)
        _forget(path, clock() - keep_seconds)

    def add(self, stage: str, rejected: Rejected) -> None:
        """Append a letter for a message that `stage` rejected, and log its error."""
        if not rejected.letter:
            return
        log.warning("%s: %s", stage, rejected.error)
        if self._path.exists() and self._path.stat().st_size > self._max_bytes:
            log.error("%s is full. Replay or drop its letters, then delete the file", self._path)
            return
        private_files.make_folder(self._path.parent)
        _append(self._path, self._letter(stage, rejected))

    def _letter(self, stage: str, rejected: Rejected) -> dict[str, object]:
        letter: dict[str, object] = {"stage": stage, "error": str(rejected.error), "at": self._clock()}
        if isinstance(rejected.message, Message):
            with suppress(BadMessage):  # a message that cannot be encoded: only the error is kept
                event = encode_event(rejected.message, stage)
                letter["headers"] = {name: value.decode() for name, value in event.headers}
                letter["value"] = base64.b64encode(event.value).decode()
                letter["origin"] = getattr(rejected.message, "address", None)
        return letter


def local_dead_letters(settings: Settings) -> "LocalDeadLetters":
    """The dead letters in `settings.data_dir`. Raises InputError if that folder does not exist."""
    if not settings.data_dir.is_dir():
        raise InputError(f"There is no folder {settings.data_dir}", NOWHERE)
    return LocalDeadLetters(settings)


class LocalDeadLetters:
    """The dead letters of one machine. Implements `DeadLetterStore`.

    The next `voxwarden run` handles replayed messages when it starts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = dead_letter_path(settings)

    def letters(self, wanted: LetterFilter) -> list[Letter]:
        """See `DeadLetterStore`. A message that fails again after a replay has a new letter with the same origin."""
        found = self._all()
        waiting = iter(mark_repeated([letter for letter in found if not letter.handled]))
        return chosen_of([letter if letter.handled else next(waiting) for letter in found], wanted)

    def content(self, letter: Letter) -> Content:
        line = next(each for address, each in _lines(self._path) if address == letter.address)
        return Content(dict(line.get("headers", {})), base64.b64decode(line.get("value", "")))

    def send_back(self, chosen: Sequence[Letter]) -> tuple[int, Refusals]:
        """See `DeadLetterStore`. Raises ConfigError while a `voxwarden run` uses the folder."""
        refusals: Refusals = []
        with sole_user(self._settings.data_dir):
            for letter in chosen:
                if refusal := self._refusal(letter) or self._put_back(letter):
                    refusals.append((letter, refusal))
                else:
                    self._mark(letter, "replayed")
        return len(chosen) - len(refusals), refusals

    def drop(self, chosen: Sequence[Letter]) -> int:
        for letter in chosen:
            self._mark(letter, "dropped")
        return len(chosen)

    def _all(self) -> list[Letter]:
        """All letters in the file. A marker applies to its letter and to all earlier letters of the same origin."""
        found: list[Letter] = []
        replays: Counter[str | None] = Counter()
        for address, line in _lines(self._path):
            if (marked := line.get("handled")) is None:
                letter = _letter_of(address, line)
                found.append(replace(letter, replays=replays[letter.origin] if letter.origin else 0))
                continue
            origin = next((each.origin for each in found if each.address == marked), None)
            found = [_handled(each, marked, origin, line["how"]) for each in found]
            replays[origin] += line["how"] == "replayed"
        return found

    def _refusal(self, letter: Letter) -> str | None:
        return f"it has been replayed {letter.replays} times" if letter.replays >= MOST_REPLAYS else None

    def _put_back(self, letter: Letter) -> str | None:
        """Queue the message for the next run. Returns the reason if that is impossible.

        An utterance is queued by the removal of its mark in the look-back, an audio chunk by adding it to the journal.
        """
        if letter.origin:
            kept = open_lookback(self._settings).reopen(letter.origin)
            return None if kept else "its audio is no longer kept"
        content = self.content(letter)
        try:
            chunk = decode_event(
                AudioChunk, content.value, [(name, text.encode()) for name, text in content.headers.items()]
            )
        except BadMessage as error:
            return f"it is not audio ({error.what})"
        Journal(self._settings.data_dir / "journal").add_again(chunk)
        return None

    def _mark(self, letter: Letter, how: str) -> None:
        _append(self._path, {"handled": letter.address, "how": how, "at": time.time()})


def _letter_of(address: str, line: dict[str, Any]) -> Letter:
    return Letter(
        address=address,
        origin=line.get("origin"),
        stage=line.get("stage", "?"),
        reason=line.get("error", "?"),
        at=line.get("at", 0.0),
        size=len(base64.b64decode(line.get("value", ""))),
        cut=False,
        replays=0,
        handled=None,
    )


def _handled(letter: Letter, marked: str, origin: str | None, how: str) -> Letter:
    meant = letter.address == marked or (origin is not None and letter.origin == origin)
    return replace(letter, handled=how) if meant and not letter.handled else letter


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The address and the content of each valid line."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                # The address is a hash, because a place in the file changes when old letters are deleted.
                yield f"dead-letters/{sha256(line).hexdigest()[:12]}", json.loads(line)
            except ValueError:
                log.warning("%s: skipped a line that is not JSON", path)


def _append(path: Path, line: dict[str, object]) -> None:
    target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, private_files.FILE)
    with os.fdopen(target, "w", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _forget(path: Path, before: float) -> None:
    """Delete the lines from before `before`, UTC seconds."""
    if not any(line.get("at", 0.0) < before for _, line in _lines(path)):
        return
    fresh = path.with_name(path.name + ".new")  # a crash then leaves the old file or the new one, whole
    fresh.unlink(missing_ok=True)
    for _, line in _lines(path):
        if line.get("at", 0.0) >= before:
            _append(fresh, line)
    if fresh.exists():
        fresh.replace(path)
    else:
        path.unlink()
