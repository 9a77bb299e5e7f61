"""Decide whether and when to connect to the gateway again (docs/integrate.md, "Look up a close code")."""

import secrets
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed

from pipeline.base.errors import VoxwardenError

REMEDIES = {
    1007: "This is a fault of the client; report it.",
    1009: "Send smaller frames.",
    4400: "Check the room, the speaker, and the form of the audio.",
    4401: "Use a token of gateway.tokens.",
    4403: "Send no audio of this type of room: gateway.closed_room_types switches it off.",
    4409: "Send the audio of a speaker over one stream only.",
    4415: "Send PCM as you state it, or bare Opus packets without RTP or Ogg.",
}
"""The close codes after which a client must not connect again, and what to do. 4415 counts the second time."""

AT_ONCE = {1000, 1001, 1011, 1012, 4408, 4429}
"""After these codes, the first try follows at once: they do not say that the gateway is overloaded."""

LONGEST_PAUSE = 10.0
"""Seconds. A client keeps 60 s of audio: after a longer pause, it would have to drop some of it."""

JITTER = 0.25
"""A pause is longer by up to this share, at random. So the clients of a gateway come back one after the other."""


class StreamError(VoxwardenError):
    """The gateway refuses a stream for good. `code` is the close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The gateway closed the stream with code {code}: {reason or 'no reason'}", REMEDIES[code])
        self.code = code


class Reconnecting:
    """Counts the failed connections since the last progress. `chance` returns a random number from 0 to 1."""

    def __init__(self, chance: Callable[[], float] | None = None) -> None:
        # Not `random`: an app may seed it, and then all its processes would wait for the same time.
        self._chance = chance or secrets.SystemRandom().random
        self._failures = 0
        self._broken = False
        """Whether the gateway has complained of broken frames."""

    def progressed(self) -> None:
        """The gateway has acknowledged audio."""
        self._failures = 0

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait after a connection failed with `error`. Raises StreamError if it is final."""
        code, reason = close_of(error)
        if code in REMEDIES and (code != 4415 or self._broken):
            raise StreamError(code, reason) from error
        self._broken = self._broken or code == 4415
        doublings = self._failures - 1 if code in AT_ONCE else self._failures
        self._failures += 1
        # Exponential backoff. The exponent has a limit, because 2.0 ** 1024 overflows after some hours without a
        # gateway.
        return 0.0 if doublings < 0 else min(2.0 ** min(doublings, 9), LONGEST_PAUSE) * (1 + JITTER * self._chance())


def close_of(error: Exception) -> tuple[int, str]:
    """Return the code and reason with which the gateway closed. 1006 if it did not: the connection was lost."""
    # websockets: False means that we closed first, so the code of the gateway only repeats ours.
    if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd_then_sent is not False:
        return error.rcvd.code, error.rcvd.reason
    return 1006, ""
