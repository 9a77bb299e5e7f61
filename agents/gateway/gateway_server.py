"""WebSocket ingest: an app sends each speaker's audio over its own connection. docs/integrate.md is the manual."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from agents.gateway import connection_request
from agents.gateway.audio_receiver import MAX_FRAME_BYTES, AudioReceiver
from agents.gateway.connection_request import Voice
from agents.gateway.stalls import Stalls
from agents.gateway.unconfirmed_chunks import Sink
from agents.gateway.wire import Close, Connection, RefusalError
from pipeline.base import logs, open_files
from pipeline.base.errors import ConfigError, DependencyError, InputError
from pipeline.base.metrics import Metrics, from_zero
from pipeline.base.network_access import ServerTokens, TokenSet
from pipeline.base.open_files import Shares
from pipeline.base.recent_dict import RecentDict
from pipeline.settings import GatewaySettings

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0  # time for the request of a connection
# Parts of the open files for connections that have not shown a valid token, in all and of one address.
STRANGERS_SHARE = 4
STRANGERS_ADDRESS_SHARE = 8
CLOSE_SECONDS = 2.0  # a peer that does not answer our close for this long is disconnected
REMEMBERED_ROOMS = 10_000  # rooms in which a client was too fast
OUTDATED = "A newer connection of this session took over"


@dataclass(frozen=True, slots=True, eq=False)
class LiveConnection:
    """A speaker's newest connection. `done` is set after its last chunk was passed on."""

    connection: Connection
    voice: Voice
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Gateway:
    """A WebSocket server. `async with Gateway(...)` starts it.

    At the end it closes every connection with 1012 after its last chunk was passed on. Raises ConfigError if no token
    is set and the address is not loopback, or if the port is taken. `generated_token` is the token that is generated on
    loopback when none is set.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        metrics: Metrics,
        sink: Sink,
    ) -> None:
        logs.without_repeats(log.name)  # during an outage, each stream fails again and again
        self._settings = settings
        self._metrics = metrics
        from_zero(metrics.refused, (code.name.lower() for code in Close))
        self._sink = sink
        self._tokens = _tokens(settings)
        self._egress_tokens = TokenSet(token.get_secret_value() for token in settings.egress_tokens)
        self._live: dict[tuple[str, str], LiveConnection] = {}
        files = open_files.limit()
        self._strangers = Shares[Connection](files // STRANGERS_SHARE, files // STRANGERS_ADDRESS_SHARE)
        # When new connections of a room are read, in seconds of the loop. Only after a client there was too fast.
        self._calm = RecentDict[str, float](REMEMBERED_ROOMS)
        self._stalls = Stalls()
        self._server: Server

    @property
    def generated_token(self) -> str | None:
        return self._tokens.generated

    @property
    def port(self) -> int:
        """The bound port, also if the setting is 0."""
        number: int = next(iter(self._server.sockets)).getsockname()[1]
        return number

    async def __aenter__(self) -> Self:
        settings = self._settings
        try:
            self._server = await serve(
                self._handle,
                settings.host,
                settings.port,
                compression=None,  # audio does not shrink, and a small frame could expand
                max_size=MAX_FRAME_BYTES,
                create_connection=partial(Connection, strangers=self._strangers),  # type: ignore[arg-type] # only called
                open_timeout=HANDSHAKE_SECONDS,
                backlog=open_files.ACCEPTED_AT_ONCE,
                ping_interval=None,  # the listener pings, and only clients without unread audio
                close_timeout=CLOSE_SECONDS,
                server_header=None,  # strangers learn no version
                logger=_library_log(),
            )
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise ConfigError(
                f"The gateway cannot listen on {where}: {error.strerror}", "Set gateway.host and gateway.port."
            ) from error
        open_files.let_wait(self._server.sockets)
        self._stalls.watch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close(code=Close.RESTART, reason="The gateway stops; connect again.")
        await self._server.wait_closed()
        self._stalls.stop()

    async def _handle(self, connection: ServerConnection) -> None:
        if not isinstance(connection, Connection):
            raise TypeError("The server must make connections of the class Connection")
        try:
            voice = self._admitted(connection)
            self._strangers.discard(connection)
            # Made before the waits, so that they do not make the client too fast.
            receiver = AudioReceiver(connection, voice, self._settings, self._metrics, self._sink, self._stalls)
            async with self._replacing_older(voice, connection):
                await self._until_calm(voice.room, connection)
                await self._received(voice.room, receiver)
        except RefusalError as refusal:
            await self._refuse(connection, refusal.code, str(refusal))
        except InputError as error:
            await self._refuse(connection, Close.BAD_REQUEST, str(error))
        except DependencyError as error:
            log.error("The gateway cannot pass audio on: %s", error)
            await self._refuse(connection, Close.TRY_LATER, "Audio cannot be taken now")
        except ConnectionClosed as closed:
            if closed.sent and closed.sent.code == Close.TOO_BIG:  # the library rejects a large message by itself
                self._count(Close.TOO_BIG)

    async def _until_calm(self, room: str, connection: Connection) -> None:
        """Wait until a client that was too fast in this room has used up its burst. At most, until `connection` ends.

        For all speakers, because a client that floods may connect again under another name.
        """
        seconds = self._calm.get(room, 0.0) - asyncio.get_running_loop().time()
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(connection.wait_closed(), seconds)

    async def _received(self, room: str, receiver: AudioReceiver) -> None:
        try:
            await receiver.run()
        except RefusalError as refusal:
            if refusal.code is Close.TOO_FAST:
                pause = self._settings.burst_seconds / self._settings.max_speed
                self._calm[room] = asyncio.get_running_loop().time() + pause
            raise

    def _admitted(self, connection: ServerConnection) -> Voice:
        voice = self._voice(connection.request)
        if voice.room_type in self._settings.closed_room_types:
            raise RefusalError(Close.SWITCHED_OFF, "Audio of this type of room is not taken", "Send none.")
        full = len(self._live) >= self._settings.max_connections
        if full and (voice.room, voice.speaker) not in self._live:  # a client that reconnects replaces its connection
            raise RefusalError(Close.TRY_LATER, "Too many connections", "Try again later.")
        return voice

    def _voice(self, request: Request | None) -> Voice:
        """Return whose audio a client with a valid token sends."""
        if request and connection_request.is_egress(request.path):
            return connection_request.admit_egress(request.path, self._egress_tokens)
        if request is None or not self._tokens.accepts(request.headers.get_all("Authorization")):
            raise RefusalError(Close.UNAUTHORIZED, "No valid token", "Send the header Authorization: Bearer <token>.")
        return connection_request.voice_of_url(request.path)

    @asynccontextmanager
    async def _replacing_older(self, voice: Voice, connection: Connection) -> AsyncIterator[None]:
        """Close the speaker's older connection, and register this one. The older peer may be long gone.

        Raises RefusalError if the client has made a newer connection. After a stall of the gateway, the connections
        that a client has given up arrive with the one that it uses, in any order.
        """
        key = voice.room, voice.speaker
        before = self._live.get(key)
        if before and voice.continues(before.voice) and voice.attempt < before.voice.attempt:
            raise RefusalError(Close.OUTDATED, OUTDATED)
        self._live[key] = live = LiveConnection(connection, voice)
        try:
            if before:
                await self._replace(before, voice)
                await before.done.wait()  # its last chunk stays before our first one
            with self._metrics.connections.track_inprogress():
                yield
        finally:
            if self._live.get(key) is live:
                del self._live[key]
            live.done.set()

    async def _replace(self, before: LiveConnection, voice: Voice) -> None:
        if voice.continues(before.voice):
            await self._refuse(before.connection, Close.OUTDATED, OUTDATED)
        else:
            self._count(Close.REPLACED)
            await before.connection.close(Close.REPLACED, "Another stream sends the audio of this speaker.")

    async def _refuse(self, connection: Connection, code: Close, reason: str) -> None:
        self._count(code)
        await connection.refuse(code, reason.encode()[:123].decode(errors="ignore"))  # the limit of RFC 6455

    def _count(self, code: Close) -> None:
        self._metrics.refused.labels(code.name.lower()).inc()


def _tokens(settings: GatewaySettings) -> ServerTokens:
    refusal = (
        f"The gateway on {settings.host} has no token, so anyone could send audio",
        """Set one, e.g. VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]'.""",
    )
    return ServerTokens([token.get_secret_value() for token in settings.tokens], settings.host, refusal)


def _library_log() -> logging.Logger:
    """Return a log for the library that never has its debug messages. They hold tokens, names and audio."""
    library = log.getChild("websockets")
    library.setLevel(logging.WARNING)
    return library
