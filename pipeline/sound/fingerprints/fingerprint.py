"""The fingerprint of a banned recording: its landmarks, and who banned it, when and why."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, NamedTuple

import msgspec

from pipeline.audio.resample import Samples
from pipeline.errors import InputError
from pipeline.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.landmarks import STORED_PAIRS, LandmarkFinder, Landmarks, joined

MAX_SECONDS = 4 * 3600.0
"""The longest recording."""
LEAST_LANDMARKS = 100
"""A recording with fewer cannot be told from others: it is short, silent or one steady sound."""
MAX_LANDMARKS = 4_000_000
"""Landmarks of one recording. Four hours of dense music have about half as many."""

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """Who banned a recording, when and why."""

    title: Line
    reason: Line
    label: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """The label of its flags; empty for none."""
    added_by: Line
    added_at: Annotated[float, msgspec.Meta(ge=0, le=1e11)]
    """UTC seconds."""


class BannedRecording(msgspec.Struct, frozen=True, kw_only=True):
    """The description in a file of the bank."""

    ban: Ban
    seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)]


class Fingerprint(NamedTuple):
    """A banned recording and its landmarks."""

    id: str
    """16 hexadecimal digits."""
    recording: BannedRecording
    landmarks: Landmarks


def fingerprint(blocks: Iterable[Samples], ban: Ban) -> Fingerprint:
    """The fingerprint of a recording in blocks of shape (samples,).

    Raises InputError if the recording is too long or has too few landmarks, or if a text of the ban is wrong.
    """
    finder, found, size = LandmarkFinder(STORED_PAIRS), [], 0
    for block in blocks:
        size += block.size
        if size > MAX_SECONDS * SAMPLE_RATE:
            raise InputError(f"{ban.title} is longer than {MAX_SECONDS / 3600:g} hours", "Cut it into parts.")
        found.append(finder.push(block))
    landmarks = joined([*found, finder.flush()])
    _check(ban.title, landmarks)
    try:
        recording = msgspec.convert({"ban": msgspec.to_builtins(ban), "seconds": size / SAMPLE_RATE}, BannedRecording)
    except msgspec.ValidationError as error:
        raise InputError(f"The ban of {ban.title} is wrong: {error}", "Write title and reason in one line.") from error
    return Fingerprint(identity_of(landmarks), recording, landmarks)


def _check(title: str, landmarks: Landmarks) -> None:
    count = landmarks.hashes.size
    if count < LEAST_LANDMARKS:
        raise InputError(
            f"{title} has {count} landmarks, and {LEAST_LANDMARKS} are needed",
            "Use a longer recording that is not silent or one steady sound.",
        )
    if count > MAX_LANDMARKS:
        raise InputError(f"{title} has more than {MAX_LANDMARKS:,} landmarks", "Cut it into parts.")


def identity_of(landmarks: Landmarks) -> str:
    """The id: the same sound has the same id."""
    return sha256(b"".join(part.astype("<u4").tobytes() for part in landmarks)).hexdigest()[:16]
