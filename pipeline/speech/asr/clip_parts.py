"""The parts of a clip that are decoded apart.

Whisper decodes a clip in one language, and loses words in another one. People who speak two languages mix them.
Two signs tell that a clip needs parts:

- Its languages change. The encoding is cut into windows, and the language of each one is detected.
- Its text ends before the voice does, by the decoder's own times. Then the rest is a part. openai-whisper goes through
  long recordings in the same way.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, zip_longest
from operator import itemgetter
from typing import NamedTuple, get_args

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import AdapterUse, Reading, Recognition, Samples, most_likely

LEAST_REST = 1.0
"""Seconds of a rest. Shorter ones hold less than a word, and the decoder's times are not exact."""
WINDOW = 2.0
"""Seconds in a window. In shorter ones, Whisper hears more clips of one language as two."""
STEP = 0.5
"""About the seconds between the starts of two windows."""
FEWEST = 2
"""Windows in each language. One window alone is often heard wrong."""
LEAST_ODDS = 1.5
"""Odds of one language at the start, and of the other one at the end, from which all windows are heard."""
MOST_LOG_ODDS = 4.0
"""A window counts no more than this. Whisper is too sure on short clips."""
LEAD = 8.0
"""Log-odds by which a change must be likelier than one language for all windows."""
NEAR = 0.5
"""The cut is at the quietest moment within this many seconds of the change or of the end of a text."""
MOMENT = 0.1

Chances = Mapping[str, float]
"""The probability of each language."""
Hear = Callable[[Sequence[float]], Sequence[Chances]]
"""A function that hears the windows that start at these seconds."""


class Change(NamedTuple):
    """The language changes after so many seconds of a clip."""

    seconds: float
    before: str
    after: str


def find_change(hear: Hear, seconds: float, languages: Collection[str]) -> Change | None:
    """The change between two of `languages` in a clip of `seconds`; None if there is none.

    Most clips have none. So `hear` first gets the two ends alone.
    """
    count = int((seconds - WINDOW) / STEP) + 1
    if count < 2 * FEWEST or len(languages) < 2:
        return None
    step = (seconds - WINDOW) / (count - 1)  # the last window ends with the clip
    starts = [step * at for at in range(count)]
    ends = [_among(languages, chances) for chances in hear([starts[0], starts[-1]])]
    before, after = map(most_likely, ends)
    if min(ends[0][before] / ends[0][after], ends[1][after] / ends[1][before]) < LEAST_ODDS:
        return None
    odds = [_log_odds(chances, before, after) for chances in (ends[0], *hear(starts[1:-1]), ends[1])]
    sums = [*accumulate(odds)]
    # With a change after the window `at`, the later ones count for the other language.
    gains = {at: 2 * sums[at] - sums[-1] - abs(sums[-1]) for at in range(FEWEST - 1, count - FEWEST)}
    at = max(gains, key=gains.__getitem__)
    return Change(starts[at] + (WINDOW + step) / 2, before, after) if gains[at] >= LEAD else None


def quietest(samples: Samples, seconds: float) -> int:
    """The place to cut `samples`, shape (samples,): the middle of the quietest moment near `seconds`."""
    width = round(MOMENT * SAMPLE_RATE)
    first = max(0, round((seconds - NEAR) * SAMPLE_RATE))
    last = min(len(samples), round((seconds + NEAR) * SAMPLE_RATE))
    energy = np.cumsum(np.square(samples[first:last], dtype=np.float64))
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def _among(languages: Collection[str], chances: Chances) -> dict[str, float]:
    """The probabilities of `languages`; none is 0."""
    return {language: max(chances.get(language, 0.0), 1e-9) for language in sorted(languages)}


def _log_odds(chances: Chances, one: str, other: str) -> float:
    found = _among((one, other), chances)
    return min(max(math.log(found[one] / found[other]), -MOST_LOG_ODDS), MOST_LOG_ODDS)


def joined(parts: Sequence[tuple[float, Recognition]]) -> Recognition:
    """The recognition of a clip from those of its parts and their seconds. Its language is that of the longest part.

    Parts that were not decoded only count if there are no others.
    """
    starts = accumulate((seconds for seconds, _ in parts), initial=0.0)
    placed = [
        (seconds, _later(one, start) if start else one) for start, (seconds, one) in zip(starts, parts, strict=False)
    ]
    decoded = [part for part in placed if part[1].avg_logprob > -math.inf] or [max(placed, key=itemgetter(0))]
    if len(decoded) == 1:
        return decoded[0][1]
    seconds, found = zip(*decoded, strict=True)
    best = [Reading(one.text, one.avg_logprob) for one in found]
    others = [
        [other or own for other, own in zip(each, best, strict=True)]
        for each in zip_longest(*(one.alternatives for one in found))
    ]
    whole, *alternatives = (
        Reading(" ".join(filter(None, (each.text for each in several))), _mean(several, seconds))
        for several in (best, *others)
    )
    return replace(
        max(decoded, key=itemgetter(0))[1],
        text=whole.text,
        avg_logprob=whole.avg_logprob,
        no_speech=min(one.no_speech for one in found),
        compression_ratio=max(one.compression_ratio for one in found),
        words=tuple(word for one in found for word in one.words),
        alternatives=tuple(alternatives),
        adapter=max((one.adapter for one in found), key=get_args(AdapterUse).index),
    )


def _later(one: Recognition, start: float) -> Recognition:
    """The recognition of a part that begins after `start` seconds of its clip."""
    words = (replace(word, start=start + word.start, end=start + word.end) for word in one.words)
    return replace(one, words=tuple(words))


def _mean(several: Sequence[Reading], seconds: Sequence[float]) -> float:
    return float(np.average([each.avg_logprob for each in several], weights=seconds))
