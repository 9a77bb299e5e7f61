"""The fingerprint of a banned recording: its landmarks, and who banned it, when and why."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, NamedTuple

import msgspec

from pipeline.base.errors import InputError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.landmarks import STORED_PAIRS, LandmarkFinder, Landmarks, joined_landmarks, packed
from pipeline.speech.audio.resample import Samples

MAX_SECONDS = 4 * 3600.0
"""The longest recording."""
LEAST_LANDMARKS = 100
"""A recording with fewer cannot be told from others: it is short, silent or one steady sound."""
MAX_LANDMARKS = 4_000_000
"""Landmarks of one recording. Four hours of dense music have about half as many."""

LONGEST_LINE = 300
"""Characters of a title or a reason."""
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_LINE, pattern=r"^[^\x00-\x1f\x7f\ud800-\udfff]+$")]


BankState = tuple[tuple[str, float], ...]
"""The id and the time (UTC seconds) of each recording of a bank, by id. It changes with the bank."""


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """Who banned a recording, when and why."""

    title: Line
    reason: Line
    label: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """The label of its flags; empty for none."""
    added_by: Line
    added_at: float
    """UTC seconds."""


def ban_of(title: str, reason: str, label: str, added_by: str, added_at: float) -> Ban:
    """Make a ban. Raises InputError if title or reason is empty, too long, or more than a line."""
    given = {"title": title, "reason": reason, "label": label, "added_by": added_by, "added_at": added_at}
    try:
        return msgspec.convert(given, Ban)
    except msgspec.ValidationError as error:
        raise InputError(
            f"The ban of {title} is wrong: {error}", "Write title and reason in one line each.", text="ban"
        ) from error


class BannedRecording(msgspec.Struct, frozen=True, kw_only=True):
    """What people know of a recording of the bank."""

    ban: Ban
    seconds: float


class Fingerprint(NamedTuple):
    """A banned recording and its landmarks."""

    id: str
    """16 hexadecimal digits."""
    recording: BannedRecording
    landmarks: Landmarks


def fingerprint(blocks: Iterable[Samples], ban: Ban, longest: float = MAX_SECONDS) -> Fingerprint:
    """The fingerprint of a recording in blocks of shape (samples,), of at most `longest` seconds.

    Raises InputError if the recording is longer, or has too few or too many landmarks.
    """
    finder, found, size = LandmarkFinder(STORED_PAIRS), [], 0
    for block in blocks:
        size += block.size
        if size > longest * SAMPLE_RATE:  # checked here, so that hours are not decoded in vain
            raise _too_long(f"{ban.title} is longer than {longest / 60:g} minutes", ban)
        found.append(finder.push(block))
    landmarks = joined_landmarks([*found, finder.flush()])
    _check(ban, landmarks)
    return Fingerprint(identity_of(landmarks), BannedRecording(ban=ban, seconds=size / SAMPLE_RATE), landmarks)


def _check(ban: Ban, landmarks: Landmarks) -> None:
    count = landmarks.hashes.size
    if count < LEAST_LANDMARKS:
        raise InputError(
            f"{ban.title} has {count} landmarks, and {LEAST_LANDMARKS} are needed",
            "Use a longer recording that is not silent or one steady sound.",
            text="recording_plain",
            title=ban.title,
        )
    if count > MAX_LANDMARKS:
        raise _too_long(f"{ban.title} has more than {MAX_LANDMARKS:,} landmarks", ban)


def _too_long(what: str, ban: Ban) -> InputError:
    return InputError(what, "Cut it into parts.", text="recording_long", title=ban.title)


def identity_of(landmarks: Landmarks) -> str:
    """The id: the same sound has the same id."""
    return sha256(packed(landmarks)).hexdigest()[:16]
