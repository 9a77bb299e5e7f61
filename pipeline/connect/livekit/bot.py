"""The bot in one room: it subscribes to each microphone and keeps a reader for it.

Events tell of changes, but not of tracks that are older than the bot, and some events get lost. So `compare` takes the
server's list of tracks, which is the truth.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any

from livekit import api, rtc

from pipeline.base.errors import VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.connect.livekit.livekit_server import bot_identity, bot_token
from pipeline.connect.livekit.microphone import Speech, TrackReader
from pipeline.settings import LiveKitSettings

log = logging.getLogger(__name__)

REPLACED = rtc.DisconnectReason.DUPLICATE_IDENTITY
CLOSED = (rtc.DisconnectReason.ROOM_CLOSED, rtc.DisconnectReason.ROOM_DELETED)

MOST_MICROPHONES = 4
"""Microphones of one participant that are read at once. Apps have one; each costs as much as another speaker."""
MICROPHONES = (rtc.TrackSource.SOURCE_MICROPHONE, rtc.TrackSource.SOURCE_UNKNOWN)
"""The sources of tracks that are read. The speaker's client names them, and may name none."""

SpeechOf = Callable[[str, str], AbstractAsyncContextManager[Speech]]
"""Opens the way to the gateway for a room and a speaker."""


@dataclass(frozen=True, slots=True)
class HeardTrack:
    """A microphone that is read."""

    identity: str
    reader: TrackReader


