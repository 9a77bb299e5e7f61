"""The speech of detection drills: its sentences, their recordings, and their way to the gateway in real time."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
from msgspec import Struct
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from pipeline.base.errors import DependencyError, InputError
from pipeline.base.user_files import StrictModel, config_file, read_user_file
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples

SHIPPED = Path(__file__).with_name("drills.yaml")
RECORDINGS = Path(__file__).with_name("drill_recordings")
"""A file of each shipped sentence. `python -m training.speech.drills` makes them."""
CLEAN = "clean"
SPEAKER = "drill"
MAX_SECONDS = 15.0
"""The longest recording of a line. It is as long as the longest utterance."""
FRAME_SECONDS = 0.2
FRAME_BYTES = round(FRAME_SECONDS * SAMPLE_RATE) * 2  # 16-bit samples
QUIET = 0.01
"""Samples below this level at the end of a recording are no speech."""

Voice = Callable[["DrillLine"], Samples | None]
"""Returns the sound of a line, 16 kHz mono; None if it has no recording."""


class DrillLine(Struct, frozen=True):
    """A test sentence."""

    name: str
    """For example `zh-fraud-2`."""
    language: str
    label: str
    """Empty: clean speech."""
    text: str


class Book(StrictModel):
    """The file of test sentences."""

    lines: dict[str, dict[str, tuple[str, ...]]]


def book() -> Book:
    """Return the user's file beside the settings, or the shipped one. Raises ConfigError if it is wrong."""
    own = config_file().parent / "drills.yaml"
    return read_user_file(own if own.is_file() else SHIPPED, Book)


def lines_of(book: Book, enabled: Mapping[str, Collection[str]]) -> list[DrillLine]:
    """Return the lines of the languages of `enabled`, which has the labels that the policy turns on in each."""
    return [
        DrillLine(f"{language}-{label}-{number}", language, "" if label == CLEAN else label, text)
        for language, labels in book.lines.items()
        if language in enabled
        for label, texts in labels.items()
        if label == CLEAN or label in enabled[language]
        for number, text in enumerate(texts, 1)
    ]


def recording(line: DrillLine) -> Path:
    """Return the file of a shipped sentence. Its name has a hash of the words: other words need another recording."""
    return RECORDINGS / f"{line.language}-{hashlib.sha256(line.text.encode()).hexdigest()[:12]}.ogg"


def shipped(line: DrillLine) -> Samples | None:
    """Return the shipped sound of a line, 16 kHz mono; None if Voxwarden does not ship its words."""
    return samples_of(file) if (file := recording(line)).is_file() else None


def folder(path: Path) -> Voice:
    """Return the voice that has the recordings of a folder, named like the lines: `zh-fraud-2.wav`.

    Raises InputError if the folder has no recording.
    """
    # Sorted, so that of `a.flac` and `a.wav` always the same one counts.
    files = {file.stem: file for file in sorted(path.iterdir()) if file.is_file()} if path.is_dir() else {}
    if not files:
        raise InputError(
            f"{path} has no recordings",
            "Name them like the lines: `voxwarden assess drill lines`.",
            text="no_recordings",
            path=path,
        )

    def speak(line: DrillLine) -> Samples | None:
        return _short(samples_of(files[line.name]), files[line.name]) if line.name in files else None

    return speak


def _short(samples: Samples, file: Path) -> Samples:
    if len(samples) > MAX_SECONDS * SAMPLE_RATE:
        raise InputError(
            f"{file.name} is longer than {MAX_SECONDS:g} s",
            "A line is one sentence.",
            text="line_long",
            name=file.name,
            most=f"{MAX_SECONDS:g}",
        )
    return samples


def send(
    gateway: str,
    token: str,
    drill: str,
    room: str,
    samples: Samples,
    room_type: str = "default",
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Send the sound (16 kHz mono) into a room, marked with the drill. Return when the speech ended, in UTC seconds.

    `gateway` is its address, for example ws://127.0.0.1:8765. Raises DependencyError if it refuses the speech.
    """
    query = urlencode({"sample_rate": SAMPLE_RATE, "room_type": room_type, "drill": drill})
    url = f"{gateway.rstrip('/')}/v1/rooms/{quote(room, safe='')}/speakers/{SPEAKER}/audio?{query}"
    data = to_pcm16(samples)
    try:
        with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
            began = clock()
            for number, at in enumerate(range(0, len(data), FRAME_BYTES), 1):
                socket.send(data[at : at + FRAME_BYTES])
                # Measured from the begin: sleeps that are each a little too long do not add up.
                sleep(max(0.0, began + number * FRAME_SECONDS - clock()))
            socket.close()
            if socket.close_reason:  # it refused behind the last frame, so no `send` could tell
                raise socket.protocol.close_exc
    except (OSError, WebSocketException) as error:
        raise DependencyError(
            f"The gateway {gateway} does not take the drill: {_reason(error)}",
            "Check --gateway, and --token or gateway.tokens.",
            text="drill_refused",
            gateway=gateway,
            why=_reason(error),
        ) from error
    return began + speech_seconds(samples)


def _reason(error: Exception) -> str:
    """Return the gateway's own words if it closed the connection, else those of the error."""
    own = error.rcvd.reason if isinstance(error, ConnectionClosed) and error.rcvd else ""
    return (own or str(error)).rstrip(".")


def speech_seconds(samples: Samples) -> float:
    """Return the time from the start of the sound to the end of its speech."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    return (int(loud[-1]) + 1) / SAMPLE_RATE if len(loud) else 0.0
