"""What the local runner could not handle: a file of JSON lines, as the topic `voice.dead-letters` is on Kafka."""

import base64
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.events import encode
from pipeline.messages import Message
from pipeline.stage import Rejected

log = logging.getLogger(__name__)

MAX_BYTES = 100_000_000
"""A flood of bad messages must not fill the disk; beyond this they are counted and logged only."""


class DeadLetters:
    """Appends to `path`: stage, error, time, and the message as its CloudEvent headers and base64 value."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._clock = clock
        self._max_bytes = max_bytes

    def add(self, stage: str, rejected: Rejected) -> None:
        log.warning("%s: %s", stage, rejected.error)
        if self._path.exists() and self._path.stat().st_size > self._max_bytes:
            log.error("%s is full; deal with it and delete it", self._path)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self._letter(stage, rejected), ensure_ascii=False) + "\n")

    def _letter(self, stage: str, rejected: Rejected) -> dict[str, object]:
        letter: dict[str, object] = {"stage": stage, "error": str(rejected.error), "at": self._clock()}
        if isinstance(rejected.message, Message):
            event = encode(rejected.message, stage)
            letter["headers"] = {name: value.decode() for name, value in event.headers}
            letter["value"] = base64.b64encode(event.value).decode()
        return letter