class RoomBot:
    """Listens in the room `name`. `arrived` gets the identity of each participant who joins later.

    `ended` is called once when the room is lost, with the reason.
    """

    def __init__(
        self,
        name: str,
        settings: LiveKitSettings,
        speech_of: SpeechOf,
        metrics: Metrics,
        arrived: Callable[[str], None],
        ended: Callable[["RoomBot", "rtc.DisconnectReason.ValueType"], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._settings = settings
        self._identity = bot_identity(settings)
        self._speech_of = speech_of
        self._metrics = metrics
        self._arrived = arrived
        self._ended = ended
        self._clock = clock
        self._room = rtc.Room()
        self._readings: dict[str, HeardTrack] = {}
        """By the sid of the track."""
        self.refused: set[str] = set()
        """The sids of the microphones beyond MOST_MICROPHONES of one participant. They are not read."""
        self._encrypted: set[str] = set()
        self._gone: set[str] = set()
        """The microphones that the last comparison did not find on the server."""
        self._published: dict[str, float] = {}
        """When each track was first seen."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[str, asyncio.Task[None]] = {}
        """The newest reader of each speaker, by identity."""

    @property
    def heard(self) -> Collection[str]:
        """The sids of the microphones that are read."""
        return self._readings

    @property
    def encrypted(self) -> Collection[str]:
        """The sids of the microphones that are encrypted end to end. They are not read: they would be noise."""
        return self._encrypted

    async def join(self) -> None:
        """Join the room. Raises rtc.ConnectError."""
        for event, handler in self._handlers().items():
            self._room.on(event, handler)
        token = bot_token(self._settings, self.name)
        # With auto_subscribe, the server would send cameras and screens, too.
        await self._room.connect(self._settings.url, token, rtc.RoomOptions(auto_subscribe=False))
        self.look()

    async def leave(self) -> None:
        """Leave the room, after all audio was handed to the gateway."""
        for sid in list(self._readings):
            self._stop(sid)
        while self._tasks:  # events may start a reader meanwhile
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._room.disconnect()

    def look(self) -> None:
        """Take up all microphones that are not read. Those that are older than the bot raised no event."""
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._take(publication, participant)

    async def compare(self, participants: Iterable[api.ParticipantInfo]) -> set[str]:
        """Return the sids of the microphones in the server's list that are not read.

        End the readers of those that are not in the list, if the last comparison did not find them either: an answer of
        the server is a moment old. Count what is lost, and tell the gateway how many people listen.
        """
        published = {track.sid for each in participants for track in each.tracks if _is_microphone(track)}
        gone = self._readings.keys() - published
        for sid in gone & self._gone:
            self._end(sid)
        self._gone = gone
        self._encrypted &= published
        self.refused &= published
        # Our bot is not among the remote participants, and the speaker is no listener.
        listeners = max(0, len(self._room.remote_participants) - 1)
        for reading in list(self._readings.values()):  # a copy: events change it during the awaits
            await reading.reader.tell(listeners)
            await self._count_loss(reading.reader)
        return published - self._readings.keys() - self._encrypted

    def _handlers(self) -> dict["rtc.room.EventTypes", Callable[..., None]]:
        return {
            "participant_connected": lambda participant: self._arrived(participant.identity),
            "participant_disconnected": self._left,
            "participant_encryption_status_changed": self.look,
            "track_published": self._take,
            "track_subscribed": lambda track, publication, participant: self._take(publication, participant),
            "track_unsubscribed": lambda track, publication, participant: self._end(publication.sid),
            "track_unpublished": lambda publication, participant: self._forget(publication.sid),
            "reconnected": self.look,
            "disconnected": self._disconnected,
        }

    def _take(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        """Subscribe to a microphone, or read it if it is subscribed. Do nothing if it is read already."""
        sid = publication.sid
        if not _is_read(publication) or participant.identity == self._identity:
            return
        # The first time counts: `look` comes here again for the same track.
        self._published.setdefault(sid, self._clock())
        if publication.encryption_type != rtc.EncryptionType.NONE:
            self._note_encrypted(sid)
        elif sid in self._readings:
            return
        elif len(beside := self._beside(sid, participant)) >= MOST_MICROPHONES:
            self.refused.add(sid)
            publication.set_subscribed(False)
        elif publication.track is not None:
            self._read(sid, publication.track, participant.identity, beside)
        else:
            publication.set_subscribed(True)

    def _beside(self, sid: str, participant: rtc.RemoteParticipant) -> dict[str, rtc.RemoteTrack]:
        """The other microphones of a participant that are read and still published."""
        # A full reconnect publishes a microphone again, with another sid, so the old one is not there any more.
        return {
            other: publication.track
            for other, publication in participant.track_publications.items()
            if other != sid and other in self._readings and publication.track is not None
        }

    def _read(self, sid: str, track: rtc.RemoteTrack, identity: str, beside: dict[str, rtc.RemoteTrack]) -> None:
        for other, reading in list(self._readings.items()):
            if reading.identity == identity:
                self._stop(other)
        before = self._last.get(identity)
        reader = TrackReader(
            track,
            lambda: self._speech_of(self.name, identity),
            self._metrics,
            self._published[sid],
            self._clock,
            list(beside.values()),
        )
        self.refused.discard(sid)
        self._readings |= dict.fromkeys([sid, *beside], HeardTrack(identity, reader))
        self._last[identity] = self._start(self._reading(identity, reader, before))

    async def _reading(self, identity: str, reader: TrackReader, before: asyncio.Task[None] | None) -> None:
        """Read until `_stop`. If the gateway refuses the audio, the next comparison tries it again.

        The gateway takes one connection of a speaker. So this waits until the reader `before` has handed over all.
        """
        try:
            if before:
                await asyncio.wait({before})
            await reader.run()
        except VoxwardenError as error:
            log.warning("a microphone is not heard: %s", error)
        finally:
            # Only our own entries: a newer reader may have replaced them.
            self._drop(reader)
            if self._last.get(identity) is asyncio.current_task():
                del self._last[identity]
            await reader.close()

    def _note_encrypted(self, sid: str) -> None:
        if sid not in self._encrypted:
            log.warning("a microphone is encrypted end to end and cannot be heard: track %s", sid)
        self._encrypted.add(sid)
        self._stop(sid)  # a microphone that was in the clear may become encrypted

    def _left(self, participant: rtc.RemoteParticipant) -> None:
        for sid in [sid for sid, reading in self._readings.items() if reading.identity == participant.identity]:
            self._stop(sid)

    def _forget(self, sid: str) -> None:
        self._end(sid)
        self.refused.discard(sid)
        self._published.pop(sid, None)
        self._encrypted.discard(sid)

    def _end(self, sid: str) -> None:
        """End the reader of a microphone. A new one takes those that were beside it."""
        reading = self._readings.get(sid)
        self._stop(sid)
        if reading and reading.reader.has_beside:
            self.look()

    def _stop(self, sid: str) -> None:
        if reading := self._readings.get(sid):
            self._drop(reading.reader)
            reading.reader.stop()

    def _drop(self, reader: TrackReader) -> None:
        self._readings = {sid: held for sid, held in self._readings.items() if held.reader is not reader}

    def _disconnected(self, reason: "rtc.DisconnectReason.ValueType") -> None:
        for sid in list(self._readings):
            self._stop(sid)
        self._ended(self, reason)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    async def _count_loss(reader: TrackReader) -> None:
        with suppress(Exception):  # the track went away meanwhile; LiveKit raises a plain Exception
            await reader.count_loss()


def _is_read(publication: rtc.RemoteTrackPublication) -> bool:
    return publication.kind == rtc.TrackKind.KIND_AUDIO and publication.source in MICROPHONES


def _is_microphone(track: api.TrackInfo) -> bool:
    return track.type == api.TrackType.AUDIO and track.source in (api.TrackSource.MICROPHONE, api.TrackSource.UNKNOWN)
