"""A WebSocket connection that reads many messages at once, and the reasons why the gateway ends one.

For one frame, the library's parser costs ten times the CPU of all our other work, and it wakes a task. So we parse
complete binary frames ourselves, in the bytes of each read of the socket. These frames hold the audio. The library does
everything else.
"""

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import BINARY, CONT, TEXT, CloseCode, Frame, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import CONNECTING, OPEN

from pipeline.base.errors import InputError
from pipeline.base.open_files import Shares

Message = str | bytes

WHOLE_BINARY = 0x82  # first byte of a binary message that is a single frame
MASKED = 0x80
# A length below this stands in the second byte. This value means that two bytes with the length follow (RFC 6455).
SHORT = 126

PIECE_BYTES = 4_096  # the library parses so much at once; then the limits may end the connection
# A refused peer may send this much more, unparsed, before it is cut off. If we hung up at once, a reset could reach a
# peer with a normal backlog before it has read our close.
DROPPED_BYTES = 65_536


def whole_frames(data: bytes | memoryview, largest: int) -> tuple[list[bytes], int]:
    """Return the masked binary messages at the start of `data`, each a single frame, and how many bytes they take.

    Stops at the first frame that is of another kind, incomplete, or larger than `largest` bytes.
    """
    messages: list[bytes] = []
    at, end = 0, len(data)
    while end - at >= 6 and data[at] == WHOLE_BINARY:  # the two first bytes and the mask of four
        size, mask = data[at + 1] - MASKED, at + 2
        if size == SHORT:
            size, mask = int.from_bytes(data[mask : mask + 2], "big"), mask + 2
        elif not 0 <= size < SHORT:  # no mask, or a length of eight bytes: the library knows what to do
            break
        begin = mask + 4
        if size > largest or begin + size > end:
            break
        at = begin + size
        messages.append(apply_mask(data[begin:at], bytes(data[mask:begin])))
    return messages, at


