"""Finds missing audio in a track, whose frames carry neither a time nor a number.

LiveKit gives frames in real time as long as a track lasts, also while it is muted. So the seconds of audio that arrived
fall behind the clock only if frames were dropped. Frames that are only late catch up again.
"""

PATIENCE_SECONDS = 5.0
"""Seconds in which late audio must catch up."""
SMALLEST_GAP = 0.2
"""Seconds. Less than this is jitter, or two clocks that differ."""


class GapMeter:
    """Follows one track. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._heard = 0.0
        self._known = 0.0
        """The lag that has an explanation: the first frame's delay, and the gaps that were reported."""
        self._since: float | None = None
        """From when on the audio has been further behind than that."""
        self._least = 0.0
        """The smallest lag from then on."""

    def frame(self, at: float, seconds: float) -> float:
        """Note a frame that arrived at `at`. Return the seconds that are now known to be missing, mostly 0."""
        if self._began is None:
            self._began = at - seconds
        self._heard += seconds
        lag = at - self._began - self._heard
        if lag < self._known + SMALLEST_GAP:
            self._since, self._known = None, min(self._known, lag)
            return 0.0
        if self._since is None:
            self._since, self._least = at, lag
        self._least = min(self._least, lag)
        if at - self._since < PATIENCE_SECONDS:
            return 0.0
        missing, self._since, self._known = self._least - self._known, None, self._least
        return missing
