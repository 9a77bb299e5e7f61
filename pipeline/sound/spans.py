"""Turns what detectors hear second by second into spans that a moderator can play.

A new sound is reported at once. While it goes on, its next part is reported every REPORT seconds of the clock. These
times do not depend on where reading began. So audio that is read again gives the same spans. The spans of one sound
touch, so that they are one case. A detector may ask that a part with a higher score is reported at once, too.
"""

from collections.abc import Iterator, Sequence

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.detector import SoundSpan

REPORT = 15 * SAMPLE_RATE
"""Samples from one report of a sound that goes on to the next."""
LEAST = SAMPLE_RATE
"""A shorter rest, in samples, is not reported."""
LONGEST = 20 * SAMPLE_RATE
"""The longest span in samples. Of a longer one, the end is kept."""


class Spans:
    """The sounds of one stream."""

    def __init__(self) -> None:
        self._unreported: dict[tuple[str, str], SoundSpan] = {}
        """The part of each sound after its last report; it may be empty."""

    def hear(self, at: int, found: Sequence[SoundSpan]) -> list[SoundSpan]:
        """Take what was `found` up to the whole second `at` (samples). Return the spans to report."""
        reports = [report for span in found for report in self._add(span)]
        if at % REPORT == 0:
            reports += self._rests()
        over = [key for key, span in self._unreported.items() if span.end + span.pause < at]
        return reports + [rest for key in over for rest in _worth(self._unreported.pop(key))]

    def flush(self) -> list[SoundSpan]:
        """Return the rest of all sounds."""
        return [*self._rests()]

    def _add(self, span: SoundSpan) -> Iterator[SoundSpan]:
        if span.of_room:
            yield span
            return
        known = self._unreported.get(span.key)
        if known and span.start <= known.end + span.pause:
            resumed = known.start == known.end and span.start > known.end + LEAST
            risen = span.heard.score >= known.heard.score + span.rise
            self._unreported[span.key] = _longer(known, span)
            if resumed or risen:
                yield from self._report(span.key)
            return
        if known:
            yield from _worth(known)
        self._unreported[span.key] = span._replace(start=span.end)
        yield _bounded(span)

    def _rests(self) -> Iterator[SoundSpan]:
        for key in self._unreported:
            yield from self._report(key)

    def _report(self, key: tuple[str, str]) -> Iterator[SoundSpan]:
        """Report the unreported part of a sound, if it is worth it."""
        span = self._unreported[key]
        if report := _worth(span):
            self._unreported[key] = span._replace(start=span.end)
            yield from report


def _longer(known: SoundSpan, span: SoundSpan) -> SoundSpan:
    """The part of a sound with `span`. Its score is the highest of the part, and not of parts before it."""
    if known.start == known.end:
        return span._replace(start=known.start, end=max(known.end, span.end))
    surer = max(known.heard, span.heard, key=lambda heard: heard.score)
    return known._replace(heard=surer, end=max(known.end, span.end))


def _worth(span: SoundSpan) -> list[SoundSpan]:
    return [_bounded(span)] if span.end - span.start >= LEAST else []


def _bounded(span: SoundSpan) -> SoundSpan:
    return span._replace(start=max(span.start, span.end - LONGEST))