class Connection(ServerConnection):
    """A WebSocket connection that reads from its socket only when `receive` is called.

    Data that arrives between two calls waits in the buffers of the network. Until it has shown a valid token, it is one
    of the `strangers`, and may give way to a newer one.
    """

    def __init__(self, *args: Any, strangers: "Shares[Connection]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._strangers = strangers
        self._messages: list[Message] = []
        self._parts = bytearray()  # parts of a message whose last frame has not arrived
        self._is_text = False
        self._waiter: asyncio.Future[None] | None = None
        self._fault: Exception | None = None
        self._dismissed: Callable[[Message], None] | None = None
        self._early: bytes | None = b""  # what arrived before the first `receive`; None from then on
        self._refused = False
        self._dropped = 0  # bytes that arrived after the refusal
        self._unmetered = 0  # frames that `meter` has not seen
        self.signs_of_life = 0  # how many pings and pongs have arrived
        # Gets the number of frames of each piece, also of pings and parts of messages, and the bytes of the piece. It
        # may raise RefusalError: then nothing more is parsed, and `receive` raises the error.
        self.meter: Callable[[int, int], None] = lambda frames, size: None

    async def probe(self) -> None:
        """Send a ping. Raises ConnectionClosed."""
        async with self.send_context():
            self.protocol.send_ping(b"")  # LiveKit's egress does not repeat the content of a ping, so any pong counts

    async def receive(self) -> list[Message]:
        """Return all messages that have arrived, at least one, oldest first. Raises ConnectionClosed after the last."""
        early, self._early = self._early, None
        if early and not self.connection_lost_waiter.done():  # else a newer connection has closed this one
            self.data_received(early)
        if not self._messages:
            await self._wait()
        if self._fault:
            raise self._fault
        if not self._messages:  # only now: what arrived before the close is speech, too
            raise self.close_exc
        messages, self._messages = self._messages, []
        return messages

    def interrupt(self, fault: Exception) -> None:
        """Make `receive` raise `fault`, now or at the next call."""
        self._fault = fault
        self._wake()

    def dismiss(self, unheard: Callable[[Message], None]) -> None:
        """End receiving: pass each message that was not received, or still arrives, to `unheard`."""
        self._dismissed = unheard
        messages, self._messages = self._messages, []
        for message in messages:
            unheard(message)
        if not self._refused:
            self._resume()

    async def refuse(self, code: int, reason: str) -> None:
        """Close the connection. Returns when the peer is gone, after the close timeout at the latest.

        What still arrives is dropped unparsed, because anyone without a token could send a flood of small frames. A
        flood ends the connection at once. Only after `dismiss` it is parsed, to count the audio, up to the limits.
        """
        if self._dismissed and not self._refused:
            await self.close(code, reason)
            return
        self._refused = True
        self._resume()  # to see the end of the peer
        try:
            async with self.send_context():
                self.protocol.fail(code, reason)  # `send_close` would go on parsing until the peer closes, too
                if self.paused:
                    self.transport.abort()  # a peer that does not read what we send would hold us up
        except ConnectionClosed:
            return

    async def _wait(self) -> None:
        """Wait for a message, a fault, or the end of the connection."""
        if self._fault or self.connection_lost_waiter.done():
            return
        self._waiter = self.loop.create_future()
        self._resume()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def data_received(self, data: bytes) -> None:
        if self.protocol.state is CONNECTING:
            if not self.protocol.eof_sent:  # else the request was bad, and nothing behind it counts
                self._feed_request(data)
            return
        if self._refused:
            self._drop(len(data))
            return
        if self._early is not None:
            self._keep_early(data)
            return
        rest = memoryview(data)  # a copy of the rest for each piece would cost more than the parser
        while rest and not self._refused:
            rest = self._parse(rest)
        if self._messages or self._refused:
            self._wake()
            self.transport.pause_reading()  # until `receive`: unread audio then waits in the network, not in our memory

    def _parse(self, data: memoryview) -> memoryview:
        """Parse a piece of `data`. Returns the rest of it."""
        rest = data
        if self._between_frames():
            messages, taken = whole_frames(data, self.protocol.max_message_size or 0)
            self._unmetered += len(messages)
            for message in messages:
                self._keep(message)
            rest = data[taken:]
        if rest:
            super().data_received(bytes(rest[:PIECE_BYTES]))
            rest = rest[PIECE_BYTES:]
        frames, self._unmetered = self._unmetered, 0
        try:
            self.meter(frames, len(data) - len(rest))
        except RefusalError as refusal:
            self._refused = True
            self.interrupt(refusal)
        return rest

    def process_event(self, event: Any) -> None:
        self._unmetered += 1
        # The library would assemble messages in a queue, and wake a task for each.
        if not isinstance(event, Frame) or event.opcode not in {TEXT, BINARY, CONT}:
            self.signs_of_life += 1
            super().process_event(event)
            return
        if event.opcode is not CONT:
            self._is_text = event.opcode is TEXT
        self._parts += event.data
        if event.fin:
            whole, self._parts = bytes(self._parts), bytearray()
            self._keep_whole(whole)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        gone = self._strangers.add(self, str((self.remote_address or ("",))[0]))
        if gone:
            gone.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._strangers.discard(self)
        self._wake()

    def _feed_request(self, data: bytes) -> None:
        """Pass the lines of the request on one by one, and keep what stands behind them."""
        at = 0  # line by line: the library would parse the frames behind the request before we have seen the token
        while at < len(data) and self.request is None and not self.protocol.eof_sent:
            end = data.find(b"\n", at) + 1 or len(data)
            super().data_received(data[at:end])
            at = end
        if self.request and at < len(data):
            self._keep_early(data[at:])

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > DROPPED_BYTES:
            self.transport.abort()

    def _keep_early(self, data: bytes) -> None:
        """Keep what arrives before the token was checked and the speaker's older connection has ended."""
        self._early = (self._early or b"") + data
        self.transport.pause_reading()

    def _between_frames(self) -> bool:
        """Whether the next data begins a message."""
        protocol = self.protocol
        return protocol.state is OPEN and not protocol.reader.buffer and protocol.current_size is None

    def _keep_whole(self, message: bytes) -> None:
        try:
            self._keep(message.decode() if self._is_text else message)
        except UnicodeDecodeError:
            self.protocol.fail(CloseCode.INVALID_DATA, "a text frame that is not UTF-8")
            self.send_data()

    def _keep(self, message: Message) -> None:
        if self._dismissed:
            self._dismissed(message)
        else:
            self._messages.append(message)

    def _resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Close(IntEnum):
    """The close code. Its name in lower case is the `reason` in the metrics."""

    RESTART = 1012
    TRY_LATER = 1013
    TOO_BIG = 1009
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    SWITCHED_OFF = 4403
    IDLE = 4408
    REPLACED = 4409
    OUTDATED = 4410
    BAD_AUDIO = 4415
    TOO_FAST = 4429


class RefusalError(InputError):
    """Ends one connection with a close code."""

    def __init__(self, code: Close, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.code = code
