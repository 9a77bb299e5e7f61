"""How much the encoder is given of a clip, and what stands after its end.

Whisper was trained on 30 s, and pads each clip to that. An utterance needs its own length and a margin: with the speech
cut off at its last word the decoder waits for a pause, and writes on and on. A margin of a second of zeros, which no
room sounds like, is nearly as bad in English; the clip's own quietest level is heard as a pause.
"""

import numpy as np

from pipeline.asr.mel import FRAMES_PER_SECOND, Mel

MARGIN = 100
"""Frames of the clip's own floor after its end."""

STEP = 10
"""Lengths are rounded up to so many frames."""

POSITIONS_PER_SECOND = FRAMES_PER_SECOND // 2
"""Of an encoding."""

LONGEST = 30 * FRAMES_PER_SECOND

MOST_TOKENS = 224
"""Half of what the decoder can hold, as in Whisper's own programs: the other half is for a prompt."""

SILENCE = 0.0
"""A log-mel of this throughout, which is what Whisper's own programs pad with, is encoded to fill up short encodings.
With -0.6 and -1 hard Mandarin had 50.0 and 53.5% wrong in place of 47.4; the rest differed by a word or two."""

LIMITS = (3.0, 5.0, 8.0, 12.0, 17.0, 23.0, 30.0)
"""Seconds. Clips decoded together have the same limit, and are padded to it and no other length: so a text depends on
its clip alone. Padding costs little (8 s in place of 4: a sixth), splitting much (4 rows in place of 8: half)."""


def own_length(mel: Mel) -> Mel:
    """`mel` and its margin."""
    return filled(mel, min(-(-(mel.shape[1] + MARGIN) // STEP) * STEP, LONGEST), float(mel.min()))


def as_trained(mel: Mel, seconds: float) -> Mel:
    """`mel` up to `seconds` with zeros after it, as Whisper's own programs pad."""
    return filled(mel, max(mel.shape[1], round(seconds * FRAMES_PER_SECOND)), 0.0)


def filled(mel: Mel, frames: int, level: float) -> Mel:
    """Shape (bands, frames): `level` wherever `mel` has ended, and cut where it has not."""
    whole = np.full((mel.shape[0], frames), level, np.float32)
    kept = min(frames, mel.shape[1])
    whole[:, :kept] = mel[:, :kept]
    return whole


def seconds_of(mel: Mel) -> float:
    seconds: float = mel.shape[1] / FRAMES_PER_SECOND
    return seconds


def limit_of(positions: int) -> float:
    """The limit of a clip whose encoding has so many positions."""
    return next(limit for limit in LIMITS if positions <= limit * POSITIONS_PER_SECOND)


def with_margin(mel: Mel) -> float:
    """The limit that leaves a clip its margin, where any does."""
    return limit_of(min(mel.shape[1] + MARGIN, LONGEST) // 2)


def budget(limit: float) -> int:
    """Tokens for the speech before the margin. A decoder that writes more is in a loop, and would hold up its batch."""
    return min(round(8 + 10 * (limit - 1)), MOST_TOKENS)


def last_timestamp(limit: float) -> int:
    """The last time that may be written, in steps of 20 ms: little after the latest end of speech."""
    return LONGEST // 2 if limit == LIMITS[-1] else round((limit - 0.7) * POSITIONS_PER_SECOND)
