"""Decide whether and when to connect to the gateway again (docs/integrate.md, "Look up a close code")."""

import logging
import secrets
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed

from pipeline.base.connection_faults import certificate_refused, fault_of
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

DEAD_REMEDY = "Check the address, and whether the server runs."
CERTIFICATE_REMEDY = "Use the name that is in the certificate, and trust its authority, e.g. with SSL_CERT_FILE."

AT_ONCE = {1000, 1001, 1011, 1012, 4408, 4429}
"""After these codes, the first try follows at once: they do not say that the gateway is overloaded."""

LONGEST_PAUSE = 10.0
"""Seconds. A client keeps 60 s of audio: after a longer pause, it would have to drop some of it."""

JITTER = 0.25
"""A pause is longer by up to this share, at random. So the clients of a gateway come back one after the other."""

LOST = 1006
"""The code of a connection that nobody closed, or that was never made."""

log = logging.getLogger(__name__)


class StreamError(VoxwardenError):
    """A stream has failed for good: it is refused, or nobody has ever answered. `code` is the close code, or LOST."""

    def __init__(self, code: int, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.code = code


class Reconnecting:
    """Counts the failed connections since the last progress.

    A server that has answered once is tried for ever, because it may restart. `server` names it, with its address. If
    it has never answered, the address may be wrong: then the pauses are `patience` seconds together at most. `chance`
    returns a random number from 0 to 1.
    """

    def __init__(self, server: str, patience: float, chance: Callable[[], float] | None = None) -> None:
        self._server = server
        self._patience = patience
        self._answered = False
        self._waited = 0.0
        self._unreachable = self._dead("no answer in time")
        # Not `random`: an app may seed it, and then all its processes would wait for the same time.
        self._chance = chance or secrets.SystemRandom().random
        self._failures = 0
        self._broken = False
        """Whether the gateway has complained of broken frames."""

    def connected(self) -> None:
        """The server has accepted a connection."""
        self._answered = True

    def progressed(self) -> None:
        """The gateway has acknowledged audio."""
        self._failures = 0

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait after a connection failed with `error`. Raises StreamError if it is final."""
        code, reason = close_of(error)
        if code in REMEDIES and (code != 4415 or self._broken):
            what = f"The gateway closed the stream with code {code}: {reason.rstrip('.') or 'no reason'}"
            raise StreamError(code, what, REMEDIES[code]) from error
        self._broken = self._broken or code == 4415
        doublings = self._failures - 1 if code in AT_ONCE else self._failures
        self._failures += 1
        # Exponential backoff. The exponent has a limit, because 2.0 ** 1024 overflows after some hours without a
        # gateway.
        pause = 0.0 if doublings < 0 else min(2.0 ** min(doublings, 9), LONGEST_PAUSE) * (1 + JITTER * self._chance())
        fault = fault_of(error) if code == LOST else str(code)
        if not self._answered:
            self._waited += pause
            self._unreachable = self._dead(fault, CERTIFICATE_REMEDY if certificate_refused(error) else DEAD_REMEDY)
            if certificate_refused(error) or self._waited > self._patience:
                raise self._unreachable from error
        log.warning("%s: the connection has failed (%s); connects again", self._server, fault)
        return pause

    def check_answered(self) -> None:
        """Raise StreamError if the server has never accepted a connection."""
        if not self._answered:
            raise self._unreachable

    def _dead(self, fault: str, remedy: str = DEAD_REMEDY) -> StreamError:
        return StreamError(LOST, f"{self._server} cannot be reached: {fault}", remedy)


def close_of(error: Exception) -> tuple[int, str]:
    """Return the code and reason with which the gateway closed. LOST if it did not."""
    # websockets: False means that we closed first, so the code of the gateway only repeats ours.
    if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd_then_sent is not False:
        return error.rcvd.code, error.rcvd.reason
    return LOST, ""
